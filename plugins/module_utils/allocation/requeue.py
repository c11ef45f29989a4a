# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retries of a job that Slurm ended before it was used, and the requeue of a job from inside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ..entry import Context
from ..failures import Error
from ..json_types import JsonObject
from ..slurm import commands
from ..slurm.commands import QueueEntry
from . import detached, driver


def with_retries(attempt: Callable[[JsonObject], JsonObject], params: JsonObject, ctx: Context) -> JsonObject:
    """Return the result of ``attempt(params)``, called again if Slurm ends the job before it is used.

    ``params["retries"]`` limits the retries; failed nodes are excluded. The result has ``retried``, their number, and
    ``excluded``, the nodes.
    """
    allocation: JsonObject = params.get("allocation") or {}
    lost: list[str] = []
    excluded: list[str] = []
    while True:
        try:
            result = attempt(params)
            break
        except Error as error:
            ours = allocation and params["state"] == "running" and not params.get("job_id")
            if not (ours and error.evidence.get("retryable") and len(lost) < params["retries"]):
                error.evidence.update(retried=len(lost), excluded=excluded)
                raise
            lost.append(error.msg)
            excluded = sorted({*excluded, *error.evidence.get("bad_nodes", ())})
            without = f" without {', '.join(excluded)}" if excluded else ""
            ctx.progress(f"{error.msg} Job attempt {len(lost) + 1} of {params['retries'] + 1}{without}.")
            known = allocation.get("exclude") or ()
            params = dict(params, allocation=dict(allocation, exclude=[*known, *excluded]))
    unshown = [*([] if ctx.shows else lost), *result["unshown_notes"]]
    result = dict(result, notes=[*lost, *result["notes"]], unshown_notes=unshown)
    return dict(result, retried=len(lost), excluded=excluded)


def requeue(job: QueueEntry, folder: str, exclude: Iterable[str]) -> bool:
    """Request the requeue of the job that we run in after its playbook; return whether this is allowed.

    :param exclude: nodes to exclude.
    """
    if not detached.inside(job["id"]):
        raise Error(f"Job {job['id']} cannot be requeued: only a job that runs its own playbook can (submit.yml).")
    first = commands.hostnames(job["nodelist"])[0]
    return driver.connect(job["id"], folder, first).request("requeue", exclude=list(exclude))["requeue"]
