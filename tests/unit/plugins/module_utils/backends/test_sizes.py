# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parallel sizes: what is an error, what is a note, and where the error points to."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml

CONFIG = {"sglang": "sglang_config", "trtllm": "trtllm_config", "vllm": "vllm_config", "mocker": "mocker_config"}
ONE_NODE = {**jobs.AGGREGATED, "agg_nodes": 1, "agg_workers": 1}
TWO_NODES = {**jobs.AGGREGATED, "agg_nodes": 2, "agg_workers": 1}


def spec_of(backend, options, resources=None, **changes):
    """Return the spec of a job with aggregated workers (default: one of 8 GPUs) and these *options*."""
    section = {"type": backend, CONFIG[backend]: {"aggregated": options}}
    return jobs.spec_of(jobs.raw(backend=section, resources=resources or ONE_NODE, **changes))


def problems(*arguments, **changes):
    with pytest.raises(SpecError) as caught:
        spec_of(*arguments, **changes)
    return {one["path"].rpartition(".aggregated")[2].lstrip("."): one["problem"] for one in caught.value.problems}


def notes(*arguments, **changes):
    found = jobs.plan_of(spec_of(*arguments, **changes))["notes"]
    return [note.partition(": ")[2] for note in found if note.startswith("backend.")]


@pytest.mark.parametrize("backend", sorted(CONFIG))
@pytest.mark.parametrize("value", [0, -1, "-8", 1.5, "four", True, [8], {"a": 1}])
def test_a_size_is_a_whole_number_from_1_on(backend, value):
    key = "data_parallel_size" if backend == "mocker" else "tensor_parallel_size"
    found = problems(backend, {key: value})
    assert list(found) == [key] and "expected a positive whole number" in found[key]


@pytest.mark.parametrize(
    "backend, gpus, total, remedy",
    [
        ("trtllm", None, 12, "Change the sizes: a worker larger than one node has whole nodes of 8 GPUs."),
        ("trtllm", 12, 12, "Change the sizes: a worker larger than one node has whole nodes of 8 GPUs."),
        ("trtllm", None, 6, "Change the sizes, or set resources.gpus_per_agg to 6."),
        ("trtllm", None, 16, "Change the sizes, or set resources.gpus_per_agg to 16."),
        # SGLang may leave GPUs alone.
        ("sglang", None, 12, "Change the sizes, or set resources.gpus_per_agg to 16."),
        ("sglang", 4, 8, "Change the sizes, or set resources.gpus_per_agg to 8."),
        ("sglang", None, 70000, "Change the sizes."),
    ],
)
def test_the_remedy_is_a_number_that_a_worker_can_have(backend, gpus, total, remedy):
    resources = {**TWO_NODES, "agg_nodes": 2, "gpus_per_agg": gpus or 8}
    with pytest.raises(SpecError) as caught:
        spec_of(backend, {"tp": total}, resources)
    (found,) = caught.value.problems
    assert found["remedy"] == remedy
    number = remedy.rpartition(" ")[2].rstrip(".")
    if number.isdigit():
        spec_of(backend, {"tp": total}, {**resources, "gpus_per_agg": int(number)})


@pytest.mark.parametrize("key", ["tp", "dp-size", "pp_size", "expert-parallel-size", "moe-dense-tp-size", "ep"])
def test_every_name_of_every_size(key):
    assert list(problems("sglang", {key: -1})) == [key]


def test_the_error_names_file_line_and_key():
    text = """\
name: x
model: {path: /m, container: none}
resources: {gpus_per_node: 8, agg_nodes: 1, agg_workers: 1}
backend:
  type: sglang
  sglang_config:
    aggregated:
      mem-fraction-static: 0.8
      tp_size: -8
"""
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(*parse_yaml(text, "j.yaml"))
    (found,) = caught.value.problems
    assert (found["file"], found["line"]) == ("j.yaml", 9)
    assert found["path"] == "backend.sglang_config.aggregated.tp_size" and found["remedy"]


def test_quoted_and_whole_broken_numbers_are_sizes():
    argv = jobs.step(jobs.plan_of(spec_of("sglang", {"tp-size": "4", "pp-size": 2.0})), "agg_0")["argv"]
    assert jobs.option(argv, "--tensor-parallel-size") == "4" and jobs.option(argv, "--pipeline-parallel-size") == "2"


@pytest.mark.parametrize(
    "backend, options, resources, key, words",
    [
        ("sglang", {"tp-size": 16}, None, "", "needs 16 GPUs (tensor 16), but an aggregated worker has 8."),
        ("sglang", {"tp": 4, "dp": 4}, None, "", "needs 16 GPUs (tensor 4 x data 4)"),
        ("sglang", {"tp": 4, "pp": 2, "dp-size": 2}, None, "", "needs 16 GPUs (tensor 4 x pipeline 2 x data 2)"),
        ("sglang", {"tp": 8, "dp": 3, "enable-dp-attention": True}, None, "dp", "does not divide tensor-parallel-size"),
        ("sglang", {"tp": 4, "dp": 8, "enable_dp_attention": True}, None, "dp", "share those GPUs"),
        ("sglang", {"dp": 8, "enable-dp-attention": True}, None, "dp", "does not divide tensor-parallel-size 1"),
        ("sglang", {"tp": 8, "ep-size": 16}, None, "ep-size", "does not divide tensor-parallel-size 8"),
        ("sglang", {"tp": 8, "ep-size": 3}, None, "ep-size", "does not divide"),
        ("sglang", {"tp": 8, "dp": 2}, TWO_NODES, "dp", "one node only"),
        ("sglang", {"tp": 3, "pp": 3}, TWO_NODES, "tp", "9 rank(s) do not divide evenly over the 2 nodes"),
        ("sglang", {"pp": 1}, TWO_NODES, "pp", "1 rank(s) do not divide evenly"),
        (
            "trtllm",
            {"tensor_parallel_size": 16},
            None,
            "",
            "needs 16 GPUs (tensor 16), but an aggregated worker has 8.",
        ),
        (
            "trtllm",
            {"tensor_parallel_size": 4},
            None,
            "",
            "needs 4 GPUs (tensor 4), but an aggregated worker has 8, and",
        ),
        (
            "trtllm",
            {"tensor_parallel_size": 4, "pipeline_parallel_size": 2, "context_parallel_size": 2},
            None,
            "",
            "needs 16 GPUs (tensor 4 x pipeline 2 x context 2)",
        ),
        (
            "trtllm",
            {"tensor_parallel_size": 8, "moe_expert_parallel_size": 3},
            None,
            "moe_expert_parallel_size",
            "is 3, which does not divide tensor-parallel-size 8",
        ),
        (
            "trtllm",
            {"tensor_parallel_size": 8, "moe_tensor_parallel_size": 16},
            None,
            "moe_tensor_parallel_size",
            "does not divide",
        ),
        (
            "trtllm",
            {"tensor_parallel_size": 8, "moe_tensor_parallel_size": 2, "moe_expert_parallel_size": 2},
            None,
            "moe_expert_parallel_size",
            "tensor 2 x expert 2 = 4 is not tensor-parallel-size 8",
        ),
        ("vllm", {"tensor-parallel-size": 16}, None, "", "needs 16 GPUs (tensor 16), but an aggregated worker has 8."),
        ("vllm", {"tp": 8, "pcp": 2}, None, "", "needs 16 GPUs (tensor 8 x prefill-context 2)"),
        ("vllm", {"tp": 4, "dp": 4}, None, "", "needs 16 GPUs (tensor 4 x data 4)"),
        ("vllm", {"tp": 2, "dp": 2}, None, "", "an aggregated worker has 8, and vLLM must use all of them."),
        ("vllm", {"tp": 3, "pp": 3}, TWO_NODES, "tp", "do not divide evenly over the 2 nodes"),
        ("vllm", {"tp": 3, "dp": 5, "pp": 1}, TWO_NODES, "", "needs 15 GPUs"),
    ],
)
def test_sizes_that_cannot_run(backend, options, resources, key, words):
    found = problems(backend, options, resources)
    assert words in found[key], found


@pytest.mark.parametrize(
    "backend, options, resources",
    [
        ("sglang", {"tp-size": 8, "dp-size": 8, "ep-size": 8, "enable-dp-attention": True}, None),
        ("sglang", {"tp-size": 8, "dp-size": 2, "ep-size": 4, "enable-dp-attention": True}, None),
        ("sglang", {"tp-size": 8, "dp-size": 1, "enable-dp-attention": True}, None),
        ("sglang", {"tp-size": 2, "dp-size": 4}, None),
        ("sglang", {"tp-size": 16, "dp-size": 16, "enable-dp-attention": True}, TWO_NODES),
        ("sglang", {"tp-size": 8, "pp-size": 2}, TWO_NODES),
        # A worker of 12 GPUs gets two whole nodes.
        ("sglang", {"tp-size": 16}, {**TWO_NODES, "gpus_per_agg": 12}),
        ("trtllm", {"tensor_parallel_size": 8, "moe_expert_parallel_size": 4}, None),
        ("trtllm", {"tensor_parallel_size": 1, "pipeline_parallel_size": 8, "moe_expert_parallel_size": 1}, None),
        (
            "trtllm",
            {"tensor_parallel_size": 8, "moe_tensor_parallel_size": 2, "moe_expert_parallel_size": 4},
            None,
        ),
        # Context parallelism of the kind that lends its GPUs to the experts.
        (
            "trtllm",
            {"tensor_parallel_size": 2, "context_parallel_size": 4, "moe_expert_parallel_size": 8},
            None,
        ),
        ("vllm", {"tensor-parallel-size": 2, "data-parallel-size": 4}, None),
        ("vllm", {"tensor-parallel-size": 8, "pipeline-parallel-size": 2}, TWO_NODES),
        ("mocker", {"data-parallel-size": 64}, None),
    ],
)
def test_sizes_that_can_run_say_nothing(backend, options, resources):
    assert notes(backend, options, resources) == []


@pytest.mark.parametrize(
    "backend, options, text",
    [
        ("sglang", {"tp": 4}, "tensor 4 uses 4 of the 8 GPUs that an aggregated worker has."),
        ("sglang", {}, "no parallel size is set, so SGLang uses 1 of the 8 GPUs that an aggregated worker has."),
        (
            "sglang",
            {"tp": 4, "dp": 4, "enable-dp-attention": True},
            "tensor 4 uses 4 of the 8 GPUs that an aggregated worker has.",
        ),
        ("vllm", {"tp": 2, "pp": 2}, "tensor 2 x pipeline 2 uses 4 of the 8 GPUs that an aggregated worker has."),
        ("vllm", {}, "no parallel size is set, so vLLM uses 1 of the 8 GPUs that an aggregated worker has."),
        (
            "trtllm",
            {},
            "no parallel size is set, so TensorRT-LLM uses 1 of the 8 GPUs that an aggregated worker has.",
        ),
    ],
)
def test_fewer_gpus_than_a_worker_has_is_a_note(backend, options, text):
    assert notes(backend, options) == [text]


def test_vllm_alone_may_use_fewer():
    changes = {"frontend": {"type": "vllm"}}
    assert notes("vllm", {"tp": 2, "dp": 2}, **changes) == [
        "tensor 2 x data 2 uses 4 of the 8 GPUs that an aggregated worker has."
    ]


def test_a_wrong_size_of_one_mode_hides_no_misfit_of_the_other():
    config = {"prefill": {"data-parallel-size": "x"}, "decode": {"tensor-parallel-size": 9, "dp": 2}}
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(backend={"type": "vllm", "vllm_config": config})
    paths = [one["path"] for one in caught.value.problems]
    assert paths == ["backend.vllm_config.prefill.data-parallel-size", "backend.vllm_config.decode"]


def test_a_remedy_says_what_would_fit():
    with pytest.raises(SpecError) as caught:
        spec_of("trtllm", {"tensor_parallel_size": 4})
    assert caught.value.problems[0]["remedy"] == "Change the sizes, or set resources.gpus_per_agg to 4."
    assert spec_of("trtllm", {"tensor_parallel_size": 4}, {**ONE_NODE, "gpus_per_agg": 4})
