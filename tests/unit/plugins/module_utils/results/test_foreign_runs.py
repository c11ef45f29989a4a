# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run directories of srtctl, of each age: the figures are read, nothing is called valid, and runs are never mixed."""

from __future__ import annotations

import csv
import json
import os

import foreign_runs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.results import foreign
from ansible_collections.srt.slurm.plugins.module_utils.results.foreign.points import DOUBT
from ansible_collections.srt.slurm.plugins.module_utils.results.rollup_file import Rollup, read_rollup
from ansible_collections.srt.slurm.plugins.module_utils.stages import rollup
from foreign_runs import metadata, name_of, result, write
from result_files import AIPERF, LM_EVAL

AGES = {"2026": foreign_runs.of_2026, "early 2026": foreign_runs.of_early_2026, "2025": foreign_runs.of_2025}


@pytest.fixture(params=AGES)
def run(request, tmp_path):
    return AGES[request.param](tmp_path)


def by_label(made):
    return {one["label"]: one for one in made["results"]}


def test_a_run_of_any_age_has_its_figures_and_is_passed_at_best(run):
    made = foreign.read(str(run))
    assert set(Rollup.__required_keys__) <= set(made)
    assert (made["valid"], made["passed"], made["invalid_reasons"], made["complete"]) == (False, True, [], True)
    assert list(by_label(made)) == ["c=4", "c=16"]
    one = by_label(made)["c=16"]
    assert (one["state"], one["valid"], one["doubts"]) == ("passed", False, [DOUBT])
    wanted = {
        "output_tps": 3200.0, "total_tps": 35200.0, "total_input_tokens": 160000, "p99_ttft_ms": 20.0, "failed": 0,
        "output_tps_per_gpu": 133.333333, "output_tps_per_decode_gpu": 200.0, "input_tps_per_prefill_gpu": 4000.0,
        "interactivity": 200.0, "p90_ttft_ms": None,
    }  # fmt: skip
    assert {key: one[key] for key in wanted} == wanted
    sizes = ("total_gpus", "prefill_gpus", "decode_gpus", "idle_gpus", "prefill_workers", "decode_workers")
    assert [made[key] for key in sizes] == [24, 8, 16, 0, 1, 2]
    assert (made["benchmark_type"], made["isl"], made["osl"]) == ("sa-bench", 1024, 128)
    assert (made["is_disaggregated"], made["model_name"], made["gpu_type"]) == (True, "tiny", "h100")
    assert made["source"]["program"] == "srtctl" and made["max_output_tps"] == 3200.0
    workers = made["nodes_summary"]
    assert workers["total_prefill_nodes"] == 1 and workers["overall_cache_hit_rate"] == 50.0
    assert workers["avg_decode_gen_throughput"] == 50.5


def test_what_the_newest_form_says_beside_the_figures(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    made = foreign.read(str(run))
    assert (made["job_id"], made["job_name"], made["tags"]) == ("4711", "a-job", ["nightly"])
    assert (made["backend_type"], made["frontend_type"], made["precision"]) == ("sglang", "dynamo", "fp8")
    assert made["started_at"] == "2026-08-01T10:00:04.000Z" and made["ended_at"] == "2026-08-01T10:00:21.000Z"
    assert made["environment_config"]["prefill_engine_config"] == {"tp-size": 8, "api-key": "[redacted]"}
    assert made["environment_config"]["environment"] == {"HF_TOKEN": "[redacted]", "A": "1"}
    assert made["provenance"]["engines"] == {"sglang": ["0.5.23"]}
    assert made["provenance"]["container"] == "/images/sglang.sqsh"
    launch = made["nodes_summary"]["nodes"][0]["launch_command"]
    assert launch["tp_size"] == 8 and "abc" not in launch["raw_command"]
    assert "hf_secret" not in json.dumps(made)
    assert foreign.read(str(run / "logs"))["source"]["path"] == str(run)


def test_the_rollup_module_writes_it_where_tables_and_other_readers_find_it(run):
    def call(**options):
        return rollup.run({"run_dir": str(run), **options}, Context())

    done = call()
    assert (done["changed"], done["valid"], done["chosen_ok"]) == (True, False, True)
    assert "The run has passed. These points are not called valid:" in done["table"]
    assert read_rollup(done["path"]) == done["rollup"]
    with open(done["csv_path"], encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["concurrency"], row["topology"], row["output_tps_per_gpu"]) for row in rows] == [
        ("4", "1P/2D", "33.333333"), ("16", "1P/2D", "133.333333"),
    ]  # fmt: skip
    assert call()["changed"] is False


def test_check_mode_writes_nothing(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    done = rollup.run({"run_dir": str(run)}, Context(check_mode=True, diff=True))
    assert done["changed"] is True and "c=16" not in done["diff"]["before"] and not (run / "rollup.json").exists()


def test_what_was_planned_and_has_no_result_is_not_measured(tmp_path):
    made = foreign.read(str(foreign_runs.of_2026(tmp_path, levels=(4,))))
    assert by_label(made)["c=16"]["state"] == "not_measured" and made["passed"] is False
    assert (made["complete"], made["incomplete"]) == (False, ["c=16: not measured"])


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        (
            {"completed": 0, "errors": ["x"] * 40, "mean_ttft_ms": 0, "p99_ttft_ms": 0},
            "invalid",
            "no request completed",
        ),
        ({"completed": 39, "errors": ["HTTP 500", *[""] * 39]}, "invalid", "1 of 40 requests did not complete"),
        ({"total_output_tokens": 0}, "invalid", "no output tokens were received"),
        ({"total_output_tokens": 4000000}, "passed", "it says out 800.0 tok/s, but 4,000,000 in 5.0 s are 800,000.0"),
        ({"ttfts": [12.0] * 40}, "passed", "its mean TTFT is 12 ms, but that of its single requests is 12000 ms"),
    ],
)
def test_a_result_that_proves_its_own_failure_is_not_passed(tmp_path, change, state, reason):
    run = foreign_runs.of_2026(tmp_path)
    write(run / "logs" / name_of(4), result(4, **change))
    one = by_label(foreign.read(str(run)))["c=4"]
    assert one["state"] == state
    assert any(reason in text for text in one["invalid_reasons"] + one.get("doubts", []))
    if not change.get("completed", 1):
        assert one["mean_ttft_ms"] is None and one["p99_ttft_ms"] is None


def test_a_result_that_was_cut_is_not_valid_and_makes_the_rollup_incomplete(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    write(run / "logs" / name_of(4), json.dumps(result(4))[:300])
    made = foreign.read(str(run))
    assert by_label(made)["c=4"]["state"] == "invalid" and made["complete"] is False
    assert "its result file cannot be read" in by_label(made)["c=4"]["invalid_reasons"][0]


def test_a_measurement_that_srtctl_calls_interrupted_is_not_valid(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    window = {"concurrency": 4, "status": "interrupted", "reason": "SIGTERM"}
    write(run / "logs" / "power" / "windows" / "results_concurrency_4.json", window)
    assert by_label(foreign.read(str(run)))["c=4"]["invalid_reasons"] == [
        "srtctl says that its measurement is interrupted: SIGTERM"
    ]


def _mixed(path, content):
    return lambda run: write(run / path, content)


@pytest.mark.parametrize(
    ("mix", "words"),
    [
        (_mixed("4712.json", metadata("4712")), "the job is 4711 in 4711.json, but 4712 in 4712.json"),
        (_mixed("logs/sweep_99.log", "x"), "but 99 in logs/sweep_99.log"),
        (_mixed("4712/4712.json", metadata("4712")), "but 4712 in 4712/4712.json"),
        (_mixed("logs/sa-bench_isl_8192_osl_128/results_concurrency_8_gpus_24_ctx_8_gen_16.json", result(8)),
         "isl and osl is 1024 and 128"),
        (_mixed(f"logs/{name_of(64, 'gpus_16')}", result(64)), "the number of GPUs is"),
        (_mixed(f"logs/{name_of(64)}", result(64, model_id="another")), "the model of sa-bench is tiny"),
        (_mixed("logs/again/" + name_of(4), result(4)), "has two results of c=4"),
        (_mixed("config.yaml", foreign_runs.RECIPE.replace("decode_workers: 2", "decode_workers: 4")),
         "the number of decode workers is 2"),
    ],
)  # fmt: skip
def test_files_of_different_runs_in_one_directory_are_refused(tmp_path, mix, words):
    run = foreign_runs.of_2026(tmp_path)
    mix(run)
    with pytest.raises(Error, match="Put the files of each run") as caught:
        foreign.read(str(run))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "is no run directory of srtctl"),
        ({"plan.json": "{}"}, "is a run directory of srt.slurm, not of srtctl"),
        (
            {f"{one}/{one}.json": metadata(one) for one in ("4711", "4712")},
            "but has some: 4711, 4712. Name one of them.",
        ),
    ],
)
def test_another_directory_is_an_error_that_says_what_to_name(tmp_path, files, words):
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(Error) as caught:
        foreign.read(str(tmp_path))
    assert words in str(caught.value)


def test_unknown_files_are_counted_and_named(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    for number in range(7):
        write(run / "logs" / "own" / f"x{number}.json", {"a": 1})
    (note,) = (one for one in foreign.read(str(run))["notes"] if "no known program" in one)
    assert note.startswith("7 files that no known program writes: logs/own/x0.json, ") and "and 2 more" in note


def test_results_without_any_metadata_take_the_gpus_from_their_names(tmp_path):
    run = tmp_path / "found"
    for level in (4, 16):
        write(run / name_of(level, "gpus_8"), result(level))
    made = foreign.read(str(run))
    assert (made["total_gpus"], made["agg_gpus"], made["is_disaggregated"]) == (8, 8, False)
    assert by_label(made)["c=4"]["output_tps_per_gpu"] == 100.0
    assert by_label(made)["c=4"]["output_tps_per_decode_gpu"] is None


def test_runs_of_aiperf_are_points_of_their_own_and_a_warm_up_is_none(tmp_path):
    run = tmp_path / "4711"
    load = {"type": "trace-replay", "concurrencies": "4x16"}
    write(run / "4711.json", metadata(benchmark=load))
    for number, level in enumerate((4, 4, 16)):
        place = (
            run / "logs" / "artifacts" / f"m_trace_c{level}_2026080{number + 1}_101010" / "profile_export_aiperf.json"
        )
        write(place, {**AIPERF, "input_config": {"loadgen": {"concurrency": level}}})
    made = foreign.read(str(run))
    assert list(by_label(made)) == ["c=4", "c=16"]
    assert by_label(made)["c=4"]["path"].split(os.sep)[2] == "m_trace_c4_20260802_101010"
    assert any("1 result(s) are of a warm-up or an earlier attempt" in note for note in made["notes"])


def test_the_last_start_of_aiperf_is_the_measurement_of_a_workload(tmp_path):
    run = tmp_path / "4711"
    write(run / "4711.json", metadata(benchmark={"type": "mooncake-router"}))
    artifacts, name = run / "logs" / "artifacts", "profile_export_aiperf.json"
    whole = {key: value for key, value in AIPERF.items() if key != "error_request_count"}
    write(artifacts / "m_conversation_20260801_101010" / name, whole)  # with 16 requests in flight
    write(artifacts / "a_conversation_20260801_101510" / name, {**whole, "input_config": {}})
    (one,) = foreign.read(str(run))["results"]
    assert (one["workload"], one["label"], one["state"]) == ("conversation", "conversation", "passed")
    assert "101510" in one["path"]


def test_a_warm_up_that_no_recipe_asks_for_is_no_point(tmp_path):
    run = tmp_path / "4711"
    write(run / "4711.json", metadata(benchmark={"type": "trace-replay", "concurrencies": [4]}))
    for level, place in ((1, "m_warmup_20260801_101010"), (4, "m_trace_c4_20260801_101510")):
        content = {**AIPERF, "input_config": {"loadgen": {"concurrency": level}}}
        write(run / "logs" / "artifacts" / place / "profile_export_aiperf.json", content)
    made = foreign.read(str(run))
    assert list(by_label(made)) == ["c=4"] and any("warm-up" in note for note in made["notes"])


def test_a_score_beside_a_load_is_told_and_is_no_point(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    write(run / "logs" / "lm_eval" / "results_2026.json", LM_EVAL)
    made = foreign.read(str(run))
    assert len(made["results"]) == 2
    assert any("is of another benchmark, lm-eval, score 0.8500" in note for note in made["notes"])


def test_a_run_of_an_unknown_engine_and_benchmark_is_read_as_far_as_it_is_known(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    for name in ("4711.json", "logs/4711.json"):
        write(run / name, metadata(backend_type="tilert", benchmark={"type": "agentx"}))
    for name in ("config.yaml", "logs/config.yaml", "recipe.lock.yaml"):
        (run / name).unlink()
    made = foreign.read(str(run))
    assert (made["benchmark_type"], made["source"]["benchmark_type"]) == ("sa-bench", "agentx")
    assert (made["backend_type"], made["passed"], made["complete"]) == ("tilert", True, False)
    assert any("worker log(s) of tilert are not read" in one for one in made["incomplete"])


def test_a_rollup_of_another_program_is_not_overwritten(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    write(run / "rollup.json", {"mine": 1})
    with pytest.raises(Error, match="would be overwritten. Move it away"):
        rollup.run({"run_dir": str(run)}, Context())


def test_a_run_directory_of_our_own_that_was_moved_is_rolled_up_where_it_is_now(helpers, run_dir, tmp_path):
    plan = helpers.make_plan(run_dir)
    for point in plan["benchmark"]["points"]:
        helpers.write_point(run_dir, point, helpers.raw_result(point["key"]["concurrency"]))
    write(run_dir / "plan.json", plan)
    moved = tmp_path / "elsewhere"
    run_dir.rename(moved)
    done = rollup.run({"run_dir": str(moved)}, Context())
    assert (done["valid"], done["path"]) == (True, str(moved / "rollup.json"))
    assert json.loads((moved / "benchmark-rollup.json").read_text())["runs"][0]["throughput_toks"] == 320.0


PRINTED = """\
============ Serving Benchmark Result ============
Backend:                                 sglang-oai
Traffic request rate:                    inf
Max request concurrency:                 {level}
Successful requests:                     128
Benchmark duration (s):                  4.00
Total input tokens:                      131072
Total generated tokens:                  12800
Total generated tokens (retokenized):    12790
Request throughput (req/s):              32.00
Output token throughput (tok/s):         3200.00
Total token throughput (tok/s):          35968.00
Concurrency:                             3.93
----------------End-to-End Latency----------------
Mean E2E Latency (ms):                   492.10
---------------Time to First Token----------------
Mean TTFT (ms):                          30.50
P99 TTFT (ms):                           55.00
---------------Inter-Token Latency----------------
Median ITL (ms):                         5.00
==================================================
"""


def test_results_that_were_only_printed_are_read_from_the_log(tmp_path):
    run = tmp_path / "4711"
    write(run / "4711.json", metadata(benchmark={"type": "sglang-bench", "isl": 1024, "osl": 100}))
    write(run / "logs" / "benchmark.out", "[CMD] x\n" + PRINTED.format(level=4) + "more\n" + PRINTED.format(level=16))
    made = foreign.read(str(run))
    assert (made["benchmark_type"], list(by_label(made))) == ("sglang-bench", ["c=4", "c=16"])
    one = by_label(made)["c=16"]
    wanted = {"completed": 128, "output_tps": 3200, "mean_e2el_ms": 492.1, "p99_ttft_ms": 55, "interactivity": 200.0}
    assert {key: one[key] for key in wanted} == wanted and one["state"] == "passed"
    assert "its result does not say how many requests failed" in one["doubts"]
    assert (one["measured_by"], one["path"]) == ("sglang.bench_serving", "logs/benchmark.out")
