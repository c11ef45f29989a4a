# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError


def test_points():
    plan = jobs.plan_of(benchmark={"random_range_ratio": 0.5, "seed": 3})
    first, second = plan["benchmark"]["points"]
    assert (first["name"], second["name"]) == ("bench_c4", "bench_c16")
    folder = "results/sa-bench_isl_128_osl_16"
    assert first["result"] == f"{folder}/results_concurrency_4_gpus_16_ctx_8_gen_8.json"
    assert first["progress"] == f"{folder}/results_concurrency_4_gpus_16_ctx_8_gen_8.progress.json"
    assert first["expect"] == {"num_prompts": 40, "isl": 128, "osl": 16}
    step = first["step"]
    assert step["tier"] == "benchmark" and not step["critical"] and step["nodes"] == ["n1"]
    assert step["argv"][:5] == ["python3", "-E", "-X", "utf8", "/out/7/programs/load_client"]
    for flag, value in {
        "--base-url": "http://10.0.0.1:8000",
        "--endpoint": "/v1/completions",
        "--model": "tiny",
        "--tokenizer": "/models/tiny",
        "--isl": "128",
        "--osl": "16",
        "--concurrency": "4",
        "--num-prompts": "40",
        "--num-warmup": "8",
        "--request-rate": "inf",
        "--random-range-ratio": "0.5",
        "--seed": "3",
        "--gpus": "16",
        "--prefill-gpus": "8",
        "--result": f"/out/7/{first['result']}",
        "--progress": f"/out/7/{first['progress']}",
    }.items():
        assert jobs.option(step["argv"], flag) == value
    program = sorted((jobs.ROOT / "plugins/module_utils/load_client").glob("*.py"))
    own = [path for path in step["files"] if path.startswith("programs/load_client/")]
    assert own == [f"programs/load_client/{one.name}" for one in program]
    shipped = {one["path"]: one["content"] for one in plan["files"]}
    assert [shipped[path] for path in own] == [one.read_text(encoding="utf-8") for one in program]


def test_the_load_client_ignores_pythons_variables_unless_the_job_sets_them_for_it():
    def flags(**benchmark):
        argv = jobs.plan_of(benchmark=benchmark)["benchmark"]["points"][0]["step"]["argv"]
        return argv[1 : argv.index("/out/7/programs/load_client")]

    assert flags() == ["-E", "-X", "utf8"]
    assert flags(env={"PYTHONPATH": "/mine"}) == ["-X", "utf8"]


@pytest.mark.parametrize("key", ["slow_down_sleep_time", "slow_down_wait_time"])
def test_an_engine_that_is_slowed_down_on_purpose_is_not_measured(key):
    with pytest.raises(SpecError) as error:
        jobs.spec_of(benchmark={key: 1})
    (problem,) = error.value.problems
    assert problem["path"] == f"benchmark.{key}" and problem["code"] == "not_supported"
    assert "sleeps between its steps" in problem["problem"] and "num_warmup_mult" in problem["remedy"]
    jobs.spec_of(benchmark={key: 0})


def test_aggregated_result_name():
    plan = jobs.plan_of(resources=jobs.AGGREGATED)
    point = plan["benchmark"]["points"][0]
    assert point["result"].endswith("results_concurrency_4_gpus_8.json")
    assert "--prefill-gpus" not in point["step"]["argv"]


def test_text_form_and_connections():
    plan = jobs.plan_of(benchmark={"concurrencies": "1x2x3", "reuse_http_connections": False, "req_rate": 2.5})
    points = plan["benchmark"]["points"]
    assert [point["key"] for point in points] == [{"concurrency": n} for n in (1, 2, 3)]
    assert "--no-reuse-connections" in points[0]["step"]["argv"]
    assert jobs.option(points[0]["step"]["argv"], "--request-rate") == "2.5"


def test_client_on_its_own_node():
    plan = jobs.plan_of(benchmark={"client_dedicated_node": True})
    assert len(plan["nodes"]) == 3 and plan["benchmark"]["points"][0]["step"]["nodes"] == ["n3"]


@pytest.mark.parametrize("key", ["isl", "osl", "concurrencies"])
def test_missing_parameters(key):
    with pytest.raises(SpecError, match=f"benchmark.{key}: is missing"):
        jobs.spec_of(benchmark={key: None})


def test_all_missing_parameters_at_once():
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(benchmark={"isl": None, "osl": None, "concurrencies": None})
    assert len(caught.value.problems) == 3


def test_manual_measures_nothing():
    plan = jobs.plan_of(benchmark={"type": "manual"})
    assert plan["benchmark"] == {"type": "manual", "points": []}
    assert not [one for one in plan["files"] if one["path"].startswith("programs/load_client")]


def test_the_tokenizer_of_a_model_from_the_hub():
    spec = jobs.spec_of(model={"path": "hf:org/name"}, backend={"decode_environment": {"HF_HOME": "/scratch/hf"}})
    step = jobs.plan_of(spec)["benchmark"]["points"][0]["step"]
    assert jobs.option(step["argv"], "--tokenizer") == "hf:org/name" and step["env"]["HF_HOME"] == "/scratch/hf"
    (note,) = [one for one in BENCHMARKS["sa-bench"].notes(spec) if "tokenizer of hf:org/name" in one]
    assert "HF_HOME=/scratch/hf" in note and "custom_tokenizer" in note
    spec = jobs.spec_of(
        model={"path": "hf:org/name"}, environment={"HF_HOME": "/a"}, benchmark={"env": {"HF_HOME": "/b"}}
    )
    assert jobs.plan_of(spec)["benchmark"]["points"][0]["step"]["env"]["HF_HOME"] == "/b"
    assert "HF_HOME=/b" in BENCHMARKS["sa-bench"].notes(spec)[0]


def test_another_tokenizer_makes_another_point():
    def digest(**benchmark):
        return jobs.plan_of(benchmark=benchmark)["benchmark"]["points"][0]["digest"]

    assert len({digest(), digest(custom_tokenizer="/t"), digest(custom_tokenizer="/u")}) == 3


def test_a_tokenizer_of_python_code_is_named_in_the_point_and_in_a_note():
    spec = jobs.spec_of(benchmark={"custom_tokenizer": "some.module.Tokenizer"})
    plan = jobs.plan_of(spec)
    assert plan["benchmark"]["points"][0]["parameters"]["tokenizer"] == "the model's, not some.module.Tokenizer"
    assert jobs.option(plan["benchmark"]["points"][0]["step"]["argv"], "--tokenizer") == "/models/tiny"
    (note,) = [one for one in plan["notes"] if one.startswith("benchmark.custom_tokenizer")]
    assert "some.module.Tokenizer names Python code" in note and "the workload differs" in note


def test_each_point_says_how_many_requests_are_in_flight():
    points = jobs.plan_of()["benchmark"]["points"]
    assert [BENCHMARKS["sa-bench"].in_flight(point) for point in points] == [4, 16]


def test_a_tokenizer_directory_instead_of_the_hub():
    plan = jobs.plan_of(model={"path": "hf:org/name"}, benchmark={"custom_tokenizer": "/t"})
    assert jobs.option(plan["benchmark"]["points"][0]["step"]["argv"], "--tokenizer") == "/t"
    assert jobs.option(jobs.step(plan, "prefill_0")["argv"], "--model-path") == "org/name"


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_benchmark_has_the_interface(name):
    assert BENCHMARKS[name].type == name


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (
            {"state": "warmup", "done": 1, "total": 8, "errors": 0, "output_tok_s": None},
            "c=4 warm-up 1/8 done, 0 tok/s",
        ),
        (
            {"state": "done", "done": 8, "total": 8, "errors": 2, "output_tok_s": 5},
            "c=4 8/8 done, 5 tok/s, 2 errors",
        ),
    ],
)
def test_progress_lines(progress, line):
    assert BENCHMARKS["sa-bench"].progress({"label": "c=4"}, progress).line.startswith(line)
