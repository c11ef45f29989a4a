# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder serves requests on a Unix socket until the end of the job, which it ends in order."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Mapping

from .holder import Holder
from .job_ends import BY_SLURM, LEASE_EXPIRED, PLAYBOOK_ENDED, SIGNAL, TAKEN_AWAY, TIME_LIMIT
from .job_watch import Job
from .operations import PROTOCOL, Operations
from .playbook import Play
from .secret_values import forget
from .socket_dir import acquire_dirs, exchange, release_dirs, socket_path
from .utc import utc_now

# How long a playbook may take to write its rollup when the job ends; less if Slurm is about to kill the job.
ROLLUP_S = (30.0, 15.0)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One connection is one request and one answer."""

    daemon_threads, request_queue_size = True, 128

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        server: Server

        def handle(self) -> None:
            try:
                answer: Mapping[str, object] = self.server.operations.handle(json.loads(self.rfile.read()))
            except ValueError as error:
                answer = {"v": PROTOCOL, "ok": False, "error": f"The request is not JSON: {error}"}
            with contextlib.suppress(OSError):  # the controller may have ended
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    def __init__(self, path: str, operations: Operations) -> None:
        self.operations = operations
        super().__init__(path, self.RequestHandlerClass)


def serve(run_dir: str, lease_s: float, with_play: bool = False, adopted: str = "") -> int:
    """Serve until the end of the job; return the exit status of the batch script.

    :param adopted: when an adopted allocation was submitted; "" in a batch script. Nothing is done if another holder
        serves the job, for this run directory or for another one.
    """
    job_id = os.environ["SLURM_JOB_ID"]
    socket_dirs, status = acquire_dirs(job_id, run_dir, adopted)
    if not socket_dirs:
        return status
    holder = Holder(Job(job_id, run_dir), run_dir, lease_s)
    if with_play:
        holder.play = Play(run_dir, holder.lease.renew, functools.partial(holder.end, PLAYBOOK_ENDED))
        holder.job.retries = holder.play.retries
    server = Server(socket_dirs[0].path, Operations(holder))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: holder.end_by_slurm(holder.job.code_in_output() or SIGNAL, number))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=holder.check_missed_end, daemon=True).start()
    if holder.play:
        holder.play.start()
        threading.Thread(target=holder.job.forbid_last_requeue, daemon=True).start()
    holder.keep_lease()
    holder.explain()
    requeued = False
    try:
        requeued = end_in_order(holder)
    finally:  # after any error: remove secrets and socket
        if not (requeued or holder.job.unsure):  # a later job attempt needs the secrets
            forget(run_dir)
        time.sleep(0.2)  # let the answer to the request for the end be sent
        release_dirs(socket_dirs)
    return exit_status(holder)


def end_in_order(holder: Holder) -> bool:
    """End the playbook, then all steps; return whether the job is requeued.

    A job that Slurm ends has little time. One that Slurm has requeued and started elsewhere, because it lost this node,
    has steps with the same ids there: those must not be ended.
    """
    job, code = holder.job, holder.job_end["code"]
    with contextlib.suppress(OSError):  # a full disk must not cost the end in order
        sys.stdout.write(f"{utc_now()} ending: {holder.job_end['reason']}\n")
        sys.stdout.flush()
    moved = job.is_requeued()
    requeued = (moved or bool(job.retries) and code in TAKEN_AWAY) and holder.requeue(())
    if holder.play:
        end_playbook(holder, holder.play, moved, requeued)
    if not moved:
        holder.finish()
    if holder.requeue_without is not None and not requeued and code not in BY_SLURM:
        requeued = holder.requeue(holder.requeue_without)
    return requeued


def end_playbook(holder: Holder, play: Play, moved: bool, requeued: bool) -> None:
    """End the playbook first: it must not restart ending steps, and it writes the results of the run."""
    code = holder.job_end["code"]
    if not moved:
        measured = [s for s in holder.steps.by_name.values() if s.tier == "benchmark"]
        holder.steps.stopper.stop(measured, 5.0, give_up_s=5.0)
    sudden = code in BY_SLURM and code != TIME_LIMIT
    play.stop(0.0 if requeued else ROLLUP_S[sudden])
    if play.was_stopped and not requeued:
        play.add_line(f"Job {holder.job_id} ended: {holder.job_end['reason']}.")


def exit_status(holder: Holder) -> int:
    """Return the exit status of the batch script: that of its playbook, unless that was stopped."""
    if holder.play:
        return 1 if holder.play.was_stopped or holder.play.code is None else holder.play.code
    return int(holder.job_end["code"] in (*BY_SLURM, LEASE_EXPIRED))


def ctl(run_dir: str) -> int:
    """Pass stdin to the holder on this node and print its answer; return 3 if there is no holder."""
    try:
        answer = exchange(socket_path(os.environ["SLURM_JOB_ID"], run_dir), sys.stdin.read())
    except OSError as error:
        answer, why = "", str(error)
    else:
        why = "it ended before it answered"
    if not answer:
        sys.stderr.write(f"no holder on {socket.gethostname()}: {why}\n")
        return 3
    sys.stdout.write(answer)
    sys.stdout.flush()
    return 0
