# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal of values that look secret from all output."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from ..holder.secret_values import REDACTED
from ..json_types import Json
from .names import looks_secret


def redact(value: Json, name: str = "") -> Json:
    """Return a copy of *value* (JSON-able) in which secret-looking texts are replaced."""
    if isinstance(value, dict):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, name) for item in value]
    return REDACTED if looks_secret(name, value) else value


def redact_argv(argv: Iterable[object]) -> list[str]:
    """Return a copy of a command line in which values of secret-looking options are replaced."""
    clean, name = [], ""
    for word in map(str, argv):
        option, equals, value = word.partition("=")
        if equals and looks_secret(option.lstrip("-"), value):
            clean.append(f"{option}={REDACTED}")
        else:
            clean.append(REDACTED if looks_secret(name, word) and not word.startswith("-") else word)
        name = word.lstrip("-") if word.startswith("-") else ""
    return clean


def redact_command(text: str) -> str:
    """Return a shell command, with commands inside its quotes too, for people: secret-looking values are replaced."""
    try:
        words = shlex.split(text)
    except ValueError:
        return REDACTED if looks_secret("", text) else text
    if len(words) == 1 and words[0] == text:
        return str(redact(text))
    shown = redact_argv(words)
    for index, word in enumerate(words):
        # What a shell gets is a command; elsewhere an assignment may have a value with spaces.
        name, equals, _value = word.partition("=")
        assigns = bool(equals) and name.lstrip("-").replace("-", "_").isidentifier()
        if len(word.split()) > 1 and (not assigns or words[index - 1] == "-c"):
            shown[index] = redact_command(word)
    return " ".join(shlex.quote(word) if len(word.split()) > 1 else word for word in shown)
