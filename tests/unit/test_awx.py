# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks as AWX and ansible-runner start them: variables in a file as JSON, a stream of events, and artifacts."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import report_runs
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In place of that of ansible-runner, which is not installed: it too makes an event of every line that is displayed,
# and keeps the statistics of set_stats.
CALLBACK = '''
import json, os
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.display import Display

DOCUMENTATION = """
name: awx_display
type: stdout
short_description: Events
description: Events.
extends_documentation_fragment: [default_callback, result_format_callback]
"""
EVENTS = os.environ["EVENTS"]


def write(event, **data):
    with open(EVENTS, "a") as stream:
        stream.write(json.dumps({"event": event, **data}) + "\\n")


plain = Display.display


def display(self, msg, *args, **kwargs):
    write("verbose", text=str(msg))
    plain(self, msg, *args, **kwargs)


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "awx_display"

    def __init__(self):
        super().__init__()
        Display.display = display

    def v2_playbook_on_task_start(self, task, is_conditional):
        write("playbook_on_task_start", task=task.get_name())

    def v2_runner_on_ok(self, result):
        write("runner_on_ok", task=result.task.get_name())

    def v2_playbook_on_stats(self, stats):
        write("playbook_on_stats", artifact_data=stats.custom.get("_run", {}))
'''


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a playbook with these variables in a file; it returns (its end, the events)."""
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "awx_display.py").write_text(CALLBACK)

    def run(playbook, variables):
        (tmp_path / "extravars").write_text(json.dumps(variables))
        env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "SLURM", "SRT"))}
        env.update(
            ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"),
            ANSIBLE_STDOUT_CALLBACK="awx_display",
            ANSIBLE_CALLBACK_PLUGINS=str(tmp_path / "callbacks"),
            EVENTS=str(tmp_path / "events"),
            SRT_PYTHON=sys.executable,
        )
        argv = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "-i",
            "localhost,",
            "-e",
            f"@{tmp_path}/extravars",
            playbook,
        ]
        done = subprocess.run(
            argv,
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
        return done, events

    return run


def artifacts(events):
    (stats,) = (one for one in events if one["event"] == "playbook_on_stats")
    return stats["artifact_data"]


def make_playbook(tmp_path, run_dir, **more):
    task = {"name": "Rollup", "srt.slurm.rollup": {"run_dir": str(run_dir)}, **more}
    path = tmp_path / "rollup.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": [task]}]))
    return str(path)


def test_the_verdict_and_the_key_figures_are_an_artifact(run, tmp_path):
    run_dir = tmp_path / "outputs" / "77"
    report_runs.make_run(run_dir, invalid=(16,))
    done, events = run(make_playbook(tmp_path, run_dir), {})
    assert done.returncode == 0, done.stdout + done.stderr
    found = artifacts(events)["srt_slurm"]
    rollup = json.loads((run_dir / "rollup.json").read_text())
    assert found["rollup"] == str(run_dir / "rollup.json")
    assert (found["job_id"], found["valid"]) == (rollup["job_id"], False)
    assert found["reasons"] == rollup["invalid_reasons"] != []
    assert len(found["results"]) == len(rollup["results"])
    for point, record in zip(found["results"], rollup["results"]):
        assert (point["label"], point["valid"]) == (record["label"], record["valid"])
        assert point["valid"] == ("output_tps" in point) == ("reasons" not in point)
        assert point.get("output_tps", record["output_tps"]) == record["output_tps"]
    assert {point["valid"] for point in found["results"]} == {True, False}


def test_a_dry_run_and_a_failure_have_no_artifact(run, tmp_path):
    run_dir = tmp_path / "outputs" / "77"
    report_runs.make_run(run_dir)
    assert artifacts(run(make_playbook(tmp_path, run_dir, check_mode=True), {})[1]) == {}
    (tmp_path / "events").unlink()
    done, events = run(make_playbook(tmp_path, tmp_path / "none"), {})
    assert done.returncode != 0 and artifacts(events) == {}


def test_no_line_of_progress_is_an_event(run, tmp_path):
    run_dir = tmp_path / "outputs" / "77"
    report_runs.make_run(run_dir)
    _done, events = run(make_playbook(tmp_path, run_dir), {})
    shown = [one["text"] for one in events if one["event"] == "verbose"]
    assert shown and not [text for text in shown if "rollup:" in text or "logs:" in text], shown
    assert [one["event"] for one in events].count("runner_on_ok") == 1


def test_a_playbook_that_names_its_job_may_have_variables_of_any_name(run, tmp_path):
    job = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())["job"]
    job["model"]["path"] = str(tmp_path)
    spec = {"name": "Read", "srt.slurm.job_spec": {"job": "{{ own_job }}", "rehearse": True}}
    path = tmp_path / "own.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": [spec]}]))
    own = {"own_job": job, "site_job_file": "x", "outputdir": "x", "model": "mine", "kept": 1, "job_idd": "x"}
    done, _events = run(str(path), own)
    assert done.returncode == 0, done.stdout + done.stderr
    done, _events = run(str(path), {**own, "keep": "perhaps"})  # but this is an option of the module
    assert done.returncode != 0 and "keep: is perhaps" in done.stdout, done.stdout


def test_variables_may_all_be_text_and_come_with_those_of_awx(run, tmp_path):
    """As surveys and ansible-runner give them."""
    job = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())["job"]
    job["model"]["path"] = str(tmp_path)
    job["resources"] = {key: str(value) for key, value in job["resources"].items()}
    theirs = {"awx_job_id": 4, "awx_user_name": "me", "tower_job_id": 4, "tower_user": {"nested": ["x"]}}
    options = {"check_paths": "false", "dry_run_dir": str(tmp_path / "dry"), "job_tags": "a,b"}
    done, _events = run("srt.slurm.plan", {"job": job, **options, **theirs})
    assert done.returncode == 0, done.stdout + done.stderr
    done, _events = run("srt.slurm.plan", {**job, **theirs})  # a job without a key of its own has no options beside it
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(path.read_text()) for path in tmp_path.glob("dry*/*/plan.json")]
    assert [plan["name"] for plan in found] == ["quickstart"] * 2
    assert found[0]["spec"]["resources"] == found[1]["spec"]["resources"]
