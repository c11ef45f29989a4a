# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the jobs of a sweep, in as few allocations as possible: the action of the module sweep_run."""

from __future__ import annotations

from ansible import context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder.lease import LEASE_S
from ansible_collections.srt.slurm.plugins.module_utils.stages import sweep_record
from ansible_collections.srt.slurm.plugins.module_utils.sweeps import tables
from ansible_collections.srt.slurm.plugins.plugin_utils.calling import CallingAction, Slurm
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import show
from ansible_collections.srt.slurm.plugins.plugin_utils.sweep import Sweep

ARGUMENT_SPEC = {
    "name": {"type": "str", "required": True},
    "jobs": {"type": "list", "elements": "dict", "required": True},
    "origins": {"type": "list", "elements": "dict", "default": []},
    "secrets_path": {"type": "path"},
    "playbook": {"type": "path", "required": True},
    "output_dir": {"type": "path"},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
    "force": {"type": "bool", "default": False},
    "job_id": {"type": "str"},
    "keep": {"type": "bool", "default": False},
    "lease_s": {"type": "float", "default": LEASE_S},
    "teardown_timeout_s": {"type": "float", "default": 180.0},
    "only": {"type": "list", "elements": "str", "default": []},
    "max_parallel": {"type": "int", "default": 1},
    "stop_on_failure": {"type": "bool", "default": False},
}
MOST_JOBS = 20  # that a run names one by one at its begin
# What sweep_record takes of these.
RECORDED = ("name", "jobs", "output_dir", "concurrencies", "force", "job_id", "only", "max_parallel")


class ActionModule(CallingAction):
    """See the documentation of the module sweep_run."""

    argument_spec = ARGUMENT_SPEC

    def entry(self, params, ctx):
        """Run each job to its end; Error with all of them in its evidence if one failed."""
        params = dict(params, origins=params["origins"] or [{}] * len(params["jobs"]))
        given = context.CLIARGS
        first = self.record(params, {}, gather=True)
        for line in tables.coming(first) if ctx.check_mode else tables.coming(first, MOST_JOBS):
            show(f"  {line}")
        if ctx.check_mode:
            return dict(result_of(first, {}), changed=bool(first["groups"]))
        sweep = Sweep(
            params,
            record=lambda runs: self.record(params, runs),
            slurm=Slurm(self.call, dict(params, output_dir=first["output_dir"])),
            show=show,
            local=self.is_local(),
            shares=not set(given.get("tags") or ()) - {"all"} and not given.get("skip_tags"),
            verbose=bool(given.get("verbosity")),
        )
        sweep.run(first)
        last = self.record(params, sweep.runs, state="finished")
        result = dict(result_of(last, sweep.runs), changed=first["changed"] or any(map(has_run, sweep.runs.values())))
        wanted = [job for job in result["jobs"] if not params["only"] or job["name"] in params["only"]]
        bad = [job["name"] for job in wanted if job["rc"] != 0 and not job["complete"]]
        if bad:
            raise Error(f"{len(bad)} of {len(wanted)} jobs failed or were not run: {', '.join(bad)}.", **result)
        return result

    def record(self, params, runs, gather=False, state="running"):
        """Bring the record of the sweep up to date where its folder is; return what sweep_record returns."""
        own = {name: params[name] for name in RECORDED}
        return self.call(sweep_record, dict(own, runs=runs, gather=gather, state=state))

    def shown(self, result):
        return (result.get("text") or "").splitlines() if not self._task.check_mode else []


def has_run(ran):
    """Return whether a job was run."""
    return ran["rc"] is not None


def result_of(record, runs):
    """Return the result of the module: what sweep_record returned, with how each job ended."""
    keys = ("name", "job_id", "valid", "verdict", "complete", "failure", "parameters")
    jobs = [
        {**{key: job[key] for key in keys}, "path": job["run_dir"] if job["verdict"] else None, "points": job["rows"],
         **{key: (runs.get(job["name"]) or {}).get(key) for key in ("rc", "log")}}
        for job in record["jobs"]
    ]  # fmt: skip
    groups = [{key: value for key, value in group.items() if key != "request"} for group in record["groups"]]
    same = {key: record[key] for key in ("folder", "text", "best", "points", "alone", "shared")}
    return {"jobs": jobs, "groups": groups, **same}
