# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: ``inputs '{"paths": {key: path}, "chat": folder or null, "limit_s": seconds}'`` prints a JSON line."""

from __future__ import annotations

import json
import sys
from typing import Any

from .chat_template import chat_template
from .fingerprint import fingerprint
from .packages import packages

PYTHON = "python"  # the key of the interpreter; its environment counts


def look(paths: dict[str, str], chat: str | None = None, limit_s: float = 30.0) -> dict[str, Any]:
    """Return ``{found: {key: fingerprint}, chat: chat template or None}``; *limit_s* seconds for each path."""
    known: dict[str, dict[str, Any]] = {}
    for key, path in paths.items():
        if path not in known:
            known[path] = packages(path, limit_s) if key == PYTHON else fingerprint(path, limit_s)
    return {
        "found": {key: known[path] for key, path in paths.items()},
        "chat": chat_template(chat) if chat else None,
    }


def main(argv: list[str] | None = None) -> int:
    """Print what *argv* asks for."""
    (text,) = sys.argv[1:] if argv is None else argv
    sys.stdout.write(json.dumps(look(**json.loads(text))) + "\n")
    return 0
