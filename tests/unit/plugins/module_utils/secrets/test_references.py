# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values are secrets, and what stands for them."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import inside
from ansible_collections.srt.slurm.plugins.module_utils.holder import secret_values
from ansible_collections.srt.slurm.plugins.module_utils.secrets import references

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "abc"), ("AWS_SECRET_ACCESS_KEY", "abc"), ("DB_PASSWORD", "12345"), ("OPENAI_API_KEY", "x"),
        ("MYAPIKEY", "x"), ("wandb_api_key", "x"), ("ANYTHING", "hf_abcdefghijklmnop"), ("GITHUB_PAT", "x"),
        ("HTTP_PROXY", "http://me:pw@proxy:3128"), ("CERT", "-----BEGIN RSA PRIVATE KEY-----\nabc"),
    ],
)  # fmt: skip
def test_secrets(name, value):
    assert references.is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS", "4096"), ("TOKENIZERS_PARALLELISM", "true"), ("HF_TOKEN_PATH", "/home/me/token"),
        ("HF_TOKEN", ""), ("KEY_FILE", "/x"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"), ("DYN_LOG", "info"),
        ("MONKEY", "banana"), ("HTTP_PROXY", "http://proxy:3128"),
        ("HF_TOKEN", "srt-secret:HF_TOKEN"), ("HF_TOKEN", None),
    ],
)  # fmt: skip
def test_no_secrets(name, value):
    assert not references.is_secret(name, value)


def test_environments_are_concealed_wherever_they_are():
    spec = {
        "environment": {"HF_TOKEN": "one", "A": "b"},
        "backend": {"decode_environment": {"HF_TOKEN": "two", "N": 3}, "args": {"token": "left"}},
        "list": [{"env": {"X_KEY": "one"}}],
    }
    values = references.conceal(spec, lambda: KEY)
    assert sorted(values.values()) == ["one", "one", "two"]
    assert spec["environment"]["A"] == "b"
    assert spec["backend"]["args"] == {"token": "left"}
    assert spec["environment"]["HF_TOKEN"] != spec["backend"]["decode_environment"]["HF_TOKEN"]
    assert "one" not in str(spec)
    assert references.conceal(spec, lambda: KEY) == {}, "references are left alone"


def test_what_comes_from_a_vault_is_a_secret_whatever_its_name():
    env = {"PLAIN": "hidden-value", "X": "a hidden-value b", "Y": "hidden"}
    spec = {"environment": env, "srun_options": {"comment": "with hidden-value in it"}}
    values = references.conceal(spec, lambda: KEY, {"hidden-value"})
    assert list(values.values()) == ["hidden-value", "a hidden-value b"]
    assert list(references.exposed(spec, {"hidden-value"})) == [("srun_options", "comment")]


ENCRYPTED = [
    ("api_key", "k3y", "vault.yml"),
    ("db.password", "12345", "vault.yml"),
    ("model_root", "/models/secret", "vault.yml"),
    ("partition", "gpu", "vault.yml"),
    ("port", "4222000000", "vault.yml"),
    ("token", "job-token", "job.yml"),
    ("helper", "long enough", "job.yml"),
]


def test_what_of_an_encrypted_file_must_not_be_shown():
    found = references.telling(ENCRYPTED, "job.yml", plain=False)
    assert set(found) == {"k3y", "12345", "/models/secret", "job-token"}
    assert found["12345"] == ("db.password", "vault.yml")
    assert set(references.telling(ENCRYPTED, "job.yml")) == {"k3y", "12345", "/models/secret"}


def test_only_what_a_template_took_from_an_encrypted_file_is_misplaced():
    texts = references.telling(ENCRYPTED, plain=False)
    raw = {
        "a": {"own": "/models/secret", "path": "{{ model_root }}/x", "key": "{{ api_key }}", "gpu": "{{ partition }}"},
        "list": ["{{ db.password }}", "k3y"],
        "whole": "{{ structure }}",
        "decode_environment": {"K": "{{ api_key }}"},
        "mixed": "/models/secret {{ partition }}",
    }
    job = {
        "a": {"own": "/models/secret", "path": "/models/secret/x", "key": "k3y", "gpu": "gpu"},
        "list": [12345, "k3y"],
        "whole": {"inner": "job-token"},
        "decode_environment": {"K": "k3y"},
        "mixed": "/models/secret gpu",
    }
    assert [path for path, _name, _file in references.misplaced(job, raw, texts)] == [
        ("a", "path"), ("a", "key"), ("list", 0), ("whole", "inner"),
    ]  # fmt: skip
    assert ("a", "own") in [path for path, _name, _file in references.misplaced(job, None, texts)]
    assert list(references.misplaced(job, raw, {})) == []


def test_the_key_is_asked_for_only_when_there_is_a_secret():
    references.conceal({"environment": {"A": "b"}}, lambda: pytest.fail("asked"))


def test_references_tell_values_apart_only_with_a_key():
    assert references.reference("T", "a", KEY) != references.reference("T", "b", KEY)
    assert references.reference("T", "a", KEY) == references.reference("T", "a", KEY)
    assert references.reference("T", "a", KEY) != references.reference("T", "a", b"x" * 32)
    assert references.reference("T", "a", None) == references.reference("T", "b", None) == "srt-secret:T"


def test_the_key_is_made_once_and_is_private(tmp_path):
    folder = tmp_path / "out"
    assert references.load_key(str(folder), create=False) is None
    assert not folder.exists()
    key = references.load_key(str(folder), create=True)
    assert len(key) == 32
    assert references.load_key(str(folder), create=True) == key == references.load_key(str(folder), create=False)
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_that_cannot_be_written_gives_no_key(tmp_path):
    (tmp_path / "file").write_text("")
    assert references.load_key(str(tmp_path / "file" / "below"), create=True) is None


@pytest.mark.parametrize("fault", ["readable", "foreign", "link", "fifo"])
def test_a_key_that_another_user_knows_is_not_used(tmp_path, fault):
    path, there = tmp_path / f".srt-key-{os.getuid()}", tmp_path / "there"
    there.write_bytes(b"k" * 32)
    there.chmod(0o644 if fault == "readable" else 0o600)
    if fault == "link":
        path.symlink_to(there)
    elif fault == "fifo":
        os.mkfifo(path)
    else:
        there.rename(path)
    if fault == "foreign":
        if os.getuid():
            pytest.skip("makes files of another user")
        os.chown(path, 65534, 65534)
    assert references.load_key(str(tmp_path), create=True) is None


def test_the_store_is_private_and_only_grows(tmp_path):
    old = os.umask(0)
    try:
        assert references.store(str(tmp_path), {"srt-secret:A:1": "a"})
    finally:
        os.umask(old)
    assert not references.store(str(tmp_path), {"srt-secret:A:1": "a"})
    assert not references.store(str(tmp_path), {})
    assert references.store(str(tmp_path), {"srt-secret:B:2": "b"})
    assert stat.S_IMODE((tmp_path / ".secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / ".secrets" / "env.json").stat().st_mode) == 0o600
    env = {"X": "srt-secret:A:1", "SRT_ENV_X": "srt-secret:A:1", "B": "srt-secret:B:2", "C": "plain"}
    assert secret_values.resolve(env, str(tmp_path), {}) == {"X": "a", "SRT_ENV_X": "a", "B": "b", "C": "plain"}
    secret_values.forget(str(tmp_path))
    assert not (tmp_path / ".secrets").exists()


def test_a_reference_without_a_value_is_taken_from_the_jobs_environment(tmp_path):
    assert secret_values.resolve({"X": "srt-secret:HF_TOKEN"}, str(tmp_path), {"HF_TOKEN": "v"}) == {"X": "v"}
    with pytest.raises(ValueError, match="the secret HF_TOKEN has no value"):
        secret_values.resolve({"X": "srt-secret:HF_TOKEN:0123"}, str(tmp_path), {})


def test_both_sides_agree_on_the_names():
    for name in ("PREFIX", "FOLDER", "FILE"):
        assert getattr(references, name) == getattr(secret_values, name)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "link/x", "", ".", "a\0b"])
def test_paths_that_leave_a_directory_are_refused(tmp_path, path):
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path)
    with pytest.raises(Error, match="is not inside"):
        inside(str(tmp_path / "top"), path)


def test_paths_below_a_directory_are_given_back(tmp_path):
    assert inside(str(tmp_path), "a/./b") == str(tmp_path / "a" / "b")
