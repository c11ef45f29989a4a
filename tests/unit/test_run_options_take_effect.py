# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every run option changes what each of its playbooks does: what modules it calls, with what arguments."""

from __future__ import annotations

import copy
import functools
import json
import shutil

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from plays import Play

# The extra vars without the option, by the option or by the playbook; all others have a job.
WITHOUT = {
    "setup": {
        "runtime_dir": "/runtime",
        "configs_dir": "/configs",
        "harness_dir": "/harness",
        "harnesses": "lm-eval",
    },
    "doctor": {},
    "interactive": {},
    "sandbox": {},
    "compare": {"baseline": "7", "candidate": "8"},
    "runs": {},
    "ab": {"baseline": "one.json", "candidate": "another.json", "check_paths": "false"},
    "sync": {},
    "diff": {"a": "one.json", "b": "one.json"},
    "migrate": {"job_file": "one.json"},
    "job_file": {"job_file": "one.json", "check_paths": "false"},
    "check_paths": {"job": jobs.JOB},
    "max_parallel": {"job": jobs.raw(backend={"speedup_ratio": "{x}"}, sweep={"x": [1, 2]}), "check_paths": "false"},
}
# A value that differs from the default, or from the one above.
OTHER = {
    "job": {**copy.deepcopy(jobs.JOB), "name": "another"},
    "job_file": "another.json",
    "cluster_file": "cluster.yaml",
    "a": "another.json",
    "b": "another.json",
    "set": "benchmark.isl=77",
    "unset": "resources.gpu_type",
    "setup_script": "setup.sh",
    "check_paths": "false",
    "job_tags": "nightly,h100",
    "concurrencies": "16",
    "force": "true",
    "job_id": "4711",
    "run_dir": "/elsewhere/4711",
    "output_dir": "/elsewhere",
    "keep": "true",
    "lease_s": "30",
    "job_retries": "2",
    "follow": "false",
    "max_parallel": "3",
    "s3_access_key_id": "key",
    "s3_secret_access_key": "secret",
    "step": "decode_0",
    "node": "node003",
    "runtime_dir": "/other/runtime",
    "configs_dir": "/other/configs",
    "harness_dir": "/other/harness",
    "harnesses": "aiperf,sgl-eval",
    "setup_python": "/other/python3",
    "setup_requirements": "/other/requirements.txt",
    "shared_dir": "/other/shared",
    "setup_account": "other",
    "setup_partition": "other",
    "setup_time_limit": "1:00:00",
    "setup_network_interface": "ib0",
    "setup_settings": {"python": "/other/python3"},
    "setup_ask_node": "false",
    "setup_arch": "aarch64",
    "setup_source": "/other/downloads",
    "setup_checksums": {"etcd": "0" * 64},
    "setup_wheels": "0.8.1",
    "setup_images": {"one": "docker://one"},
    "setup_images_dir": "/other/images",
    "baseline": "another.json",
    "candidate": "one.json",
    "threshold": "5",
    "primary_metrics": "output_tps,p99_ttft_ms",
    "fail_on": "worse",
    "plan_difference": "5",
    "compare_dir": "/elsewhere",
    "budget_gpu_hours": "8",
    "most_repeats": "9",
    "tags": "nightly,h100",
    "name": "recipe_*",
    "model": "tiny",
    "since": "7d",
    "sandbox_state": "absent",
    "sandbox_dir": "/other/sandbox",
    "sandbox_slurm_conf": ["A=b"],
    "sandbox_plugstack": ["optional x.so"],
    "dry_run_dir": "elsewhere",
    run_options.SUBMIT_HOST: "login",
    "srt_slurm_collection_dir": "/other/collection",
}
LOOKUP = """"{{ lookup('srt.slurm.run_option', '%s'"""
# What an option needs beside it to have an effect.
BESIDE = {
    "sandbox_keep_log": {"sandbox_state": "absent"},
    "setup_images_dir": {"setup_images": {"one": "docker://one"}},
}
PUBLIC = {name: option for name, option in run_options.OPTIONS.items() if not option.internal}
USES = [(name, playbook) for name, option in PUBLIC.items() for playbook in option.playbooks]


def other(name):
    """Return a value of the option *name* that is not its default."""
    if name in OTHER:
        return OTHER[name]
    return {run_options.boolean: "true", run_options.seconds: "77", run_options.count: "3"}[PUBLIC[name].parse]


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """Return a function: the calls of a playbook with extra vars, in a directory with some files."""
    folder = tmp_path_factory.mktemp("calls")
    (folder / "cluster.yaml").write_text("output_dir: /on/the/cluster\ncloud: {bucket: other}\n")
    (folder / "storage.yaml").write_text("cloud: {bucket: runs}\n")
    for name in ("one", "another"):
        (folder / f"{name}.json").write_text(json.dumps({**jobs.JOB, "name": name}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("SRT_SLURM_DETACHED", "SLURM_JOB_ID", "SRT_SANDBOX_DIR"):
            patch.delenv(name, raising=False)
        patch.setenv("SRTSLURM_CONFIG", str(folder / "storage.yaml"))

        @functools.cache
        def kept(playbook, text, root, variables):
            return Play(json.loads(text), folder, root, json.loads(variables)).playbook(playbook)

        def calls(playbook, given, root=jobs.ROOT, inventory=None):
            return kept(playbook, json.dumps(given), root, json.dumps(inventory or {}))

        yield calls


def without(name, playbook):
    """Return the extra vars of *playbook* without the option *name*."""
    if playbook == "ab":
        return {key: value for key, value in WITHOUT["ab"].items() if (key, name) != ("check_paths", "check_paths")}
    given = WITHOUT.get(name) or WITHOUT.get(playbook, {"job": jobs.JOB, "check_paths": "false"})
    return {**given, **BESIDE.get(name, {})}


def takes_effect(calls, name, playbook, *root):
    """Return whether the option *name* changes what *playbook* does."""
    given = without(name, playbook)
    return calls(playbook, given, *root) != calls(playbook, {**given, name: other(name)}, *root)


@pytest.mark.parametrize(("name", "playbook"), USES)
def test_a_run_option_takes_effect(calls, name, playbook):
    assert takes_effect(calls, name, playbook)


@pytest.mark.parametrize(("name", "playbook"), USES)
def test_an_inventory_sets_a_run_option_by_its_full_name_alone(calls, name, playbook):
    given, full = without(name, playbook), run_options.full_name(name)
    rest = {one: value for one, value in given.items() if one != name}
    as_extra = calls(playbook, {**rest, name: other(name)})
    if run_options.OPTIONS[name].early:
        assert calls(playbook, given, inventory={name: other(name)}) == calls(playbook, given)
        return
    assert calls(playbook, rest, inventory={full: other(name)}) == as_extra
    assert calls(playbook, {**rest, name: other(name)}, inventory={full: "no value of it"}) == as_extra
    if full != name:
        assert calls(playbook, given, inventory={name: other(name)}) == calls(playbook, given)


@pytest.mark.parametrize("playbook", sorted({playbook for _name, playbook in USES}))
def test_a_playbook_is_followed_to_its_end(calls, playbook):
    """Else two equal lists of calls would say nothing."""
    names = [call[0] for call in calls(playbook, without("", playbook))]
    assert "error" not in names
    last = {
        "plan": "dry_run",
        "bench": "assert",
        "doctor": "assert",
        "interactive": "interactive",
        "sweep": "sweep_run",
        "status": "run_info",
        "logs": "step_log_info",
        "report": "report",
        "sync": "sync",
        "compare": "compare",
        "runs": "runs_info",
        "migrate": "job_migrate",
        "diff": "plan_diff",
        "ab": "ab_run",
        "rl_status": "rl_info",
        "rl_logs": "rl_info",
        "rl_stop": "rl_stop",
    }
    assert names[-1].rpartition(".")[2] == {**last, "stop": "slurm_job"}.get(playbook, "debug")


@pytest.mark.parametrize(
    ("name", "playbook", "file", "line"),
    [
        ("concurrencies", "plan", "playbooks/plan.yml", 'concurrencies: "{{ srt_slurm_spec.concurrencies }}"'),
        ("wait_timeout_s", "bench", "playbooks/bench.yml",
         'allocation_timeout_s: "{{ srt_slurm_given.wait_timeout_s }}"'),
        ("wait_timeout_s", "sweep", "roles/allocation/tasks/start.yml", 'wait_timeout_s: "{{ allocation_timeout_s }}"'),
        ("teardown_timeout_s", "stop", "roles/teardown/tasks/main.yml", 'end_timeout_s: "{{ teardown_timeout_s }}"'),
        ("step", "logs", "playbooks/logs.yml", f"step: {LOOKUP % 'step'}) | default(omit, true) }}}}\""),
        ("cluster_file", "status", "playbooks/status.yml", "extra_vars: true"),
        ("runtime_dir", "submit", "playbooks/submit.yml",
         """python: "{{ (srt_slurm_runtime ~ '/bin/python') if srt_slurm_runtime else omit }}\""""),
    ],
)  # fmt: skip
def test_an_option_that_a_playbook_does_not_pass_on_takes_no_effect(calls, tmp_path, name, playbook, file, line):
    for part in ("playbooks", "roles"):
        shutil.copytree(jobs.ROOT / part, tmp_path / part)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert line in text
    (tmp_path / file).write_text(text.replace(line, ""), encoding="utf-8")
    assert not takes_effect(calls, name, playbook, tmp_path)
