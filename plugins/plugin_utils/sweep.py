# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the groups of a sweep: each in its allocation, its jobs one after the other, each with its own playbook.

Playbooks run in threads of their own, which only pass on lines; everything else happens in the thread of the action.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import re
import signal
import threading
import time

from ansible import constants
from ansible_collections.srt.slurm.plugins.module_utils import sweep_folders
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.run_options import FROZEN, VARIANT_DIR
from ansible_collections.srt.slurm.plugins.module_utils.stages.bench_run import read_verdict_line
from ansible_collections.srt.slurm.plugins.module_utils.sweeps.progress import Progress
from ansible_collections.srt.slurm.plugins.module_utils.sweeps.rows import is_done
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note
from ansible_collections.srt.slurm.plugins.plugin_utils.playbook import play

ERROR = re.compile(r"fatal: \[[^]]*\]: FAILED! => (.*)")
PASSED_ON = "  slurm_job: "  # lines about the wait for nodes
KEPT = ("  The service of job ", "  To end it now: ")
LOOK_S = 0.5
ENDING_S = 20.0  # how long a run that was killed may take to notice it
STOPPED = "the sweep was stopped"


class Turn:
    """One group with what is known of its allocation.

    :ivar left: the names of its jobs that have not run, in order.
    :ivar again: those that were run twice.
    :ivar used: whether a job of the group has used the present allocation.
    :ivar job_id: that of the allocation after a job, None if it has ended.
    :ivar current: the one that runs.
    :ivar last_error: its first error.
    :ivar note: where its playbook leaves its note on the allocation that stays up.
    """

    def __init__(self, group, shares):
        self.group, self.lock = group, None
        self.left = [name for service in group["services"] for name in service]
        self.shared = shares and len(self.left) > 1
        self.used, self.again, self.current, self.last_error, self.job_id = False, set(), None, None, None
        self.note = os.path.join(constants.DEFAULT_LOCAL_TMP, f"srt-sweep-{os.urandom(4).hex()}.json")


class Sweep:
    """Runs what is left of a sweep.

    :param params: those of sweep_run.
    :param record: ``record(runs)`` brings the files of the sweep up to date, and returns what sweep_record does.
    :param slurm: with ``find(request)``, which returns the id of a group's job or None, and ``end(job_id)``.
    :param show: shows a line.
    :param local: whether the folder of the sweep is on this machine.
    :param shares: whether an allocation stays up between jobs; without all stages of a playbook it does not.
    """

    def __init__(self, params, record, slurm, show, local, shares=True, verbose=False):
        self.params, self.record, self.slurm, self.show = params, record, slurm, show
        self.local, self.shares, self.verbose = local, shares, verbose
        self.jobs = {job["name"]: (job, origins) for job, origins in zip(params["jobs"], params["origins"])}
        self.runs, self.events, self.failed, self.parent = {}, queue.Queue(), False, os.getppid()

    def run(self, first):
        """Run the groups of *first*, a result of sweep_record, to their end; return the last record."""
        self.known = {job["name"]: set(job["known"]) for job in first["jobs"]}
        self.about = {job["name"]: job for job in first["jobs"]}
        self.folder, self.latest = first["folder"], first
        if self.local and detached.MARK not in os.environ:  # a job that was submitted is ended by who stops the sweep
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.folder, sweep_folders.STOP))
        mine = [job for job in first["jobs"] if not self.params["only"] or job["name"] in self.params["only"]]
        done, every = (sum(len(job[key]) for job in mine) for key in ("known", "labels"))
        self.progress = Progress(every, done, time.monotonic())
        waiting, active = [Turn(group, self.shares) for group in first["groups"]], []
        try:
            while waiting or active:
                while waiting and len(active) < max(1, self.params["max_parallel"]):
                    turn = waiting.pop(0)
                    if all(other.note != kept_job_note.path() for other in active):
                        turn.note = kept_job_note.path()
                    active += [turn] if self.begin(turn) else []
                if active:
                    self.handle(self.next_event(), active)
        except BaseException:
            self.await_ends(active)
            raise
        return self.latest

    def next_event(self):
        """Return the next line or end of a playbook. End with all playbooks if the one of the sweep was killed."""
        while True:
            try:
                return self.events.get(timeout=LOOK_S)
            except queue.Empty:
                if os.getppid() != self.parent:
                    os.kill(os.getpid(), signal.SIGTERM)  # Ansible's worker passes it on to its children

    def await_ends(self, active):
        """Wait for the playbooks that run: Ctrl-C reaches them as well."""
        while any(turn.current for turn in active):
            kind, turn, _value = self.events.get()
            if kind == "end":
                turn.current = None
                note = kept_job_note.read(turn.note)
                if note and turn.note != kept_job_note.path():  # else the main process shows it at its end
                    self.show(f"  {kept_job_note.line_of(note)}")

    def stopped(self):
        """Return why no other job starts, or None."""
        if self.local and os.path.exists(os.path.join(self.folder, sweep_folders.STOP)):
            return STOPPED
        return "a job before it failed (stop_on_failure)" if self.failed and self.params["stop_on_failure"] else None

    def begin(self, turn):
        """Start the first job of a group; return whether it runs."""
        if self.stopped():
            self.leave_out(turn)
            return False
        self.lock(turn)
        group = turn.group
        jobs = len(turn.left)
        services = len(group["services"])
        what = f"{jobs} jobs with {services} services" if services > 1 else f"{jobs} job{'s' if jobs > 1 else ''}"
        self.show(f"  allocation {group['name']}: {group['nodes']} nodes, {group['gpus']} GPUs, for {what}")
        self.next(turn)
        return True

    def lock(self, turn):
        """Keep other runs of the sweep out of this group's allocation; Error if one works there."""
        if not self.local:
            return None
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, f".lock-{sweep_folders.word(turn.group['name'])}")
        turn.lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        until = time.monotonic() + ENDING_S
        while True:
            try:
                return fcntl.flock(turn.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Error(
                        f"Another run of this sweep works in its allocation {turn.group['name']} ({path} is locked). "
                        "Wait for its end, or end it with playbooks/stop.yml."
                    ) from None
                time.sleep(LOOK_S)
            except OSError:  # a file system without locks
                return None

    def next(self, turn):
        """Start the next job of a group."""
        name = turn.left.pop(0)
        turn.current, turn.last_error = name, None
        self.start(turn, self.variables(turn, name))

    def variables(self, turn, name):
        """Return the extra vars of the playbook for the job *name*, as it was read: later edits do not count.

        An allocation that jobs share stays up after each of them: the sweep ends it.
        """
        job, origins = self.jobs[name]
        # In an allocation that was given, each job tells what it needs of it.
        job = job if self.params["job_id"] else dict(job, allocation=turn.group["request"])
        frozen = {"jobs": [job], "origins": [origins], "notes": []}
        if self.params["secrets_path"]:
            frozen["secrets_path"] = self.params["secrets_path"]
        path = os.path.join(constants.DEFAULT_LOCAL_TMP, f"{sweep_folders.word(name)}-{os.urandom(4).hex()}.json")
        write_text_atomic(path, json.dumps(frozen), 0o600)
        given = {FROZEN: path, VARIANT_DIR: self.about[name]["run_dir"], "output_dir": self.latest["output_dir"]}
        return {**given, "keep": True, "lease_s": self.params["lease_s"]} if turn.shared else given

    def start(self, turn, given):
        """Run the playbook of a job in a thread of its own."""

        def hear(line):
            self.events.put(("line", turn, line))

        def work():
            rc = 2
            try:
                rc = play(self.params["playbook"], [json.dumps(given)], hear, turn.note)
            finally:
                self.events.put(("end", turn, rc))

        threading.Thread(target=work, daemon=True).start()

    def handle(self, event, active):
        """Do what follows from a line, or from the end, of a playbook."""
        kind, turn, value = event
        if kind == "line":
            self.hear(turn, value)
            return
        self.ended(turn, value)
        if self.stopped():
            self.leave_out(turn)
        if turn.left:
            self.next(turn)
            return
        turn.current = None
        active.remove(turn)
        self.clean(turn)

    def clean(self, turn):
        """End the allocation of a group that is done, unless its service is to stay up."""
        if turn.job_id and not self.params["keep"]:
            self.slurm.end(turn.job_id)
        if turn.lock is not None:
            os.close(turn.lock)

    def hear(self, turn, line):
        """Keep a line of a job's playbook, and show what is new."""
        name = turn.current
        with contextlib.suppress(OSError), open(self.log(turn), "a", encoding="utf-8") as log:
            log.write(f"{line}\n")
        if self.verbose:
            self.show(line)
            return
        error = ERROR.match(line)
        if error:
            turn.last_error = turn.last_error or error[1]
        elif line.startswith(KEPT) and self.params["keep"] and not turn.left:
            self.show(line)
        elif line.startswith(PASSED_ON):
            self.show(f"  {turn.group['name']}: {line[len(PASSED_ON) :]}")
        elif name and line.startswith("  bench_run: "):
            self.told(name, line.strip().partition(": ")[2])

    def told(self, name, text):
        """Show the line about a point that was not known before."""
        open_yet = [label for label in self.about[name]["candidates"] if label not in self.known[name]]
        said = read_verdict_line(text, open_yet)
        if said and said.action != "not measured":
            self.point(name, said.label, said.text, said.action == "measured")

    def point(self, name, label, text, measured):
        """Show the line about a point."""
        self.known[name].add(label)
        if label not in self.about[name]["labels"]:  # a search has found out that it needs it
            self.about[name]["labels"].append(label)
            self.progress.total += 1
        self.show(f"  {self.progress.line(name, label, text, time.monotonic(), measured)}")

    def log(self, turn):
        """Return the path of the whole output of the job's playbook."""
        parent = self.folder if self.local else os.path.abspath("sweep-logs")
        path = os.path.join(parent, "logs", f"{sweep_folders.word(turn.current or turn.group['name'])}.log")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def ended(self, turn, rc):
        """Take down how a job ended. One that failed with an allocation which others had used is run once more."""
        name, failure = turn.current, turn.last_error or f"Its playbook ended with exit code {rc}."
        before, turn.job_id = turn.job_id, self.slurm.find(turn.group["request"]) if turn.shared else None
        if before and turn.job_id not in (before, None):
            self.show(f"  {turn.group['name']}: job {before} has ended, and the sweep goes on in job {turn.job_id}")
        once_more = rc and turn.used and not turn.job_id and name not in turn.again and not self.stopped()
        self.runs[name] = {"rc": rc, "failure": failure if rc else None, "log": self.log(turn)}
        self.latest = self.record(self.runs)
        job = next(one for one in self.latest["jobs"] if one["name"] == name)
        for row in job["rows"]:
            if is_done(row) and row["label"] not in self.known[name]:
                self.point(name, row["label"], row["state"], True)
        if once_more:
            self.show(f"  {name}: its allocation has ended: {failure} It is run again in another one.")
            turn.again.add(name)
            turn.left.insert(0, name)
        elif rc:
            self.failed = True
            self.show(f"  {name}: FAILED: {failure} The whole output: {self.log(turn)}")
        elif not job["rows"]:
            self.show(f"  {name}: done")
        turn.used = bool(turn.job_id)

    def leave_out(self, turn):
        """Leave out the jobs of a group that have not run."""
        for name in turn.left:
            self.runs[name] = {"rc": None, "failure": f"was left out: {self.stopped()}", "log": None}
        turn.left = []
