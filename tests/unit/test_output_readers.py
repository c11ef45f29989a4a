# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""People and programs that read the output of a playbook: one that goes away, and one that wants JSON alone."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As ansible.posix.json: nothing is printed before the end.
CALLBACK = """
import json
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = "name: document\\ntype: stdout\\nshort_description: JSON\\ndescription: JSON."


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "document"
    tasks = []

    def v2_runner_on_ok(self, result):
        self.tasks.append(result.task.get_name())

    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps({"tasks": self.tasks}))
"""


@pytest.fixture
def plan(tmp_path):
    """Return a function that starts plan.yml, whose output is more than a pipe buffers, with more variables."""
    words = [
        "-e",
        f"job_file={ROOT}/examples/sweep.yaml",
        "-e",
        "check_paths=false",
        "-e",
        f"dry_run_dir={tmp_path}/dry",
    ]

    def start(*more, **environment):
        argv = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            str(ROOT / "playbooks" / "plan.yml"),
            *words,
            "--diff",
            *more,
        ]
        env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment}
        env["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
        return subprocess.Popen(
            argv, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    return start


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("lost", ["stdout", "both"])
def test_a_run_goes_on_without_the_reader_of_its_output(plan, tmp_path, unbuffered, lost):
    with plan(PYTHONUNBUFFERED=unbuffered, ANSIBLE_DISPLAY_FAILED_STDERR="1") as run:
        assert [run.stdout.readline() for _line in range(2)]
        run.stdout.close()
        if lost == "both":
            run.stderr.close()
        said = "" if lost == "both" else run.stderr.read()
        assert run.wait(60) == 0, said
    assert "Broken" not in said
    assert len(list((tmp_path / "dry").iterdir())) > 1


def test_the_output_of_a_program_that_reads_json_has_nothing_else(plan, tmp_path):
    (tmp_path / "document.py").write_text(CALLBACK)
    with plan(ANSIBLE_STDOUT_CALLBACK="document", ANSIBLE_CALLBACK_PLUGINS=str(tmp_path)) as run:
        said, progress = run.communicate(timeout=60)
    assert "Read the jobs" in json.loads(said)["tasks"]
    assert "  note: " in progress or "nodes, public" in progress


def test_people_read_progress_between_the_tasks(plan):
    with plan() as run:
        said, errors = run.communicate(timeout=60)
    assert said.index("TASK [Plan the jobs") < said.index("nodes, public") < said.index("PLAY RECAP")
    assert "nodes, public" not in errors


def test_in_a_checkout_an_error_is_shown_once_and_in_full_on_demand(plan):
    given = ["-e", "job_file=/no/such.yaml"]
    with plan(*given) as run, plan(*given, "-v") as verbose:
        text, full = ("".join(one.communicate(timeout=60)) for one in (run, verbose))
    assert run.returncode == 2
    assert text.count("Cannot read /no/such.yaml") == 1 and "fatal: [localhost]: FAILED! => Cannot read" in text
    assert "Origin: " not in text and "Origin: " in full
