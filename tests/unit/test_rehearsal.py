# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bench.yml says in check mode on a machine without Slurm."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOB = """\
name: shown
model: {path: /models/x, container: "img:1"}
resources: {gpu_type: h100, gpus_per_node: 8, agg_nodes: 3, agg_workers: 2, gpus_per_agg: 4}
backend: {type: mocker}
frontend: {args: {http-port: 1}}
ports: {system: 4222}
extra_mount: ["/data:/data"]
benchmark: {type: sa-bench, isl: 8, osl: 8, concurrencies: [2]}
"""


def check(tmp_path, text):
    """Return what ``bench.yml --check --diff`` prints about the job *text*."""
    (tmp_path / "job.yaml").write_text(text)
    (tmp_path / "srtslurm.yaml").write_text("{}")
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    argv = [program, "bench.yml", "--check", "--diff", "-e", f"job_file={tmp_path}/job.yaml", "-e", "check_paths=false"]
    argv += ["-e", f"cluster_file={tmp_path}/srtslurm.yaml", "-e", f"output_dir={tmp_path}/out"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "SLURM_"))}
    environment.update(ANSIBLE_NOCOLOR="1", ANSIBLE_HOME=str(tmp_path / "ansible"))
    done = subprocess.run(argv, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_one_job_is_shown_with_each_note_once_and_with_its_mounts(tmp_path):
    text = check(tmp_path, JOB)
    read, planned = text.split("TASK [Plan the steps]")
    for note, part in (
        ("note: frontend.args: http-port: ignored, the plan sets this", read),
        ("note: No worker is on node0002, node0003: 2 of the 3 nodes for workers.", planned),
        ("note: Ports: system of agg_0 on node0001 is 4223 instead of 4222", planned),
    ):
        assert text.count(note) == 1 and note in part, note
    assert "+/data:/data  # extra_mount\n" in planned and "+/models/x:/model  # model.path\n" in planned
    assert "--http-port  # plan, instead of 1 in job.yaml:5\n" in planned
    assert "Could not match" not in text and not (tmp_path / "out").exists()


def test_several_jobs_are_shown_without_a_warning_about_nodes(tmp_path):
    base = "".join(f"  {line}\n" for line in JOB.splitlines())
    text = check(tmp_path, f"base:\n{base}override_a: {{}}\noverride_b: {{}}\n")
    assert "shown_a: nothing was submitted" in text and "shown_b: nothing was submitted" in text
    assert "Could not match" not in text
    assert "TASK [Plan the steps]" not in text
