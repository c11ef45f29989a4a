# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notes of slurm_job are shown, wherever it ran, and none of them twice."""

from __future__ import annotations

import types

import pytest
from ansible_collections.srt.slurm.plugins.action.slurm_job import ActionModule
from ansible_collections.srt.slurm.plugins.plugin_utils import stage

NOTES = ["/out/8 was of an earlier job.", "Job 8 is suspended.", "Job 7 is lost."]


@pytest.fixture
def action(monkeypatch):
    """The action in a play on the submit host; ``lines`` are shown."""
    made = ActionModule.__new__(ActionModule)
    task = {"action": "srt.slurm.slurm_job", "args": {}, "check_mode": False, "environment": [], "diff": False}
    made._task = types.SimpleNamespace(**task)
    made._connection = types.SimpleNamespace(transport="local")
    made._play_context = types.SimpleNamespace(become=False)
    made.lines, made.said = [], []

    def entry(params, ctx):
        for line in made.said:
            ctx.progress(line)
        return {"changed": False, "notes": NOTES}

    made.entry = entry
    made.validate_argument_spec = lambda **options: (None, {})
    made._execute_module = lambda **options: {"changed": False, "notes": NOTES}
    made.arguments = dict
    made.prepare = lambda params, task_vars: None
    monkeypatch.setattr(stage, "show", made.lines.append)
    monkeypatch.setattr(stage, "obey", lambda tell: None)
    monkeypatch.setattr(stage.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    return made


def test_notes_are_shown_unless_they_were_told_already(action):
    action.said = ["Job 8 is suspended.", "Job 7 is lost. Job attempt 2 of 3."]
    action.run()
    assert action.lines == [
        "  slurm_job: Job 8 is suspended.",
        "  slurm_job: Job 7 is lost. Job attempt 2 of 3.",
        "  note: /out/8 was of an earlier job.",
    ]
    action.lines.clear()
    action.said = []
    action.run()
    assert action.lines == [f"  note: {note}" for note in NOTES]


def test_notes_of_a_module_are_all_shown(action):
    action._play_context.become = True
    action.run()
    assert action.lines == [f"  note: {note}" for note in NOTES]
