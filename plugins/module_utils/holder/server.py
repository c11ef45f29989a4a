# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The holder serves requests on a Unix socket until the end of the job, and ends it in order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time

from .basics import utc_now
from .job_watch import Job, taken
from .operations import LAST_WORDS_S, PROTOCOL, Holder
from .playbook import Play
from .secret_values import forget
from .socket_dir import ask, leave_places, socket_path, take_places


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One connection is one request and one answer."""

    daemon_threads, request_queue_size = True, 128

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            try:
                answer = self.server.holder.handle(json.loads(self.rfile.read()))
            except ValueError as error:
                answer = {"v": PROTOCOL, "ok": False, "error": f"The request is not JSON: {error}"}
            with contextlib.suppress(OSError):  # the one who asked may be gone
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    def __init__(self, path, holder):
        self.holder = holder
        super().__init__(path, self.RequestHandlerClass)


def serve(run_dir, lease_s, with_play=False, guest=""):
    """Serve until the end of the job; return the exit status of the batch script.

    :param guest: when the job, which somebody else submitted, was submitted; "" in a batch script. Nothing is done if
        another holder serves the job, for this run directory or for another one.
    """
    job_id = os.environ["SLURM_JOB_ID"]
    places, status = take_places(job_id, run_dir, guest)
    if not places:
        return status
    job = Job(job_id, run_dir)
    holder = Holder(job_id, run_dir, lease_s)
    play = holder.play = Play(run_dir, holder.renew, holder.end) if with_play else None
    holder.job, job.retries = job, play.retries if play else 0
    server = Server(places[0].path, holder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: holder.end(f"signal {number}", job.told()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=holder.look_back, daemon=True).start()
    if play:
        play.start()
        threading.Thread(target=job.settle, daemon=True).start()
    holder.keep_lease()
    holder.explain()
    again = False
    try:
        with contextlib.suppress(OSError):  # a full disk must not cost the end in order
            sys.stdout.write(f"{utc_now()} ending: {holder.ending}\n")
            sys.stdout.flush()
        # A job that is taken away has little time: first things first. One that Slurm has begun again elsewhere, when
        # it lost this node, has steps with the same ids there: those are not ours to end.
        moved = job.begins_again()
        again = (moved or bool(job.retries) and taken(holder.ending)) and job.begin_again((), holder.ending, play.tell)
        if play:  # it must not start again what ends now, and says before what came of the run
            if not moved:
                holder.stop([s for s in holder.steps.values() if s.ask.get("tier") == "benchmark"], 5.0, give_up_s=5.0)
            sudden = holder.ending.startswith("signal") and "time limit" not in holder.ending
            play.stop(0.0 if again else LAST_WORDS_S[sudden])
            if play.stopped_it and not again:
                play.tell(f"Job {job_id} ended: {holder.ending}.")
        if not moved:
            holder.finish()
        if holder.again is not None and not again and not holder.ending.startswith("signal"):
            again = job.begin_again(holder.again, holder.ending, play.tell)
    finally:  # whatever went wrong: no secret and no socket stays behind
        if not (again or job.unsure):  # a later attempt needs the secrets
            forget(run_dir)
        time.sleep(0.2)  # the answer to the request that asked for the end is on its way
        leave_places(places)
    if play:
        return 1 if play.stopped_it else play.code
    return 1 if holder.ending.startswith(("signal", "no controller")) else 0


def ctl(run_dir):
    """Pass stdin on to the holder on this node and print its answer; return 3 if there is none."""
    try:
        answer = ask(socket_path(os.environ["SLURM_JOB_ID"], run_dir), sys.stdin.read())
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
