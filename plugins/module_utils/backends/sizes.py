# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parallel sizes: whole numbers above 0 that fit the GPUs of a worker. Each engine defines how they combine."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from ..failures import Finding
from ..json_types import Json, JsonObject
from ..schema.types import shown
from ..topology.modes import A_WORKER, LONG_MODE
from .engine import Engine
from .flags import PARALLEL, SizeFinding, is_count

# The most GPUs that the section resources allows for one worker.
MANY = 65536


def allocated(resources: JsonObject, mode: str) -> int:
    """Return the GPUs that a worker of *mode* gets: whole nodes if it needs one or more."""
    node: int = resources["gpus_per_node"]
    gpus: int = resources[f"gpus_per_{mode}"] or node
    return gpus if gpus < node else -(-gpus // node) * node


def nodes(resources: JsonObject, mode: str) -> int:
    """Return the number of nodes of a worker of *mode*."""
    count: int = -(-allocated(resources, mode) // resources["gpus_per_node"])
    return count


def problems(backend: Engine, spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` of the parallel sizes of all modes with workers."""
    found: list[Finding] = []
    for mode in backend.modes(spec):
        found += _wrong(backend, spec, mode) or _misfits(backend, spec, mode)
    return found


def notes(backend: Engine, spec: JsonObject) -> list[str]:
    """Return notes on GPUs of a worker that its engine will not use; the sizes are already validated."""
    found = []
    for mode in backend.modes(spec):
        factors, gpus = _factors(backend, spec, mode), allocated(spec["resources"], mode)
        if factors is None or prod(factors.values()) == gpus:
            continue
        where = f"backend.{backend.config_key}.{LONG_MODE[mode]}"
        used = f"{prod(factors.values())} of the {gpus} GPUs that {A_WORKER[mode]} has"
        if factors:
            found.append(f"{where}: {text(factors)} uses {used}.")
        else:
            found.append(f"{where}: no parallel size is set, so {backend.title} uses {used}.")
    return found


def text(factors: Mapping[str, int]) -> str:
    """Return ``tensor 8 x pipeline 2``."""
    return " x ".join(f"{word} {number}" for word, number in factors.items())


def _factors(backend: Engine, spec: JsonObject, mode: str) -> dict[str, int] | None:
    """Return ``{word: number}`` of the sizes that are set and multiply the GPUs of a worker, or None."""
    found = backend.gpu_factors(spec, mode)
    return None if found is None else {word: number for word, number in found.items() if number is not None}


def _wrong(backend: Engine, spec: JsonObject, mode: str) -> list[Finding]:
    """Return the problems of sizes that are not positive whole numbers."""
    problem, remedy = "is {}; expected a positive whole number.", "Write the number, or leave it out."
    return [
        (backend.place(mode, key), problem.format(shown(value)), remedy, "wrong_type")
        for name, (key, value) in backend.given(spec, mode)[0].items()
        if name in PARALLEL and value is not None and not (is_count(value) and value > 0)
    ]


def _misfits(backend: Engine, spec: JsonObject, mode: str) -> list[Finding]:
    """Return the problems of sizes that contradict each other or the GPUs of a worker."""
    where = backend.place(mode)
    keys = {name: key for name, (key, _value) in backend.given(spec, mode)[0].items()}
    found: list[Finding] = [
        ((*where, keys[name]) if name in keys else where, problem, remedy)
        for name, problem, remedy in backend.size_problems(spec, mode)
    ]
    factors, gpus = _factors(backend, spec, mode), allocated(spec["resources"], mode)
    if factors and spec["resources"][f"gpus_per_{mode}"] != 0:
        total = prod(factors.values())
        if total > gpus or total < gpus and backend.uses_all(spec, mode):
            problem = f"needs {total} GPUs ({text(factors)}), but {A_WORKER[mode]} has {gpus}"
            problem += "." if total > gpus else f", and {backend.title} must use all of them."
            found.append((where, problem, _remedy(backend, spec, mode, total)))
    return found


def _remedy(backend: Engine, spec: JsonObject, mode: str, total: int) -> str:
    """Return the remedy for sizes that need *total* GPUs: a worker has part of one node, or whole nodes."""
    node = spec["resources"]["gpus_per_node"]
    whole = total if total < node else -(-total // node) * node
    if whole > MANY:
        return "Change the sizes."
    if whole != total and backend.uses_all(spec, mode):
        return f"Change the sizes: a worker larger than one node has whole nodes of {node} GPUs."
    return f"Change the sizes, or set resources.gpus_per_{mode} to {whole}."


def not_dividing(name: str, options: Mapping[str, Json], whole_name: str, why: str) -> list[SizeFinding]:
    """Return the problem, as a list, of a size *name* that does not divide *whole_name*.

    :param options: options by their full names; an absent size is 1.
    :param why: a sentence with the reason.
    """
    part, whole = options.get(name) or 1, options.get(whole_name) or 1
    if whole % part == 0:
        return []
    problem = f"is {part}, which does not divide {whole_name} {whole}. {why}"
    return [(name, problem, f"Choose a number that divides {whole}.")]


def uneven(spec: JsonObject, mode: str, size: int, ranks: int) -> tuple[str, str]:
    """Return (problem, remedy) of *size*, whose *ranks* ranks do not divide evenly over the nodes."""
    count = nodes(spec["resources"], mode)
    problem = f"is {size}; {ranks} rank(s) do not divide evenly over the {count} nodes of {A_WORKER[mode]}."
    return problem, f"Change the sizes or resources.gpus_per_{mode}."
