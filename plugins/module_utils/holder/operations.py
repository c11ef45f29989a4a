# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of the holder's protocol.

A request is ``{"v": 1, "op": "status|start|stop|wait|call|end|requeue", "renew": bool, "lease_s": number, "known":
{"seq", "instance_id"}, ...}``. Every answer has ``{v, ok, error?, job_id, instance_id, now, seq, ending, trouble,
lease, pauses, ends, breaks, steps}``; ``steps`` are the records that changed since the answer that is ``known``.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, cast

from .calls import Calls
from .holder import Holder
from .job_ends import REQUESTED
from .journal import json_files
from .probe import Prober, Wait
from .records import Answer, Refusal, Request, StepRecord
from .step import PASSING, Step
from .utc import utc_now

PROTOCOL = 1
PROBES_AT_ONCE = 32
LOOK_S, SELDOM_S = 15.0, 60.0  # how often Slurm is asked meanwhile: while a service is not healthy, and otherwise
WAITS = 16  # number of the latest waits that keep their state between slices


class Operations:
    """Answers requests about *holder*."""

    def __init__(self, holder: Holder) -> None:
        self.holder, self.steps = holder, holder.steps
        self.waits: dict[str, Wait] = {}
        self.looked_at, self.prober, self.calls = time.monotonic(), Prober(), Calls()
        self.probers = concurrent.futures.ThreadPoolExecutor(max_workers=PROBES_AT_ONCE)
        self.by_name = {
            "status": self.status,
            "start": self.start,
            "stop": self.stop,
            "wait": self.wait,
            "call": self.call,
            "end": self.end,
            "requeue": self.requeue,
        }

    def handle(self, request: Request) -> Answer | Refusal:
        """Return the answer to one request."""
        job_id, lease = self.holder.job_id, self.holder.lease
        if request.get("v") != PROTOCOL:
            error = (
                f"The holder of job {job_id} speaks protocol {PROTOCOL}, not {request.get('v')}. Use the version of "
                "the collection that started the job, or end the job with stop.yml."
            )
            return {"v": PROTOCOL, "ok": False, "job_id": job_id, "error": error}
        lease.lease_s = float(request.get("lease_s") or lease.lease_s)
        with lease.held() if request.get("renew") else contextlib.nullcontext():
            try:
                answer = dict({"ok": True}, **self.by_name[request["op"]](request))
            except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
                answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        with self.steps.change:
            return cast("Answer", dict(self._about(request.get("known") or {}), **answer))

    def _about(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of every answer."""
        holder, steps = self.holder, self.steps
        ours = known.get("instance_id") == holder.instance_id
        since = known.get("seq", -1) if ours else -1
        if holder.lease.heartbeat.last_at is not None and not holder.ending:
            holder.beat()
        return {
            "v": PROTOCOL,
            "job_id": holder.job_id,
            "instance_id": holder.instance_id,
            "now": utc_now(),
            "seq": steps.seq,
            "ending": holder.ending,
            "trouble": holder.journal.trouble,
            "lease": holder.lease.record(),
            "pauses": holder.lease.heartbeat.pauses,
            "ends": steps.ends.listed,
            "breaks": holder.witness.breaks,
            "steps": [step.record() for step in steps.by_name.values() if step.seq > since],
        }

    def status(self, request: Request) -> dict[str, Any]:
        """Say what is known.

        With ``look``, ask Slurm first which steps run; ``looked`` says whether it answered. ``witness`` are the parts
        of the service to keep a connection to, see witness.py.
        """
        if request.get("witness") is not None:
            self.holder.witness.watch(request["witness"])
        return {"looked": self.steps.look()} if request.get("look") else {}

    def start(self, request: Request) -> dict[str, Any]:
        """Start steps and wait ``wait_s`` at most until they run; see Steps.start."""
        began, steps = time.monotonic(), self.steps
        if self.holder.ending:
            return {"ok": False, "error": f"The job is ending: {self.holder.ending['reason']}."}
        actions = steps.start(request["steps"], bool(request.get("restart")), request.get("attempts"))
        begun = [name for name, done in actions.items() if done not in ("busy", "overtaken")]
        with steps.change:
            steps.change.wait_for(
                lambda: steps.closed or all(steps.by_name[name].state != "starting" for name in begun),
                max(0.0, began + float(request.get("wait_s") or 0) - time.monotonic()),
            )
        return {"actions": [{"name": spec["name"], "action": actions[spec["name"]]} for spec in request["steps"]]}

    def stop(self, request: Request) -> dict[str, Any]:
        """Stop the steps selected by ``names`` and ``tiers``."""
        names, tiers, steps = request.get("names"), request.get("tiers"), self.steps
        with steps.one_at_a_time:
            chosen = [
                s
                for s in list(steps.by_name.values())
                if (names is None or s.name in names) and (tiers is None or s.tier in tiers)
            ]
            alive = {s.name for s in chosen if s.alive}
            if any(s.alive and s.tier not in PASSING for s in chosen):
                self.holder.witness.watch({})  # the next point begins anew
            steps.stopper.stop_in_tiers(chosen, request.get("grace_s"))
        listed = names if names is not None else [s.name for s in chosen]
        return {"actions": [{"name": name, "action": "stopped" if name in alive else "absent"} for name in listed]}

    def end(self, request: Request) -> dict[str, Any]:
        """Start the end of the job."""
        self.holder.end(REQUESTED, request.get("reason") or "a controller requested it")
        return {}

    def requeue(self, request: Request) -> dict[str, Any]:
        """Requeue the job once its playbook has ended, without the nodes in ``exclude``; say whether it may be."""
        holder = self.holder
        may = bool(holder.play and holder.job.may_requeue())
        if holder.play and may:
            holder.requeue_without, holder.play.keep = list(request.get("exclude") or ()), False
        return {"requeue": may, "restarts": holder.job.restarts}

    def wait(self, request: Request) -> dict[str, Any]:
        """Probe ``checks`` until all are done, a watched step ended or ``slice_s`` is over."""
        checks, began, steps = request.get("checks") or [], time.monotonic(), self.steps
        slice_s = float(request.get("slice_s") or 5)
        key = request.get("wait_id") or hashlib.sha256(json.dumps(checks).encode()).hexdigest()
        with steps.change:
            wait = self.waits.setdefault(key, Wait(checks, self._hold))
            while len(self.waits) > WAITS:
                del self.waits[next(iter(self.waits))]
            left, shown = wait.left(), json_files(self.holder.run_dir, request.get("progress"))
            while True:
                now = time.monotonic()
                due, pause = wait.due(now)
                for check in due:
                    check["busy"] = True
                    self.probers.submit(self._probe, wait, check)
                if now - self.looked_at > (LOOK_S if wait.left() else SELDOM_S):
                    self.looked_at = now
                    self.probers.submit(self.steps.look)
                ended, passed = self._ended(request), now - began
                due_too = passed >= min(1.0, slice_s)
                progress = json_files(self.holder.run_dir, request.get("progress")) if due_too else shown
                # Show progress soon, but not too often.
                moved = passed >= 1.0 and (wait.left() < left or progress != shown)
                if ended or moved or steps.closed or passed >= slice_s or (checks and not wait.left()):
                    return {
                        "checks": wait.records(),
                        "completed": not wait.left(),
                        "ended": ended,
                        "progress": progress,
                    }
                steps.change.wait(max(0.01, min(pause, slice_s - passed, 1.0)))

    def call(self, request: Request) -> dict[str, Any]:
        """Send the orders ``calls`` once under ``call_id``; see calls.py. Without ``calls``: say what came of them."""
        return self.calls.call(request["call_id"], request.get("calls"), float(request.get("slice_s") or 5))

    def _hold(self, check: dict[str, Any]) -> str | None:
        listing = check.get("listing")
        keeper = self.steps.by_name.get(listing["by"]) if listing else None
        return self.steps.ends.listed_still(listing, keeper.started_at if keeper else None) if listing else None

    def _ended(self, request: Request) -> list[StepRecord]:
        """Return the records of ended steps that matter: watched ones, and critical ones that ended unexpectedly."""
        watch, guard = request.get("watch") or (), request.get("guard")

        def failed(step: Step) -> bool:
            guarded = guard is None or step.name in guard
            return bool(step.spec.get("critical")) and not step.expected and step.tier != "benchmark" and guarded

        ended = [step for step in self.steps.by_name.values() if not step.alive]
        return [step.record() for step in ended if step.name in watch or failed(step)]

    def _probe(self, wait: Wait, check: dict[str, Any]) -> None:
        part = self.steps.by_name.get((check.get("steps") or [""])[0])
        error = self.prober.probe(check, part.attempt if part else 0)
        with self.steps.change:
            wait.take(check, error)
            self.steps.change.notify_all()
