# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option that a job writes in several ways is passed once, and the plan says which one."""

from __future__ import annotations

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.backends.flags import settle

RESOURCES = {**jobs.AGGREGATED, "agg_nodes": 1, "agg_workers": 1}


def plan_of(backend, options, **changes):
    section = {"type": backend, f"{backend}_config": {"aggregated": options}}
    return jobs.plan_of(jobs.spec_of(jobs.raw(backend=section, resources=RESOURCES, **changes)))


def replaced(plan):
    return [note.partition(": ")[2] for note in plan["notes"] if "names of the same option" in note]


def test_settle():
    options = {"tp": 2, "x_y": 1, "tp-size": 4, "x-y": 2, "tensor-parallel-size": "8", "only": None}
    found, lost = settle(options, {"tp": "tensor-parallel-size", "tp-size": "tensor-parallel-size"})
    assert found == {"only": ("only", None), "tensor-parallel-size": ("tp-size", 4), "x-y": ("x_y", 1)}
    assert lost == [("tensor-parallel-size", 8, "tp-size"), ("tp", 2, "tp-size"), ("x-y", 2, "x_y")]
    backwards = dict(reversed(list(options.items())))
    assert settle(backwards, {"tp": "tensor-parallel-size", "tp-size": "tensor-parallel-size"}) == (found, lost)


def test_null_gives_way_and_equal_values_are_not_lost():
    assert settle({"a-b": 1, "a_b": None}) == ({"a-b": ("a-b", 1)}, [])
    assert settle({"a-b": 1, "a_b": 1}) == ({"a-b": ("a_b", 1)}, [])
    assert settle({"a-b": None, "a_b": None})[0] == {"a-b": ("a_b", None)}


def test_nothing_is_passed_twice():
    plan = plan_of("sglang", {"x_y": 3, "x-y": 4, "x": 5, "--port": 9})
    argv = jobs.step(plan, "agg_0")["argv"]
    assert jobs.option(argv, "--x") == "5" and jobs.option(argv, "--x-y") == "3"
    assert argv.count("--port") == 1 and jobs.option(argv, "--port") != "9"
    assert [note for note in plan["notes"] if note.endswith(": port: ignored, the plan sets this.")]


def test_sglang():
    options = {
        "tp": 2,
        "tp-size": 8,
        "tensor-parallel-size": 4,
        "dp-size": 2,
        "dp_size": 4,
        "enable-dp-attention": True,
    }
    plan = plan_of("sglang", options)
    argv = jobs.step(plan, "agg_0")["argv"]
    assert [word for word in argv if word.startswith(("--tp", "--tensor", "--dp", "--data"))] == [
        "--data-parallel-size",
        "--tensor-parallel-size",
    ]
    assert jobs.option(argv, "--tensor-parallel-size") == "8" and jobs.option(argv, "--data-parallel-size") == "4"
    assert replaced(plan) == [
        "dp_size replaces dp-size 2. Both are names of the same option.",
        "tp-size replaces tensor-parallel-size 4. Both are names of the same option.",
        "tp-size replaces tp 2. Both are names of the same option.",
    ]
    # The ports of attention ranks are counted from the same value.
    assert jobs.plan_of(spec=plan["spec"])["processes"][0]["ports"] == plan["processes"][0]["ports"]


@pytest.mark.parametrize("options", [{"model": "/a"}, {"model-path": "/a"}, {"model": "/a", "model_path": "/b"}])
@pytest.mark.parametrize("backend, flag", [("sglang", "--model-path"), ("vllm", "--model")])
def test_the_models_path_is_the_plans(backend, flag, options):
    plan = plan_of(backend, {**options, "tp": 8})
    argv = jobs.step(plan, "agg_0")["argv"]
    assert [word for word in argv if word.startswith("--model")] == [flag]
    assert jobs.option(argv, flag) == "/models/tiny" and replaced(plan) == []


def test_short_names_of_what_the_plan_decides():
    argv = jobs.step(plan_of("sglang", {"nccl-init-addr": "h:1", "tp": 8}), "agg_0")["argv"]
    assert "--nccl-init-addr" not in argv and "--dist-init-addr" not in argv
    plan = plan_of("vllm", {"dpp": 1, "dpa": "h", "tp": 4, "dp": 2})
    argv = jobs.step(plan, "agg_0")["argv"]
    assert "--dpp" not in argv and "--dpa" not in argv
    assert jobs.option(argv, "--data-parallel-rpc-port") == "8400"
    assert any(
        "data-parallel-address, data-parallel-rpc-port: ignored, the plan sets" in note for note in plan["notes"]
    )


def test_trtllm_writes_the_engines_spelling_once():
    options = {"tensor-parallel-size": 4, "tensor_parallel_size": 8, "ep_size": 2, "max-batch-size": 3}
    plan = plan_of("trtllm", options)
    text = next(one["content"] for one in plan["files"] if one["path"] == "trtllm_config_agg.yaml")
    assert yaml.safe_load(text) == {"max_batch_size": 3, "moe_expert_parallel_size": 2, "tensor_parallel_size": 8}
    assert replaced(plan) == [
        "tensor_parallel_size replaces tensor-parallel-size 4. Both are names of the same option."
    ]


def test_vllm_knows_only_the_full_names():
    argv = jobs.step(plan_of("vllm", {"tp-size": 4, "pp": 2, "ep": True}), "agg_0")["argv"]
    assert jobs.option(argv, "--tensor-parallel-size") == "4" and jobs.option(argv, "--pipeline-parallel-size") == "2"
    assert "--enable-expert-parallel" in argv and "--ep" not in argv


def test_mocker():
    plan = plan_of("mocker", {"dp-size": 2, "data_parallel_size": 4})
    argv = jobs.step(plan, "agg_0")["argv"]
    assert argv.count("--data-parallel-size") == 1 and jobs.option(argv, "--data-parallel-size") == "2"
    assert replaced(plan) == ["dp-size replaces data_parallel_size 4. Both are names of the same option."]


def test_equal_digests_mean_equal_command_lines():
    """The order of the file is in no digest, so it decides nothing."""
    one = {"tp-size": 8, "tensor-parallel-size": 4}
    plans = [plan_of("sglang", options) for options in (one, dict(reversed(list(one.items()))))]
    assert plans[0]["digests"] == plans[1]["digests"] and plans[0]["steps"] == plans[1]["steps"]


def test_a_changed_option_is_not_the_remembered_one():
    spec = jobs.spec_of(
        jobs.raw(backend={"type": "sglang", "sglang_config": {"aggregated": {"tp": 8}}}, resources=RESOURCES)
    )
    before = jobs.step(jobs.plan_of(spec), "agg_0")["argv"]
    spec["backend"]["sglang_config"]["aggregated"]["tp"] = 4
    after = jobs.step(jobs.plan_of(spec), "agg_0")["argv"]
    assert jobs.option(before, "--tensor-parallel-size") == "8" and jobs.option(after, "--tensor-parallel-size") == "4"
