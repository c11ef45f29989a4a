# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layout a raw job has: its ``schema`` decides, or without one its shape."""

from __future__ import annotations

from collections.abc import Iterable

from ...failures import SpecError
from ...json_types import Json, JsonObject, KeyPath
from ...schema.source import Source, dotted
from ...schema.types import shown
from ...topology.modes import MODES

NEWEST = 2
# Keys that only the second layout has. The first two stand for things that the first layout says in another way.
STRONG: tuple[KeyPath, ...] = (("engine",), ("roles",))
SECOND: tuple[KeyPath, ...] = (
    *STRONG,
    ("services",),
    ("host_setup",),
    ("post_eval",),
    ("dynamo", "source"),
    ("frontend", "placement"),
    ("benchmark", "placement"),
)
COUNTS = tuple(f"{mode}_{what}" for mode in MODES for what in ("nodes", "workers"))
SIZES = tuple(f"gpus_per_{mode}" for mode in MODES)
# Keys that only the first layout has.
FIRST: tuple[KeyPath, ...] = (
    ("backend",),
    ("infra",),
    *(("resources", key) for key in (*COUNTS, *SIZES, *(f"{mode}_critical" for mode in MODES))),
    *(("frontend", key) for key in ("orchestrator_placement", "dedicated_node")),
    *(("benchmark", key) for key in ("client_placement", "client_dedicated_node")),
    *(("dynamo", key) for key in ("version", "hash", "wheel", "cargo_patches")),
)


def recognise(job: JsonObject, source: Source) -> tuple[int, list[str]]:
    """Return (the number of the layout of the raw *job*, a note on what decided if that is not plain).

    SpecError if its ``schema`` is not one that is known.
    """
    file = source.file or "the job"
    if "schema" in job:
        _check(job["schema"], source)
        return 2, [f"{file}: read as the second layout of recipes, as its schema says."]
    first, second = _present(job, FIRST), _present(job, SECOND)
    if not second:
        return 1, []
    decided = [path for path in second if path in STRONG] or (second if not first else [])
    if decided:
        names = " and ".join(map(dotted, decided))
        return 2, [f"{file}: read as the second layout of recipes, because it has {names}. Write schema: 2 to say so."]
    names = " and ".join(map(dotted, first[:1] + second[:1]))
    return 1, [f"{file}: has {names}: read as the first layout of recipes, with newer features."]


def _check(value: Json, source: Source) -> None:
    """Raise SpecError unless *value* is a schema that is known."""
    if isinstance(value, bool) or not isinstance(value, int):
        text = f"is {shown(value)}; expected the number {NEWEST}."
        raise SpecError([source.problem(("schema",), "wrong_type", text, f"Write schema: {NEWEST}.")])
    if value != NEWEST:
        text = f"is {value}, which is not supported."
        remedy = f"Write {NEWEST}; a file in the first layout has no schema."
        raise SpecError([source.problem(("schema",), "not_supported", text, remedy)])


def _present(job: JsonObject, paths: Iterable[KeyPath]) -> list[KeyPath]:
    """Return those of *paths* that *job* has, also empty, and also with dashes."""
    found = []
    for path in paths:
        value: Json = job
        for key in path:
            value = value if isinstance(value, dict) else {}
            name = key if key in value else str(key).replace("_", "-")
            if name not in value:
                break
            value = value[name]
        else:
            found.append(path)
    return found
