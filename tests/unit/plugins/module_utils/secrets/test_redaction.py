# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks secret does not leave."""

from __future__ import annotations

import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.results.commands import benchmark_command, worker_command
from ansible_collections.srt.slurm.plugins.module_utils.secrets.names import looks_secret
from ansible_collections.srt.slurm.plugins.module_utils.secrets.redaction import REDACTED, redact, redact_argv


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "password", "db-password", "apikey",
     "OPENAI_API_KEY", "client_secret", "credentials", "Authorization", "x.auth.token", "MYSQL_PWD", "AWS_CREDS",
     "DB_PASSWD", "DB_PASS", "REGISTRY_CRED", "GOOGLE_APPLICATION_CREDENTIALS", "WANDB_APIKEY", "PRIVATE_KEY",
     "SSH_PRIVATEKEY", "PGPASSWORD", "SSHPASS", "KEY_PASSPHRASE", "HFTOKEN", "GITHUBTOKEN", "BEARER", "REDISCLI_AUTH",
     "AZURE_STORAGE_CONNECTION_STRING", "PUBLIC_KEY_PASSWORD", "MAX_TOKENS_API_KEY", "CACHE_KEY_AUTH", "smtp-pw"],
)  # fmt: skip
def test_names_of_secrets(name):
    assert looks_secret(name, "value")


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokenizer", "max-total-tokens", "eos_token", "pad_token_id", "num_tokens", "monkey", "keyboard",
     "author", "max_num_batched_tokens", "kv_cache_dtype", "special_tokens", "PASSTHROUGH",
     "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "KEY_CACHE", "KEY_CACHE_DTYPE", "PWD", "OLDPWD", "ORIGINAL_PWD",
     "NUM_PASSES", "pass_config", "TWO_PASS", "COMPASS", "BYPASS_PROXY", "PUBLIC_KEY", "SORT_KEY", "KEYBOARD",
     "AUTH_TYPE", "AUTH_MODE", "SSL_KEY_FILE", "CREDITS", "SACRED", "PATTERN", "PATH", "AUTHOR", "TOKENIZER_MODE",
     "max_prefill_tokens_per_batch_size", "query_key_value", "MASS_PASS_THROUGH"],
)  # fmt: skip
def test_names_of_other_things(name):
    assert not looks_secret(name, "value")


def test_a_number_may_be_a_password_but_no_token():
    assert looks_secret("DB_PASS", "271828")
    assert looks_secret("MYSQL_PWD", "0042")
    assert not looks_secret("WARMUP_PASS", "2")
    assert not looks_secret("DB_PASS", "true")
    assert not looks_secret("MY_TOKEN", "4096")


def test_values_that_are_secret_under_any_name():
    assert looks_secret("x", "hf_abcdefghijklmnopqrstuvwxyz")
    assert looks_secret("x", "sk-abcdefghijklmnop1234")
    assert not looks_secret("x", "sk-short")
    assert not looks_secret("token", 5)


@pytest.mark.parametrize(
    "value",
    ["https://a/simple https://user:hush@b/simple", "HTTPS://user:hush@host", "jdbc:postgresql://user:hush@host/db",
     "redis://:hush@host:1", "https://ghp_abcdefghijklmnop@github.com/x.git", "--token hf_abcdefghijklmnop",
     "hf_abcdefghijklmnop\n", "api-key=abcdefgh", "Authorization=Bearer abcdef.123456", "--api-key abcdefgh",
     "Authorization: Basic dXNlcjpwYXNzd29yZA==", "host=db password=hush user=me", '{"a": 1, "token": "abcdefgh"}',
     "http://host/?x=1&token=abcdefgh", "https://host/x?sv=1&sig=abcdefgh", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"],
)  # fmt: skip
def test_longer_texts_with_a_secret_in_them(value):
    assert looks_secret("EXTRA", value) and looks_secret("EXTRA_URL", value)


@pytest.mark.parametrize(
    "value",
    ["--max-tokens 4096 --tokenizer /m/x", "/models/hf_models_and_more", "expandable_segments:True", "the key is here",
     "nats://one:4222,nats://two:4222", '{"kv_connector":"NixlConnector","eos_token":"abcdefgh"}', "/bin:/opt/keys",
     "http://host:8080/a@b", "basic authentication", "--key-cache-dtype fp8_e5m2", "sk-learn tool"],
)  # fmt: skip
def test_longer_texts_without_one(value):
    assert not looks_secret("EXTRA", value)


@pytest.mark.parametrize("part", ["a-", "a=b ", "://", "x:", "eyJ", "a://a:", "Bearer ", "--a ", "--aa" + " " * 99])
def test_a_huge_value_costs_little(part):
    begin = time.process_time()
    looks_secret("EXTRA", part * (1_000_000 // len(part)))
    assert time.process_time() - begin < 10


def test_nested_values():
    value = {"env": {"HF_TOKEN": "a", "UCX_TLS": "rc"}, "list": [{"password": "b"}], "eos_token_id": 2}
    clean = redact(value)
    assert clean == {
        "env": {"HF_TOKEN": REDACTED, "UCX_TLS": "rc"},
        "list": [{"password": REDACTED}],
        "eos_token_id": 2,
    }
    assert value["env"]["HF_TOKEN"] == "a"


def test_command_lines():
    argv = [
        "serve",
        "--api-key",
        "abc",
        "--hf-token=abc",
        "--tokenizer",
        "/t",
        "--max-tokens",
        "5",
        "--api-key",
        "--verbose",
    ]
    assert redact_argv(argv) == [
        "serve", "--api-key", REDACTED, f"--hf-token={REDACTED}", "--tokenizer", "/t", "--max-tokens", "5",
        "--api-key", "--verbose",
    ]  # fmt: skip


def test_worker_command():
    argv = [
        "python3",
        "-m",
        "dynamo.sglang",
        "--model-path",
        "/m x",
        "--served_model_name=tiny",
        "--tp",
        "8",
        "--port",
        "30000",
    ]
    facts = worker_command(argv, "prefill", "sglang")
    assert (
        facts["raw_command"]
        == "python3 -m dynamo.sglang --model-path '/m x' --served_model_name=tiny --tp 8 --port 30000"
    )
    assert (facts["model_path"], facts["served_model_name"], facts["tp_size"], facts["port"]) == (
        "/m x",
        "tiny",
        8,
        30000,
    )
    assert (facts["pp_size"], facts["command_type"], facts["worker_type"]) == (None, "worker", "prefill")


def test_benchmark_command():
    facts = benchmark_command(
        ["python3", "c", "--base-url", "http://h:1", "--concurrency", "4", "--isl", "64"], "sa-bench"
    )
    assert (facts["base_url"], facts["max_concurrency"], facts["input_len"], facts["output_len"]) == (
        "http://h:1",
        4,
        64,
        None,
    )
