# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the workers of a run said of themselves: over all, in the window of each point, and over time (series.json).

A window is from ``started_at`` to ``ended_at`` of a result. A line counts in the window of its stamp, although the
interval that it is about may have begun before. Figures without a time in UTC are in no window and in no series.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..backends.worker_figures import Metrics, Window
from ..json_types import JsonObject
from ..plain_text import shown
from ..plan_file import Plan, Step
from . import commands, decode_running, run_logs, worker_logs
from .observed import Observed
from .rollup_file import PointRecord
from .windows import window
from .worker_logs import LogState

SERIES_FILE = "series.json"
SERIES_SCHEMA_VERSION = 1
LOG, PAGE = "log", "metrics page"  # where figures are from
# Figures of a worker that are cut to the window of a point.
CUT = (
    *("total_batches", "total_prefill_batches", "total_decode_batches", "total_new_tokens", "total_cached_tokens"),
    *("cache_hit_rate", "avg_input_throughput", "max_input_throughput", "avg_running_requests"),
    *("max_running_requests", "avg_gen_throughput", "max_gen_throughput", "max_queue_requests"),
    *("max_inflight_requests", "max_transfer_requests", "avg_kv_usage", "max_kv_usage"),
)


class WorkerLog(NamedTuple):
    """The log of one process of a worker."""

    step: Step
    node: str
    path: str

    @property
    def name(self) -> str:
        return self.step["name"]


class Workers:
    """The workers of the run of *plan*, whose logs :meth:`read` reads."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._backend = plan, plan["spec"]["backend"]["type"]
        self._logs = [
            WorkerLog(step, node, os.path.join(plan["run_dir"], step["log"].replace("%N", node)))
            for step in plan.get("steps") or ()
            if step["kind"] == "worker"
            for node in step["nodes"]
        ]
        self._states: dict[str, LogState] = {}
        self._metrics: dict[str, Metrics] = {}
        self._unread: dict[str, OSError] = {}
        self._points: list[PointRecord] = []
        self._observed = Observed(plan)

    def read(self, records: Sequence[PointRecord]) -> None:
        """Read the logs, and add ``workers`` and decode_running.KEY to each of the *records* of points."""
        self._points = [record for record in records if window(record)]
        windows = [one for one in map(window, self._points) if one]
        if worker_logs.has_figures(self._backend):
            known = run_logs.load_cache(self._plan["run_dir"])
            paths = [log.path for log in self._logs]
            for path, found in run_logs.read_logs(self._backend, paths, windows, known).items():
                if isinstance(found, LogState):
                    self._states[path], self._metrics[path] = found, found.metrics(windows)
                else:
                    self._unread[path] = found
        self._observed.read(records)
        for record in records:
            record["workers"] = self._in_window(record["name"], window(record))
            record[decode_running.KEY] = decode_running.p90(self._decode_running(record))

    def _in_window(self, point: str, during: Window | None) -> list[JsonObject]:
        """Return the figures of each worker in the window of *point*, without those of which nothing is known in it."""
        found = []
        for log in self._logs:
            metrics = self._metrics.get(log.path)
            totals = metrics.windows.get(during) if metrics and during else None
            figures: JsonObject = {}
            if totals and totals.means:
                record = totals.record()
                figures = {"figures_from": LOG, **{key: record[key] for key in CUT if record[key] is not None}}
            elif not (metrics and metrics.totals.means):
                figures = _from_page(self._observed.in_point(log.name, point))
            if figures:
                found.append({**_who(log), **figures})
        return found

    def _decode_running(self, record: PointRecord) -> Iterator[Counter[int | float]]:
        """Yield how often each decode worker ran how many requests in the window of a point, from its log or page."""
        during = window(record)
        for endpoint in self._plan["endpoints"]:
            if endpoint["mode"] != "decode":
                continue
            found: Counter[int | float] = Counter()
            for log in self._logs:
                if log.step["mode"] == "decode" and log.step["index"] == endpoint["index"]:
                    metrics = self._metrics.get(log.path)
                    totals = metrics.windows.get(during) if metrics and during else None
                    found.update(totals.running if totals else {})
                    if not (metrics and metrics.totals.means):
                        found.update(self._observed.running(log.name, record["name"]))
            yield found

    def summary(self) -> JsonObject:
        """Return ``nodes_summary``: one record for each worker log, in plan order."""
        records = []
        for log in self._logs:
            if log.path in self._metrics:
                figures = self._metrics[log.path].record()
            elif not worker_logs.has_figures(self._backend) and os.path.exists(log.path):
                figures = dict.fromkeys(Metrics().record())
            else:
                continue
            step = log.step
            launch = commands.worker_command(step["argv"], step["mode"], self._backend)
            record = {
                "node_name": log.node,
                "worker_type": step["mode"],
                "worker_id": step["index"],
                "rank": step["rank"],
                **figures,
                **self._source(log),
                "launch_command": launch,
            }
            for size in ("tp_size", "pp_size", "dp_size", "ep_size"):
                record[size] = launch[size] if record[size] is None else record[size]
            records.append(record)
        return worker_logs.summarise(records)

    def _source(self, log: WorkerLog) -> JsonObject:
        """Return where the figures of a worker are from, and them if they are not from its log."""
        metrics = self._metrics.get(log.path)
        if metrics and metrics.totals.means:
            return {"figures_from": LOG}
        return _from_page(self._observed.of_worker(log.name)) or {"figures_from": None}

    def notes(self) -> list[str]:
        """Return what has to be said of the logs and of what was scraped."""
        notes = self._observed.notes()
        paged = any(self._observed.of_worker(log.name) for log in self._logs)
        if not worker_logs.has_figures(self._backend) and not paged:
            notes.append(
                f"nodes_summary has no figures: the log of a {self._backend} worker has no batch lines, and no metrics "
                "page of one was read during a point."
            )
        read = [log.path for log in self._logs if log.path in self._metrics]
        unread = [f"{log.path} ({self._unread[log.path].strerror})" for log in self._logs if log.path in self._unread]
        missing = [log.path for log in self._logs if log.path not in self._unread and not os.path.exists(log.path)]
        if missing:
            notes.append(f"{len(missing)} worker log(s) are missing, the first is {missing[0]}.")
        if unread:
            notes.append(f"{len(unread)} worker log(s) cannot be read, the first is {unread[0]}.")
        lost = [(self._metrics[path].lost_lines, path) for path in read if self._metrics[path].lost_lines]
        if lost:
            count = sum(one for one, _path in lost)
            notes.append(f"{count} line(s) of worker logs cannot be read and do not count, the first in {lost[0][1]}.")
        return [*notes, *self._unknown(read), *self._undated(read)]

    def _unknown(self, read: Sequence[str]) -> list[str]:
        odd = [path for path in read if self._metrics[path].unknown_lines]
        if not odd:
            return []
        count = sum(self._metrics[path].unknown_lines for path in odd)
        example = shown((self._metrics[odd[0]].example or "").strip())
        return [
            f"{count} line(s) of worker logs are about batches, but were cut or are of an unknown version, and do not "
            f"count: the first in {odd[0]} begins: {example}"
        ]

    def _undated(self, read: Sequence[str]) -> list[str]:
        odd = [path for path in read if self._metrics[path].undated_lines]
        if not odd:
            return []
        return [
            f"The time zone of the stamps in {len(odd)} worker log(s) is not known, or lines have none, so their "
            f"figures are not cut to the points: the first is {odd[0]}."
        ]

    def cache_text(self) -> str:
        """Return the content of the file that remembers what was read, see run_logs.py."""
        return run_logs.cache_text(self._states)

    def series(self) -> JsonObject:
        """Return the content of series.json."""
        workers = []
        for log in self._logs:
            found = self._metrics[log.path].series.record() if log.path in self._metrics else {}
            if len(found) > 1:
                workers.append({**_who(log), **found})
        points = [{"name": one["name"], "label": one["label"], **_ends(window(one))} for one in self._points]
        cut = [path for path, one in self._metrics.items() if one.undated_lines or one.lost_lines or one.unknown_lines]
        result: JsonObject = {"schema_version": SERIES_SCHEMA_VERSION}
        result.update({key: value for key, value in (("workers", workers), ("points", points)) if value})
        result.update(self._observed.series())
        if cut or self._unread:
            result["complete"] = False
        return result


def _from_page(figures: JsonObject) -> JsonObject:
    return {"figures_from": PAGE, **figures} if figures else {}


def _who(log: WorkerLog) -> JsonObject:
    step = log.step
    return {"name": step["name"], "mode": step["mode"], "node": log.node, "rank": step["rank"]}


def _ends(during: Window | None) -> JsonObject:
    return {"begin": during[0], "end": during[1]} if during else {}
