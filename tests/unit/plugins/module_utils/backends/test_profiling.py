# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says of profiling: who is asked, with which words, and which files have to be there."""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError

SPLIT = {"prefill_nodes": 1, "prefill_workers": 2, "decode_nodes": 2, "decode_workers": 1}
TOGETHER = jobs.AGGREGATED
PHASES = {"prefill": {"start_step": 2, "stop_step": 5}, "decode": {}}
CONFIG = {"prefill": {"tp-size": 4}, "decode": {"tp-size": 16}}
MPI = {"aggregated": {"tensor_parallel_size": 8}}


def plan_of(backend, frontend="dynamo", resources=None, **changes):
    backend = {"type": backend} if isinstance(backend, str) else backend
    changes = {"resources": resources or SPLIT, "backend": backend, "frontend": {"type": frontend}, **changes}
    return jobs.plan_of(jobs.spec_of(jobs.raw(**changes)))


def profiling_of(*args, **changes):
    return plan_of(*args, **changes)["benchmark"]["profiling"]


SGLANG = {"type": "sglang", "sglang_config": CONFIG}


def test_each_leader_is_asked_at_its_own_address():
    found = profiling_of(SGLANG, "sglang", profiling={"type": "torch", **PHASES})
    asked = {one["name"]: (one["host"], one["port"], one["paths"]) for one in found["start"]}
    assert asked == {
        "prefill_0": ("10.0.0.1", 30000, ["/start_profile"]),
        "prefill_1": ("10.0.0.1", 30001, ["/start_profile"]),
        "decode_0": ("10.0.0.2", 30000, ["/start_profile"]),
    }
    assert found["start"][0]["body"] == {
        "output_dir": "/out/7/logs/profiles/prefill/prefill_0",
        "activities": ["CPU", "GPU"],
        "start_step": 2,
        "num_steps": 3,
    }
    assert "num_steps" not in found["start"][2]["body"] and found["limited"] == ["prefill_0", "prefill_1"]
    assert [one["paths"] for one in found["stop"]] == [["/stop_profile"]] * 3
    assert [one["patterns"] for one in found["files"]] == [
        [f"logs/profiles/{one}/**/*.trace.json*"]
        for one in ("prefill/prefill_0", "prefill/prefill_1", "decode/decode_0")
    ]


def test_behind_dynamo_the_system_port_is_asked_newer_paths_first():
    found = profiling_of(SGLANG, profiling={"type": "torch", **PHASES})
    first = found["start"][0]
    assert (first["port"], first["paths"]) == (8081, ["/engine/control/start_profile", "/engine/start_profile"])
    assert found["stop"][0]["paths"] == ["/engine/control/stop_profile", "/engine/stop_profile"]


def test_the_worker_has_its_own_folder():
    step = jobs.step(plan_of(SGLANG, "sglang", profiling={"type": "torch", **PHASES}), "prefill_1")
    assert step["env"]["SGLANG_TORCH_PROFILER_DIR"] == "/out/7/logs/profiles/prefill/prefill_1"
    assert "mkdir -p /out/7/logs/profiles/prefill/prefill_1" in step["preamble"]


def test_nsys_writes_a_report_of_each_process():
    """Workers of a second node too, and each is asked to begin: nsys waits for a call of CUDA."""
    found = profiling_of(SGLANG, "sglang", profiling={"type": "nsys", **PHASES})
    assert {one["body"]["activities"][0] for one in found["start"]} == {"CUDA_PROFILER"}
    names = {one["name"]: one["patterns"][0] for one in found["files"]}
    assert list(names) == ["prefill_0", "prefill_1", "decode_0", "decode_0_r1"]
    assert names["prefill_1"] == "logs/profiles/prefill/n1_prefill_1_profile_gpu4-5-6-7.nsys-rep"
    plan = plan_of(SGLANG, "sglang", profiling={"type": "nsys", **PHASES})
    argv = jobs.step(plan, "prefill_1")["argv"]
    assert jobs.option(argv, "-o") == f"/out/7/{names['prefill_1'].removesuffix('.nsys-rep')}"
    assert jobs.option(argv, "--capture-range-end") == "stop" and jobs.option(argv, "-c") == "cudaProfilerApi"


def test_each_task_of_mpi_has_a_report_and_nobody_is_asked():
    backend = {"type": "trtllm", "trtllm_config": MPI}
    phases = {"aggregated": {"start_step": 10, "stop_step": 20}}
    found = profiling_of(backend, resources=TOGETHER, profiling={"type": "nsys", **phases})
    assert found["start"] == found["stop"] == []
    assert [one["name"] for one in found["files"]] == [f"agg_0 (rank {rank})" for rank in range(8)]
    assert found["files"][1]["patterns"][0] == "logs/profiles/agg/n1_agg_0_profile_rank1.nsys-rep"


def test_a_timed_capture_ends_no_worker():
    plan = plan_of("vllm", resources=TOGETHER, profiling={"type": "nsys-time", "delay_secs": 60, "duration_secs": 30})
    found, argv = plan["benchmark"]["profiling"], jobs.step(plan, "agg_0")["argv"]
    assert (found["start"], found["window_s"]) == ([], [60, 30])
    assert jobs.option(argv, "--kill") == "none" and jobs.option(argv, "--duration") == "30"


@pytest.mark.parametrize(
    "steps, limits",
    [
        ({"start_step": 5, "stop_step": 9}, {"delay_iterations": 5, "max_iterations": 4}),
        ({"start_step": 5}, {"delay_iterations": 5}),
        ({"stop_step": 9}, {"max_iterations": 9}),
        ({"start_step": 0}, {}),
    ],
)
@pytest.mark.parametrize("kind", ["torch", "nsys"])
def test_vllm_is_told_at_its_start_and_asked_before_the_load(kind, steps, limits):
    plan = plan_of("vllm", "vllm", TOGETHER, profiling={"type": kind, "aggregated": steps})
    step = jobs.step(plan, "agg_0")
    folder = "/out/7/logs/profiles/agg/agg_0"
    which = {"profiler": "torch", "torch_profiler_dir": folder, "ignore_frontend": True}
    said = json.loads(jobs.option(step["argv"], "--profiler-config"))
    assert said == {**(which if kind == "torch" else {"profiler": "cuda"}), **limits}
    assert step["env"].get("VLLM_TORCH_PROFILER_DIR") == (folder if kind == "torch" else None)
    assert [one["paths"] for one in plan["benchmark"]["profiling"]["start"]] == [["/start_profile"]]


def test_an_older_vllm_is_left_without_the_option_it_does_not_know():
    backend = {"type": "vllm", "vllm_config": {"aggregated": {"profiler-config": None}}}
    argv = jobs.step(plan_of(backend, "vllm", TOGETHER, profiling={"type": "torch", "aggregated": {}}), "agg_0")["argv"]
    assert not [word for word in argv if str(word).startswith("--profiler-config")]


def test_the_load_finds_what_is_profiled():
    plan = plan_of(SGLANG, profiling={"type": "torch", **PHASES}, benchmark={"type": "custom", "command": "true"})
    point = plan["benchmark"]["points"][0]
    found = {name: value for name, value in point["step"]["env"].items() if name.startswith("PROFILE_")}
    assert found == {
        "PROFILE_TYPE": "torch",
        "PROFILE_OUTPUT_DIR": "/out/7/logs/profiles",
        "PROFILE_PREFILL_START_STEP": "2",
        "PROFILE_PREFILL_STOP_STEP": "5",
        "PROFILE_PREFILL_IPS": "10.0.0.1,10.0.0.1",
        "PROFILE_PREFILL_ENDPOINTS": "10.0.0.1:8081,10.0.0.1:8082",
        "PROFILE_DECODE_IPS": "10.0.0.2",
        "PROFILE_DECODE_ENDPOINTS": "10.0.0.2:8083",
    }


@pytest.mark.parametrize("more, told", [({}, True), ({"extra_nsys_args": ["--capture-range-end=repeat"]}, False)])
def test_a_second_point_without_a_profile_is_foretold(more, told):
    words = "profiling: nsys captures one range of a worker"
    plan = plan_of(SGLANG, profiling={"type": "nsys", **PHASES, **more})
    assert len(plan["benchmark"]["points"]) > 1
    assert any(note.startswith(words) for note in plan["notes"]) == told


def problems_of(**changes):
    with pytest.raises(SpecError) as caught:
        plan_of(**changes)
    return str(caught.value)


@pytest.mark.parametrize(
    "profiling, words",
    [
        ({"type": "nsys-time", "delay_secs": 1}, "profiling.duration_secs: is missing"),
        ({"type": "nsys", "prefill": {}}, "profiling.decode: is missing"),
        ({"type": "nsys", "prefill": {}, "decode": {}, "aggregated": {"start_step": 1}}, "no aggregated workers"),
        ({"type": "torch", "decode": {}, "prefill": {"start_step": 5, "stop_step": 5}}, "not after start_step 5"),
    ],
)
def test_phases_and_steps_have_to_fit(profiling, words):
    assert words in problems_of(backend=SGLANG, profiling=profiling)


def test_an_engine_that_is_not_asked_needs_its_steps():
    backend = {"type": "trtllm", "trtllm_config": MPI}
    profiling = {"type": "nsys", "aggregated": {"start_step": 1}}
    assert "profiling.aggregated.stop_step: is missing" in problems_of(
        backend=backend, resources=TOGETHER, profiling=profiling
    )


def test_a_worker_that_speaks_grpc_cannot_be_asked():
    config = {"prefill": {"grpc_mode": True, "tp-size": 4}, "decode": {"tp-size": 16}}
    backend, profiling = {"type": "sglang", "sglang_config": config}, {"type": "torch", **PHASES}
    text = problems_of(backend=backend, frontend="sglang", profiling=profiling)
    assert "backend.sglang_config.prefill.grpc_mode: keeps profiling from being started" in text
    # Behind dynamo each worker has a system port with HTTP.
    assert profiling_of(backend, profiling=profiling)["start"]


def test_a_search_under_a_profiler_is_refused():
    search = {"search": {"over": "concurrency", "objectives": {"p99_ttft_ms": 100}}, "concurrencies": None}
    text = problems_of(backend=SGLANG, profiling={"type": "torch", **PHASES}, benchmark=search)
    assert "benchmark.search: decides by figures that a profiler spoils" in text


def test_nothing_is_planned_without_points_or_a_profiler():
    profiling = {"type": "torch", **PHASES}
    manual = plan_of(SGLANG, profiling=profiling, benchmark={"type": "manual"})
    assert "profiling" not in manual["benchmark"] and "profiling" not in plan_of(SGLANG)["benchmark"]
