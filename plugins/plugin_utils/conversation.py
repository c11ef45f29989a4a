# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What interactive.yml talks about: runs, job files, their values, a preview, submission, and how a run goes.

It asks and tells through functions, so that a terminal, a pipe or a test may be at the other end.
"""

from __future__ import annotations

import contextlib
import copy
import glob
import json
import os

from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import FILE_NAME
from ansible_collections.srt.slurm.plugins.module_utils.job.reading import Document, read_job, read_jobs
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import Source, parse_yaml
from ansible_collections.srt.slurm.plugins.module_utils.stages import dry_run, job_spec, run_info, runs_info

EDITED = ".edited.yaml"
WHERE = ("*.yaml", "*.yml", "configs/*.yaml", "recipes/*.yaml", "examples/*.yaml", "examples/gallery/*.yaml")
JOB_HELP = "KEY=VALUE changes a value, p previews, s submits, w writes the file, b goes back"
RUN_HELP = "f follows it, r shows where its report is, x stops it, b goes back"
FOLLOW_S = 2.0


class Over(Exception):
    """Nobody answers any more: the end of the input, or q."""


class Conversation:
    """One conversation.

    :param ask: ``ask(prompt)`` returns a line; Over at the end of the input.
    :param tell: shows a line.
    :param play: ``play(playbook, extra)`` runs a playbook, shows its lines and returns its exit code.
    :param pause: ``pause(seconds)`` returns whether a line was typed meanwhile.
    :param output_dir: parent of the run directories.
    """

    def __init__(self, ask, tell, play, pause, output_dir, check_mode=False):
        self.ask, self.tell, self.play, self.pause = ask, tell, play, pause
        self.output_dir, self.check_mode, self.submitted = output_dir, check_mode, []

    def run(self):
        """Talk until the other side has had enough; return the paths of the jobs that were submitted."""
        with contextlib.suppress(Over):
            while True:
                word = self.said("1 runs, 2 jobs, q quit")
                if word in ("1", "r", "runs"):
                    self.runs()
                elif word in ("2", "j", "jobs"):
                    self.jobs()
                else:
                    self.tell("Type 1, 2 or q.")
        return self.submitted

    def said(self, prompt):
        """Return what was typed after *prompt*; Over for q."""
        word = self.ask(prompt).strip()
        if word in ("q", "quit", "exit"):
            raise Over
        return word

    def choose(self, what, rows):
        """Return the chosen one of *rows*, ``[(text, value)]``; None to go back, the text for what is no number."""
        for number, (text, _value) in enumerate(rows, 1):
            self.tell(f"{number:>3}  {text}")
        while True:
            word = self.said(f"Number of a {what}, b goes back")
            if word in ("b", "back", ""):
                return None
            if word.isdecimal() and 1 <= int(word) <= len(rows):
                return rows[int(word) - 1][1]
            if not word.isdecimal():
                return word
            self.tell(f"There are 1 to {len(rows)}.")

    # Runs.

    def runs(self):
        """Show the runs; talk about the one that is chosen."""
        defaults = {name: one.get("default") for name, one in runs_info.ARGUMENT_SPEC.items()}
        try:
            found = runs_info.run({**defaults, "output_dir": self.output_dir}, Context(True))
        except Error as error:
            self.tell(error.msg)
            return
        titles, *rows = found["text"].splitlines()[: len(found["runs"]) + 1] or [""]
        if not found["runs"]:
            self.tell(f"There is no run in {self.output_dir}.")
            return
        self.tell(f"     {titles}")
        path = self.choose("run", list(zip(rows, (one["path"] for one in found["runs"]))))
        if path:
            self.one_run(path)

    def one_run(self, path):
        """Talk about the run in the directory *path*."""
        if not self.status(path):
            return
        while True:
            word = self.said(RUN_HELP)
            if word in ("b", "back", ""):
                return
            if word == "f":
                self.follow(path)
            elif word == "r":
                page = os.path.join(path, "report.html")
                self.tell(page if os.path.exists(page) else f"There is no report yet. It will be {page}.")
            elif word == "x":
                if self.said(f"Stop the run in {path}? Type yes") == "yes":
                    self.play("stop", {"run_dir": path})
            else:
                self.tell(RUN_HELP)

    def status(self, path):
        """Show how the run goes; return its state, None if it is not known."""
        defaults = {name: one.get("default") for name, one in run_info.ARGUMENT_SPEC.items()}
        try:
            found = run_info.run({**defaults, "run_dir": path}, Context())
        except Error as error:
            self.tell(error.msg)
            return None
        for line in found["text"].splitlines():
            self.tell(line)
        return found

    def follow(self, path):
        """Show the run again and again while it lives, until a line is typed."""
        self.tell("Enter ends this; the run goes on.")
        before = None
        while True:
            defaults = {name: one.get("default") for name, one in run_info.ARGUMENT_SPEC.items()}
            try:
                found = run_info.run({**defaults, "run_dir": path}, Context())
            except Error as error:
                self.tell(error.msg)
                return
            now = [found["stage"], found["job"].get("state"), [one.get("state") for one in found["points"]],
                   [(one.get("name"), one.get("state")) for one in found["steps"]]]  # fmt: skip
            if now != before:
                for line in found["text"].splitlines():
                    self.tell(line)
                before = now
            if not found["live"] or self.pause(FOLLOW_S):
                return

    # Jobs.

    def jobs(self):
        """Show the job files; talk about the one that is chosen or named."""
        paths = sorted(
            {path for pattern in WHERE for path in glob.glob(pattern) if os.path.basename(path) != FILE_NAME}
        )
        path = self.choose("job file, or its path", [(one, one) for one in paths])
        if path:
            try:
                self.one_job(Job(path))
            except Error as error:
                self.tell(error.msg)

    def one_job(self, job):
        """Talk about a job: change its values, look at what it would do, submit it."""
        self.show_job(job)
        while True:
            word = self.said(JOB_HELP)
            if word in ("b", "back", ""):
                return
            if "=" in word:
                key, _sign, value = word.partition("=")
                self.change(job, key.strip(), value.strip())
            elif word == "p":
                self.preview(job)
            elif word == "w":
                self.tell(f"written: {job.write()}")
            elif word == "s":
                self.submit(job)
            else:
                self.tell(JOB_HELP)

    def show_job(self, job):
        """Show the job in a few lines, or what is wrong with it; return its checked form."""
        try:
            found = job.checked()
        except Error as error:
            for line in error.msg.splitlines():
                self.tell(f"not valid: {line}")
            return None
        for one in found["jobs"]:
            spec = one["spec"]
            points = spec["benchmark"].get("concurrencies") or []
            self.tell(
                f"{one['name']}: {one['allocation']['nodes']} nodes, {spec['backend']['type']} behind "
                f"{spec['frontend']['type']}, {spec['benchmark']['type']} {' '.join(map(str, points))}"
            )
        return found

    def change(self, job, key, value):
        """Change a value if the job stays valid, or was not valid before."""
        before, was = copy.deepcopy(job.raw), job.is_valid()
        try:
            job.set(key, value)
            job.checked()
        except Error as error:
            for line in error.msg.splitlines():
                self.tell(f"not changed: {line}" if was else line)
            if was:
                job.raw = before
            return
        self.show_job(job)

    def preview(self, job):
        """Show what the job would do: where its processes are, the script, the commands."""
        found = self.show_job(job)
        if not found:
            return
        defaults = {name: one.get("default") for name, one in dry_run.ARGUMENT_SPEC.items()}
        shown = dry_run.run({**defaults, "jobs": found["jobs"]}, Context(True, True))
        for one in shown["diff"]:
            for line in one["after"].splitlines():
                self.tell(line)

    def submit(self, job):
        """Submit the job as it is now, and follow its run."""
        if not self.show_job(job):
            return
        path = job.write() if job.is_edited else job.path
        if self.said(f"Submit {path}? Type yes") != "yes":
            return
        if self.check_mode:
            self.tell("Check mode: nothing is submitted.")
            return
        if self.play("submit", {"job_file": path, "output_dir": self.output_dir}) == 0:
            self.submitted.append(path)
            self.follow(os.path.realpath(os.path.join(self.output_dir, "latest")))


class Job:
    """A job file and the changes of this conversation: ``raw`` is what it says now."""

    def __init__(self, path):
        self.path = os.path.abspath(os.path.expanduser(path))
        self.several = len(read_jobs(path)) > 1 or not os.path.isfile(self.path)
        self.raw = None if self.several else read_job(path)[0]
        self._first = copy.deepcopy(self.raw)

    @property
    def is_edited(self):
        """Whether a value was changed."""
        return self.raw != self._first

    def set(self, key, text):
        """Set the value at a dotted *key* to *text*, read as YAML; Error if there cannot be one."""
        if not isinstance(self.raw, dict) or "base" in self.raw:
            raise Error(f"{self.path} has several jobs. Edit the file, or name one of them with FILE:SELECTOR.")
        value, _source = parse_yaml(text, key)
        *above, last = [part for part in key.split(".") if part] or [""]
        if not last:
            raise Error("Type KEY=VALUE, for example benchmark.concurrencies=[4, 16].")
        place = self.raw
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Error(f"{part} of {key} has no keys below it.")
        if text == "":
            place.pop(last, None)
        else:
            place[last] = value

    def checked(self):
        """Return the answer of job_spec; Error with all problems."""
        defaults = {name: one.get("default") for name, one in job_spec.ARGUMENT_SPEC.items()}
        if not self.is_edited:
            return job_spec.run({**defaults, "job_file": self.path, "rehearse": True}, Context(True))
        document = Document(self.raw, Source(self.path))
        given = job_spec.Given(documents=[document])
        return job_spec.answer({**defaults, "rehearse": True}, Context(True), given).result

    def is_valid(self):
        """Return whether the job is valid now."""
        try:
            self.checked()
        except Error:
            return False
        return True

    def write(self):
        """Write the job as it is now beside its file, from where its relative paths still hold; return the path."""
        if not self.is_edited:
            return self.path
        stem = self.path.removesuffix(EDITED)
        path = os.path.splitext(stem)[0] + EDITED
        write_text_atomic(path, json.dumps({"job": self.raw}, indent=2) + "\n")
        return path
