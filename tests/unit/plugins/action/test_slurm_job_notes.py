# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notes of slurm_job are shown, wherever it ran, and none of them twice."""

from __future__ import annotations

import types

import pytest
from ansible_collections.srt.slurm.plugins.action.slurm_job import ActionModule
from ansible_collections.srt.slurm.plugins.module_utils.allocation import slurm_job
from ansible_collections.srt.slurm.plugins.module_utils.allocation.call import Call
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.plugin_utils import stage

NOTES = ["/out/8 was of an earlier job.", "Job 8 is suspended."]
# The parameters of a call that only looks.
PARAMS = {
    **{name: option.get("default") for name, option in slurm_job.ARGUMENT_SPEC.items()},
    "state": "queried",
    "output_dir": "/out",
}


@pytest.fixture
def action(monkeypatch):
    """The action in a play on the submit host; ``lines`` are shown."""
    made = ActionModule.__new__(ActionModule)
    task = {
        "action": "srt.slurm.slurm_job",
        "args": {},
        "check_mode": False,
        "environment": [],
        "diff": False,
        "_role": None,
    }
    made._task = types.SimpleNamespace(**task)
    made._connection = types.SimpleNamespace(transport="local")
    made._play_context = types.SimpleNamespace(become=False)
    made.lines = []

    def entry(params, ctx):
        call = Call(dict(PARAMS), ctx)
        call.notes.append(NOTES[0])
        call.note(NOTES[1])
        return slurm_job._result(call, None)

    made.entry = entry
    made.validate_argument_spec = lambda **options: (None, {})
    made._execute_module = lambda **options: entry({}, Context())
    made.completed = lambda params, task_vars: params
    monkeypatch.setattr(stage, "show", made.lines.append)
    monkeypatch.setattr(stage, "obey", lambda tell: None)
    monkeypatch.setattr(stage.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    return made


def test_a_note_that_was_shown_at_once_is_not_shown_again(action):
    result = action.run()
    assert action.lines == ["  slurm_job: Job 8 is suspended.", "  note: /out/8 was of an earlier job."]
    assert result["notes"] == NOTES
    assert "unshown_notes" not in result


def test_notes_of_a_module_are_all_shown(action):
    action._play_context.become = True
    action.run()
    assert action.lines == [f"  note: {note}" for note in NOTES]
