# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sides of a comparison: all runs of each, with the repeats of each point; none is mixed or counted twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .. import sweep_folders
from ..benchmarks.base import Benchmark
from ..failures import Error
from ..json_types import Json, JsonObject
from .measured_run import MeasuredRun, Repeat, read_run

BASELINE, CANDIDATE = "baseline", "candidate"
Load = tuple[str, str]  # the parameters in a sweep, and what the service is asked to do, as JSON text


class Point(NamedTuple):
    """One point on both sides, under equal load; ``parameters`` are those of its job in a sweep."""

    label: str
    parameters: JsonObject
    benchmark: Benchmark
    baseline: list[Repeat]
    candidate: list[Repeat]


class Sides(NamedTuple):
    """Both sides: their runs, the points of both, and what only one of them has, as text."""

    baseline: list[MeasuredRun]
    candidate: list[MeasuredRun]
    points: list[Point]
    only: dict[str, list[str]]
    warnings: list[str]


class _Group(NamedTuple):
    load: Load
    benchmark: Benchmark
    label: str
    servings: dict[str | None, str]
    repeats: list[Repeat]


def runs_of(paths: Iterable[str]) -> list[MeasuredRun]:
    """Return the runs at *paths*: run directories, files rollup.json, or directories of sweeps with all their jobs."""
    found = []
    for path in paths:
        folder = os.path.dirname(path) if os.path.basename(path) == sweep_folders.RECORD else path
        if not os.path.isfile(os.path.join(folder, sweep_folders.RECORD)):
            found.append(read_run(path))
            continue
        record = sweep_folders.read_record(folder)
        if record is None:
            raise Error(f"{folder} has a sweep.json of another version. Name the run directories below {folder}.")
        for job in record["jobs"]:
            own = sweep_folders.variant_dir(folder, str(job["name"]))  # it may have been copied
            if os.path.isdir(own):
                found.append(read_run(own, job.get("parameters") or {}))
    return found


def matched(baseline: list[MeasuredRun], candidate: list[MeasuredRun]) -> Sides:
    """Return the Sides; Error if they have no point under equal load, mix services, or share a measurement."""
    exact = all(run.load is not None for run in (*baseline, *candidate))
    groups = [_grouped(word, runs, exact) for word, runs in ((BASELINE, baseline), (CANDIDATE, candidate))]
    common = [key for key in groups[0] if key in groups[1]]
    if not common:
        raise Error(_nothing_common(baseline, candidate, exact))
    points = [
        Point(one.label, json.loads(one.load[0]), one.benchmark, one.repeats, groups[1][key].repeats)
        for key, one in ((key, groups[0][key]) for key in common)
    ]
    _check_shared(points)
    only = {
        word: [_in_words(group) for key, group in own.items() if key not in common]
        for word, own in zip((BASELINE, CANDIDATE), groups)
    }
    warnings = [warning for run in (*baseline, *candidate) for warning in run.warnings]
    if not exact:
        warnings.append("A side has no plan: of its load only the model, the type and the lengths could be compared.")
    return Sides(baseline, candidate, points, only, list(dict.fromkeys(warnings)))


def alone(runs: Sequence[MeasuredRun]) -> list[Point]:
    """Return the points of one side, with no candidate; Error if it mixes services."""
    groups = _grouped(BASELINE, runs, all(run.load is not None for run in runs))
    return [Point(one.label, json.loads(one.load[0]), one.benchmark, one.repeats, []) for one in groups.values()]


def _load_of(run: MeasuredRun, exact: bool) -> JsonObject:
    return {**run.core, **(run.load or {} if exact else {})}


def _grouped(word: str, runs: Sequence[MeasuredRun], exact: bool) -> dict[tuple[str, ...], _Group]:
    """Return the repeats of each point of a side, each once; Error if runs with different services have the point."""
    groups: dict[tuple[str, ...], _Group] = {}
    seen: set[str] = set()
    for run in runs:
        load = (_text(run.parameters), _text(_load_of(run, exact)))
        for key, repeat in run.repeats:
            mark = _mark(repeat)
            if mark in seen:
                continue
            seen |= {mark} if mark else set()
            label = _once(repeat.label)
            group = groups.setdefault((*load, key), _Group(load, run.benchmark, label, {}, []))
            group.servings.setdefault(run.serving, run.name)
            group.repeats.append(repeat)
    for group in groups.values():
        if len(group.servings) > 1:
            one, other = list(group.servings.values())[:2]
            raise Error(
                f"The {word} mixes services: {one} and {other} have {group.label} under the same load, and their "
                "configurations differ. Name runs of one configuration, or the sweep that has both."
            )
    return groups


def _mark(repeat: Repeat) -> str | None:
    """Return what tells a measurement from all others, None if it has nothing that does."""
    if not repeat.started_at or not any(value is not None for value in repeat.figures.values()):
        return None
    return _text([repeat.started_at, repeat.ended_at, dict(repeat.figures)])


def _check_shared(points: Sequence[Point]) -> None:
    """Raise Error if both sides have the same measurement."""
    for point in points:
        marks = {_mark(one): one for one in point.baseline if _mark(one)}
        for other in point.candidate:
            mine = marks.get(_mark(other))
            if mine:
                raise Error(
                    f"{mine.label} of {mine.run} and {other.label} of {other.run} are the same measurement, so that "
                    "the sides would be compared with themselves. Name other runs, or measure again (-e force=true)."
                )


def _nothing_common(baseline: Sequence[MeasuredRun], candidate: Sequence[MeasuredRun], exact: bool) -> str:
    """Return why the sides have no point in common."""
    one, other = baseline[0], candidate[0]
    for run in (*baseline, *candidate):
        if not run.repeats:
            return f"{run.path} has no points, so that there is nothing to compare. Name a run that measured some."
    loads = [_load_of(run, exact) for run in (one, other)]
    keys = [key for key in dict.fromkeys([*loads[0], *loads[1]]) if loads[0].get(key) != loads[1].get(key)]
    differing = [f"{key} {_short(loads[0].get(key))} and {_short(loads[1].get(key))}" for key in keys]
    if one.parameters != other.parameters:
        differing.append(f"parameters {_short(one.parameters)} and {_short(other.parameters)}")
    if not differing:
        labels = [", ".join(dict.fromkeys(_once(repeat.label) for _key, repeat in run.repeats)) for run in (one, other)]
        differing = [f"points {labels[0]} and {labels[1]}"]
    return (
        f"The sides have no point under equal load: {one.name} and {other.name} differ in {', '.join(differing)}. "
        "Measure both with the same benchmark, and let both serve the model by the same name."
    )


def _in_words(group: _Group) -> str:
    load = json.loads(group.load[1])
    about = [f"{key} {load[key]}" for key in ("model", *group.benchmark.described_by) if load.get(key) is not None]
    parameters = [f"{key}={value}" for key, value in json.loads(group.load[0]).items()]
    return f"{group.label} ({', '.join([group.benchmark.type, *about, *parameters])})"


def _once(label: str) -> str:
    """Return the *label* of a point without the number of its repeat."""
    return label.rpartition(" #")[0] or label


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _short(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}..."
