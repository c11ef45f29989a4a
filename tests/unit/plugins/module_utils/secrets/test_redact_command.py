# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell command for people: no value that looks secret, however deep in quotes."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.secrets.redaction import redact_command

TOKEN = "hf_abcdefghijklmnopqrstuvwx"


def shells(command, depth):
    for _level in range(depth):
        command = f"/bin/sh -c {shlex.quote(command)}"
    return command


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize(
    "command",
    [
        f"HF_TOKEN={TOKEN} python3 && sleep 0",
        "MY_PASSWORD='two words; and '\"'\"'more' /usr/bin/python3",
        f"curl -H 'Authorization: Bearer {TOKEN}' https://example.com",
        "mysql --password=correct-horse db",
        "login --api-key correct-horse",
        "export SECRET=correct-horse; run",
        f"echo {TOKEN}",
        f"echo it's {TOKEN}",
    ],
)
def test_no_secret_is_shown(command, depth):
    text = redact_command(shells(command, depth))
    assert not [word for word in (TOKEN, "two words", "more", "correct-horse") if word in text], text
    assert "redacted" in text


@pytest.mark.parametrize(
    "command", ["", "true", "/bin/sh -c 'echo ~ && sleep 0'", "LANG=C /usr/bin/python3 -c 'import os; print(1)'"]
)
def test_anything_else_is_shown_as_it_is(command):
    assert redact_command(command) == command
