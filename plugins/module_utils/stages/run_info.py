# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module run_info: the state of a run, from its directory, Slurm and the holder."""

from __future__ import annotations

import datetime
import os
from typing import cast

from ..allocation import detached, job_end, runs
from ..allocation.runs import Run
from ..benchmarks import of_plan
from ..entry import Context
from ..holder import journal
from ..holder import playbook as holder_play
from ..holder.records import Answer, Event, JobEnd
from ..holder.slurm_calls import SUSPENDED_STATES, WAITING, output_path
from ..holder.step import PASSING, STATE_FIELDS, WITH_JOB
from ..holder.tails import tail_lines
from ..json_types import JsonObject
from ..plain_text import cleaned, shown
from ..plan_file import Plan, PlanPoint
from ..results.outcome import in_words
from ..results.rollup_file import Rollup, read_rollup
from ..results.searching import search_of
from ..results.verdict import Verdict, read_verdict, succeeded
from . import point_files
from .point_progress import progress_of

ARGUMENT_SPEC = dict(
    runs.ARGUMENT_SPEC,
    lines={"type": "int", "default": 5},
    report={"type": "str", "choices": ["status", "service"], "default": "status"},
)


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return the state of the run, also as ``text``; see the module's documentation."""
    del ctx
    found = runs.find(params)
    plan, steps, holder = found.plan(), list(found.steps().values()), found.holder()
    points = [_point(found, plan, point, steps) for point in plan["benchmark"]["points"]] if plan else []
    if plan and search_of(plan):  # the others are candidates
        points = [one for one in points if one["state"] not in ("waiting", "not_measured")]
    own = journal.holder_events(found.run_dir)
    job: JsonObject = {**found.describe()}
    job["time_left_s"] = _seconds_until(job["ends_at"]) if found.live else None
    job["waits_s"] = _seconds_since(found.job["submitted_at"]) if found.job and found.waits else None
    log = _log(found, steps, points)
    rollup = read_rollup(os.path.join(found.run_dir, "rollup.json"))
    if rollup and (found.is_earlier(rollup["generated_at"]) or _is_outdated(rollup, points)):
        rollup = None
    result = {
        "changed": False,
        "run_dir": found.run_dir,
        "job": job,
        "live": found.live,
        "stage": _stage(found, plan, steps, points, own),
        "ending": holder["ending"] if holder else _written_end(found),
        "requeue": _requeue(found, own),
        "steps": [_step(record) for record in steps],
        "workers": _workers(plan, steps),
        "service": _service(plan, steps, holder, job["time_left_s"]),
        "points": points,
        "valid": rollup["valid"] if rollup else None,
        "verdict": in_words(rollup),
        "lease_left_s": holder["lease"]["left_s"] if holder else None,
        "trouble": holder["trouble"] if holder else None,
        "log": log,
        "last_lines": tail_lines(log, params["lines"]) if log else [],
    }
    result = cleaned(result, shown)
    result["text"] = text(result)
    return result


def _is_outdated(rollup: Rollup, points: list[JsonObject]) -> bool:
    """Return whether *rollup* calls valid what is no longer measured: of another plan, or being measured again."""
    left_out = rollup.get("left_out") or ()
    missing = any(point["state"] != "done" for point in points if point["label"] not in left_out)
    return missing and in_words(rollup) != "NOT valid"


def _step(record: Event) -> JsonObject:
    return {key: record.get(key) for key in ("name", "tier", "node", "nodes", *STATE_FIELDS)}


def _workers(plan: Plan | None, steps: list[Event]) -> dict[str, int]:
    wanted = [step["name"] for step in (plan or {"steps": []})["steps"] if step["tier"] == "worker"]
    running = [record["name"] for record in steps if record["name"] in wanted and record.get("state") == "running"]
    return {"planned": len(wanted), "running": len(running)}


def _service(
    plan: Plan | None, steps: list[Event], holder: Answer | None, time_left_s: int | None
) -> JsonObject | None:
    """Return {url, planned, running, left_s, ends_by} of a service that stays up without a controller, or None."""
    if not holder or holder["ending"]:
        return None
    planned = {step["name"]: step.get("critical") for step in (plan or {"steps": []})["steps"]}
    running = {record["name"] for record in steps if record.get("state") == "running"} & planned.keys()
    whole = running and not any(critical for name, critical in planned.items() if name not in running)
    lease_s = holder["lease"]["left_s"]
    limited = time_left_s is not None and time_left_s < lease_s
    return {
        "url": plan["frontend_url"] if plan and whole else None,
        "planned": len(planned),
        "running": len(running),
        "left_s": time_left_s if limited else max(0.0, lease_s),
        "ends_by": "time_limit" if limited else "lease",
    }


def _succeeded(verdict: Verdict | JsonObject) -> bool:
    """Return whether *verdict*, or the lack of one, is that of a point that is valid or has passed."""
    return bool(verdict) and succeeded(cast("Verdict", verdict))


def _point(found: Run, plan: Plan, point: PlanPoint, steps: list[Event]) -> JsonObject:
    """Return {name, label, state, reasons, done, total} and what identifies the point.

    state: done, invalid, running, waiting, not_measured.
    """
    plan = {**plan, "run_dir": found.run_dir}  # it may have been copied
    verdict: JsonObject = {**(read_verdict(point_files.result_path(plan, point)) or {})}
    record = next((one for one in steps if one["name"] == point["step"]["name"]), {})
    state = "waiting" if found.live or found.waits or not found.slurm_answered else "not_measured"
    if not _succeeded(verdict) and (found.waits or found.is_earlier(verdict.get("ended_at"))):
        verdict = {}  # it is being measured again
    if verdict.get("digest", point["digest"]) == point["digest"] and verdict:
        state = "done" if _succeeded(verdict) else "invalid"
    elif state == "waiting" and record.get("state") in ("starting", "running", "unowned"):
        state = "running"
    progress = progress_of(of_plan(plan), point, found.run_dir) if state == "running" else None
    return {
        "name": point["name"],
        "label": point["label"],
        **point["key"],
        "state": state,
        "reasons": verdict.get("reasons") or [],
        "done": progress.done if progress else None,
        "total": progress.total if progress else None,
    }


def _stage(found: Run, plan: Plan | None, steps: list[Event], points: list[JsonObject], own: list[Event]) -> str:
    """Return the stage of the run; ``ended`` if its job is gone."""
    if not found.slurm_answered:
        return "unknown"
    if not found.job or not found.live:
        return "ended"
    if found.job["state"] not in ("RUNNING", *SUSPENDED_STATES):
        return "allocation"
    played: str | None = (found.read_json(holder_play.STAGE_FILE) or {}).get("stage")
    if played and not _requeued(own):  # by the playbook inside the job
        return played
    begun = {record.get("tier") for record in steps if record.get("state") != "ended"}
    if any(point["state"] == "running" for point in points):
        return "benchmark"
    if points and all(point["state"] in ("done", "invalid") for point in points):
        return holder_play.KEPT
    for tier, stage in (("frontend", "health"), ("worker", "frontend"), ("head_infra", "worker")):
        if tier in begun:
            return "benchmark" if stage == "health" and any(p["state"] != "waiting" for p in points) else stage
    return "head_infra" if plan else "allocation"


def _requeued(own: list[Event]) -> Event | None:
    """Return the event of the requeue among those of the latest holder about itself, or None."""
    return next((event for event in own if event.get("phase") == journal.REQUEUE), None)


def _written_end(found: Run) -> JobEnd | None:
    """Return why the holder ended the job, or the job attempt before the one that is pending; None if it did not."""
    times = [event.get("t") for event in found.events() if event.get("event") == "holder"]
    follows = not found.waits and times and found.is_earlier(times[-1])  # its own holder has not started yet
    return None if follows else job_end.written_end(found.run_dir)


def _requeue(found: Run, own: list[Event]) -> str | None:
    """Return in words that a job is pending again, or completing before that, or None."""
    one = _requeued(own)
    attempt = f"attempt {one['attempt']} of {one['attempts']}" if one else "it"
    waits = found.waits and (one or found.events())
    completes = one and (found.job or {}).get("state") == "COMPLETING"
    return f"requeued: {attempt} starts when it gets nodes" if waits or completes else None


def _log(found: Run, steps: list[Event], points: list[JsonObject]) -> str | None:
    """Return the most relevant log: the playbook's, the running point's, the failed step's or the job's."""
    candidates = [detached.log_path(found.run_dir)]
    running = {point["name"] for point in points if point["state"] == "running"}
    failed = [record for record in steps if record.get("state") == "ended" and not record.get("expected")]
    chosen = [record for record in steps if record["name"] in running] + failed[-1:]
    candidates += [os.path.join(found.run_dir, record.get("log") or "") for record in chosen]
    candidates.append(output_path(found.run_dir, found.job_id))
    return next((path for path in candidates if os.path.isfile(path)), None)


def _seconds_until(when: str | None) -> int | None:
    """Return the whole seconds until a time of Slurm, 0 if it has passed, None without one."""
    left = _seconds_since(when)
    return None if left is None else max(0, -left)


def _seconds_since(when: str | None) -> int | None:
    try:
        then = datetime.datetime.strptime(when or "", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return round((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds())


def text(status: JsonObject) -> str:
    """Return *status* as a few lines of text."""
    job, points = status["job"], status["points"]
    state = f"{job['state']}" + (f" ({job['reason']})" if job["reason"] not in (None, "None") else "")
    stage = f"in its stage {status['stage']}" if job["state"] in SUSPENDED_STATES else f"stage {status['stage']}"
    lines = [f"job {job['id']} {job['name'] or ''}: {state}, {stage}"]
    if job["time_left_s"] is not None:
        lease = f", lease {status['lease_left_s']:.0f} s" if status["lease_left_s"] is not None else ""
        lines[0] += f", {duration(job['time_left_s'])} left{lease}"
    if job["waits_s"] is not None:
        lines[0] += f", waiting for {duration(max(0, job['waits_s']))}"
    end = status["ending"] and status["ending"]["reason"]
    if status["requeue"]:
        lines.append(status["requeue"] + (f"; the previous job attempt ended: {end}" if end else ""))
    elif end:
        lines.append(f"{'is ending' if status['live'] else 'ended'}: {end}")
    if status["trouble"]:
        lines.append(f"trouble: {status['trouble']}")
    workers = status["workers"]
    if workers["planned"] and job["state"] not in WAITING:  # otherwise nothing runs yet
        lines.append(f"workers: {workers['running']} of {workers['planned']} running")
    if status["stage"] == holder_play.KEPT and status["service"] and status["service"]["url"]:
        lines.append(f"service: {status['service']['url']}")
    bad = [one for one in status["steps"] if one["state"] == "ended" and not one["expected"] and not _fine(one)]
    lines += [f"  {one['name']} on {one['node']}: {one['reason']}" for one in bad]
    done = sum(point["state"] == "done" for point in points)
    lines += [f"points: {done} of {len(points)} done"] if points else []
    for point in points:
        more = f" {point['done']}/{point['total']}" if point["total"] else ""
        why = f": {'; '.join(point['reasons'])}" if point["reasons"] else ""
        lines.append(f"  {point['label']} {point['state'].replace('_', ' ')}{more}{why}")
    if status["verdict"]:
        lines.append(f"results: {status['verdict']}, {status['run_dir']}/rollup.json")
    lines.append(f"run directory: {status['run_dir']}")
    if status["log"]:
        lines += [f"last lines of {os.path.basename(status['log'])}:", *(f"  {line}" for line in status["last_lines"])]
    return "\n".join(lines)


def _fine(step: JsonObject) -> bool:
    return step["tier"] in PASSING and step["exit_code"] == 0 or step["end_code"] == WITH_JOB


def duration(seconds: int) -> str:
    """Return seconds as ``1:02:03``."""
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
