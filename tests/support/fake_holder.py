# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real holder over a Slurm that exists only here: instant, and it fails on request.

driver = FakeDriver(run_dir)            # the interface of allocation.driver.Driver
driver.slurm.end("prefill_0", code=1)   # the step's process ends
"""

from __future__ import annotations

import json
import pathlib
import threading
import time

from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.holder.holder import Holder
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_ends import REASONS, TIME_LIMIT
from ansible_collections.srt.slurm.plugins.module_utils.holder.operations import Operations
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun


class FakeClient:
    """An srun client: lives until somebody lets it end."""

    def __init__(self, slurm, name, step_id, err_path):
        self.slurm, self.name, self.step_id, self.err_path = slurm, name, step_id, err_path
        self.pid, self.code, self.signals = 4711, None, []
        self.over = threading.Event()

    def wait(self):
        self.over.wait()
        return self.code

    def finish(self, code, messages=""):
        if messages:
            with open(self.err_path, "a", encoding="utf-8") as stream:
                stream.write(messages + "\n")
        self.code = code
        self.over.set()

    def send_signal(self, number):
        self.signals.append(number)
        if not self.over.is_set():
            self.slurm.running.pop(self.step_id, None)
            self.finish(128 + number)


class FakeSlurm:
    """Takes the place of slurm_calls.Slurm.

    :ivar mute: commands get no answer, as when slurmctld is down.
    :ivar deaf: so many signals do not arrive, as when a task does not run yet.
    :ivar stubborn: names of steps that ignore TERM.
    :ivar outcomes: {name: [(exit code, messages), ...]}: starts of a step that end at once, in order.
    """

    def __init__(self):
        self.running, self.clients, self.spawned, self.signalled = {}, {}, [], []
        self.node = None
        self.mute, self.stubborn, self.outcomes, self.number, self.deaf = False, set(), {}, 0, 0

    def spawn(self, argv, env, err_path):
        name = next(word for word in argv if word.startswith("--job-name=")).split("=", 1)[1]
        step_id, self.number = f"42.{self.number}", self.number + 1
        self.clients[name] = client = FakeClient(self, name, step_id, err_path)
        self.spawned.append((name, argv, env))
        if self.outcomes.get(name):
            client.finish(*self.outcomes[name].pop(0))
        else:
            self.running[step_id] = name
        return client

    def steps(self):
        return None if self.mute else dict(self.running)

    def signal(self, step_ids, name):
        self.signalled.append((name, tuple(step_ids)))
        if self.mute:
            return None
        if self.deaf:
            self.deaf -= 1
            return False
        for step_id in step_ids:
            step = self.running.get(step_id)
            if step and not (name == "TERM" and step in self.stubborn):
                self.end(step, 143 if name == "TERM" else 137)
        return True

    def end(self, name, code=0, messages=""):
        """The processes of a step end, and its client says so."""
        client = self.clients[name]
        self.running.pop(client.step_id, None)
        client.finish(code, messages)

    def kill_client(self, name, task_too=True):
        """The srun client is killed; its task dies with it, or (both clients killed) goes on without."""
        if task_too:
            self.running.pop(self.clients[name].step_id, None)
        self.clients[name].finish(-9)


class FakeJob:
    """Takes the place of job_watch.Job: Slurm leaves it alone."""

    def __init__(self, job_id):
        self.job_id, self.restarts, self.retries = job_id, 0, 0

    def reason_for(self, code):
        return REASONS.get(code, "")

    def preempted(self):
        return False

    def code_from_slurm(self):
        return TIME_LIMIT

    def may_requeue(self):
        return False


class FakeDriver(driver.Driver):
    """A driver whose requests reach a holder in this process, as JSON both ways."""

    def __init__(self, run_dir, job_id="42", slurm=None, **options):
        self.job_id, self.run_dir = job_id, str(run_dir)
        self.slurm = slurm or FakeSlurm()
        self.patience_s = 0.0
        self.holder = Holder(FakeJob(job_id), self.run_dir, slurm=self.slurm, **options)
        self.steps, self.operations = self.holder.steps, Operations(self.holder)

    def exchange(self, text, timeout_s):
        return json.dumps(self.operations.handle(json.loads(text)))

    def until(self, condition, timeout_s=10.0):
        """Wait until *condition* of the steps' records by name holds; return them."""
        with self.steps.change:
            fine = self.steps.change.wait_for(lambda: condition(self.records()), timeout_s)
        assert fine, self.records()
        return self.records()

    def records(self):
        return {name: step.record() for name, step in self.steps.by_name.items()}


def until(condition):
    """Return the first true value of *condition*."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def make_step(name="prefill_0", node="node001", tier="worker", **more):
    """Return a step of a plan."""
    step = {
        "name": name,
        "kind": tier,
        "mode": None,
        "index": None,
        "rank": None,
        "tier": tier,
        "nodes": [node],
        "ntasks": 1,
        "argv": ["serve", "--port", "1"],
        "preamble": None,
        "env": {},
        "files": [],
        "container": None,
        "mounts": [],
        "srun_options": {},
        "log": f"logs/%N_{name}.out",
        "critical": True,
        "ready": [],
        "stop_grace_s": 10,
        "digest": f"digest of {name}",
    }
    return dict(step, **more)


def make_plan(run_dir, steps, **more):
    """Return a plan with *steps* for the job of a FakeDriver."""
    plan = {
        "schema_version": 1,
        "job_id": "42",
        "run_dir": str(run_dir),
        "name": "test",
        "holder_node": "node001",
        "nodes": [{"name": "node001", "address": "10.0.0.1"}],
        "steps": steps,
        **dict.fromkeys(("parts", "endpoints", "processes", "files", "checks", "notes"), []),
        **dict.fromkeys(("spec", "groups", "digests"), {}),
        "benchmark": {"type": "manual", "points": []},
        "health_timeout_s": 5.0,
        "frontend_url": "http://node001:8000",
    }
    return dict(plan, **more)


def start(fake, *steps, **fields):
    """Let the holder start *steps*; return its answer."""
    specs = [srun.start_request(step, fake.job_id, fake.run_dir) for step in steps]
    return fake.request("start", steps=specs, wait_s=10, **fields)


def actions(answer):
    """Return what the holder did with each step, by name."""
    return {action["name"]: action["action"] for action in answer["actions"]}


def events(fake, name=None):
    """Return the events in the holder's journal, or those of the step *name*."""
    lines = pathlib.Path(fake.run_dir, "steps.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if name is None or event.get("name") == name]
