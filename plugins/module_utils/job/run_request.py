# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What a run is asked for beside its job: an allocation, some of the points. Checked before anything is submitted."""

from __future__ import annotations

from .. import run_options
from ..failures import Error, SpecError


class Asked:
    """The wishes among the *params* of job_spec.

    ``levels`` are the concurrencies to measure, [] for all; ``problems`` what is wrong, unless it was reported.
    """

    def __init__(self, params):
        self.places, self.problems = params.get("places") or {}, []
        self.told = {one["path"] for one in params.get("problems") or ()}
        self.levels = self._read("concurrencies", run_options.levels, params.get("concurrencies")) or []
        self._read("job_id", run_options.job_number, params.get("job_id") or None)
        self._read("output_dir", run_options.output_dir, params.get("output_dir") or None)

    def _read(self, name, reader, value):
        try:
            return None if value is None or name in self.told else reader(value)
        except run_options.Unusable as error:
            self.problems.append(self._problem(name, error.problem, error.remedy))
            return None

    def _problem(self, name, problem, remedy):
        file, line = self.places.get(name) or ("the variables of the playbook", None)
        return {"file": file, "line": line, "path": name, "problem": problem, "remedy": remedy}

    def check(self, spec):
        """Raise SpecError if the job of *spec* has no point for one of the chosen concurrencies."""
        benchmark = spec["benchmark"]
        known = benchmark["concurrencies"] or []
        lost = [level for level in self.levels if level not in known]
        if not lost:
            return
        problem = f"has {', '.join(map(str, lost))}, which the job does not measure."
        remedy = f"Its benchmark.concurrencies are {', '.join(map(str, known))}: choose among them, or add it there."
        if not known:
            problem = f"chooses points, and the job has none (benchmark.type {benchmark['type']})."
            remedy = "Leave it out."
        raise SpecError([self._problem("concurrencies", problem, remedy)])


def check_output_dir(job, cluster):
    """Raise an Error if Slurm could not take the directory below which runs of *job* go when none is given."""
    try:
        run_options.output_dir(job["output_dir"])
    except run_options.Unusable as error:
        if job["spec"]["cluster"]["output_dir"]:
            raise SpecError([cluster.source.problem(("output_dir",), error.problem, error.remedy)]) from None
        raise Error(f"output_dir {error.problem} Give another one with -e output_dir=DIR.") from None
