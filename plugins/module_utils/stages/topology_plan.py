# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module topology_plan: makes the plan and writes it to the run directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from ..entry import Context
from ..failures import Error
from ..files import inside, write_text_atomic
from ..job import inputs
from ..job.preparation import with_content
from ..json_types import JsonObject
from ..plan import notes
from ..plan.mounts import listed
from ..plan.planner import Planner, imaginary_allocation
from ..plan.printer import configurations, node_map, step_lines, summary
from ..plan.provenance import resolved, with_remarks
from ..plan_file import PLAN, Plan, load_plan
from ..secrets import references

ARGUMENT_SPEC = {
    "spec": {"type": "dict", "required": True},
    "job": {"type": "dict"},
    "origins": {"type": "dict"},
    "secrets": {"type": "dict", "no_log": True},
    "secrets_path": {"type": "path"},
    "health_timeout_s": {"type": "float", "default": 0.0},
}

NEEDED = ("name", "model", "resources", "backend", "frontend", "benchmark", "cluster")


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{plan_path, plan, groups, nodes, node_map, frontend_url, notes, layout_notes, changed, diff}``.

    ``layout_notes`` are those of ``notes`` that follow from the nodes; the others were shown when the job was read.
    In check mode, and without a job, nothing is written and ``plan_json`` holds the whole plan as text, since no file
    has it.
    """
    spec, imaginary = _job(params["spec"]), params.get("job") is None
    job = imaginary_allocation(spec) if imaginary else params["job"]
    writes = not (ctx.check_mode or imaginary)
    _has_nodes(job, spec["name"])
    for key in ("id", "run_dir", "nodes"):
        if not job.get(key):
            raise Error(f"The job has no {key}: topology_plan needs an allocation with nodes, as slurm_job returns it.")
    path = os.path.join(job["run_dir"], PLAN)
    previous = load_plan(path) if not imaginary and os.path.exists(path) else None
    planner = Planner(inputs.with_inputs(with_content(spec), previous["spec"] if previous else None))
    layout = planner.layout(job, previous)
    plan, made_of = planner.plan_with_origins(layout)
    lost = [name for name in (params.get("job") or {}).get("lost") or () if name in layout.addresses]
    if lost:
        plan["lost_nodes"] = lost
    plan["health_timeout_s"] = params.get("health_timeout_s") or plan["health_timeout_s"]
    text = to_text(plan)
    before = _present(job["run_dir"], plan) if previous else {}
    wanted = {one["path"]: one["content"] for one in plan["files"]}
    changed = not previous or to_text(previous) != text or before != wanted
    if writes:
        references.store(job["run_dir"], params.get("secrets") or {})
        if any(references.JOB_PASSWORD in step["env"].values() for step in plan["steps"]):
            references.store_job_password(job["run_dir"])
    if changed and writes:
        store(plan)
    result: JsonObject = {
        "changed": changed and (writes or ctx.check_mode),
        "plan_path": path,
        "plan": summary(plan),
        "groups": plan["groups"],
        "nodes": plan["nodes"],
        "node_map": node_map(plan),
        "frontend_url": plan["frontend_url"],
        "notes": plan["notes"],
        "layout_notes": notes.notes(layout),
        "diff": diff(previous, before, plan),
    }
    if not writes:
        # Origins are for display only: a moved line in the job file does not change the plan.
        result["plan_json"] = to_text(with_remarks(plan, made_of, params.get("origins")))
        if params.get("origins"):
            text = resolved(spec, params["origins"])
            result["diff"].append(_record("the job, with the origins of its values", "", text))
        result["diff"].append(_record("files that the results depend on", "", inputs.lines(plan["spec"])))
        mounts = listed(layout)
        if mounts:
            result["diff"].append(_record("mounts, with their keys in the job", "", mounts))
    return result


def store(plan: Plan) -> None:
    """Write the files of *plan*, and the plan, to its run directory."""
    for one in plan["files"]:
        write_text_atomic(inside(plan["run_dir"], one["path"]), one["content"], int(one["mode"], 8))
    # Last, so that a reader of the plan finds its files.
    write_text_atomic(os.path.join(plan["run_dir"], PLAN), to_text(plan))


def _job(spec: JsonObject) -> JsonObject:
    """Return *spec*; Error if it is not a job as job_spec completes it."""
    lacking = [key for key in NEEDED if not spec.get(key)]
    if lacking:
        raise Error(f"spec is not a job as job_spec returns it: it lacks {', '.join(lacking)}. Pass its jobs[0].spec.")
    return spec


def _has_nodes(job: Mapping[str, object], name: str) -> None:
    """Raise Error for a missing or pending job."""
    if not job:
        raise Error(
            f"No running job was found for {name}. A single stage works against a job that is up: run the playbook "
            "without --tags and with -e keep=true first, or set -e job_id=N."
        )
    if job.get("id") and not job.get("nodes"):
        raise Error(
            f"Job {job['id']} is {job.get('state')} ({job.get('reason')}): it has no nodes to work on. Run the "
            "playbook without --tags to wait for them, or --tags teardown to cancel the job."
        )


def to_text(plan: Mapping[str, object]) -> str:
    """Return plan.json; the files have their own contents, but small plans stay self-contained."""
    return json.dumps(plan, indent=1, ensure_ascii=False) + "\n"


def diff(previous: Plan | None, before: Mapping[str, str], plan: Plan) -> list[dict[str, str]]:
    """Return Ansible's diff records: the overview with the steps, and every configuration file that differs."""
    path = os.path.join(plan["run_dir"], PLAN)
    old = node_map(previous) + step_lines(previous) if previous else ""
    records = [_record(path, old, node_map(plan) + step_lines(plan))]
    for one in configurations(plan):
        name = os.path.join(plan["run_dir"], one["path"])
        records.append(_record(name, before.get(one["path"], ""), one["content"]))
    return [record for record in records if record["before"] != record["after"]]


def _record(name: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": name, "after_header": name, "before": before, "after": after}


def _present(run_dir: str, plan: Plan) -> dict[str, str]:
    """Return the text of those files of *plan* that exist."""
    present = {}
    for one in plan["files"]:
        try:
            with open(os.path.join(run_dir, one["path"]), encoding="utf-8") as stream:
                present[one["path"]] = stream.read()
        except (OSError, UnicodeDecodeError):
            continue
    return present
