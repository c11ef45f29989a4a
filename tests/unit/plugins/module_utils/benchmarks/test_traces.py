# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in which AIPerf replays a trace: their command lines, and the reading of AIPerf's results."""

from __future__ import annotations

import json
import subprocess

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.traces import WARM_UP
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from result_files import AIPERF, VLLM, aiperf_metric

REPLAY, ROUTER = BENCHMARKS["trace-replay"], BENCHMARKS["mooncake-router"]


def plan_of(type_, **benchmark):
    benchmark = {
        "type": type_,
        "isl": None,
        "osl": None,
        "concurrencies": None,
        "trace_file": "/t/x.jsonl",
        **benchmark,
    }
    return jobs.plan_of(python="/venv/bin/python", benchmark=benchmark)


def words(point):
    return " ".join(point["step"]["argv"])


def test_a_trace_is_replayed_at_each_concurrency_after_a_warm_up():
    plan = plan_of("trace-replay", concurrencies=[2, 8], ttft_threshold_ms=500)
    points = plan["benchmark"]["points"]
    assert [one["label"] for one in points] == ["c=2", "c=8"]
    for part in (
        f"--url {plan['frontend_url']}", "--input-file /t/x.jsonl",
        "--custom-dataset-type mooncake_trace", "--goodput time_to_first_token:500 inter_token_latency:25",
        "--concurrency 8 --extra-inputs ignore_eos:true", "--concurrency 1 --request-count 5",
    ):  # fmt: skip
        assert part in words(points[1]), part
    assert "--fixed-schedule" not in words(points[1])


def test_mooncake_router_keeps_the_times_of_its_workload():
    (point,) = plan_of("mooncake-router", mooncake_workload="toolagent")["benchmark"]["points"]
    assert "--fixed-schedule" in words(point) and "--concurrency 10 --request-count 20" in words(point)
    assert point["key"] == {"workload": "toolagent"}


def test_further_options_reach_aiperf_and_the_digest():
    args = {"num-profile-runs": 2, "verbose": True, "header": ["a: b", "c: d"], "off": None}
    one, other = (plan_of("trace-replay", concurrencies=[2], aiperf_args=some)["benchmark"]["points"][0] for some in
                  (args, {}))  # fmt: skip
    assert words(one).endswith("--num-profile-runs 2 --verbose --header a: b c: d")
    assert one["digest"] != other["digest"]


@pytest.mark.parametrize(
    ("type_", "benchmark", "key"),
    [("trace-replay", {"trace_file": None, "concurrencies": [1]}, "trace_file"),
     ("trace-replay", {}, "concurrencies"), ("mooncake-router", {"trace_file": None}, "trace_file"),
     ("mooncake-router", {"mooncake_workload": "chat"}, "mooncake_workload")],
)  # fmt: skip
def test_what_is_missing_is_named(type_, benchmark, key):
    with pytest.raises(SpecError) as error:
        plan_of(type_, **benchmark)
    assert f"benchmark.{key}" in str(error.value)


@pytest.mark.parametrize(
    ("warm_up", "replay", "rc"), [("exit 0", "exit 0", 0), ("exit 3", "exit 0", 3), ("exit 0", "exit 4", 4)]
)
def test_the_warm_up_leaves_nothing_and_its_failure_is_one(tmp_path, warm_up, replay, rc):
    results = tmp_path / "results"
    results.mkdir()
    said = 'echo "$@" >> said; mkdir -p "${@: -1}"; touch "${@: -1}/made"; '
    argv = [
        "bash",
        "-c",
        WARM_UP,
        "replay",
        "",
        "4",
        "bash",
        "-c",
        said + warm_up,
        "w",
        "bash",
        "-c",
        said + replay,
        "r",
    ]
    env = {"PATH": "/usr/bin:/bin", "SRT_RESULT_DIR": str(results), "TMPDIR": str(tmp_path)}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == rc
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "said"]  # the aside folder is gone
    assert [path.name for path in results.iterdir()] == (["made"] if warm_up == "exit 0" else [])


def test_a_tokenizer_in_a_directory_is_shown_as_one_of_the_hub(tmp_path):
    model = tmp_path / "a model"
    model.mkdir()
    for name in ("tokenizer.json", "model.safetensors"):
        (model / name).write_text("{}")
    look = 'cat "$HF_HUB_CACHE"/models--job--tokenizer/refs/main; ls "$HF_HUB_CACHE"/models--job--tokenizer/snapshots/*'
    argv = [
        "bash",
        "-c",
        WARM_UP,
        "replay",
        str(model),
        "1",
        "true",
        "bash",
        "-c",
        f"{look}; echo $HF_HUB_OFFLINE",
        "r",
    ]
    env = {"PATH": "/usr/bin:/bin", "SRT_RESULT_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == [f"{'0' * 40}tokenizer.json", "1"]


def judged(tmp_path, *runs, bench=REPLAY, layout="profile_runs/run_{:04d}", **facts):
    (tmp_path / "p.json").write_text(json.dumps({"exit_code": 0, "duration_s": 30, "concurrency": None, **facts}))
    for number, content in enumerate(runs, 1):
        folder = tmp_path / "p.files" / layout.format(number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profile_export_aiperf.json").write_text(json.dumps(content))
    raw = bench.read(str(tmp_path / "p.json"))
    return bench.figures(raw), bench.evaluate(raw, {}, 0.99)


def test_one_run_lies_flat(tmp_path):
    figures, reasons = judged(
        tmp_path, {**AIPERF, "error_request_count": aiperf_metric("requests", avg=1.0)}, layout="."
    )
    assert reasons == [] and figures["measured_by"] == "aiperf" and figures["concurrency"] == 16


@pytest.mark.parametrize(
    "layout", ["profile_runs/run_{:04d}", "profile_runs/trial_{:04d}/c16", "c16/profile_runs/trial_{:04d}"]
)
def test_several_runs_of_a_point_are_added_and_averaged(tmp_path, layout):
    good = {**AIPERF, "error_request_count": aiperf_metric("requests", avg=0.0)}
    slow = {**good, "request_throughput": aiperf_metric("requests/sec", avg=20.0)}
    figures, reasons = judged(tmp_path, good, slow, layout=layout)
    assert reasons == [] and figures["measured_by"] == "aiperf (mean of 2 runs)"
    assert (figures["completed"], figures["request_throughput"], figures["mean_ttft_ms"]) == (200.0, 15.0, 50.0)


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([], "its AIPerf run left no result file that is known"),
        ([{"a": 1}], "not known: profile_export_aiperf.json"),
        ([{**AIPERF, "error_request_count": aiperf_metric("requests", avg=100.0)}], "100 of 200 requests did not"),
        ([{**AIPERF, "request_count": aiperf_metric("requests", avg=0.0)}], "no request completed"),
        ([{**AIPERF, "was_cancelled": True}], "the measurement was cancelled"),
        ([{**AIPERF, "is_complete": False}], "the measurement is not complete"),
        ([AIPERF, {**AIPERF, "was_cancelled": True}], "run 2: the measurement was cancelled"),
        ([{**AIPERF, "output_sequence_length": aiperf_metric("tokens", avg=0.0)}], "no output tokens were received"),
        ([{**AIPERF, "benchmark_duration": aiperf_metric("sec", avg=900.0)}], "it is of another run"),
    ],
)  # fmt: skip
def test_a_broken_result_is_not_valid(tmp_path, runs, reason):
    assert any(reason in one for one in judged(tmp_path, *runs)[1])


def test_a_result_of_another_program_beside_it_is_not_that_of_the_point(tmp_path):
    (tmp_path / "p.files").mkdir()
    (tmp_path / "p.files" / "a.json").write_text(json.dumps(VLLM))
    figures, reasons = judged(tmp_path, AIPERF)
    assert "output_tps" not in figures and "only one can be that of the point" in reasons[0]
