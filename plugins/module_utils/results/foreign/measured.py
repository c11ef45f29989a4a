# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results in a run directory of srtctl, each with what its place says of it.

``logs/sa-bench_isl_<I>_osl_<O>/results_concurrency_<C>_gpus_<T>[_ctx_<P>_gen_<D>].json`` is the usual one; in the
oldest form the folder is in the run directory itself, and may be called ``vllm_isl_...``. Results of AIPerf are in
``artifacts/<model>_<what>_<time>/``, or in ``aiperf_isl_<I>_osl_<O>_<time>/concurrency_<C>/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...benchmarks.formats import recognise, serving_text
from ...benchmarks.formats.base import Recognised
from ...files import read_object, regular
from .about import METADATA, Evidence

FOLDER = re.compile(r"[a-z][a-z-]*_(?:isl_(?P<isl>\d+)_osl_(?P<osl>\d+)|custom_.+?)(?:_\d{6,}.*)?")
RESULT = re.compile(
    r"results_concurrency_(?P<level>\d+)_gpus_(?P<all>\d+)"
    r"(?:_ctx_(?P<prefill>\d+)_gen_(?P<decode>\d+))?(?:_.*)?\.json"
)
STAMP = re.compile(r"\d{8}_\d{6}")
LEVEL = re.compile(r"(?:.*_)?(?:c|concurrency_)(\d+)(?:_.*)?")  # in the name of a folder of AIPerf
# What holds no results, whatever it has: files of the job, of engines, of profilers and of srtctl's dashboards.
FOLDERS = ("perf_dashboard_bundle", "node_metrics", ".ruter", "profiles", "power", "windows", "tachometer", "telemetry")
FILES = re.compile(
    r"(?:fingerprint_.*|resource_snapshot|benchmark-rollup|rollup|postprocess-status|perf_dashboard|.*_config)\.json"
    r"|(?:raw_prometheus|host_samples)\.jsonl|dynamo-request-trace.*"
)
MOST = 10_000  # files that are looked at
MOST_TEXT = 1 << 26  # characters of the log of the benchmark


class Measured(NamedTuple):
    """A result, or a file in the place of one.

    :ivar path: relative to the run directory.
    :ivar result: what it says, None if it cannot be read.
    :ivar why: why it cannot be read, "" if it can.
    :ivar level: requests in flight, None if nothing says how many.
    :ivar gpus: ``{all, prefill, decode: number of GPUs}`` that its name says.
    :ivar named: requests in flight as its name says, None if it does not.
    """

    path: str
    result: Recognised | None
    why: str
    level: int | None
    gpus: dict[str, int]
    named: int | None


def look(root: str) -> tuple[list[Measured], list[str]]:
    """Return (the results in *root* in the order of their paths, the names of files that no known program writes)."""
    found: list[Measured] = []
    unknown: list[str] = []
    for path in _files(root):
        name = os.path.relpath(path, root)
        known = recognise([path])
        place = RESULT.fullmatch(os.path.basename(path))
        if known.results:
            found += [_measured(name, one, place) for _path, one in known.results]
        elif place and FOLDER.fullmatch(os.path.basename(os.path.dirname(path))):
            why = known.unknown[0] if known.unknown and "(" in known.unknown[0] else "it is not a result of sa-bench"
            found.append(Measured(name, None, why, int(place["level"]), _gpus(place), None))
        elif known.unknown:
            unknown.append(os.path.join(os.path.dirname(name), known.unknown[0]))
    # By the time in the names of their folders, whatever the workload or the load before it is called.
    found.sort(key=lambda one: (STAMP.findall(one.path) or [""])[-1])
    return found or _printed(root), unknown


def _printed(root: str) -> list[Measured]:
    """Return the results that the log of the benchmark shows: srtctl's sglang-bench leaves no file.

    sa-bench leaves one, and its log has warm-ups as well.
    """
    name = os.path.join("logs", "benchmark.out")
    try:
        with open(os.path.join(root, name), encoding="utf-8", errors="replace", opener=regular) as stream:
            text = stream.read(MOST_TEXT)
    except OSError:
        return []
    results = [] if "SA-Bench" in text else serving_text.parse(text)
    return [_measured(name, one, None) for one in results]


def _files(root: str) -> Iterator[str]:
    """Yield the JSON files that may be results, by name."""
    count = 0
    for where, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if one not in FOLDERS)
        for name in sorted(names):
            if name.endswith((".json", ".jsonl")) and not FILES.fullmatch(name) and not METADATA.fullmatch(name):
                count += 1
                if count <= MOST:
                    yield os.path.join(where, name)


def _measured(name: str, result: Recognised, place: re.Match[str] | None) -> Measured:
    named = int(place["level"]) if place else None
    level = result.figures.get("concurrency")
    level = named if level is None else level
    if level is None:  # of AIPerf, which may not say it itself
        parts = (LEVEL.fullmatch(part) for part in reversed(name.split(os.sep)[:-1]))
        level = next((int(part.group(1)) for part in parts if part), None)
    return Measured(name, result, "", None if level is None else int(level), _gpus(place), named)


def _gpus(place: re.Match[str] | None) -> dict[str, int]:
    return {key: int(place[key]) for key in ("all", "prefill", "decode") if place and place[key] is not None}


def newest(found: Iterable[Measured], by_level: bool, planned: Sequence[int]) -> tuple[list[Measured], list[Measured]]:
    """Return (the results, those of AIPerf that are of a warm-up or of an earlier attempt).

    Each start of AIPerf leaves a folder of its own, with the time in its name: the last one of a load counts.

    :param by_level: whether loads differ by the requests in flight, else there is one.
    :param planned: the requests in flight that the recipe asks for, empty if nothing says so.
    """
    last: dict[object, Measured] = {}
    left: list[Measured] = []
    for number, one in enumerate(found):
        mine = one.result and one.result.program == "aiperf" and not one.result.run
        if mine and by_level and planned and one.level not in planned:
            left.append(one)
            continue
        key: object = ("aiperf", one.level if by_level else None) if mine else number
        if key in last:
            left.append(last[key])
        last[key] = one
    return list(last.values()), left


def evidence(found: Iterable[Measured]) -> list[Evidence]:
    """Return what the results say of the run that they are of."""
    said: list[Evidence] = []
    for one in found:
        folder = FOLDER.fullmatch(os.path.basename(os.path.dirname(one.path)))
        if folder and folder["isl"]:
            said.append(Evidence("isl and osl", f"{folder['isl']} and {folder['osl']}", one.path))
        if one.gpus:
            text = " ".join(f"{name} {number}" for name, number in one.gpus.items())
            said.append(Evidence("the number of GPUs", text, one.path))
        if one.result:
            what = f"the model of {one.result.program}"
            said += [Evidence(what, model, one.path) for model in one.result.models]
    return said


def windows(root: str) -> dict[int, str]:
    """Return ``{concurrency: why}`` of the measurements that srtctl's own window files do not call completed."""
    found: dict[int, str] = {}
    for where, _folders, names in os.walk(os.path.join(root, "logs")):
        for name in sorted(names) if os.path.basename(where) == "windows" else ():
            one = read_object(os.path.join(where, name)) or {}
            level, status = one.get("concurrency"), one.get("status")
            if isinstance(level, int) and isinstance(status, str) and status != "completed":
                reason = f": {one['reason']}" if one.get("reason") else ""
                found[level] = f"srtctl says that its measurement is {status}{reason}"
    return found
