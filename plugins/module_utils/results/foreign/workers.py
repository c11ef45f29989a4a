# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers in a run directory of srtctl: the sizes that it planned, and the figures in their logs."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence

from ...backends import BACKENDS
from ...files import regular
from ...json_types import Json, JsonObject
from ...topology.modes import MODES
from .. import commands, worker_logs
from .about import Facts, count
from .measured import Measured

LOG = re.compile(rf"(?P<node>.+)_(?P<mode>{'|'.join(MODES)})_w?(?P<index>\d+)\.(?:out|err)")
COMMAND, MOST_LINES = "[CMD] ", 2000  # the line of a log with its command is one of the first


def sizes(facts: Facts, results: Sequence[Measured]) -> tuple[dict[str, int], list[str]]:
    """Return (numbers of nodes, workers and GPUs as in a rollup, notes on them).

    GPUs are those of the workers. Where the metadata does not tell, the names of the result files do.
    """
    resources = facts.section("resources")
    found: dict[str, int] = {}
    for mode in MODES:
        workers = count(resources.get(f"{mode}_workers"))
        found[f"{mode}_nodes"] = count(resources.get(f"{mode}_nodes"))
        found[f"{mode}_workers"] = workers
        found[f"{mode}_gpus"] = workers * _gpus_of_one(resources, mode)
    named = next((one.gpus for one in results if one.gpus), {})
    total = sum(found[f"{mode}_gpus"] for mode in MODES)
    notes = []
    if not total and named:
        split = "prefill" in named
        found.update(
            prefill_gpus=named.get("prefill", 0),
            decode_gpus=named.get("decode", 0),
            agg_gpus=0 if split else named["all"],
        )
        total = named["all"]
        notes.append("The numbers of GPUs are those in the names of the result files: no metadata has them.")
    nodes = sum(found[f"{mode}_nodes"] for mode in MODES)
    allocated = max(nodes * count(resources.get("gpus_per_node")), total)
    if named and total and named["all"] not in (total, allocated):
        notes.append(f"The names of the result files say {named['all']} GPUs, the metadata {total} of workers.")
    if not total:
        notes.append("How many GPUs the workers had is not known: there is nothing per GPU.")
    sized = {"total_nodes": nodes, "total_gpus": total, "allocated_gpus": allocated, "idle_gpus": allocated - total}
    return {**sized, **found}, notes


def _gpus_of_one(resources: Mapping[str, Json], mode: str) -> int:
    """Return the GPUs of one worker, as srtctl computes them: as given, else the nodes' divided, else a node's."""
    given, whole = count(resources.get(f"gpus_per_{mode}")), count(resources.get("gpus_per_node"))
    nodes, workers = count(resources.get(f"{mode}_nodes")), count(resources.get(f"{mode}_workers"))
    if given or not workers:
        return given
    if nodes:
        return nodes * whole // workers
    return _gpus_of_one(resources, "prefill") if mode == "decode" else whole


def logs(root: str, backend: str) -> tuple[list[JsonObject], list[str], list[str]]:
    """Return (a record for each worker log, notes, what cannot be read), as in ``nodes_summary`` of a rollup.

    A worker may have written to two files, ``.out`` and ``.err``: its batches are in one of them.
    """
    paths = _paths(root)
    if backend not in BACKENDS:
        return (
            [],
            [],
            [f"{len(paths)} worker log(s) of {backend} are not read: its lines are not known."] if paths else [],
        )
    records: list[JsonObject] = []
    notes: list[str] = []
    unread: list[str] = []
    lost, odd = 0, 0
    for (node, mode, index), files in sorted(paths.items()):
        try:
            found = [one for path in files for one in [worker_logs.parse_log(backend, path)] if one]
        except OSError as error:
            unread.append(f"The worker log {files[0]} cannot be read: {error.strerror}.")
            continue
        if not found:
            unread.append(f"The worker log {files[0]} is a link that leads nowhere.")
            continue
        figures = _together(found)
        lost += figures["lost_lines"] or 0
        odd += figures["unknown_lines"] or 0
        launch = commands.worker_command(command_in(files), mode, backend)
        place = {"node_name": node, "worker_type": mode, "worker_id": index, "rank": None}
        record: JsonObject = {**place, **figures, "launch_command": launch}
        for size in ("tp_size", "pp_size", "dp_size", "ep_size"):
            record[size] = launch[size] if record[size] is None else record[size]
        records.append(record)
    if lost:
        unread.append(f"{lost} line(s) of worker logs cannot be read and do not count.")
    if odd:
        notes.append(
            f"{odd} line(s) of worker logs are about batches, but were cut or are of an unknown version, and do not "
            "count."
        )
    if not paths:
        unread.append("There are no worker logs.")
    elif not worker_logs.has_figures(backend):
        notes.append(f"nodes_summary has no figures: the log of a {backend} worker has no batch lines.")
    return records, notes, unread


def _together(found: Sequence[JsonObject]) -> JsonObject:
    """Return the figures of the files of a worker as one: those of the file with its batches, completed by others."""
    first, *others = sorted(found, key=lambda one: -(one["total_batches"] or 0))
    merged = dict(first)
    for other in others:
        merged.update({key: value for key, value in other.items() if merged[key] is None})
        for key in ("lost_lines", "unknown_lines"):
            if merged[key] is not None:
                merged[key] += other[key] or 0
    return merged


def engine_of(root: str) -> str | None:
    """Return the engine whose lines the worker logs in *root* have, None if no engine's: the oldest form names none."""
    paths = [path for files in _paths(root).values() for path in files]
    batches: dict[str, int] = {}
    for name in BACKENDS:
        if worker_logs.has_figures(name):
            batches[name] = sum(_batches(name, path) for path in paths)
    best = max(batches, key=lambda name: batches[name], default=None)
    return best if best and batches[best] else None


def _batches(backend: str, path: str) -> int:
    """Return how many batches of an engine a log has; 0 if it cannot be read."""
    try:
        found = worker_logs.parse_log(backend, path) or {}
    except OSError:
        return 0
    return found.get("total_batches") or 0


def _paths(root: str) -> dict[tuple[str, str, int], list[str]]:
    """Return ``{(node, mode, number of the worker): its files}``."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for folder in (root, os.path.join(root, "logs")):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            match = LOG.fullmatch(name)
            if match:
                key = (match["node"], match["mode"], int(match["index"]))
                found.setdefault(key, []).append(os.path.join(folder, name))
    return found


def command_in(files: Sequence[str]) -> list[str]:
    """Return the words of the command that a worker log begins with, [] if it has none."""
    for path in files:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace", opener=regular) as stream:
            for _number, line in zip(range(MOST_LINES), stream):
                _before, mark, words = line.rstrip("\n").partition(COMMAND)
                if mark:
                    try:
                        return shlex.split(words)
                    except ValueError:
                        return words.split()
    return []
