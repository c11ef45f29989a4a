# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of type sglang-bench: sent by SGLang's client where it is installed, else by ours; either is judged."""

from __future__ import annotations

import json
import subprocess

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.sglang_bench import CHOOSE
from result_files import SGLANG
from run_results import raw_result

BENCH = BENCHMARKS["sglang-bench"]
EXPECT = {"num_prompts": 32, "isl": 100, "osl": 50}


def points(**benchmark):
    return jobs.plan_of(benchmark={"type": "sglang-bench", "isl": 100, "osl": 50, **benchmark})["benchmark"]["points"]


def test_both_clients_get_the_same_load():
    point = points(concurrencies=[8], num_prompts=32, req_rate=5, seed=3)[0]
    argv = point["step"]["argv"]
    engine, ours = " ".join(argv).split(" python3 ", 1)[1], argv[argv.index("--base-url", 40) :]
    for words in (
        "--random-input-len 100 --random-output-len 50 --random-range-ratio 1",
        "--max-concurrency 8 --num-prompts 32 --request-rate 5.0 --seed 3 --warmup-requests 0",
    ):
        assert words in engine
    options = dict(zip(ours[::2], ours[1::2]))
    assert [options[f"--{name}"] for name in ("isl", "osl", "concurrency", "num-prompts", "request-rate", "seed")] == [
        "100", "50", "8", "32", "5.0", "3",
    ]  # fmt: skip
    assert options["--num-warmup"] == "0" and point["expect"] == EXPECT
    assert points(concurrencies=[8])[0]["expect"]["num_prompts"] == 128


def test_a_service_that_has_seen_the_prompts_gets_others_from_either_client():
    step = points(concurrencies=[8], seed=3)[0]["step"]
    again = BENCH.step_again(step, 2)["argv"]
    seeds = [again[at + 1] for at, word in enumerate(again) if word == "--seed"]
    assert seeds[0] != "3" and seeds[1] == "3" and again[-2:] == ["--attempt", "2"]


@pytest.mark.parametrize(
    ("module", "sent"),
    [("sglang/benchmark/serving.py", "new"), ("sglang/bench_serving.py", "old"), (None, "ours")],
)
def test_the_engines_client_is_used_where_it_is_installed(tmp_path, module, sent):
    folder = tmp_path / "lib"
    if module:
        path = folder / module
        path.parent.mkdir(parents=True)
        for one in (folder / "sglang", path.parent):
            (one / "__init__.py").write_text("")
        path.write_text(f"import sys; print('{sent}', *sys.argv[1:])")
    words = ["--a", "b c"]
    argv = ["bash", "-c", CHOOSE, "choose", "python3", str(len(words)), *words, "echo", "ours", "d"]
    env = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ("ours d" if sent == "ours" else f"{sent} --a b c")


def judged(tmp_path, content, name):
    (tmp_path / "point.json").write_text(json.dumps({"exit_code": 0, "duration_s": 9, "concurrency": 8}))
    files = tmp_path / "point.files"
    files.mkdir()
    if content is not None:
        (files / name).write_text(json.dumps(content))
    raw = BENCH.read(str(tmp_path / "point.json"))
    return BENCH.figures(raw), BENCH.evaluate(raw, EXPECT, 0.99), BENCH.doubts(raw)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"errors": ["", "HTTP 500"] * 16, "completed": 16, "total_output_tokens": 800, "total_input_tokens": 1600},
         "16 of 32 requests did not complete"),
        ({"completed": 20, "total_output_tokens": 1000, "total_input_tokens": 2000}, "32 requests were planned"),
        ({"completed": 64, "total_output_tokens": 3200, "total_input_tokens": 6400}, "64 requests completed"),
        ({"total_output_tokens": 1000}, "1000 output tokens are not 50 for each of 32 requests"),
        ({"total_input_tokens": 100}, "100 input tokens are not 100 for each"),
        ({"completed": 0, "total_output_tokens": 0}, "no request completed"),
        ({"max_concurrency": 4}, None),  # another point's: the stage compares the concurrency
        ({"duration": 100.0}, "it is of another run"),
    ],
)  # fmt: skip
def test_a_result_of_the_engines_client_is_judged_by_the_plan(tmp_path, changes, reason):
    figures, reasons, doubts = judged(tmp_path, {**SGLANG, **changes}, "bench_serving.jsonl")
    assert doubts == [] and figures["measured_by"] == "sglang.bench_serving"
    assert any(reason in one for one in reasons) if reason else reasons == []


def test_a_result_of_our_client_is_judged_as_that_of_sa_bench(tmp_path):
    good = raw_result(8, num_prompts=32, completed=32, total_input_tokens=3200, server_input_tokens=3200,
                      total_output_tokens=1600, output_lens=[50] * 32)  # fmt: skip
    figures, reasons, _doubts = judged(tmp_path, good, "load_client.json")
    assert (reasons, figures["concurrency"], figures["measured_by"]) == ([], 8, "the load client of srt.slurm")


def test_without_any_result_the_point_is_not_valid(tmp_path):
    assert judged(tmp_path, None, "")[1] == ["its load client left no result file that is known"]
    (tmp_path / "point.files").rmdir()
    assert "not known: x.json" in judged(tmp_path, {"a": 1}, "x.json")[1][0]
