# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which points are measured: that of a list, or as the results of a search say."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import cast

from ..benchmarks import search
from ..json_types import JsonObject
from ..plan_file import Plan, PlanPoint
from ..results.searching import next_point, path, search_of
from ..results.verdict import Verdict
from . import point_files


class PointOrder(abc.ABC):
    """Points, one after the other."""

    conclusion = ""  # what to say at the end

    @abc.abstractmethod
    def next(self, record: JsonObject | None = None) -> PlanPoint | None:
        """Return the next point, None if there is none; *record* is the one of the last point."""

    @abc.abstractmethod
    def certain(self) -> Sequence[PlanPoint]:
        """Return the points that are measured whatever the results are, as far as they are known."""


class PointList(PointOrder):
    """The points of a list."""

    def __init__(self, points: Sequence[PlanPoint]) -> None:
        self._points = points
        self._rest = iter(points)

    def next(self, record: JsonObject | None = None) -> PlanPoint | None:
        return next(self._rest, None)

    def certain(self) -> Sequence[PlanPoint]:
        return self._points


class PointSearch(PointOrder):
    """The points of the search in a plan. Valid results of earlier runs count; other points are measured again."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._verdicts: dict[str, Verdict | None] = {}
        self._last: PlanPoint | None = None

    def next(self, record: JsonObject | None = None) -> PlanPoint | None:
        if record:
            self._verdicts[record["name"]] = cast("Verdict", {"valid": record["valid"], "metrics": record["metrics"]})
        found = next_point(self._plan, self._verdicts)
        if "name" in found:
            self._last = cast("PlanPoint", found)
            return self._last
        planned = cast("search.PlannedSearch", search_of(self._plan))
        self.conclusion = search.in_words(planned, found)
        self._last = None
        return None

    def certain(self) -> Sequence[PlanPoint]:
        if not self._verdicts and self._last is None:  # a dry run, which follows what is known
            return path(self._plan, self._known)[0]
        return [self._last] if self._last else []

    def _known(self, point: PlanPoint) -> Verdict | None:
        """Return the verdict on *point* that counts already, or None."""
        earlier = point_files.standing_for(self._plan, point)
        return point_files.kept_verdict(self._plan, point) or (earlier.verdict if earlier else None)
