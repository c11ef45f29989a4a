# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One list says what looks secret: in the environment of a step and in what is handed on."""

from __future__ import annotations

import pathlib
import re

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.secrets import names, references
from ansible_collections.srt.slurm.plugins.module_utils.secrets.redaction import REDACTED, redact

UTILS = pathlib.Path(names.__file__).parents[1]


@pytest.mark.parametrize(
    "name, secret",
    [
        ("HF_TOKEN", True),
        ("hf-token", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("DBPASSWORD", True),
        ("x.auth.token", True),
        ("GITHUB_PAT", True),
        ("max_total_tokens", False),
        ("eos_token", False),
        ("TOKEN_LIMIT", False),
        ("HF_TOKEN_PATH", False),
        ("key-file", False),
        ("monkey", False),
        ("path", False),
    ],
)
def test_both_places_agree(name, secret):
    assert references.is_secret(name, "some-value") is secret
    assert (redact({name: "some-value"})[name] == REDACTED) is secret


def test_numbers_and_switches_are_no_secrets():
    for value in ("4096", "true", "auto", "", None, 5):
        assert not names.looks_secret("HF_TOKEN", value)
    assert names.looks_secret("DB_PASSWORD", "12345"), "a password may be a number"


def test_there_is_no_second_list():
    pattern = re.compile(r"passphrase|github_pat_", re.IGNORECASE)
    found = [path.name for path in UTILS.rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))]
    assert found == ["names.py"]
