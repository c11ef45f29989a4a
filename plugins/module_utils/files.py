# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File and digest functions that every room shares."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile

from .failures import Error
from .json_types import Json, JsonObject


def digest(value: Json) -> str:
    """Return 16 hex digits over the canonical JSON text of *value*."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def inside(root: str, path: str) -> str:
    """Return the absolute path of *path* below *root*; Error if it would leave it, also through links."""
    whole, top = os.path.realpath(os.path.join(root, path.replace("\0", "/"))), os.path.realpath(root)
    if "\0" in path or not whole.startswith(top + os.sep):
        raise Error(f"The path {path!r} is not inside {root}. Use a path below it.")
    return os.path.join(root, os.path.normpath(path))


def read_object(path: str) -> JsonObject | None:
    """Return the JSON object stored at *path*; None if there is none, or if it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_text_atomic(path: str, text: str, mode: int = 0o644) -> bool:
    """Write *text* atomically; return True if it changed."""
    try:
        with open(path, encoding="utf-8") as stream:
            if stream.read() == text:
                return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".tmp_", suffix="_" + os.path.basename(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True
