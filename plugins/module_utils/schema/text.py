# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in job files: environment variables, paths, and a small YAML writer.

The writer exists because planning is stdlib only: the same code runs inside a module on a submit host
that may have no PyYAML.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence

from ..json_types import Json

VARIABLE = re.compile(r"\$(?:(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})")
PLAIN = re.compile(r"^(?:[A-Za-z_/]|\.\.?/)[A-Za-z0-9_./ -]*$")
RESERVED = ("true", "false", "yes", "no", "on", "off", "null", "none", "y", "n", "~", ".inf", ".nan")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``$NAME``, ``${NAME}`` and ``${NAME:-default}``; an unknown name without default raises KeyError."""

    def value(match: re.Match[str]) -> str:
        name = match["bare"] or match["name"]
        if environ.get(name):
            return environ[name]
        if match["default"] is not None:
            return match["default"]
        raise KeyError(name)

    return VARIABLE.sub(value, text)


def find_path(text: str, folders: Sequence[str]) -> str:
    """Return *text* as an absolute path: in the first of *folders* in which it exists.

    If it exists in none of them, it is relative to the first folder (of the file that names it) if it begins with a
    dot, otherwise to the last one (the working directory).
    """
    text = os.path.expanduser(text)
    if os.path.isabs(text):
        return os.path.normpath(text)
    candidates = [os.path.abspath(os.path.join(folder, text)) for folder in folders]
    fallback = candidates[0 if text.startswith(".") else -1]
    return next((path for path in candidates if os.path.exists(path)), fallback)


def to_yaml(value: Json) -> str:
    """Return *value* (JSON-able) as block-style YAML text; keys keep their order."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Json) -> list[str]:
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            lines.extend(_entry(f"{_scalar(str(key))}:", item, "  "))
        return lines
    if isinstance(value, (list, tuple)) and value:
        lines = []
        for item in value:
            block = _lines(item)
            lines.append(f"- {block[0]}")
            lines.extend("  " + line for line in block[1:])
        return lines
    return [_scalar(value)]


def _entry(head: str, item: Json, indent: str) -> list[str]:
    if isinstance(item, (dict, list, tuple)) and item:
        return [head] + [indent + line for line in _lines(item)]
    return [f"{head} {_scalar(item)}"]


def _scalar(value: Json) -> str:
    if isinstance(value, str):
        if PLAIN.match(value) and value.lower() not in RESERVED and value == value.strip():
            return value
        return json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    if value == {} or value == [] or value == ():
        return "{}" if isinstance(value, dict) else "[]"
    text = json.dumps(value)
    # YAML 1.1 reads 1e-06 as text; with a dot it is a number.
    return text.replace("e", ".0e") if isinstance(value, float) and "e" in text and "." not in text else text
