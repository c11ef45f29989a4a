# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sweep.csv, and the table at the end of a sweep. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from ..benchmarks import BENCHMARKS
from ..json_types import Json, JsonObject
from ..metrics import METRICS, PERCENTILES
from ..results.verdict import NOT_MEASURED, PASSED, VALID
from . import parameters, rows

MARKS = {VALID: "yes", PASSED: "passed", NOT_MEASURED: "not measured"}
STATE = ("state", "valid", "invalid_reasons")
END = ("started_at", "ended_at", "service_gaps", "job_id", "run_dir")


def csv_text(found: Sequence[JsonObject]) -> str:
    """Return the content of sweep.csv: one line for each row, and a column for each parameter."""
    own, keys, figures = _columns(found)
    taken = {"job_name", *keys, *STATE, *figures, *END}
    heads = {name: f"parameter.{name}" if name in taken else name for name in own}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["job_name", *heads.values(), *keys, *STATE, *figures, *END])
    for row in found:
        cells = [
            row["job_name"],
            *(row["parameters"].get(name) for name in own),
            *(row["key"].get(key) for key in keys),
        ]
        cells += [row["state"], row["valid"], "; ".join(row["invalid_reasons"])]
        cells += [row["metrics"].get(name) for name in figures]
        cells += [row["started_at"], row["ended_at"], "; ".join(row["service_gaps"]), row["job_id"], row["run_dir"]]
        writer.writerow([_cell(cell) for cell in cells])
    return stream.getvalue()


def _columns(found: Sequence[JsonObject]) -> tuple[list[str], list[str], list[str]]:
    """Return (parameters, fields of the points' keys, metrics) of the rows *found*."""
    types = dict.fromkeys(row["benchmark_type"] for row in found)
    keys = dict.fromkeys(field for one in types for field in BENCHMARKS[one].key_fields[:1])
    keys.update(dict.fromkeys(field for row in found for field in row["key"]))
    figures = dict.fromkeys(name for one in types for name in BENCHMARKS[one].metrics)
    return parameters.names([row["parameters"] for row in found]), list(keys), list(figures)


def _cell(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, dict, bool)):
        return json.dumps(value)
    return str(value)


def text(found: Sequence[JsonObject], failures: Mapping[str, str]) -> str:
    """Return the table of a sweep: its points, the best by each metric, and what is not valid or not measured.

    :param failures: ``{job: why its last run failed, or did not take place}``.
    """
    done = rows.count(found)
    lines = _aligned(found) if found else ["No points were planned."]
    if found:
        lines += ["", f"{done.valid} of {done.total} points are valid"]
        lines[-1] += f", {done.passed} have passed" if done.passed else ""
        lines[-1] += f", {done.invalid} are NOT valid" if done.invalid else ""
        lines[-1] += f", {done.left} are not measured." if done.left else "."
    records = rows.best(found)
    if records:
        lines += ["Best:", *(f"  {best_line(one)}" for one in records)]
    passed = [row for row in found if row["state"] == PASSED]
    if passed:
        lines += ["Passed, and not called valid:"]
        lines += [f"  {row['job_name']} {row['label']}: {'; '.join(row['doubts'])}" for row in passed]
    wrong = [row for row in found if row["state"] not in (VALID, PASSED, NOT_MEASURED)]
    if wrong:
        lines += ["NOT valid:"]
        lines += [f"  {row['job_name']} {row['label']}: {'; '.join(row['invalid_reasons'])}" for row in wrong]
    missing = dict.fromkeys(row["job_name"] for row in found if row["state"] == NOT_MEASURED)
    if missing or failures:
        lines += ["Failed or not measured:"]
    for name in dict.fromkeys([*failures, *missing]):
        labels = [row["label"] for row in found if row["job_name"] == name and row["state"] == NOT_MEASURED]
        left = f" ({', '.join(labels)} not measured)" if labels else ""
        lines.append(f"  {name}{left}: {failures.get(name) or 'it was not run'}")
    return "\n".join(lines)


def job_line(job: JsonObject) -> str:
    """Return how far one job of sweep.json is, in a line."""
    done = rows.count(job["rows"])
    wrong = f", {done.passed} passed" if done.passed else ""
    wrong += f", {done.invalid} NOT valid" if done.invalid else ""
    return f"{job['name']}: {done.valid} of {done.total} points valid{wrong}" + (
        f", {job['failure']}" if job["failure"] else ""
    )


def best_line(one: JsonObject) -> str:
    """Return one of :func:`rows.best` as text."""
    return f"{METRICS[one['metric']].phrase(one['value'])}: {one['job_name']} {one['label']}"


def _aligned(found: Sequence[JsonObject]) -> list[str]:
    _own, keys, _figures = _columns(found)
    types = dict.fromkeys(row["benchmark_type"] for row in found)
    filled = {name for row in found for name, value in row["metrics"].items() if value is not None}
    names = dict.fromkeys(name for one in types for name in BENCHMARKS[one].columns)
    shown = [METRICS[name] for name in names if name in filled or not filled and name not in PERCENTILES]
    lines = [["job", *keys, *(one.label for one in shown), "valid"]]
    for row in found:
        cells = [row["job_name"], *("-" if row["key"].get(key) is None else str(row["key"][key]) for key in keys)]
        cells += [one.text(row["metrics"].get(one.name)) for one in shown]
        lines.append([*cells, MARKS.get(row["state"], "NO")])
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:])), line[-1]]
        )
        for line in lines
    ]


def coming(record: JsonObject, most: int = 1_000_000) -> list[str]:
    """Return what a sweep will do, as lines: its groups with their jobs and points, and what they cost at most.

    :param record: what the module sweep_record returns.
    :param most: jobs that are named one by one; of more, only the groups are shown.
    """
    points, groups, alone, shared = (record[key] for key in ("points", "groups", "alone", "shared"))
    by_name = {job["name"]: job for job in record["jobs"]}
    known = sum(len(job["known"]) for job in record["jobs"])
    what = f"{_count(len(by_name), 'job')} with {_count(points['total'], 'point')}"
    lines = [f"{what}, {known} of them valid already. {record['folder']}"]
    short = len(by_name) > most
    for number, group in enumerate(groups, 1):
        cost = f"{group['nodes']} nodes, {group['gpus']} GPUs, time limit {group['time_limit']}"
        lines.append(f"allocation {number}, {group['name']}: {cost}, {group['gpu_hours']:.1f} GPU hours until then")
        for place, service in enumerate([] if short else group["services"], 1):
            lines += [f"  service {number}.{place}:", *(f"    {_points(by_name[name])}" for name in service)]
    done = [job for job in record["jobs"] if job["complete"]]
    if done:
        lines.append("nothing to do for:" if not short else f"nothing to do for {_count(len(done), 'job')}")
        lines += [] if short else [f"  {_points(job)}" for job in done]
    if len(groups) < alone["allocations"] or shared["workers"] < alone["workers"]:
        lines.append(
            f"{_count(shared['allocations'], 'allocation')} instead of {alone['allocations']}, {shared['workers']} "
            f"starts of workers instead of {alone['workers']}; {shared['gpu_hours']:.1f} GPU hours until the time "
            f"limits instead of {alone['gpu_hours']:.1f}"
        )
    if any(sum(map(len, group["services"])) > 1 for group in groups):
        lines.append("When an allocation ends by its time limit, the rest of its jobs goes on in another one.")
    return lines


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _points(job: JsonObject) -> str:
    """Return a job with its parameters and points in one line."""
    given = " ".join(f"{name}={_cell(value)}" for name, value in job["parameters"].items())
    marks = [f"{label} (valid)" if label in job["known"] else label for label in job["labels"]]
    return f"{job['name']}{f' ({given})' if given else ''}: {', '.join(marks) or 'no points'}"
