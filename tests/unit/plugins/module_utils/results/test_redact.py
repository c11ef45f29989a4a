"""What looks secret does not leave."""
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.results.commands import benchmark_command, worker_command
from ansible_collections.srt.slurm.plugins.module_utils.results.redact import REDACTED, is_secret, redact, redact_argv


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "password", "db-password", "apikey",
     "OPENAI_API_KEY", "client_secret", "credentials", "Authorization", "x.auth.token"],
)  # fmt: skip
def test_names_of_secrets(name):
    assert is_secret(name, "value")


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokenizer", "max-total-tokens", "eos_token", "pad_token_id", "num_tokens", "monkey", "keyboard",
     "author", "max_num_batched_tokens", "kv_cache_dtype", "special_tokens"],
)  # fmt: skip
def test_names_of_other_things(name):
    assert not is_secret(name, "value")


def test_values_that_are_secret_under_any_name():
    assert is_secret("x", "hf_abcdefghijklmnopqrstuvwxyz")
    assert is_secret("x", "sk-abcdefghijklmnop1234")
    assert not is_secret("x", "sk-short")
    assert not is_secret("token", 5)


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
