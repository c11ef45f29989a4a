# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of srtslurm.yaml: a new one with comments, or an existing one to which only missing keys are added.

What a person wrote stays as it is: values, unknown keys, comments, order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..failures import Error
from ..job.cluster import CLUSTER, OLDER
from ..json_types import Json, JsonObject
from ..schema.source import parse_yaml
from ..schema.words import normal

HEAD = """\
# What all jobs on this cluster share. Jobs below this directory find the file by itself; from elsewhere name it with
# SRTSLURM_CONFIG or -e cluster_file=. setup.yml wrote it and never changes a line that is here.
"""
ADDED = "# Added by setup.yml:\n"
PLAIN = re.compile(r"[A-Za-z/][\w./+-]*")
# Words that YAML 1.1 does not read as text.
WORDS = re.compile(r"(?i)(y|n|yes|no|on|off|true|false|null)$")


class Line(NamedTuple):
    """A setting to add: its key, its value, and why it has this value."""

    key: str
    value: Json
    why: str = ""


def given_in(text: str, file: str) -> JsonObject:
    """Return ``{key: value}`` of the settings in the *text* of a cluster file, by their current names; Error.

    Settings of the older form, below ``cluster``, are among them, and so are keys that are not known.
    """
    document = parse_yaml(text, file)[0]
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Error(f"{file} is not a mapping of keys such as default_account. Correct it, or move it away.")
    found = {}
    for key, value in document.items():
        if key == "cluster" and isinstance(value, dict):
            found.update({OLDER.get(normal(name), normal(name)): one for name, one in value.items()})
    for key, value in document.items():
        if value is not None and not (key == "cluster" and isinstance(value, dict)):
            found[normal(key) if normal(key) in CLUSTER.fields else key] = value
    return found


def unknown(settings: Mapping[str, Json]) -> list[str]:
    """Return the keys of *settings* that no job understands."""
    return [key for key in settings if key not in CLUSTER.fields]


def merged(text: str, lines: Sequence[Line], file: str) -> tuple[str, list[str]]:
    """Return (*text* with those of *lines* that it lacks, their keys). An existing value is never changed.

    A mapping such as ``containers`` gets the names that it lacks; Error if that cannot be done without a change.
    """
    before = given_in(text, file)
    document = parse_yaml(text, file)[0] or {}
    parts, added = [], []
    for line in lines:
        if line.value is None or line.value == {}:
            continue
        there = before.get(line.key)
        if isinstance(line.value, dict) and isinstance(there, dict):
            new = {name: value for name, value in line.value.items() if name not in there}
            if new:
                text = _extended(text, line.key, new, file)
                added.append(line.key)
        elif there is None and line.key not in document:
            parts.append(written(line))
            added.append(line.key)
    if parts:
        body = text if not text or text.endswith("\n") else text + "\n"
        text = body + ("\n" + ADDED if document else HEAD if not text.strip() else "") + "".join(parts)
    _check(before, lines, text, file, added)
    return text, added


def written(line: Line) -> str:
    """Return the lines of a setting, with what it means and why it has its value."""
    doc = CLUSTER.fields[line.key].doc.rstrip(".")
    comment = f"# {doc}: {line.why}.\n" if line.why else f"# {doc}.\n"
    if isinstance(line.value, dict):
        rows = "".join(f"  {scalar(name)}: {scalar(value)}\n" for name, value in line.value.items())
        return f"{comment}{line.key}:\n{rows}"
    return f"{comment}{line.key}: {scalar(line.value)}\n"


def scalar(value: Json) -> str:
    """Return a scalar as YAML; text that YAML would read as something else is quoted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    return text if PLAIN.fullmatch(text) and not WORDS.match(text) else json.dumps(text)


def _extended(text: str, key: str, new: Mapping[str, Json], file: str) -> str:
    """Return *text* with more names in the block mapping *key*."""
    rows = text.splitlines(keepends=True)
    start = next((n for n, row in enumerate(rows) if re.match(rf"{re.escape(key)}:\s*(#.*)?$", row)), None)
    if start is None:
        listed = ", ".join(f"{scalar(name)}: {scalar(value)}" for name, value in new.items())
        raise Error(f"{file}: {key}: it is not one name a line, so nothing was added. Add by hand: {listed}")
    end = start + 1
    while end < len(rows) and (not rows[end].strip() or rows[end][0] in " \t#"):
        end += 1
    while not rows[end - 1].strip() or rows[end - 1].startswith("#"):
        end -= 1
    indent = next((m[0] for m in (re.match(r"[ ]+(?=[^\s#])", row) for row in rows[start + 1 : end]) if m), "  ")
    if not rows[end - 1].endswith("\n"):
        rows[end - 1] += "\n"
    rows[end:end] = [f"{indent}{scalar(name)}: {scalar(value)}\n" for name, value in new.items()]
    return "".join(rows)


def _check(before: JsonObject, lines: Sequence[Line], text: str, file: str, added: Sequence[str]) -> None:
    """Raise Error if *text* does not say what it said *before* and what was *added*."""
    by_hand = "\n".join(written(line) for line in lines if line.key in added)
    try:
        after = given_in(text, file)
    except Error:
        after = {}
    kept = all(_holds(after.get(key), value) for key, value in before.items())
    new = all(_holds(after.get(line.key), line.value) for line in lines if line.key in added and line.key not in before)
    if added and not (kept and new):
        raise Error(f"{file}: it is written so that nothing can be added to its end. Add by hand:\n{by_hand}")


def _holds(after: Json, value: Json) -> bool:
    if isinstance(value, dict) and isinstance(after, dict):
        return all(name in after and after[name] == one for name, one in value.items())
    return bool(after == value)
