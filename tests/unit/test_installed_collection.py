# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collection that holds only meta, playbooks, plugins and roles works, from any working directory."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached
from ansible_collections.srt.slurm.plugins.module_utils.holder import playbook as holder_play

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("meta", "playbooks", "plugins", "roles")
GROUP_DEFAULTS = """
- name: Look at a run
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/srt.slurm.all:
      run_dir: /no/such/run
  tasks:
    - name: Look
      srt.slurm.run_info:
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the parent of ansible_collections with a copy of the four folders."""
    parent = tmp_path_factory.mktemp("installed")
    for part in PARTS:
        target = parent / "ansible_collections" / "srt" / "slurm" / part
        shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
    return parent


@pytest.fixture
def play(installed, tmp_path):
    """Return a function that runs ansible-playbook in an empty directory with that collection alone."""
    shutil.copy(ROOT / "examples" / "quickstart.yaml", tmp_path / "job.yaml")
    (tmp_path / "model").mkdir()
    ours = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_NOCOLOR": "1", "HOME": str(tmp_path)}
    job = {"SRT_PYTHON": sys.executable, "SRT_TINY_MODEL": str(tmp_path / "model")}
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "SRT_", "SLURM_"))
    }
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")

    def run(*args):
        argv = [sys.executable, str(program), *args]
        done = subprocess.run(
            argv, cwd=tmp_path, env={**inherited, **ours, **job}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    return run


def test_a_job_is_planned(play, tmp_path):
    code, text = play("srt.slurm.plan", "-e", "@job.yaml")
    assert code == 0, text
    (folder,) = (tmp_path / "dry-runs").iterdir()
    assert {"plan.json", "commands.sh", "sbatch_script.sh"} <= {path.name for path in folder.iterdir()}


def test_the_main_job_is_rehearsed(play):
    code, text = play("srt.slurm.bench", "-e", "@job.yaml", "--check", "--diff")
    assert code == 0, text
    assert "#SBATCH" in text and "srun " in text and "failed=0" in text


def test_defaults_of_the_action_group_reach_a_module(play, tmp_path):
    (tmp_path / "look.yml").write_text(GROUP_DEFAULTS, encoding="utf-8")
    code, text = play("look.yml")
    assert code == 2, text
    assert "/no/such/run" in text.partition("fatal:")[2]


def test_a_submitted_playbook_reads_no_configuration_of_its_node(installed, tmp_path):
    """The collection has none of its own, and Ansible would take that of the home directory."""
    (tmp_path / ".ansible.cfg").write_text("this is not a configuration file", encoding="utf-8")
    run_dir = tmp_path / "outputs" / "7"
    run_dir.mkdir(parents=True)
    collection = installed / "ansible_collections" / "srt" / "slurm"
    given = {"name": "bench", "job": {}, "extra_vars": {}, "keep": False, "collection": str(collection)}
    detached.check(given)
    detached.freeze(str(run_dir), "7", given)
    play = json.loads((run_dir / holder_play.FILE).read_text(encoding="utf-8"))
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", **play["env"]}
    done = subprocess.run(
        [*play["argv"], "--syntax-check"], cwd=play["cwd"], env=env, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout and "playbook: " in done.stdout


def test_the_report_of_a_run_directory_is_made_without_slurm(play, tmp_path):
    run_dir = tmp_path / "elsewhere" / "77"
    report_runs.make_run(run_dir, invalid=(16,))
    code, text = play("srt.slurm.report", "-e", f"run_dir={run_dir}")
    assert code == 0, text
    assert f"report: {run_dir}/report.html" in text and f"index:  {run_dir.parent}/index.html" in text
    assert "NOT valid" in (run_dir / "report.html").read_text() and (run_dir / "rollup.svg").is_file()
    code, text = play("srt.slurm.report", "-e", f"rundir={run_dir}")
    assert code != 0 and "Did you mean run_dir?" in text
