# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module slurm_job: finds, submits, awaits or ends one allocation."""

from __future__ import annotations

import os
import time

from ..entry import Context
from ..holder.lease import LEASE_S
from ..json_types import JsonObject
from ..slurm import script
from ..slurm.commands import QueueEntry
from . import (
    adopted,
    description,
    detached,
    ending,
    finding,
    ownership,
    requeue,
    site_check,
    submission,
    unfinished,
    waiting,
)
from .call import QUERIED, Call

ARGUMENT_SPEC: JsonObject = {
    "allocation": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "running", "absent", "requeued"], "default": "running"},
    "job_id": {"type": "str"},
    "output_dir": {"type": "path", "required": True},
    "config_text": {"type": "str"},
    "metadata": {"type": "dict", "default": {}},
    "lease_s": {"type": "float", "default": LEASE_S},
    "wait_timeout_s": {"type": "float", "default": 0.0},
    "end_timeout_s": {"type": "float", "default": 180.0},
    "retries": {"type": "int", "default": 0},
    "origins": {"type": "dict", "default": {}},
    "playbook": {"type": "dict", "options": detached.OPTIONS},
    "reason": {"type": "str"},
    "secrets": {"type": "dict", "no_log": True},
    "secrets_path": {"type": "path"},
}
OPTIONS = {"required_one_of": [("allocation", "job_id")]}
CHANGING = ("submitted", "released", "adopted", "ended", "cancelled", "requeued")


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Bring the allocation to the wanted state; see the module's documentation for parameters and result."""
    began = time.monotonic()
    result = requeue.with_retries(lambda params: _once(Call(params, ctx)), params, ctx)
    result["duration_s"] = round(time.monotonic() - began, 3)
    return result


def _once(call: Call) -> JsonObject:
    """Return the result of one try."""
    found = finding.find(call)
    found = finding.with_its_directory(call, found) if found else None
    if call.state == "absent":
        ending.end(call, found)
        found = None
    elif call.state == "requeued":
        ending.requeue(call, found)
    elif call.state == QUERIED:
        found = unfinished.with_files(call, found) if found else None
    else:
        found = _ensure(call, found)
        if call.playbook and not call.actions:
            detached.check_found(found, call.run_dir(found), call.playbook)
        if call.state == "running" and not call.ctx.check_mode:
            found = waiting.wait_until_running(call, found["id"])
    return _result(call, found)


def _ensure(call: Call, found: QueueEntry | None) -> QueueEntry:
    """Return the current job, given the one that was *found*."""
    check_mode = call.ctx.check_mode
    found = unfinished.usable(call, found) if found else None
    if not found:
        if not check_mode:
            return _submit(call)
        site_check.check(call)
        call.actions.append("submitted")
        return description.planned(call)
    if unfinished.is_unfinished(call, found):
        return found if check_mode else unfinished.release_unfinished(call, found) or _submit(call)
    if not found["comment"].startswith(script.TAG):
        adopted.check(found, call.allocation, call.run_dir(found))
        if check_mode and not adopted.answers(found, call.run_dir(found)):
            call.actions.append("adopted")
        return found
    if unfinished.held(found):
        # Another controller may have released it.
        found = next(iter(ownership.jobs(call.output_dir, job_id=found["id"])), found)
        held = unfinished.held(found)
        call.notes += [f"Job {found['id']} was left alone. {held}."] if held else []
    return unfinished.with_files(call, found)


def _submit(call: Call) -> QueueEntry:
    job = submission.submit(call)
    return finding.with_its_directory(call, job) or job


def _result(call: Call, found: QueueEntry | None) -> JsonObject:
    result = {
        "changed": any(action in CHANGING for action in call.actions),
        "actions": call.actions,
        "notes": call.notes,
        "unshown_notes": [note for index, note in enumerate(call.notes) if index not in call.shown],
        "script": call.script or None,
        "log": _log(call, found),
        "job": description.describe(call, found) if found else None,
    }
    if call.ctx.diff and "submitted" in call.actions:
        result["diff"] = {
            "before": "",
            "after": call.script,
            "before_header": "no allocation",
            "after_header": "sbatch script",
        }
    return result


def _log(call: Call, found: QueueEntry | None) -> str | None:
    """Return the path of the output of a playbook in the job, or None."""
    path = detached.log_path(call.run_dir(found)) if found else ""
    return path if os.path.exists(path) or call.playbook and "submitted" in call.actions else None
