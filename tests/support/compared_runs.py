# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run directories with repeats whose figures have a known spread and a known difference."""

from __future__ import annotations

import copy
import json
import os
import random

import run_results

SUBMITTED = "2026-11-21T09:00:00Z"


def repeated(made, number):
    """Return the planned point *made* as its repeat *number*."""
    one = copy.deepcopy(made)
    one["key"]["repeat"] = number
    one["label"] += f" #{number}"
    one["name"] += f"_r{number}"
    one["digest"] += f"r{number}"
    one["result"] = one["result"].replace(".json", f"_r{number}.json")
    return one


def figures(draw, slower=1.0, spread=0.01, **other):
    """Return the changes of a result file: *slower* is the factor of latencies, *spread* that of one repeat."""
    factor = slower * draw.lognormvariate(0, spread)
    changed = {"output_throughput": 1000.0 / factor}
    for metric, base in (("ttft", 40.0), ("tpot", 8.0), ("itl", 8.0), ("e2el", 200.0)):
        for statistic in ("mean", "median", "std", "p90", "p95", "p99"):
            changed[f"{statistic}_{metric}_ms"] = base * slower * draw.lognormvariate(0, spread)
    return {**changed, **other}


def time_of(minute):
    """Return a time (UTC) on the day of these runs."""
    return f"2026-11-21T{10 + minute // 60:02d}:{minute % 60:02d}:00.000Z"


def make_run(folder, seed=1, repeats=5, slower=1.0, spread=0.01, concurrencies=(4,), minutes=None, **changes):
    """Write the run directory *folder* and return its plan.

    :param minutes: the minutes in which repeats begin, each of which takes one; by default one after the other.
    :param changes: of the plan; ``invalid`` is ``{number of a repeat: reason}``, ``raw`` changes of all results,
        ``raw_of`` those of one repeat, ``serving`` the digest of the service, ``benchmark`` keys of that section.
    """
    draw, job_id = random.Random(seed), os.path.basename(str(folder)).partition(".")[0]
    folder.mkdir(parents=True)
    plan = run_results.make_plan(folder, concurrencies)
    job_id = changes.pop("job_id", job_id if job_id.isdigit() else "77")
    invalid, raw, raw_of = (changes.pop(key, {}) for key in ("invalid", "raw", "raw_of"))
    plan["spec"]["benchmark"].update(changes.pop("benchmark", {}))
    plan["spec"]["model"].update(changes.pop("model", {}))
    plan["digests"] = {"serving": changes.pop("serving", "srv"), "allocation": "a"}
    about = {"job_name": plan["name"], "submitted_at": SUBMITTED, "slurm_cluster": "c", "tags": changes.pop("tags", [])}
    plan.update(job_id=job_id, **changes)
    once = plan["benchmark"]["points"]
    plan["benchmark"]["points"] = [repeated(one, number) for number in range(1, repeats + 1) for one in once]
    for at, point in enumerate(plan["benchmark"]["points"]):
        number = point["key"]["repeat"]
        minute = minutes[number - 1] if minutes else at
        times = {"started_at": time_of(minute), "ended_at": time_of(minute).replace(":00.000Z", ":50.000Z")}
        own = figures(draw, slower, spread, **times, **raw, **raw_of.get(number, {}))
        reasons = [invalid[number]] if number in invalid else []
        run_results.write_point(folder, point, run_results.raw_result(point["key"]["concurrency"], **own), reasons)
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / f"{job_id}.json").write_text(json.dumps(about))
    return plan


def roll_up(folder):
    """Write the rollup of the run in *folder* and return it."""
    from ansible_collections.srt.slurm.plugins.module_utils.plan_file import load_plan
    from ansible_collections.srt.slurm.plugins.module_utils.results.document import build

    rollup = build({**load_plan(str(folder / "plan.json")), "run_dir": str(folder)}, "2026-11-21T12:00:00Z")
    (folder / "rollup.json").write_text(json.dumps(rollup))
    return rollup
