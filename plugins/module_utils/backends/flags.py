# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option tables of engines: one spelling for each option."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Optional

from ..failures import Finding
from ..json_types import Json, JsonObject, KeyPath
from ..schema.types import shown

# Options of an engine by their full names: (the key as the job has it, its value).
Given = dict[str, tuple[str, Json]]
# What is wrong with a size: (full name of the option, or None for all of them, the problem, the remedy).
SizeFinding = tuple[Optional[str], str, Optional[str]]

TENSOR, PIPELINE, DATA, EXPERT = (f"{word}-parallel-size" for word in ("tensor", "pipeline", "data", "expert"))

# The parallel sizes of a worker by their names in rollup.json, and their options.
SIZES = {"tp_size": TENSOR, "pp_size": PIPELINE, "dp_size": DATA, "ep_size": EXPERT}

# Options with numbers of GPUs or ranks; recipes sometimes quote the numbers.
PARALLEL = {*SIZES.values(), "moe-dense-tp-size"} | {
    f"{word}-parallel-size"
    for word in (
        *("moe-expert", "moe-tensor", "moe-cluster", "moe-data"),
        *("context", "attention-context", "prefill-context", "decode-context"),
    )
}

# Short forms that all engines share, by full name.
SHORT = {short + end: name for short, name in (("tp", TENSOR), ("pp", PIPELINE), ("dp", DATA)) for end in ("", "-size")}
SHORT_EXPERT = {"ep": EXPERT, "ep-size": EXPERT}  # not in vLLM, where ep is a switch


def spellings(name: str, aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return all names of the option *name*: its own, and its *aliases*."""
    return (name, *(short for short, full in aliases.items() if full == name))


def flag_name(key: object) -> str:
    """Return ``mem_fraction_static`` and ``mem-fraction-static`` as ``mem-fraction-static``."""
    return str(key).replace("_", "-").lstrip("-")


def whole(value: Json) -> Json:
    """Return ``"8"`` and ``8.0`` as 8, any other value unchanged."""
    try:
        number = float(value) if isinstance(value, (str, float)) else value
    except ValueError:
        return value
    return int(number) if isinstance(number, float) and number.is_integer() else value


def is_count(value: Json) -> bool:
    """Return whether *value* is a whole number; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def settle(
    options: JsonObject | None, aliases: Mapping[str, str] | None = None
) -> tuple[Given, list[tuple[str, Json, str]]]:
    """Return (options, lost): each option once, under its full name.

    ``options`` is ``{full name: (key as written, value)}``; parallel sizes are whole numbers if possible. Of
    several spellings of one option the last one in alphabetical order is used. This does not depend on the order in
    the file, and it is the order in which srtctl wrote command lines, where the last value counts. A value overrides
    null. ``lost`` is ``[(unused key, its value, used key)]``, without keys of the same value.

    :param aliases: ``{short form: full name}``.
    """
    aliases = aliases or {}
    spelt: dict[str, list[tuple[str, Json]]] = {}
    options = options or {}
    for key in sorted(options, key=str):
        name = flag_name(key)
        name = aliases.get(name, name)
        spelt.setdefault(name, []).append((key, whole(options[key]) if name in PARALLEL else options[key]))
    found: Given = {}
    lost: list[tuple[str, Json, str]] = []
    for name, ways in spelt.items():
        given = [one for one in ways if one[1] is not None] or ways
        found[name] = winner = given[-1]
        lost += [(key, value, winner[0]) for key, value in given[:-1] if value != winner[1]]
    return found, lost


def mapping(value: Json) -> JsonObject:
    """Return *value*, a mapping or the JSON text of one, as a mapping; ValueError if it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"is {shown(value)}, which is not JSON ({error}).") from None
    if not isinstance(value, dict):
        raise ValueError(f"is {shown(value)}; expected a mapping or the JSON text of one.")
    return value


def readable(path: KeyPath, value: Json, remedy: str) -> list[Finding]:
    """Return the problem, as a list, of a *value* at *path* that is neither a mapping nor the JSON text of one."""
    try:
        mapping(value)
    except ValueError as error:
        return [(path, str(error), remedy, "wrong_type")]
    return []
