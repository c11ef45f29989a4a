# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of each metric of each point, and the verdicts on the primary ones. Pure.

The unit of evidence is one valid repeat. A metric gets no verdict, and says why, when a valid repeat lacks its value:
nothing is averaged away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..benchmarks.base import Benchmark
from ..json_types import Json
from ..metrics import HIGHER, METRICS
from ..statistics import decisions, ratios, sizes
from ..statistics.decisions import Decision
from ..statistics.ratios import Ratio
from .pairing import Pairing, paired
from .sides import BASELINE, CANDIDATE, Point

BETTER, WORSE, EQUIVALENT, NO_EVIDENCE, NO_VERDICT = "better", "worse", "equivalent", "no evidence", "no verdict"
VERDICTS = (WORSE, BETTER, EQUIVALENT, NO_EVIDENCE, NO_VERDICT)
LEAST = 3  # valid repeats of each side, or pairs
ALPHA = 0.005  # the probability that any of the verdicts of a comparison is wrong
EXPLORATORY = 0.95  # the confidence of the interval of a metric that is not primary
PRIMARY = ("output_tps", "median_ttft_ms", "median_tpot_ms", "score")
COUNTS = ("completed", "failed")  # not what a service is chosen by


class MetricResult(NamedTuple):
    """What is known of one metric of one point.

    :ivar baseline, candidate: the geometric means of the repeats that were used, None if there is none.
    :ivar ratio, low, high: candidate / baseline, and its interval with ``confidence``.
    :ivar p: see decisions.Decision; None for a metric that is not primary.
    :ivar verdict: one of VERDICTS; None for a metric that is not primary.
    :ivar reason: why there is no verdict or no interval.
    :ivar detectable: the ratio above which these repeats would have shown a difference, with a power of 80 %.
    """

    name: str
    primary: bool
    counts: tuple[int, int]
    baseline: float | None = None
    candidate: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    p: float | None = None
    verdict: str | None = None
    reason: str = ""
    detectable: float | None = None


class PointResult(NamedTuple):
    """What is known of one point; ``unmeasured`` names primary metrics of which neither side has any value."""

    point: Point
    pairing: Pairing
    metrics: list[MetricResult]
    unmeasured: list[str]


class _Draft(NamedTuple):
    found: MetricResult
    ratio: Ratio | None


def primary_of(benchmark: Benchmark, wanted: Sequence[str]) -> list[str]:
    """Return the primary metrics of points of *benchmark*: those *wanted*, by default PRIMARY, else its summary."""
    names = [name for name in wanted or PRIMARY if name in benchmark.metrics]
    if names or wanted:
        return names
    return [name for name in benchmark.summary if comparable(name) and name in benchmark.metrics]


def comparable(name: str) -> bool:
    """Return whether *name* is a metric of which more or less is better."""
    metric = METRICS.get(name)
    return bool(metric and metric.better and metric.digits is not None) and name not in COUNTS


def judge(
    points: Sequence[Point], wanted: Sequence[str] = (), threshold: float = 0.02, alpha: float = ALPHA
) -> list[PointResult]:
    """Return the PointResult of each of *points*.

    :param wanted: names of the primary metrics; none: the usual ones.
    :param threshold: the smallest difference that matters, as a share.
    :param alpha: the probability that any verdict is wrong.
    """
    margin = math.log1p(threshold)
    drafts = [_drafts(point, wanted) for point in points]
    tested = [(row, at) for row, (_p, own, _u) in enumerate(drafts) for at, one in enumerate(own) if one.found.primary]
    decided = decisions.decide([drafts[row][1][at].ratio for row, at in tested], margin, alpha)
    verdicts = dict(zip(tested, decided))
    results = []
    for row, (point, (pairing, own, unmeasured)) in enumerate(zip(points, drafts)):
        found = [_judged(one, verdicts.get((row, at)), margin) for at, one in enumerate(own)]
        results.append(PointResult(point, pairing, found, unmeasured))
    return results


def _drafts(point: Point, wanted: Sequence[str]) -> tuple[Pairing, list[_Draft], list[str]]:
    sides = [[one for one in side if one.valid] for side in (point.baseline, point.candidate)]
    pairing = paired(*sides)
    used = [[one for one, _other in pairing.pairs], [one for _one, one in pairing.pairs]] if pairing.pairs else sides
    primary = primary_of(point.benchmark, wanted)
    names = [*primary, *(name for name in point.benchmark.metrics if comparable(name) and name not in primary)]
    found, unmeasured = [], []
    for name in names:
        values = [[one.figures.get(name) for one in side] for side in used]
        if any(sides) and all(value is None for side in values for value in side):
            unmeasured += [name] if name in primary else []
            continue
        found.append(_draft(name, name in primary, values, pairing))
    return pairing, found, unmeasured


def _draft(name: str, primary: bool, values: Sequence[Sequence[Json]], pairing: Pairing) -> _Draft:
    """Return the ratio of one metric, or the reason why there is none."""
    blank = MetricResult(name, primary, (len(values[0]), len(values[1])), verdict=NO_VERDICT if primary else None)
    for word, side in zip((BASELINE, CANDIDATE), values):
        bad = [value for value in side if not ratios.usable(value)]
        if bad:
            what = "no value" if bad[0] is None else f"the value {bad[0]}, which has no ratio"
            return _Draft(
                blank._replace(reason=f"{len(bad)} of {len(side)} valid repeats of the {word} have {what}"), None
            )
    means = [ratios.centre(side) if side else None for side in values]
    blank = blank._replace(baseline=means[0], candidate=means[1])
    if means[0] and means[1]:
        blank = blank._replace(ratio=means[1] / means[0])
    for word, side in zip((BASELINE, CANDIDATE), values):
        if len(side) < LEAST:
            what = "pairs" if pairing.pairs else f"valid repeats of the {word}"
            return _Draft(blank._replace(reason=f"{len(side)} {what}, {LEAST} are needed"), None)
    try:
        ratio = ratios.paired(list(zip(*values))) if pairing.pairs else ratios.welch(*values)
    except ratios.NoSpread:
        return _Draft(blank._replace(reason="the repeats show no spread at all, so that nothing is known of it"), None)
    return _Draft(blank, ratio)


def _judged(draft: _Draft, decision: Decision | None, margin: float) -> MetricResult:
    found, ratio = draft
    if ratio is None:
        return found
    if decision is None:  # exploratory
        low, high = ratios.interval(ratio, EXPLORATORY)
        return found._replace(low=_factor(low), high=_factor(high), confidence=EXPLORATORY)
    verdict = decision.verdict
    if verdict in (decisions.UP, decisions.DOWN):
        verdict = BETTER if (verdict == decisions.UP) == (METRICS[found.name].better == HIGHER) else WORSE
    return found._replace(
        low=_factor(decision.low),
        high=_factor(decision.high),
        confidence=decision.confidence,
        p=decision.p,
        verdict=EQUIVALENT if verdict == decisions.EQUIVALENT else verdict,
        detectable=_factor(sizes.detectable(ratio, margin, decision.confidence)),
    )


def _factor(logarithm: float) -> float:
    """Return the ratio that *logarithm* is of, within what a number can be."""
    return math.exp(max(-700.0, min(700.0, logarithm)))


def told_apart(point: Point) -> list[str]:
    """Return how valid repeats of both sides were measured differently, as sentences: by whom, and how it counted."""
    found = []
    for name in point.benchmark.metrics:
        if METRICS[name].digits is not None:
            continue
        sides = [
            sorted({str(one.figures.get(name)) for one in side if one.valid})
            for side in (point.baseline, point.candidate)
        ]
        if all(sides) and sides[0] != sides[1]:
            said = [" or ".join(side) for side in sides]
            found.append(
                f"{point.label}: {METRICS[name].label}: {said[0]} on the baseline, {said[1]} on the candidate."
            )
    return found
