# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark that runs another program: its step, its progress, and the results that it leaves.

The program has the exit code, and may leave result files of a known format. Without one its point has only passed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from ..failures import Error
from ..json_types import JsonObject
from ..metrics import METRICS
from ..plan_file import PlanFile, PointFields
from ..topology.layout import Layout
from ..topology.options import Option, Word, variables
from ..topology.step import make_step, one_file
from . import point_script
from .base import RUNNING, Benchmark, Figures, Point, Progress, files_path, progress_path
from .formats import recognise, result_files
from .formats.base import Recognised, contradictions, too_few

TQDM = re.compile(r"(?<![\w.])(\d{1,9})/(\d{1,9}) \[")  # the counts in a progress bar
LINE = 160  # characters of a log line in a line of progress
LATE_S = 5.0  # by how much a result may say that a load took longer than its program: clocks and rounding


class Ran(NamedTuple):
    """What one program of a point is: its command line, its environment, and the patterns of its result files.

    :ivar image: of its container, None: that of the benchmark, or the job.
    :ivar binds: mounts of its container, beside the job's.
    :ivar patterns: absolute paths with *, ? and **, as the program sees them; what is in SRT_RESULT_DIR is read anyway.
    """

    argv: Sequence[Word]
    env: Mapping[str, str | Option]
    patterns: Sequence[str] = ()
    image: str | None = None
    binds: Sequence[str] = ()


class ProgramBenchmark(Benchmark):
    """A type of benchmark whose points are programs of others. It plans with :meth:`program_point`."""

    metrics: ClassVar[tuple[str, ...]] = tuple(name for name in METRICS if name != "usage_source")
    columns: ClassVar[tuple[str, ...]] = ("request_throughput", "output_tps", "mean_ttft_ms", "mean_tpot_ms", "score")
    optional_columns: ClassVar[tuple[str, ...]] = columns
    summary: ClassVar[tuple[str, ...]] = (
        *("output_tps", "mean_ttft_ms", "mean_tpot_ms", "completed", "failed"),
        *("score", "score_stderr", "samples", "duration"),
    )
    client: ClassVar[str] = "program"
    progress_in_log: ClassVar[bool] = True
    stall_margin_s: ClassVar[float] = 0.0

    # ---- the plan

    def files(self, layout: Layout) -> list[PlanFile]:
        return [one_file(point_script.NAME, point_script.TEXT)]

    def program_point(
        self,
        layout: Layout,
        name: str,
        key: JsonObject,
        label: str,
        ran: Ran,
        parameters: JsonObject,
        expect: JsonObject,
        limits: tuple[float, float],
    ) -> Point:
        """Return the point *name* that runs the program *ran*.

        :param parameters: all that its result depends on beside the service: the same in every allocation.
        :param limits: (seconds until it is stopped, seconds without a line of its log until it is stopped, 0: none).
        """
        result = f"results/{self.type}/{name}.json"
        script = f"{layout.run_dir}/{point_script.NAME}"
        step = make_step(
            name,
            "benchmark",
            [layout.roles.bench],
            ["bash", script, f"{layout.run_dir}/{result}", *ran.patterns, point_script.PATTERNS_END, *ran.argv],
            ran.env,
            kind="benchmark",
            critical=False,
            image=ran.image,
            binds=ran.binds,
            srun_options=dict(layout.spec["srun_options"]),
        )
        return {
            "name": name,
            "key": key,
            "label": label,
            "parameters": {
                "type": self.type,
                "model": layout.served_name,
                **parameters,
            },
            "step": step,
            "result": result,
            "progress": progress_path(result),
            "expect": expect,
            "deadline_s": limits[0],
            "stall_timeout_s": limits[1],
        }

    # ---- while it is measured

    def logged(self, point: PointFields, size: int, text: str) -> Progress | None:
        lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
        last = lines[-1] if lines else ""
        counts = next((found for line in reversed(lines[-3:]) for found in TQDM.findall(line)[-1:]), None)
        done, total = (int(counts[0]), int(counts[1])) if counts else (None, None)
        return Progress(RUNNING, size, f"{point['label']} running: {last[:LINE]}", done, total)

    # ---- results

    def read(self, path: str) -> JsonObject:
        raw = Benchmark.read(self, path)
        if not isinstance(raw.get("exit_code"), int) or not isinstance(raw.get("duration_s"), (int, float)):
            raise Error(f"{path} is not the result of a program: exit_code or duration_s is missing")
        found = recognise(result_files(files_path(path)))
        level = raw.get("concurrency")
        chosen = [one for one in found.results if one[1].figures.get("concurrency") in (None, level) or level is None]
        raw["results"] = [(os.path.basename(name), one) for name, one in chosen or found.results]
        raw["unknown"] = found.unknown
        return raw

    def figures(self, raw: JsonObject) -> Figures:
        one = _only(raw)
        times: Figures = {"started_at": raw.get("started_at"), "ended_at": raw.get("ended_at")}
        if not one:
            return {**times, "duration": raw["duration_s"]}
        said = {name: value for name, value in one.figures.items() if name in METRICS or value is not None}
        return {**times, "duration": raw["duration_s"], **said, "measured_by": one.program}

    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        one = _only(raw)
        if not one:
            return []
        reasons = [*one.faults, *too_few(one.figures, min_completed)]
        if _is_older(one, raw):
            seconds = one.figures["duration"]
            reasons.append(
                f"its result says that it took {seconds:.0f} s, but the program ran for {raw['duration_s']:.0f} s: "
                "it is of another run"
            )
        return reasons

    def disturbances(self, raw: JsonObject) -> list[str]:
        one = _only(raw)
        return list(one.disturbances) if one else []

    def doubts(self, raw: JsonObject) -> list[str]:
        one, results = _only(raw), raw["results"]
        if one:
            return [*one.doubts, *([] if _is_older(one, raw) else contradictions(one.figures))]
        if results:
            names = ", ".join(dict.fromkeys(name for name, _one in results))
            return [f"it left {len(results)} results ({names[:300]}), and only one can be that of the point"]
        unknown = f"; not known: {', '.join(raw['unknown'])[:300]}" if raw["unknown"] else ""
        too_old = raw.get("too_old")
        old = f"; {too_old} files that result_glob names are older than the program" if too_old else ""
        return [f"its {self.client} left no result file that is known{unknown}{old}"]


def _only(raw: JsonObject) -> Recognised | None:
    """Return the only result in *raw*, None if there is none, or more than one."""
    results = raw["results"]
    return results[0][1] if len(results) == 1 else None


def _is_older(one: Recognised, raw: JsonObject) -> bool:
    """Return whether the result *one* says that it took longer than the program ran: it is of another run."""
    seconds = one.figures.get("duration")
    return isinstance(seconds, (int, float)) and seconds > raw["duration_s"] + LATE_S


def surroundings(spec: JsonObject) -> dict[str, Option]:
    """Return the environment that the job gives to a program of its benchmark, with the origins of its values."""
    return {
        **variables(spec["environment"], ("environment",)),
        **variables(spec["benchmark"]["env"], ("benchmark", "env")),
    }
