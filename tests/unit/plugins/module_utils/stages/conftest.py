# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A holder that plays a script: each wait is one scene. No process, no Slurm, no time."""

from __future__ import annotations

import json
import pathlib
import types

import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils.holder.calls import Calls


class FakeHolder:
    """Answers as the holder does; ``scenes`` are called one after the other, one at each wait.

    Without a scene left, a wait lets the running benchmark step finish well.
    """

    def __init__(self, plan, helpers):
        self.plan, self.helpers, self.job_id = plan, helpers, plan["job_id"]
        self.run_dir = pathlib.Path(plan["run_dir"])
        self.records, self.seq, self.ending, self.pauses, self.ends = {}, 0, None, [], []
        self.breaks, self.calls = [], Calls()
        self.asked, self.scenes, self.minute, self.busy = [], [], 0, []
        self.mute = {}  # checks that fail, with what they say
        self.instance_id = "first"
        self.before = {}  # what happens once, right before a request of that kind is answered
        for step in plan["steps"]:
            self.put(step, state="running", started_at="2026-11-21T09:00:00.000Z")

    def put(self, step, **facts):
        """Write the record of a step."""
        self.seq += 1
        record = {
            "name": step["name"], "tier": step["tier"], "digest": step["digest"], "nodes": step["nodes"],
            "critical": step["critical"], "log": step["log"].replace("%N", step["nodes"][0]),
            "attempt": self.records.get(step["name"], {}).get("attempt", 0) + 1,
            "step_id": "77.1", "state": "running", "started_at": None, "ended_at": None, "exit_code": None,
            "signal": None, "reason": None, "expected": False, "node": None, "seq": self.seq, "deadline_s": None,
        }  # fmt: skip
        self.records[step["name"]] = dict(record, **facts)

    def at(self, second):
        """Return a time in the minute of the point that is measured now."""
        return f"2026-11-21T10:{self.minute:02d}:{second:02d}.000Z"

    def change(self, name, **facts):
        """Change a record."""
        self.seq += 1
        self.records[name] = dict(self.records[name], seq=self.seq, **facts)

    def point(self, name):
        """Return the point whose step is *name*."""
        return next(point for point in self.plan["benchmark"]["points"] if point["step"]["name"] == name)

    def running(self):
        """Return the name of the benchmark step that runs."""
        live = [n for n, r in self.records.items() if r["tier"] == "benchmark" and r["state"] != "ended"]
        return live[0] if live else None

    def finish(self, name=None, exit_code=0, result=True, **other):
        """End the benchmark step, with a good result unless told otherwise."""
        name = name or self.running()
        point = self.point(name)
        if result:
            self.write(point["result"], self.helpers.raw_result(point["key"]["concurrency"], **other))
        self.change(name, state="ended", exit_code=exit_code, ended_at=self.at(3),
                    reason=f"exited with code {exit_code} on node0001")  # fmt: skip

    def die(self, name, **facts):
        """End a step of the service."""
        self.change(name, **dict({"state": "ended", "ended_at": self.at(1), "signal": 9, "node": "node0003",
                                  "reason": "killed by signal 9 on node0003"}, **facts))  # fmt: skip

    def replace(self, name, started_at):
        """Start a step of the service again, which has ended."""
        old = self.records[name]
        self.ends.append(dict(old, **{"from": old["started_at"], "to": old["ended_at"]}))
        self.change(name, state="running", attempt=old["attempt"] + 1, started_at=started_at, ended_at=None,
                    signal=None, node=None, reason=None, expected=False)  # fmt: skip

    def follow(self, *known):
        """Let another holder take over, which knows of the steps *known* only and counts its events anew."""
        self.records = {name: dict(self.records[name], seq=number) for number, name in enumerate(known, 1)}
        self.seq, self.instance_id = len(known), f"after {self.instance_id}"

    def write(self, relative, value):
        """Write a JSON file below the run directory."""
        path = self.run_dir / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))

    def request(self, op, known=None, **fields):
        """One request of the protocol."""
        self.asked.append((op, fields))
        checks, actions = [], []
        self.before.pop(op, lambda: None)()
        live = [name for name in self.busy if self.records[name]["state"] != "ended"]
        if op == "start" and live:
            actions = [{"name": step["name"], "action": "busy"} for step in fields["steps"]]
        elif op == "start":
            for step in fields["steps"]:
                old = self.records.get(step["name"]) or {"attempt": 0, "state": "ended"}
                known_attempt = fields.get("attempts", {}).get(step["name"], old["attempt"])
                action = "overtaken" if old["attempt"] > known_attempt else "started"
                if old["state"] != "ended" and old["digest"] == step["digest"]:
                    action = "kept"
                if action == "started":
                    self.minute += 1
                    self.put(step, started_at=self.at(0), deadline_s=step.get("deadline_s"))
                actions.append({"name": step["name"], "action": action})
        elif op == "wait" and fields.get("checks"):
            names = [check["name"] for check in fields["checks"]]
            checks = [
                {"name": n, "done": n not in self.mute, "attempts": 1, "last_error": self.mute.get(n)} for n in names
            ]
        elif op == "wait":
            (self.scenes.pop(0) if self.scenes else self.finish)()
        elif op == "stop":
            for name in fields["names"]:
                self.change(name, state="ended", exit_code=143, expected=True, ended_at=self.at(2),
                            reason="exited with code 143 on node0001")  # fmt: skip
        called = {}
        if op == "call":
            called = self.calls.call(fields["call_id"], fields.get("calls"), fields["slice_s"])
        since = known["seq"] if known and known["instance_id"] == self.instance_id else -1
        now = self.at(1 if self.running() else 40)
        return {"ok": True, "seq": self.seq, "instance_id": self.instance_id, "now": now, "ending": self.ending,
                "pauses": self.pauses, "ends": self.ends, "breaks": self.breaks, "checks": checks, "actions": actions,
                "completed": all(check["done"] for check in checks), "ended": [], "progress": {}, **called,
                "steps": [record for record in self.records.values() if record["seq"] > since]}  # fmt: skip

    def started(self):
        """Return the names of the steps that were asked to start."""
        return [step["name"] for op, fields in self.asked if op == "start" for step in fields["steps"]]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A plan, its fake holder, and ``call(**params)`` that runs the entry."""
    from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
    from ansible_collections.srt.slurm.plugins.module_utils.stages import bench_run as bench

    run_dir = tmp_path / "outputs" / "77"
    (run_dir / "logs").mkdir(parents=True)
    plan = dict(run_results.make_plan(run_dir), health_timeout_s=5.0)
    holder = FakeHolder(plan, run_results)
    monkeypatch.setattr(bench.driver, "connect_plan", lambda _plan, _ctx: holder)
    lines = []

    def call(check=False, alive=True, diff=False, **params):
        (run_dir / "plan.json").write_text(json.dumps(plan))
        context = Context(check_mode=check, diff=diff, progress=lines.append)
        monkeypatch.setattr(context, "controller_alive", lambda: alive)
        defaults = {"plan_path": str(run_dir / "plan.json"), "plan": None, "force": False, "concurrencies": [],
                    "stall_timeout_s": None, "min_completed": 0.99}  # fmt: skip
        return bench.run(dict(defaults, **params), context)

    return types.SimpleNamespace(plan=plan, holder=holder, call=call, run_dir=run_dir, helpers=run_results, lines=lines)
