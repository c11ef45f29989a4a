# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a service reach each other, also where the shell of the user names a proxy for everything."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import steps
from ansible_collections.srt.slurm.plugins.module_utils.holder.proxies import MOST, without_proxy

OURS = "localhost,127.0.0.1,10.0.0.1,10.0.0.2,n1,n2"
PROXY = {"http_proxy": "http://proxy:3128"}


@pytest.fixture
def run_dir(tmp_path):
    nodes = [{"name": f"n{number}", "address": f"10.0.0.{number}"} for number in (1, 2)]
    (tmp_path / "nodes.json").write_text(json.dumps({"nodes": nodes}))
    return str(tmp_path)


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_nodes_are_reached_directly(run_dir, name):
    for shell, env in (({name: "http://proxy:1"}, {}), ({}, {name: "http://proxy:1"})):
        found = without_proxy(env, run_dir, shell)
        assert found == {**env, "no_proxy": OURS, "NO_PROXY": OURS}


@pytest.mark.parametrize("shell", [{}, {"http_proxy": ""}, {"no_proxy": "a"}])
def test_without_a_proxy_nothing_is_added(run_dir, shell):
    assert without_proxy({"A": "b"}, run_dir, shell) == {"A": "b"}


def test_hosts_that_are_named_stay_and_those_of_the_job_come_before_those_of_the_shell(run_dir):
    shell = {**PROXY, "no_proxy": ".site, n1", "NO_PROXY": "other"}
    assert without_proxy({}, run_dir, shell)["NO_PROXY"] == ".site,n1,other,localhost,127.0.0.1,10.0.0.1,10.0.0.2,n2"
    env = {"NO_PROXY": "mine", "SRT_ENV_NO_PROXY": "mine", "MY_NO_PROXY": "x"}
    text = f"mine,{OURS}"
    wanted = {"NO_PROXY": text, "SRT_ENV_NO_PROXY": text, "no_proxy": text, "MY_NO_PROXY": "x"}
    assert without_proxy(env, run_dir, shell) == wanted


def test_nodes_that_are_not_known_and_nodes_beyond_number(tmp_path):
    assert without_proxy({}, str(tmp_path), PROXY)["no_proxy"] == "localhost,127.0.0.1"
    nodes = [{"name": f"node{number:05}", "address": f"10.0.{number // 250}.{number % 250}"} for number in range(9999)]
    (tmp_path / "nodes.json").write_text(json.dumps({"nodes": nodes}))
    text = without_proxy({}, str(tmp_path), PROXY)["no_proxy"]
    assert MOST - 40 < len(text) <= MOST and text.rpartition(",")[2] in {node["address"] for node in nodes}
    subprocess.run(["true"], env={"no_proxy": text}, check=True)


def test_a_step_starts_with_it(run_dir, monkeypatch, tmp_path):
    seen = {}

    class Slurm:
        node = None

        def spawn(self, argv, env, err_path):
            seen.update(env)
            return subprocess.Popen(["true"])

        def steps(self):
            return {}

    monkeypatch.setenv("http_proxy", "http://proxy:1")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.delenv("NO_PROXY", raising=False)
    known = steps.Steps(run_dir, Slurm())
    known.start([{"name": "a", "tier": "preflight", "digest": "d", "nodes": ["n1"], "log": "a", "srun_argv": ["true"]}])
    with known.change:
        assert known.change.wait_for(lambda: not known.by_name["a"].alive, 20)
    assert seen["no_proxy"] == seen["NO_PROXY"] == OURS
