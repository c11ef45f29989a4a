# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several results of one point, such as those of a command that measures more than once. None is averaged.

In a verdict each is ``{name, metrics, reasons, doubts}``. In ``parts[]`` of rollup.json each is an entry like those of
``results[]``, with ``result_file`` for its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .. import metrics
from ..benchmarks.base import Benchmark, Part, about
from ..json_types import Json, JsonObject
from ..plain_text import shown
from .rollup_file import PointRecord
from .verdict import INVALID, PASSED, VALID

RESULT_FILE = "result_file"


def of_verdict(parts: Iterable[Part]) -> list[JsonObject]:
    """Return *parts* as a verdict keeps them."""
    return [
        {
            "name": shown(one.name),
            "metrics": dict(one.figures),
            "reasons": [shown(reason) for reason in one.reasons],
            "doubts": [shown(doubt) for doubt in one.doubts],
        }
        for one in parts
    ]


def records(
    record: PointRecord, kept: Sequence[JsonObject], benchmark: Benchmark, gpus: Mapping[str, int]
) -> list[PointRecord]:
    """Return the entries of ``parts[]`` of a point.

    What speaks against the point, and not against one of its parts, speaks against all of them.

    :param record: the entry of the point.
    :param kept: the parts in its verdict.
    :param gpus: see :func:`metrics.derived`.
    """
    own = {shown(about(one["name"], reason)) for one in kept for reason in one["reasons"]}
    against_all = [reason for reason in record["invalid_reasons"] if reason not in own]
    return [_record(record, one, against_all, benchmark, gpus) for one in kept]


def _record(
    record: PointRecord, kept: JsonObject, against_all: list[str], benchmark: Benchmark, gpus: Mapping[str, int]
) -> PointRecord:
    key = {field: record[field] for field in benchmark.key_fields if field in record}
    figures: JsonObject = kept["metrics"]
    level = figures.get("concurrency")
    found: PointRecord = {**key, **dict.fromkeys(benchmark.metrics)}
    found.update({name: figures.get(name) for name in benchmark.metrics})
    found.update({} if level is None else {"concurrency": level})
    share = metrics.derived(found, gpus)
    found.update({name: value for name, value in share.items() if name in benchmark.metrics})
    reasons = [*against_all, *kept["reasons"]]
    state = INVALID if reasons else PASSED if kept["doubts"] else VALID
    found.update(
        {RESULT_FILE: kept["name"]},
        name=f"{record['name']} {kept['name']}",
        label=about(record["label"], kept["name"]),
        valid=state == VALID,
        state=state,
        invalid_reasons=reasons,
        origin=record["origin"],
        started_at=None,
        ended_at=None,
    )
    return {**found, "doubts": kept["doubts"]} if state == PASSED else found


def flattened(found: Iterable[PointRecord]) -> Iterator[PointRecord]:
    """Yield the entries of ``results[]``, each followed by its parts."""
    for record in found:
        yield record
        yield from record.get("parts") or ()


def counting(found: Iterable[PointRecord]) -> list[Mapping[str, Json]]:
    """Return what is valid of *found*: points, and the parts of points against which nothing speaks."""
    good = [record for record in found if not record["invalid_reasons"]]
    return [one for one in flattened(good) if one["valid"]]
