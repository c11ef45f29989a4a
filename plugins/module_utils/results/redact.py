# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Values that look secret stay out of everything that is handed on."""
from __future__ import annotations

import re

REDACTED = "[redacted]"
_NAME = re.compile(
    r"(^|[_.-])(token|secret|password|passwd|passphrase|credentials?|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"auth|authorization)([_.-]|$)",
    re.IGNORECASE,
)
# Words of tokenizers and schedulers, not of secrets.
_HARMLESS = re.compile(r"(bos|eos|pad|unk|sep|cls|mask|stop|special|image|per|num|new|cached)[_.-]token", re.IGNORECASE)
_VALUE = re.compile(r"^(hf_|sk-|ghp_|gho_|github_pat_|glpat-|xox[abp]-|AKIA)[A-Za-z0-9_-]{12,}$")


def is_secret(name, value):
    """Tell whether *value* under the key *name* looks like a secret."""
    if not isinstance(value, str) or not value:
        return False
    return bool(_VALUE.match(value) or (_NAME.search(name) and not _HARMLESS.search(name)))


def redact(value, name=""):
    """Return a copy of *value* (JSON-able) in which secret-looking texts are replaced."""
    if isinstance(value, dict):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, name) for item in value]
    return REDACTED if is_secret(name, value) else value


def redact_argv(argv):
    """Return a copy of a command line in which values of secret-looking options are replaced."""
    clean, name = [], ""
    for word in map(str, argv):
        option, equals, value = word.partition("=")
        if equals and is_secret(option.lstrip("-"), value):
            clean.append(f"{option}={REDACTED}")
        else:
            clean.append(REDACTED if is_secret(name, word) and not word.startswith("-") else word)
        name = word.lstrip("-") if word.startswith("-") else ""
    return clean
