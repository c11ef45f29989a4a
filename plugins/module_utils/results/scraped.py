# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scraper wrote while a point was measured (see scraper/scrape.py), and what it may lack."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import BinaryIO

from ..backends.worker_series import Series
from ..files import regular
from ..json_types import Json, JsonObject
from ..plan_file import Plan

MOST = 1 << 28  # bytes of a file
LONGEST_LINE = 1 << 24
MOST_SERIES = 400  # over time, of all points


def scraped_path(plan: Plan, purpose: str, point: str) -> str | None:
    """Return the path of what was scraped for *purpose* while *point* was measured; None if nothing is."""
    path = (plan["benchmark"].get("scraped") or {"paths": {}})["paths"].get(purpose)
    return os.path.join(plan["run_dir"], path.replace("{point}", point)) if path else None


class Page:
    """What one page said: the latest numbers, and of each the samples as (time, number)."""

    def __init__(self, facts: JsonObject) -> None:
        self.facts, self.times = facts, list[float]()
        self.values: dict[str, list[tuple[float, float]]] = {}
        self.error: str | None = None

    def between(self, begin: float, end: float) -> int:
        """Return how often it was read between two times."""
        return sum(begin <= one <= end for one in self.times)

    def at(self, name: str, time: float) -> float | None:
        """Return the number *name* at *time*: only changes are written."""
        earlier = [value for when, value in self.values.get(name) or () if when <= time]
        return earlier[-1] if earlier else None


class Scrape:
    """The content of one file.

    :ivar problem: why it is not complete, or None.
    :ivar interval_s: from one reading of a page to the next.
    """

    def __init__(self, path: str) -> None:
        self.pages: dict[str, Page] = {}
        self.ended = self.cut = False
        self.problem: str | None = None
        self.last: float | None = None
        self.interval_s = 0.0
        try:
            with open(path, "rb", opener=regular) as stream:
                for one in _objects(stream):
                    self._take(one)
        except OSError as error:
            self.problem = f"{path}: {error.strerror or error}"
            return
        if self.cut:
            self.problem = f"{path} had reached its size before the point ended"

    def _take(self, one: JsonObject) -> None:
        kind = one.get("kind")
        if not _is_number(one.get("t")):
            return
        self.last = time = float(one["t"])
        if kind == "begin" and isinstance(one.get("targets"), list):
            named = [
                facts for facts in one["targets"] if isinstance(facts, dict) and isinstance(facts.get("name"), str)
            ]
            self.pages = {facts["name"]: Page(facts) for facts in named}
            self.interval_s = float(one["interval_s"]) if _is_number(one.get("interval_s")) else 0.0
        page = self.pages.get(str(one.get("target")))
        if kind == "page" and page and isinstance(one.get("v"), dict):
            page.times.append(time)
            for name, value in one["v"].items():
                if _is_number(value):
                    page.values.setdefault(name, []).append((time, value))
        elif kind == "error" and page:
            page.error = str(one.get("error"))
        elif kind == "end":
            self.ended, self.cut = True, bool(one.get("cut"))

    def lacks(self, begin: float, end: float, most_s: float) -> list[str]:
        """Return the names of the pages that were not read at least every *most_s* seconds from *begin* to *end*."""
        return [
            name
            for name, page in self.pages.items()
            if not _covers([one for one in page.times if begin - most_s <= one <= end + most_s], begin, end, most_s)
        ]

    def series(self) -> Iterator[JsonObject]:
        """Yield every number over time as in series.json."""
        for name, page in self.pages.items():
            for metric, samples in page.values.items():
                buckets = Series()
                buckets.add([time for time, _value in samples], {"v": [value for _time, value in samples]})
                yield {"name": name, "node": page.facts.get("node"), "metric": metric, **buckets.record({"v": "v"})}


def _covers(times: list[float], begin: float, end: float, most_s: float) -> bool:
    """Return whether *times* reach from *begin* to *end* without a gap of more than *most_s*."""
    reach = [begin, *(one for one in times if begin < one < end), end]
    return bool(times) and all(later - earlier <= most_s for earlier, later in zip(reach, reach[1:]))


def _objects(stream: BinaryIO) -> Iterator[JsonObject]:
    """Yield the JSON objects in a file, one a line. Other lines are left out, such as the last of a killed program."""
    size = 0
    while size < MOST:
        line = stream.readline(LONGEST_LINE)
        size += len(line)
        if not line:
            return
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
