# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same play with a task environment: then the modules themselves run, as they do on a remote submit host."""

from __future__ import annotations

import json

import pytest
from cluster import ROOT


@pytest.mark.slow
def test_the_modules_do_what_the_actions_do(cluster):
    play = (ROOT / "playbooks" / "bench.yml").read_text()
    play = play.replace("  gather_facts: false\n", "  gather_facts: false\n  environment:\n    FOO: bar\n")
    for beside in ("vars/", "tasks/"):
        play = play.replace(f" {beside}", f" {ROOT}/playbooks/{beside}")
    path = cluster.folder / "as_modules.yml"
    path.write_text(play)
    secret = {"HF_TOKEN": "Marker-modules-81ce"}
    job = cluster.job_file("modules", environment={"HF_TOKEN": "{{ lookup('ansible.builtin.env', 'HF_TOKEN') }}"})
    argv = [str(path) if word == "bench.yml" else word for word in cluster.playbook_argv(job, "-e", "keep=600")]
    first = cluster.play(argv, secret)
    assert first.rc == 0, first.text
    assert json.loads((cluster.latest / "rollup.json").read_text())["valid"] is True
    assert first.text.count("The service of job") == first.text.count("To end it now: ") == 1, first.text
    second = cluster.play(argv, dict(secret, ANSIBLE_DEBUG="1"))
    assert second.rc == 0, second.text
    assert "'secrets': (1 values are not shown)" in second.text
    assert secret["HF_TOKEN"] not in second.text
    assert secret["HF_TOKEN"] in (cluster.latest / ".secrets" / "env.json").read_text()
    assert second.changed == 0, second.text
    cluster.end(job)
