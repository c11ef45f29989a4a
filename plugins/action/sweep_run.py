# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run several jobs, each with its own playbook: the action of the module sweep_run."""

from __future__ import annotations

import json
import os

from ansible import constants
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import of_plan
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.results.outcome import in_words
from ansible_collections.srt.slurm.plugins.module_utils.run_options import ROLLUP_TO
from ansible_collections.srt.slurm.plugins.plugin_utils import output
from ansible_collections.srt.slurm.plugins.plugin_utils.playbook import play
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction, show

ARGUMENT_SPEC = {
    "jobs": {"type": "list", "elements": "dict", "required": True},
    "origins": {"type": "list", "elements": "dict", "default": []},
    "secrets_path": {"type": "path"},
    "playbook": {"type": "path", "required": True},
    "stop_on_failure": {"type": "bool", "default": False},
}


def run(params, ctx):
    """Run each job to its end; Error with all of them in its evidence if one failed."""
    rows, origins = [], params["origins"] or [{}] * len(params["jobs"])
    for number, (job, places) in enumerate(zip(params["jobs"], origins), 1):
        if rows and params["stop_on_failure"] and rows[-1]["rc"]:
            rows.append(row(job, None))
            continue
        output.banner(f"JOB {number}/{len(params['jobs'])}: {job['name']}")
        rows.append(row(job, *one(job, places, params)))
        ctx.progress(line(rows[-1]))
    result = {"changed": any(one["rc"] is not None for one in rows), "jobs": rows}
    bad = [one["name"] for one in rows if one["rc"] != 0]
    if bad:
        raise Error(f"{len(bad)} of {len(rows)} jobs failed or were not run: {', '.join(bad)}.", **result)
    return result


def one(job, origins, params):
    """Run the playbook for one job, as it was read: a later edit of its file changes nothing.

    Return (exit code, ``{rollup, path}`` as the module rollup returned them in this very run; None: it made none).
    """
    frozen = {"jobs": [job], "origins": [origins], "notes": []}
    if params["secrets_path"]:
        frozen["secrets_path"] = params["secrets_path"]
    stem = os.path.join(constants.DEFAULT_LOCAL_TMP, f"{job['name'].replace('/', '-')}-{os.urandom(4).hex()}")
    path, answer = f"{stem}.json", f"{stem}.rollup.json"
    write_text_atomic(path, json.dumps(frozen), 0o600)
    rc = play(params["playbook"], [json.dumps({"srt_slurm_frozen": path, ROLLUP_TO: answer})], show)
    try:
        with open(answer, encoding="utf-8") as stream:
            return rc, json.load(stream)
    except FileNotFoundError:
        return rc, None


def row(job, rc, answer=None):
    """Return the record of a job that was run (*rc*: its exit code; *answer*: see one) or left out (None)."""
    record = {"name": job["name"], "rc": rc, "job_id": None, "valid": None, "verdict": None, "path": None, "points": []}
    if answer:
        rollup = answer["rollup"]
        record.update(job_id=rollup.get("job_id"), valid=rollup.get("valid"), verdict=in_words(rollup))
        record["path"] = os.path.dirname(answer["path"])
        benchmark = of_plan(rollup)
        keys = ("label", *benchmark.key_fields, "valid", *benchmark.summary)
        record["points"] = [{key: point.get(key) for key in keys} for point in rollup.get("results") or ()]
    return record


def line(record):
    """Return one line about a job that is done."""
    best = max((point.get("output_tps") or 0 for point in record["points"]), default=0)
    verdict = record["verdict"] or "no results"
    text = f"{record['name']}: {'done' if record['rc'] == 0 else 'FAILED'}, {verdict}"
    return text + (f", up to {best:,.0f} tok/s, {record['path']}" if best else "")


class ActionModule(StageAction):
    """See the documentation of the module sweep_run."""

    argument_spec = ARGUMENT_SPEC
    entry = staticmethod(run)
    always_here = True

    def shown(self, result):
        return [line(record) for record in result.get("jobs", ())]
