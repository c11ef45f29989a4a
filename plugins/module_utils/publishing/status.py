# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Status reports: what a run does, as the status API of srtctl takes it.

    POST ENDPOINT/api/jobs         at submission
    PUT  ENDPOINT/api/jobs/JOB_ID  at each stage, and at the end

Nothing waits for an answer: reports are lines of a file, and :mod:`.sender` sends them in a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

from ..files import read_object, write_text_atomic
from ..holder.utc import utc_now
from ..json_types import Json, JsonObject

TOKEN_ENV = "SRTCTL_STATUS_TOKEN"  # the variable with the token, unless the job names another
FILE, SPOOL = "srt-status.json", "srt-status-{}.jsonl"
LAST_WAIT_S = 1.0  # for the last report: with the playbook in a job the job ends
# The stages that are reported when they begin: (status, stage).
STAGES = {
    "head_infra": ("starting", "head_infrastructure"),
    "worker": ("workers", "workers"),
    "frontend": ("frontend", "frontend"),
    "benchmark": ("benchmark", "benchmark"),
}


def endpoints(status: Mapping[str, Json] | None) -> list[str]:
    """Return the endpoints of ``reporting.status``, each once."""
    status = status or {}
    given = [status.get("endpoint"), *(status.get("endpoints") or ())]
    return list(dict.fromkeys(one.rstrip("/") for one in given if one))


class Reporter:
    """Reports what a run does; without endpoints, in another folder's file, it does nothing.

    :param folder: a private directory that exists as long as the playbook runs.
    """

    def __init__(self, folder: str) -> None:
        self._folder, self._path = folder, os.path.join(folder, FILE)

    def begin(self, job: JsonObject) -> None:
        """Remember the *job* (one of job_spec's), if it has endpoints."""
        spec = job["spec"]
        status: JsonObject = (spec.get("reporting") or {}).get("status") or {}
        found = endpoints(status)
        if found:
            kept = {
                "endpoints": found,
                "token_env": status.get("token_env") or TOKEN_ENV,
                "job_name": job["name"],
                "cluster": spec["cluster"].get("cluster"),
                "recipe": job["name"],
                "metadata": {"backend_type": spec["backend"]["type"], "frontend_type": spec["frontend"]["type"]},
            }
            write_text_atomic(self._path, json.dumps(kept), 0o600)

    def _known(self) -> JsonObject | None:
        return read_object(self._path) if os.path.exists(self._path) else None

    def job(self, job_id: str, run_dir: str, post: bool = True) -> None:
        """Remember the job, and report with *post* that there is one, unless that is known already."""
        about = self._known()
        if not about or about.get("job_id") == str(job_id):
            return
        about.update(job_id=str(job_id), log_dir=os.path.join(run_dir, "logs"), stage=None)
        write_text_atomic(self._path, json.dumps(about), 0o600)
        if post:
            body = {"job_id": about["job_id"], "job_name": about["job_name"], "submitted_at": utc_now()}
            rest = {key: about[key] for key in ("cluster", "recipe", "metadata")}
            self._send(about, "POST", {**body, **rest})

    def started(self, head_node: str) -> None:
        """Report that the job has its nodes."""
        about = self._known()
        if about and about.get("job_id"):
            metadata = {**about["metadata"], "log_dir": about["log_dir"], "head_node": head_node}
            self._put(about, "starting", "starting", started_at=utc_now(), metadata=metadata)

    def stage(self, name: str) -> None:
        """Report that the stage *name* begins."""
        about = self._known() if name in STAGES else None
        if about and about.get("job_id") and about.get("stage") != name:
            write_text_atomic(self._path, json.dumps({**about, "stage": name}), 0o600)
            self._put(about, *STAGES[name])

    def failed(self, message: str) -> None:
        """Report that the job could not be started."""
        about = self._known()
        if about and about.get("job_id"):
            self._put(about, "failed", "starting", message=message)

    def end(self, exit_code: int, message: str | None = None, logs_url: str | None = None) -> None:
        """Report the end of the run; wait a second at most until that is sent."""
        about = self._known()
        if not about or not about.get("job_id"):
            return
        if exit_code and about.get("stage") == "benchmark":
            self._put(about, "failed", "benchmark", message=message)
        elif logs_url:
            self._put(about, "benchmark", "cleanup", logs_url=logs_url)
        more = {"message": message, "completed_at": utc_now(), "exit_code": exit_code, "logs_url": logs_url}
        sending = self._put(about, "failed" if exit_code else "completed", "cleanup", **more)
        until = time.monotonic() + LAST_WAIT_S
        while any(process.poll() is None for process in sending) and time.monotonic() < until:
            time.sleep(0.01)

    def _put(self, about: JsonObject, status: str, stage: str, **more: Json) -> list[subprocess.Popen[bytes]]:
        more = {key: value for key, value in more.items() if value is not None}
        return self._send(about, "PUT", {"status": status, "stage": stage, "updated_at": utc_now(), **more})

    def _send(self, about: JsonObject, method: str, body: JsonObject) -> list[subprocess.Popen[bytes]]:
        """Add a report to the file of each endpoint, and let a process send what is in it; return the processes."""
        path = "/api/jobs" + (f"/{about['job_id']}" if method == "PUT" else "")
        sender, silence = os.path.join(os.path.dirname(__file__), "sender.py"), subprocess.DEVNULL
        started: list[subprocess.Popen[bytes]] = []
        for number, endpoint in enumerate(about["endpoints"]):
            spool = os.path.join(self._folder, SPOOL.format(number))
            line = {"method": method, "url": endpoint + path, "token_env": about["token_env"], "body": body}
            with contextlib.suppress(OSError):  # nothing that the run depends on
                handle = os.open(spool, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    stream.write(json.dumps(line) + "\n")
                command = [sys.executable, "-I", sender, spool]
                started.append(
                    subprocess.Popen(command, stdin=silence, stdout=silence, stderr=silence, start_new_session=True)
                )
        return started
