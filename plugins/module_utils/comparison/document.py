# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of compare.json, and whether the comparison passes. All times are UTC. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..json_types import JsonObject
from ..metrics import METRICS
from .differences import differences, warnings
from .judgement import (
    ALPHA,
    LEAST,
    NO_EVIDENCE,
    NO_VERDICT,
    VERDICTS,
    WORSE,
    MetricResult,
    PointResult,
    told_apart,
)
from .measured_run import MeasuredRun, Repeat
from .planning import Need
from .sides import BASELINE, CANDIDATE, Point, Sides

SCHEMA_VERSION = 1
INVALID = "invalid"
ONE_START = (
    "Each side was measured by one start of its service: what differs from start to start counts as a difference "
    "(benchmark.repeat_redeploy, or ab.yml)."
)
# What may fail a comparison, by the word in fail_on.
FAILING = {WORSE: WORSE, INVALID: INVALID, "no_verdict": NO_VERDICT, "no_evidence": NO_EVIDENCE}
USUALLY = (WORSE, INVALID, "no_verdict")


class Asked(NamedTuple):
    """What the user asked for.

    :ivar names: what was given for both sides.
    :ivar threshold: the smallest difference that matters, as a share.
    :ivar primary: names of the primary metrics; empty: the usual ones.
    :ivar fail_on: words of FAILING.
    """

    names: tuple[str, str]
    threshold: float = 0.02
    primary: Sequence[str] = ()
    fail_on: Sequence[str] = USUALLY
    alpha: float = ALPHA


def build(sides: Sides, results: Sequence[PointResult], asked: Asked, now: str) -> JsonObject:
    """Return the content of compare.json; ``ok`` and ``failures`` say whether the comparison passes, and why not."""
    different = differences(sides.baseline, sides.candidate)
    points = [point_record(one) for one in results]
    both = ((BASELINE, sides.baseline), (CANDIDATE, sides.candidate))
    invalid = [one for word, runs in both for one in _named(word, runs, measured=True)]
    why = [one.pairing.why for one in results if one.pairing.why]
    why += [line for one in results for line in told_apart(one.point)]
    why += [ONE_START] if any(_started_once(one.point) for one in results) else []
    document = {
        "schema_version": SCHEMA_VERSION,
        "generated_at": now,
        "threshold": asked.threshold,
        "confidence": 1 - asked.alpha,
        "least_repeats": LEAST,
        "sides": [side_record(word, name, runs) for (word, runs), name in zip(both, asked.names)],
        "points": points,
        "invalid": invalid,
        "missing": [one for word, runs in both for one in _named(word, runs, measured=False)],
        "only": sides.only,
        "differences": different,
        "warnings": list(dict.fromkeys([*sides.warnings, *why, *warnings(different)])),
    }
    failures = [line for word in asked.fail_on for line in _failures(word, document)]
    return {**document, "verdict": headline(document), "ok": not failures, "failures": failures}


def _started_once(point: Point) -> bool:
    """Return whether one start of the service measured all valid repeats of a side, and another one the other side."""
    starts = [{one.deployment for one in side if one.valid} for side in (point.baseline, point.candidate)]
    return all(len(side) == 1 and None not in side for side in starts) and starts[0] != starts[1]


def side_record(word: str, given: str, runs: Iterable[MeasuredRun]) -> JsonObject:
    """Return what is said of one side: its runs with their repeats and nodes."""
    found = []
    for run in runs:
        measured = [one for _key, one in run.repeats if one.measured]
        found.append({
            "name": run.name, "path": run.path, "job_id": run.job_id, "job_name": run.job_name,
            "parameters": run.parameters, "nodes": run.facts["nodes"], "serving": run.serving,
            "repeats": len(measured), "valid": sum(one.valid for one in measured),
        })  # fmt: skip
    return {"side": word, "given": given, "runs": found}


def _named(word: str, runs: Iterable[MeasuredRun], measured: bool) -> list[JsonObject]:
    """Return the repeats of a side that are not valid, those that were measured or those that were not."""
    bad = [one for run in runs for _key, one in run.repeats if not one.valid and one.measured == measured]
    return [{"side": word, "run": one.run, "label": one.label, "reasons": one.reasons} for one in bad]


def point_record(result: PointResult) -> JsonObject:
    """Return one of ``points``."""
    point = result.point
    return {
        "label": point.label,
        "parameters": point.parameters,
        "benchmark_type": point.benchmark.type,
        "method": "paired" if result.pairing.pairs else "welch",
        "baseline": _counts(point.baseline),
        "candidate": _counts(point.candidate),
        "unmeasured": result.unmeasured,
        "metrics": [_metric(one) for one in result.metrics],
    }


def _counts(repeats: Sequence[Repeat]) -> JsonObject:
    measured = sum(one.measured for one in repeats)
    return {"planned": len(repeats), "measured": measured, "valid": sum(one.valid for one in repeats)}


def _metric(one: MetricResult) -> JsonObject:
    metric, record = METRICS[one.name], {key: value for key, value in one._asdict().items() if key != "counts"}
    return {**record, "label": metric.label, "better": metric.better, "n": list(one.counts)}


def headline(document: JsonObject) -> str:
    """Return the verdicts in one line, such as ``1 worse, 2 equivalent``; invalid repeats are always named."""
    found = [one["verdict"] for point in document["points"] for one in point["metrics"] if one["primary"]]
    counts = [f"{found.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in found]
    bad = len(document["invalid"])
    counts += [f"{bad} invalid repeat{'s' if bad > 1 else ''}"] if bad else []
    return ", ".join(counts) or NO_VERDICT


def _failures(word: str, document: JsonObject) -> list[str]:
    """Return why a comparison fails on *word*, one line each."""
    if word == INVALID:
        return [
            f"{one['side']}: {one['label']} of {one['run']} is not valid: {'; '.join(one['reasons'])}"
            for one in document["invalid"]
        ]
    lines, primary = [], 0
    for point in document["points"]:
        for one in point["metrics"]:
            primary += one["primary"]
            if one["primary"] and one["verdict"] == FAILING[word]:
                more = f": {one['reason']}" if one["reason"] else f" ({percent(one['ratio'])})" if one["ratio"] else ""
                lines.append(f"{place(point)}: {one['label']} {FAILING[word]}{more}")
    if word == "no_verdict" and not primary:
        lines.append("No point has any of the primary metrics. Set primary_metrics.")
    return lines


def place(point: JsonObject) -> str:
    """Return the name of a point of the document, with its parameters in a sweep."""
    return " ".join([*(f"{key}={value}" for key, value in point["parameters"].items()), point["label"]])


def percent(ratio: float) -> str:
    """Return a ratio as the difference that it is, such as ``+3.1 %``."""
    return f"{100 * (ratio - 1):+.1f} %"


def plan_document(given: Sequence[str], found: Sequence[Need], asked: Asked, difference: float) -> JsonObject:
    """Return what the planning of repeats found; ``repeats`` is enough for all metrics, None if one is unknown."""
    known = [one.repeats for one in found]
    enough = None if not known or None in known else max(one for one in known if one)
    return {
        "schema_version": SCHEMA_VERSION,
        "given": list(given),
        "difference": difference,
        "threshold": asked.threshold,
        "confidence": 1 - asked.alpha,
        "repeats": enough,
        "needs": [one._asdict() for one in found],
    }
