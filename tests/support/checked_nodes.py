# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes on which the program of preflight really runs: this host in place of each, over a fake Slurm."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands
from ansible_collections.srt.slurm.plugins.module_utils.stages import preflight
from fake_holder import FakeDriver, FakeSlurm, make_plan, make_step

NODES = ("node001", "node002")


class Nodes(FakeSlurm):
    """Runs the program of preflight once for each node, as srun would.

    :ivar held: so many of its starts run on until somebody ends them, and report nothing.
    :ivar cached: {node: text} of logs that the submit host still sees in place of the new ones.
    :ivar prolog: bytes that the site's TaskProlog prints before each report.
    :ivar tables: those that the nodes were given.
    """

    run_dir = lost = None
    prolog = b""

    def __init__(self):
        super().__init__()
        self.held, self.cached, self.tables = 0, {}, []

    def spawn(self, argv, env, err_path):
        step = next((name for name in ("preflight", "node_facts") if f"--job-name={name}" in argv), None)
        if step == "preflight" and self.held:
            self.held -= 1
        elif step and not self.outcomes.get(step):
            program = argv[argv.index("python3") :]
            self.tables.append(json.loads(pathlib.Path(program[-1]).read_text()))
            for node in NODES:
                done = subprocess.run(
                    [sys.executable, *program[1:]], env=dict(os.environ, SLURMD_NODENAME=node), capture_output=True,
                    text=True, check=True, timeout=60,
                )  # fmt: skip
                pathlib.Path(self.run_dir, "logs", f"{node}_{step}.out").write_bytes(
                    self.prolog + self.cached.get(node, done.stdout).encode()
                )
            self.outcomes[step] = [(0, "")]
        return super().spawn(argv, env, err_path)


def make(tmp_path, monkeypatch):
    """Make a plan of one worker on each of two nodes; returns (plan, driver, call)."""
    slurm = Nodes()
    run_dir = tmp_path / "out" / "42"
    run_dir.mkdir(parents=True)
    slurm.run_dir = str(run_dir)
    talk = FakeDriver(run_dir, slurm=slurm)
    steps = [make_step(f"w_{i}", node) for i, node in enumerate(NODES)]
    checks = [{"name": "w_0", "kind": "tcp", "host": "10.0.0.1", "port": 0, "steps": ["w_0"]}]
    nodes = [{"name": node, "address": f"10.0.0.{i + 1}", "gpus": 8} for i, node in enumerate(NODES)]
    plan = make_plan(run_dir, steps, checks=checks, nodes=nodes, benchmark={"points": []})
    monkeypatch.setattr(driver, "connect_plan", lambda _plan, _ctx: talk)
    monkeypatch.setattr(commands, "jobs", lambda **_limits: [{"id": "42"}])
    monkeypatch.setattr(commands, "cluster", lambda: "here@login")
    lines = []

    def tell(line):
        lines.append(line)
        if call.heard:
            call.heard(line)

    def call(check=False, **params):
        defaults = {key: option.get("default") for key, option in preflight.ARGUMENT_SPEC.items()}
        wanted = {"min_free_mib": 0, "min_shm_mib": 0, **params}
        return preflight.run(dict(defaults, plan=plan, **wanted), Context(check_mode=check, progress=tell))

    call.lines, call.heard = lines, None
    return plan, talk, call


def without_nvidia_smi(monkeypatch, tmp_path):
    """Let the PATH of the nodes have nothing but what the program needs."""
    folder = tmp_path / "bare"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
