# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of the nodes: before models load and after the last measurement, and the state of mounted sources."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import checked_nodes
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.results import provenance
from ansible_collections.srt.slurm.plugins.module_utils.stages import node_facts
from ansible_collections.srt.slurm.plugins.module_utils.stages.session import Session
from checked_nodes import NODES, without_nvidia_smi


@pytest.fixture
def made(tmp_path, monkeypatch):
    return checked_nodes.make(tmp_path, monkeypatch)


NVIDIA_SMI = """#!/bin/sh
case "$*" in
    *compute-apps*) ;;
    *clocks.sm*) for i in 0 1 2 3 4 5 6 7; do
        echo "$i, NVIDIA H100, GPU-$i, 0000:0$i:00.0, 580.65, 81559, $(cat {clock}), 1980, 2619, 700.00, 41, P0, [N/A]"
    done ;;
    *query-gpu*) for i in 0 1 2 3 4 5 6 7; do echo "$i, GPU-$i, 4"; done ;;
    "nvlink -e") printf 'GPU 0: H100\\n\\t Link 0: Replay Errors: 2\\n\\t Link 1: Replay Errors: 3\\n' ;;
esac
"""


def test_the_state_of_gpus_before_and_after_the_measurement_is_kept(made, monkeypatch, tmp_path):
    plan, talk, call = made
    clock, folder = tmp_path / "clock", tmp_path / "bin"
    clock.write_text("1980")
    folder.mkdir()
    for name, text in (("nvidia-smi", NVIDIA_SMI.replace("{clock}", str(clock))), ("dmesg", "#!/bin/sh\nexit 1\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert all("facts" not in one for one in call()["nodes"])
    clock.write_text("1200")
    node_facts.look_after(Session(plan, talk, Context()))
    known = json.loads(pathlib.Path(plan["run_dir"], provenance.FILE).read_text())
    facts = provenance.build(dict(plan, spec={}))["facts"]
    assert known["job_id"] == "42" and facts == known["facts"] and sorted(facts) == list(NODES)
    before, after = (facts["node002"][when] for when in ("before", "after"))
    assert (before["gpus"][7]["clock_sm_mhz"], after["gpus"][7]["clock_sm_mhz"]) == (1980, 1200)
    assert (before["gpus"][0]["driver"], before["gpus"][0]["ecc_uncorrected"]) == ("580.65", None)
    assert (before["nvlink_errors"], before["xids"], len(before["gpus"])) == ({"replay": 5}, None, 8)
    assert not list(pathlib.Path(plan["run_dir"]).glob(".node_facts-*"))


def test_nodes_without_gpus_are_not_asked_again(made, monkeypatch, tmp_path):
    plan, talk, call = made
    without_nvidia_smi(monkeypatch, tmp_path)
    call()
    node_facts.look_after(Session(plan, talk, Context()))
    facts = provenance.build(dict(plan, spec={}))["facts"]
    assert set(facts["node001"]) == {"before"} and facts["node001"]["before"]["kernel"]
    assert [name for name, _argv, _env in talk.slurm.spawned] == ["preflight"]
    assert provenance.build(dict(plan, spec={}, job_id="43"))["facts"] == {}


def test_the_git_state_of_mounted_sources_is_kept(made, tmp_path):
    plan, _talk, call = made
    sources = tmp_path / "sources" / "sglang"
    sources.mkdir(parents=True)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(sources.parent)]
    (sources / "a.py").write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    (sources / "a.py").write_text("2")
    plan["steps"][0]["mounts"] = [f"{sources}:/sgl:ro", f"{tmp_path / 'out'}:/o", f"{plan['run_dir']}:/logs"]
    call()
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    mounts = provenance.build(dict(plan, spec={}))["mounts"]
    assert mounts == [{"path": str(sources), "commit": head, "changed": 1}]


def test_an_error_of_a_gpu_during_the_run_is_a_note():
    def look(xids, links, memory):
        return {"xids": xids, "nvlink_errors": {"replay": links}, "gpus": [{"index": 3, "ecc_uncorrected": memory}]}

    facts = {
        "n1": {"before": look({"63": 1}, 5, 0), "after": look({"63": 1, "79": 2}, 5, 1)},
        "n2": {"before": look(None, 5, None), "after": look({"79": 1}, 9, None)},
        "n3": {"before": look({}, 5, 0)},
    }
    assert provenance.errors_meanwhile({"facts": facts}) == [
        "n1 had Xid 79 in its kernel's log meanwhile: 2 more than before the models loaded.",
        "n1 had uncorrected memory errors of GPU 3 meanwhile: 1 more than before the models loaded.",
        "n2 had NVLink replay errors meanwhile: 4 more than before the models loaded.",
    ]
