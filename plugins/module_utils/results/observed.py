# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scraper saw while the points of a run were measured: power, and the metrics pages of workers.

A scraper that ended changes no verdict, unless the job requires its readings, but is always told.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..json_types import JsonObject
from ..plan_file import Plan, PlanPoint
from . import page_figures, power
from .rollup_file import PointRecord
from .scraped import MOST_SERIES, Scrape, scraped_path
from .windows import ends, window

# How long before the end of a point the last scrape may have been: at most half of the point, so that a short one with
# a scraper that ended is told, too; and the least, as a busy node lets it wait.
LATE_S, LEAST_S = 10.0, 2.0


class Observed:
    """The scrapes of the run of *plan*, which :meth:`read` reads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._metrics: dict[str, Scrape] = {}  # by point
        self._power: dict[str, Scrape] = {}
        self._notes: list[str] = []
        self._windows: dict[str, tuple[float, float]] = {}

    def read(self, records: Sequence[PointRecord]) -> None:
        """Read the scrapes of points that this run measured, and add ``energy`` to their *records*."""
        for record in records:
            during, name = window(record), record["name"]
            if during is None or record.get("origin"):
                continue
            self._windows[name] = during
            self._metrics.update(self._scrape("metrics", record, during))
            self._power.update(self._scrape("power", record, during))
            energy = power.of_point(self._plan, name, during, record.get("total_output_tokens"))
            if energy:
                record["energy"] = energy

    def _scrape(self, purpose: str, record: PointRecord, during: tuple[float, float]) -> dict[str, Scrape]:
        path = scraped_path(self._plan, purpose, record["name"])
        if not path:
            return {}
        found, trouble = Scrape(path), None
        if found.problem:
            trouble = found.problem
        elif found.last is None or found.last < during[1] - _late_s(found, during):
            trouble = f"{path} ends before the point did: the scraper ended"
        else:
            failed = [page for page in found.pages.values() if not page.between(*during) and page.error]
            if failed:
                name, error = failed[0].facts["name"], failed[0].error
                trouble = f"{len(failed)} pages could not be read, the first is that of {name}: {error}"
        if trouble:
            self._notes.append(f"{record['label']}: {purpose} not complete: {trouble}.")
        return {record["name"]: found} if found.pages else {}

    def notes(self) -> list[str]:
        """Return what has to be said of the scrapes."""
        return list(self._notes)

    def of_worker(self, name: str) -> JsonObject:
        """Return the figures of the worker *name* over all points, from its metrics page."""
        return page_figures.figures(
            (scrape.pages[name], self._windows[point])
            for point, scrape in self._metrics.items()
            if name in scrape.pages
        )

    def in_point(self, name: str, point: str) -> JsonObject:
        """Return the figures of the worker *name* in the window of *point*, from its metrics page."""
        scrape = self._metrics.get(point)
        pages = [(scrape.pages[name], self._windows[point])] if scrape and name in scrape.pages else []
        return page_figures.figures(pages)

    def running(self, name: str, point: str) -> list[float]:
        """Return the running requests of the worker *name* in the window of *point*, as its metrics page had them."""
        scrape = self._metrics.get(point)
        page = scrape.pages.get(name) if scrape else None
        return page_figures.running(page, self._windows[point]) if page else []

    def series(self) -> JsonObject:
        """Return ``{scraped, power}`` of series.json; without data there are no keys."""
        scraped = [one for scrape in self._metrics.values() for one in scrape.series()]
        watts = [one for scrape in self._power.values() for one in power.series(scrape)]
        found = {"scraped": scraped[:MOST_SERIES], "power": watts[:MOST_SERIES]}
        cut = len(scraped) > MOST_SERIES or len(watts) > MOST_SERIES or bool(self._notes)
        return {**{key: value for key, value in found.items() if value}, **({"complete": False} if cut else {})}


def _late_s(found: Scrape, during: tuple[float, float]) -> float:
    """Return how long before the end of a window the last scrape may have been."""
    return max(1.5 * found.interval_s, min(LATE_S, max(LEAST_S, (during[1] - during[0]) / 2)))


def lacking(plan: Plan, point: PlanPoint, times: Sequence[object]) -> list[str]:
    """Return the reasons why *point* is not valid because it lacks readings that the job requires.

    :param times: its begin and end.
    """
    required = (plan["benchmark"].get("scraped") or {"required": []})["required"]
    if not required:
        return []
    energy = power.of_point(plan, point["name"], ends(*times), None) or {}
    found = []
    if "power" in required and energy.get("note"):
        found.append(f"telemetry is required, and its power is not known: {energy['note']}")
    if "cpu_power" in required and energy.get("cpu_joules") is None:
        why = power.why_no_cpus(plan, point["name"])
        found.append(f"telemetry.cpu_power is required, and the energy of the CPUs is not known: {why}")
    return found
