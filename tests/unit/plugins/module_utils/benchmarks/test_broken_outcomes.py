# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each type of benchmark calls a good result valid, and a broken outcome not valid, with the reason.

An outcome is what a program leaves that ended with exit code 0: recorded files, or those of tests/support, changed.
A program that ends otherwise leaves no result (test_broken_programs.py).
"""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from result_files import AIPERF, SGLANG, VLLM, aiperf_metric
from run_results import raw_result

RECORDED = jobs.ROOT / "tests" / "data" / "accuracy" / "right" / "point.files"
ABOUT = {"exit_code": 0, "duration_s": 60, "concurrency": None, "started_at": "2026-11-01T10:00:00Z",
         "ended_at": "2026-11-01T10:01:00Z"}  # fmt: skip
OUTCOMES = ("all failed", "half failed", "no tokens", "wrong model", "gone midway", "garbage", "nothing")


def judged(type_, path, expect):
    """Return why the result at *path* is not valid."""
    one = BENCHMARKS[type_]
    try:
        raw = one.read(str(path))
    except Error as error:
        return [error.msg]
    figures = one.figures(raw)
    assert all(isinstance(value, (int, float, str, type(None))) for value in figures.values())
    return [*one.evaluate(raw, expect, 0.99), *one.doubts(raw), *one.disturbances(raw)]


def program(folder, files):
    """Write what a program left; return the path of the result of its point."""
    for name, content in files.items():
        path = folder / "point.files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    (folder / "point.json").write_text(json.dumps(ABOUT))
    return folder / "point.json"


def refused(reasons, said):
    assert said and reasons and any(said in reason for reason in reasons), reasons


# Accuracy: the files of lm-eval.

TASKS = {"gsm8k": "srt_gsm8k", "mmlu": "srt_mmlu", "gpqa": "srt_gpqa", "longbenchv2": "srt_longbenchv2",
         "lm-eval": "mine"}  # fmt: skip
EXAM = {
    None: None, "all failed": "4 of 4 answers are empty", "half failed": "2 of 4 answers are empty",
    "no tokens": "4 of 4 answers are empty", "wrong model": "another model: 'other', not tiny",
    "gone midway": "its file of answers has 2, but 4 were checked", "garbage": "result file is broken: results_",
    "nothing": "its harness left 0 results",
}  # fmt: skip


@pytest.mark.parametrize(("outcome", "said"), EXAM.items())
@pytest.mark.parametrize("type_", TASKS)
def test_an_exam(tmp_path, type_, outcome, said):
    (results,), (samples,) = RECORDED.glob("results_*"), RECORDED.glob("samples_*")
    text = results.read_text().replace("srt_gsm8k", TASKS[type_])
    answers = [json.loads(line) for line in samples.read_text().splitlines()]
    empty = {"all failed": ([[None]], 4), "half failed": ([[""]], 2), "no tokens": ([[" \n"]], 4)}.get(outcome, ("", 0))
    for answer in answers[: empty[1]]:
        answer["resps"] = empty[0]
    if outcome == "wrong model":
        text = text.replace('"tiny"', '"other"').replace("model=tiny", "model=other")
    lines = [json.dumps(answer) + "\n" for answer in answers[: 2 if outcome == "gone midway" else 4]]
    files = {results.name: text[: 900 if outcome == "garbage" else None], samples.name: "".join(lines)}
    path = program(tmp_path, {} if outcome == "nothing" else files)
    expect = {"task": TASKS[type_], "model": "tiny", "limit": None, "min_score": 0.9}
    reasons = judged(type_, path, expect)
    assert reasons == [] if outcome is None else refused(reasons, said) is None
    # A low score is another matter than a fault.
    assert not any("min_score" in reason for reason in reasons)


# The engine's client of sglang-bench, and ours.

SIZES = {"num_prompts": 32, "isl": 100, "osl": 50}
ENGINE = {
    None: ({}, None),
    "all failed": ({"completed": 0, "errors": ["HTTP 500"] * 32}, "no request completed"),
    "half failed": ({"completed": 16, "errors": ["", "HTTP 500"] * 16}, "16 of 32 requests did not complete"),
    "no tokens": ({"total_output_tokens": 0}, "no output tokens were received"),
    "wrong model": ({"model_id": "other"}, "another model: 'other', not m"),
    "gone midway": ({"completed": 20}, "32 requests were planned, but 20 completed"),
    "garbage": (None, "result file is broken: bench_serving.jsonl"),
    "nothing": ("", "left no result file that is known"),
}


@pytest.mark.parametrize(("outcome", "change", "said"), [(key, *value) for key, value in ENGINE.items()])
def test_sglang_bench_with_the_engines_client(tmp_path, outcome, change, said):
    text = json.dumps({**SGLANG, **change}) if isinstance(change, dict) else json.dumps(SGLANG)[:-30]
    path = program(tmp_path, {} if change == "" else {"bench_serving.jsonl": text})
    reasons = judged("sglang-bench", path, {**SIZES, "models": ["m"]})
    assert reasons == [] if outcome is None else refused(reasons, said) is None


OURS = {
    None: ({}, None),
    "all failed": ({"completed": 0, "failed": 40, "errors": ["HTTP 500"] * 40}, "none of 40 requests completed"),
    "half failed": (
        {"completed": 20, "failed": 20, "errors": ["", "reset"] * 20},
        "20 of 40 requests did not complete",
    ),
    "no tokens": ({"total_output_tokens": 0, "output_lens": [0] * 40}, "no output tokens were received"),
    "wrong model": ({"answering_models": ["m", "other"]}, "from several models: m, other"),
    "gone midway": ({"completed": 12, "interrupted": True, "reason": "the service is gone"}, "the service is gone"),
    "garbage": ({"completed": "many"}, "completed is 'many', not a number"),
    "nothing": (None, "does not exist"),
}
CLIENTS = {"sa-bench": {}, "router": {"prefix_ratio": 0.5, "prefixes": 20}, "sglang-bench": {}}


@pytest.mark.parametrize(("outcome", "change", "said"), [(key, *value) for key, value in OURS.items()])
@pytest.mark.parametrize("type_", CLIENTS)
def test_our_load_client(tmp_path, type_, outcome, change, said):
    expect = {"num_prompts": 40, "isl": 64, "osl": 16, **CLIENTS[type_]}
    content = None if change is None else {**raw_result(4, **expect), **change}
    if type_ == "sglang-bench":
        said = "left no result file that is known" if outcome == "nothing" else said
        path = program(tmp_path, {} if content is None else {"load_client.json": content})
    else:
        path = tmp_path / "result.json"
        if content is not None:
            path.write_text(json.dumps(content))
    reasons = judged(type_, path, expect)
    assert reasons == [] if outcome is None else refused(reasons, said) is None


# AIPerf, which replays traces.

GOOD = {**AIPERF, "error_request_count": aiperf_metric("requests", avg=0.0)}
PHASE = {"kind": "profiling", "type": "fixed_schedule", "requests": 100}
REPLAY = {
    None: ({}, None),
    "all failed": ({"request_count": aiperf_metric("requests", avg=0.0)}, "no request completed"),
    "half failed": ({"error_request_count": aiperf_metric("requests", avg=100.0)}, "100 of 200 requests did not"),
    "no tokens": ({"output_sequence_length": aiperf_metric("tokens", avg=0.0)}, "no output tokens were received"),
    "wrong model": ({"input_config": {"models": {"items": [{"name": "other"}]}}}, "another model: 'other', not m"),
    "gone midway": ({"request_count": aiperf_metric("requests", avg=60.0), "input_config": {"phases": [PHASE]}},
                    "100 requests were planned, but the result has 60"),
    "client killed": ({"was_cancelled": True}, "the measurement was cancelled"),
    "garbage": (None, "result file is broken: profile_export_aiperf.json"),
    "nothing": ("", "left no result file that is known"),
}  # fmt: skip


@pytest.mark.parametrize(("outcome", "change", "said"), [(key, *value) for key, value in REPLAY.items()])
@pytest.mark.parametrize("type_", ["trace-replay", "mooncake-router"])
def test_a_replay(tmp_path, type_, outcome, change, said):
    text = json.dumps({**GOOD, **change}) if isinstance(change, dict) else json.dumps(GOOD)[:-30]
    path = program(tmp_path, {} if change == "" else {"profile_export_aiperf.json": text})
    reasons = judged(type_, path, {"models": ["m"], "runs": 1})
    assert reasons == [] if outcome is None else refused(reasons, said) is None


@pytest.mark.parametrize("lost", ["gone", "cut"])
def test_a_replay_of_several_runs_needs_all_of_them(tmp_path, lost):
    files = {f"profile_runs/run_000{number}/profile_export_aiperf.json": GOOD for number in (1, 2, 3)}
    if lost == "gone":
        files.popitem()
    else:
        files["profile_runs/run_0002/profile_export_aiperf.json"] = json.dumps(GOOD)[:-30]
    reasons = judged("trace-replay", program(tmp_path, files), {"models": ["m"], "runs": 3})
    refused(reasons, "the results of 2 runs, and 3 were planned")
    assert (lost == "cut") == any("is broken" in reason for reason in reasons)


def test_a_plan_says_which_model_and_how_many_runs_a_replay_has():
    benchmark = {"type": "trace-replay", "isl": None, "osl": None, "trace_file": "/t/x.jsonl", "concurrencies": [1]}
    for args, runs in (({}, 1), ({"num-profile-runs": 3}, 3), ({"num_profile_runs": 3}, 3)):
        plan = jobs.plan_of(python="/venv/bin/python", benchmark={**benchmark, "aiperf_args": args})
        (point,) = plan["benchmark"]["points"]
        assert point["expect"] == {"models": [point["parameters"]["model"]], "runs": runs}


# A command of the user's own.

COMMAND = {
    None: ({}, None),
    "all failed": ({"completed": 0, "failed": 20}, "no request completed"),
    "half failed": ({"completed": 10, "failed": 10}, "10 of 20 requests did not complete"),
    "no tokens": ({"total_output_tokens": 0}, "no output tokens were received"),
    "wrong model": ({"model_id": "other"}, "another model: 'other', not m"),
    "gone midway": ({"completed": 12}, "20 requests were planned, but the result has 12"),
    "garbage": (None, "result file is broken: result.json"),
    "nothing": ("", "left no result file that is known"),
}


@pytest.mark.parametrize(("outcome", "change", "said"), [(key, *value) for key, value in COMMAND.items()])
def test_a_command(tmp_path, outcome, change, said):
    text = json.dumps({**VLLM, **change}) if isinstance(change, dict) else json.dumps(VLLM)[:-30]
    reasons = judged("custom", program(tmp_path, {} if change == "" else {"result.json": text}), {"models": ["m"]})
    assert reasons == [] if outcome is None else refused(reasons, said) is None


def test_every_type_and_every_outcome_is_here():
    types = {*TASKS, *CLIENTS, "trace-replay", "mooncake-router", "custom", "manual"}
    assert types == {*BENCHMARKS}
    for table in (EXAM, ENGINE, OURS, REPLAY, COMMAND):
        assert {*OUTCOMES} <= {*table}
