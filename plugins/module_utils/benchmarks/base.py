# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a benchmark: its points, each one step on the bench node, and how their results are read."""

from __future__ import annotations

import abc
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple, Union

from ..failures import Error, Finding
from ..files import load_json
from ..json_types import Json, JsonObject
from ..plan_file import PlanFile, PlanPoint, PointFields, Step
from ..schema.section import Field
from ..supplies.data import Data
from ..topology.layout import Layout
from ..topology.step import DraftStep

PREPARING, RUNNING, DONE, FAILED = "preparing", "running", "done", "failed"  # phases of a load client


# What a result says: {name of a metric in metrics.METRICS: value in the unit of that table; None: no sample}.
Figures = dict[str, Union[float, str, None]]


class Point(PointFields):
    """A point as its type of benchmark plans it. The plan completes the step, and adds digests."""

    step: DraftStep


class Progress(NamedTuple):
    """The progress of the measurement of a point.

    :ivar phase: PREPARING, RUNNING, DONE or FAILED.
    :ivar seen: any value that changes with progress; a measurement in which it does not change stalls.
    :ivar line: one line for the user.
    :ivar done: the finished part of *total*, such as requests; None if unknown.
    :ivar alive: any value that changes as long as the client runs, also without progress; None: it has none.
    """

    phase: str
    seen: object
    line: str
    done: int | None = None
    total: int | None = None
    alive: object = None


class Part(NamedTuple):
    """One of several results that the program of a point left.

    :ivar name: of its file, and which of those in it.
    :ivar figures: see :meth:`Benchmark.figures`.
    :ivar reasons: why it is not valid.
    :ivar doubts: see :meth:`Benchmark.doubts`.
    """

    name: str
    figures: Figures
    reasons: list[str]
    doubts: list[str]


class Benchmark(abc.ABC):
    """One type of benchmark: its planning and the reading of its results.

    ``type``              the word under ``benchmark.type``
    ``fields``            keys of the ``benchmark`` section that only this benchmark reads
    ``paths``             those of them that are paths, which may exist on compute nodes only
    ``key_fields``        fields of what identifies a point, see :meth:`points`; columns of tables and of rollup.csv
    ``chosen_by``         ``{run option: field of the key}``: the run options that select points
    ``searches``          what a search may vary: CONCURRENCY, RATE of search.py
    ``described_by``      keys of the ``benchmark`` section that apply to all points; in rollup.json, rollup.csv and
                          ``<job id>.json``
    ``metrics``           names in ``metrics.METRICS`` of its metrics, in the order of rollup.csv
    ``columns``           the metrics in the table at the end of a run
    ``optional_columns``  those of them that are left out if no point has a value
    ``summary``           the metrics in the line about a measured point
    ``client``            what messages call the program that measures
    ``command_options``   ``{key in rollup.json: names of that program's option}``
    ``measures``          False if it has no points, and so no steps
    ``makes_prompts``     whether its program makes prompts with a tokenizer
    ``progress_in_log``   whether its program has no progress file, and its log shows the progress
    ``data_keys``         keys of the ``benchmark`` section that may name data sets, see :meth:`data`
    ``packages``          what its program imports beside the standard library, if it runs in Python
    ``preparing_s``       the minimum time limit for its program to start to measure, in seconds
    ``stall_margin_s``    how much longer than the plan's limit a measurement may stall: its client also enforces
                          the limit and reports more
    """

    type: str
    fields: ClassVar[dict[str, Field]] = {}
    paths: ClassVar[tuple[str, ...]] = ()
    key_fields: ClassVar[tuple[str, ...]] = ()
    chosen_by: ClassVar[dict[str, str]] = {}
    searches: ClassVar[tuple[str, ...]] = ()
    described_by: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[str, ...]] = ()
    optional_columns: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[tuple[str, ...]] = ()
    client: ClassVar[str] = "load client"
    command_options: ClassVar[dict[str, tuple[str, ...]]] = {}
    measures: ClassVar[bool] = True
    makes_prompts: ClassVar[bool] = False
    progress_in_log: ClassVar[bool] = False
    data_keys: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    preparing_s: ClassVar[float] = 600.0
    stall_margin_s: ClassVar[float] = 15.0

    # ---- before submission

    @property
    def reads(self) -> tuple[str, ...]:
        """The keys of the ``benchmark`` section that it reads, in addition to the common ones."""
        return tuple(self.fields)

    def problems(self, spec: JsonObject) -> list[Finding]:
        """Return ``[(path, problem, remedy)]`` for missing or wrong parameters."""
        return []

    def unable(self, spec: JsonObject) -> list[Finding]:
        """Return ``[(path, problem, remedy)]`` for valid values that this version cannot run yet."""
        return []

    def notes(self, spec: JsonObject) -> list[str]:
        """Return notes on how the benchmark uses the job's values."""
        return []

    def own_tokenizer(self, spec: JsonObject) -> str | None:
        """Return the directory of a tokenizer other than the model's, as the benchmark's steps see it, or None."""
        return None

    def wants_chat_template(self, spec: JsonObject) -> bool:
        """Return whether its prompts have the model's chat template around them, see :mod:`.chat_template`."""
        return False

    def harness(self, spec: JsonObject) -> str | None:
        """Return the name in ``harness.HARNESSES`` of the program that its points run, None: another or none."""
        return None

    def data(self, spec: JsonObject) -> list[Data]:
        """Return the data sets that it reads. They are on shared disk, and checked, before nodes are asked for."""
        return []

    # ---- the plan

    def files(self, layout: Layout) -> list[PlanFile]:
        """Return the files that the steps need, such as a program, with paths below the run directory."""
        return []

    @abc.abstractmethod
    def points(self, layout: Layout) -> list[Point]:
        """Return the points in the order in which they are measured; see :class:`plan_file.PointFields`.

        The name is that of the step too, and unique in the plan. The step's program writes the result file before it
        ends with exit code 0. It may rewrite the progress file while it runs, see :meth:`progress`. ``expect`` is for
        :meth:`evaluate`.
        """

    def choices(self, spec: JsonObject) -> dict[str, list[Json]]:
        """Return ``{run option: values that a point has}`` of the options in ``chosen_by``, before there is a plan.

        By default the option's values are those of the ``benchmark`` key of the same name.
        """
        return {option: list(spec["benchmark"].get(option) or ()) for option in self.chosen_by}

    def choose(
        self, points: Sequence[PlanPoint], wanted: Mapping[str, Collection[Json]]
    ) -> tuple[list[PlanPoint], list[str]]:
        """Return (the points that *wanted* selects, texts for values without a point).

        :param wanted: ``{run option: values}``; an option without values selects nothing; default: all points.
        """
        chosen = list(points)
        unknown: list[str] = []
        for option, values in wanted.items():
            field = self.chosen_by.get(option, "")
            known = [point["key"].get(field) for point in points]
            unknown += [f"{field or option} {value}" for value in dict.fromkeys(values) if value not in known]
            chosen = [point for point in chosen if point["key"].get(field) in values] if values else chosen
        return chosen, unknown

    def in_flight(self, point: PointFields) -> int:
        """Return how many requests of *point* may be in flight at a time; 0: it sends none."""
        return 0

    def times(self, options: JsonObject) -> int:
        """Return how often each point is measured; *options* is the benchmark section."""
        count: int = options["repeats"]
        return count

    def repeatable(self, point: PointFields) -> bool:
        """Return whether *point* is measured in each repeat, see :mod:`.repeats`."""
        return True

    def step_repeated(self, step: DraftStep, number: int) -> DraftStep:
        """Return the step of the repeat *number* (from 2) of a point; what it sends should differ from the others."""
        return step

    def interpreter(self, step: Step, run_dir: str) -> list[str]:
        """Return the words of *step* that start the Python of its client, which needs ``packages``; [] if unknown."""
        return []

    # ---- while it is measured

    def logged(self, point: PointFields, size: int, text: str) -> Progress | None:
        """Return the :class:`Progress` of *point* from its log if ``progress_in_log``, or None.

        :param size: of the log in bytes.
        :param text: the end of the log.
        """
        return None

    def step_again(self, step: Step, times: int) -> Step:
        """Return the step that measures a point which this service has measured *times* times.

        What it sends should differ from what the service has seen, which may be in its caches; nothing else may.
        """
        return step

    def progress(self, point: PointFields, content: JsonObject) -> Progress:
        """Return the :class:`Progress` of *point*; *content* is that of its progress file, if it writes one."""
        return Progress(RUNNING, content, f"{point['label']} running")

    def stalled(self, phase: str | None, silent_s: float, limit_s: float) -> str | None:
        """Return why a measurement without progress for *silent_s* seconds must end, or None.

        :param phase: see :class:`Progress`; None if it has not reported any progress yet.
        :param limit_s: seconds that it may stall; 0: no limit.
        """
        if phase == RUNNING and 0 < limit_s < silent_s:
            return f"it was stopped after {silent_s:.0f} s without progress"
        if phase in (None, PREPARING) and silent_s > max(limit_s, self.preparing_s):
            how = "it was still preparing its requests" if phase else "it reported no progress"
            return f"it was stopped because its {self.client} did not start in {silent_s:.0f} s: {how}"
        return None

    # ---- results

    def read(self, path: str) -> JsonObject:
        """Return the content of the result file at *path*; Error if it is not usable. By default it is JSON."""
        try:
            raw = load_json(path)
        except FileNotFoundError:
            raise Error(f"the result file {path} does not exist") from None
        except (ValueError, OSError) as error:
            raise Error(f"the result file {path} cannot be read: {error}") from None
        if not isinstance(raw, dict):
            raise Error(f"the result file {path} is not a JSON object")
        return raw

    def read_partial(self, path: str) -> JsonObject | None:
        """Return the partial result of a measurement that did not complete, in the form of :meth:`read`, or None.

        :param path: of the result file that it would have written; see :func:`partial_path`.
        """
        return None

    def why_partial(self, raw: JsonObject) -> str | None:
        """Return the program's reason why the measurement of :meth:`read_partial` did not complete, or None."""
        return None

    @abc.abstractmethod
    def figures(self, raw: JsonObject) -> Figures:
        """Return ``{name of a metric: value}`` of a result, and ``started_at`` and ``ended_at`` (UTC text) if known.

        Units are those of ``metrics.METRICS``. A figure without a sample is None.
        """

    @abc.abstractmethod
    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        """Return the reasons why a result is not valid; an empty list if it is valid.

        :param raw: content of the result file.
        :param expect: that of the point.
        :param min_completed: share of the requests that must have completed, 0 to 1.
        """

    def doubts(self, raw: JsonObject) -> list[str]:
        """Return what speaks neither for nor against a result, so that it has passed, but is not called valid."""
        return []

    def parts(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[Part]:
        """Return the results of which *raw* consists, if it has several; their reasons are among those of the point."""
        return []

    def disturbances(self, raw: JsonObject) -> list[str]:
        """Return further reasons why a result, or partial result, is not valid that another measurement may not have.

        They are those of the load client itself, for example that it was stopped for a while.
        """
        return []

    def evaluate_partial(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        """Return further reasons from the partial result of a measurement that did not complete."""
        return []

    def description(self, spec: JsonObject) -> JsonObject:
        """Return the values of ``described_by``."""
        return {key: spec["benchmark"].get(key) for key in self.described_by}

    def facts(self, spec: JsonObject, points: Iterable[PointFields]) -> JsonObject:
        """Return the data on all points for rollup.json."""
        return self.description(spec)


class Unmeasured(Benchmark):
    """A benchmark without points. Nothing is measured, so there is nothing to read."""

    measures = False

    def points(self, layout: Layout) -> list[Point]:
        return []

    def figures(self, raw: JsonObject) -> Figures:
        raise self._nothing()

    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        raise self._nothing()

    def _nothing(self) -> NotImplementedError:
        return NotImplementedError(f"benchmark type {self.type} has no measurements")


def about(part: str, text: str) -> str:
    """Return *text* as it is said of a point when it is about one of its parts."""
    return f"{part}: {text}"


def partial_path(result: str) -> str:
    """Return the path of a partial result, beside the file *result*."""
    return os.path.splitext(result)[0] + ".partial.json"


def files_path(result: str) -> str:
    """Return the path of the directory of further files of a measurement, beside the file *result*."""
    return os.path.splitext(result)[0] + ".files"


def progress_path(result: str) -> str:
    """Return the path of a progress file, beside the file *result*."""
    return os.path.splitext(result)[0] + ".progress.json"


def missing(spec: JsonObject, keys: Iterable[str], type_: str) -> list[Finding]:
    """Return a problem for each of *keys* that the benchmark section does not set."""
    return [
        (("benchmark", key), f"is missing. Benchmark type {type_} needs it.", None, "missing")
        for key in keys
        if spec["benchmark"][key] is None
    ]
