# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run options that job_spec takes: an allocation, some of the points, a lease. Checked before submission."""

from __future__ import annotations

import os
from typing import TypedDict

from .. import run_options
from ..benchmarks import BENCHMARKS, SELECTING
from ..failures import Code, Error, Problem, SpecError
from ..json_types import Json, JsonObject
from ..slurm.options import mount_fault
from .cluster import Cluster
from .resolve import JobRecord


class Chosen(TypedDict):
    """The run options of one job: the points to measure, [] for all, and the lease that an idle job gets."""

    concurrencies: list[int]
    keep: bool
    lease_s: float


class RunRequest:
    """The run options among the *params* of job_spec.

    ``options`` are those of the job. ``problems`` excludes those already in *params*.
    """

    def __init__(self, params: JsonObject) -> None:
        self.origins, self._params = params.get("places") or {}, params
        self._set_by: dict[str, str] = params.get("set_by") or {}
        self.problems: list[Problem] = []
        self._known = {one["path"] for one in params.get("problems") or ()}
        kept, lease_s = self._parse("keep") or (False, None)
        self.options: Chosen = {
            "concurrencies": self._parse("concurrencies") or [],
            "keep": kept,
            "lease_s": self._parse("lease_s") or lease_s or (run_options.KEPT_S if kept else run_options.LEASE_S),
        }
        for name in ("job_id", "output_dir"):
            if params.get(name):
                self._parse(name)

    def _parse(self, name: str) -> Json:
        try:
            value = self._params.get(name)
            known = self._set_by.get(name, name) in self._known
            return None if value is None or known else run_options.OPTIONS[name].parse(value)
        except run_options.Unusable as error:
            self.problems.append(self._problem(name, "invalid", error.problem, error.remedy))
            return None

    def _problem(self, name: str, code: Code, problem: str, remedy: str | None) -> Problem:
        file, line = self.origins.get(name) or ("the playbook's variables", None)
        path = self._set_by.get(name, name)
        return {"file": file, "line": line, "path": path, "code": code, "problem": problem, "remedy": remedy}

    def check(self, spec: JsonObject) -> None:
        """Raise SpecError if *spec* lacks a point for a value of the run options that select points."""
        benchmark, options, problems = BENCHMARKS[spec["benchmark"]["type"]], JsonObject(self.options), []
        choices = benchmark.choices(spec)
        for option in SELECTING:
            known = choices.get(option) or []
            lost = [value for value in options[option] if value not in known]
            problem = f"has {', '.join(map(str, lost))}, which the job does not measure."
            remedy = f"Its benchmark.{option} are {', '.join(map(str, known))}: select among them, or add it there."
            if not known:
                problem = f"selects points, but the job has none (benchmark.type {benchmark.type})."
                remedy = "Leave it out."
            if lost:
                problems.append(self._problem(option, "not_a_choice", problem, remedy))
        if problems:
            raise SpecError(problems)


def check_output_dir(job: JobRecord, cluster: Cluster, given: str | None = None) -> None:
    """Raise an Error if Slurm or containers do not accept the directory for the runs of *job*.

    :param given: the one of the option output_dir, which Slurm accepts.
    """
    spec = job["spec"]
    folder = os.path.abspath(given or job["output_dir"])
    try:
        if not given:
            run_options.output_dir(folder)
        runtime = spec["cluster"]["container_runtime"]
        fault = mount_fault(folder, runtime) if runtime != "none" else None
        if fault:
            raise run_options.Unusable(f"is {folder}, which {fault[0]}", fault[1])
    except run_options.Unusable as error:
        if given:
            raise Error(f"output_dir {error.problem} {error.remedy}") from None
        if spec["cluster"]["output_dir"]:
            problem = cluster.source.problem(("output_dir",), "invalid", error.problem, error.remedy)
            raise SpecError([problem]) from None
        raise Error(f"output_dir {error.problem} Set another one with -e output_dir=DIR.") from None
