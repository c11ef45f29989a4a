# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/rollup.schema.json is that of rollup.json: of our runs in every state, and of runs of srtctl."""

from __future__ import annotations

import json

import foreign_runs
import jobs
import jsonschema
import pytest
from ansible_collections.srt.slurm.plugins.module_utils import collection_version
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.results import document, foreign, rollup_schema, srtctl_shape
from ansible_collections.srt.slurm.plugins.module_utils.results.rollup_file import Rollup
from ansible_collections.srt.slurm.plugins.module_utils.stages import rollup

PUBLISHED = jobs.ROOT / "docs" / rollup_schema.NAME


def check(made):
    schema = json.loads(PUBLISHED.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(made)))
    return made


def finished(helpers, run_dir, **options):
    plan = helpers.make_plan(run_dir, **options)
    for point in plan["benchmark"]["points"]:
        helpers.write_point(run_dir, point, helpers.raw_result(point["key"]["concurrency"]))
    return plan


def test_the_published_schema_is_that_of_the_code():
    assert PUBLISHED.read_text() == rollup_schema.documents()[rollup_schema.NAME], "run bin/make-job-reference"
    assert set(rollup_schema.DESCRIBED) <= set(Rollup.__annotations__)


@pytest.mark.parametrize("options", [{}, {"concurrencies": ()}, {"backend": "sglang", "sglang_config": {"decode": {}}}])
def test_a_rollup_of_ours_fits(helpers, run_dir, options):
    check(document.build(finished(helpers, run_dir, **options), "2026-11-30T10:00:00.000Z"))


def test_a_rollup_of_a_run_that_failed_fits_and_says_what_it_lacks(helpers, run_dir):
    plan = helpers.make_plan(run_dir)
    first = plan["benchmark"]["points"][0]
    helpers.write_point(run_dir, first, helpers.raw_result(4), ["too many errors"])
    made = check(document.build(plan, "T", {"task": "Health", "msg": "decode 1/2"}))
    assert (made["complete"], made["valid"]) == (False, False)
    assert made["incomplete"][0] == "c=16: not measured"
    assert made["incomplete"][1].startswith("worker logs: 3 of 3 are missing")


def test_a_measurement_that_was_cut_is_told(helpers, run_dir):
    plan = helpers.make_plan(run_dir, concurrencies=(4,))
    path = run_dir / plan["benchmark"]["points"][0]["result"]
    foreign_runs.write(path.with_suffix(".partial.json"), {})
    assert "c=4: its measurement did not complete" in document.build(plan, "T")["incomplete"]


def test_a_run_with_all_its_points_and_logs_is_complete(helpers, run_dir):
    plan = finished(helpers, run_dir)
    for step in plan["steps"]:
        foreign_runs.write(
            run_dir / step["log"].replace("%N", step["nodes"][0]), "[TensorRT-LLM] TensorRT LLM version: 1.2\n"
        )
    made = check(document.build(plan, "T"))
    assert (made["complete"], made["incomplete"]) == (True, [])
    assert made["provenance"]["engines"] == {"tensorrt_llm": ["1.2"]}
    assert made["provenance"]["nodes"] == ["node0001", "node0002", "node0003"]


@pytest.mark.parametrize("age", [foreign_runs.of_2026, foreign_runs.of_early_2026, foreign_runs.of_2025])
def test_a_rollup_of_srtctl_fits(tmp_path, age):
    check(foreign.read(str(age(tmp_path))))


def test_the_schema_refuses_what_is_no_rollup(helpers, run_dir):
    made = document.build(finished(helpers, run_dir), "T")
    for change in ({"valid": "yes"}, {"results": [{"name": "x"}]}, {"schema_version": 2}, {"notes": [1]}):
        with pytest.raises(jsonschema.ValidationError):
            check({**made, **change})
    del made["complete"]
    with pytest.raises(jsonschema.ValidationError):
        check(made)


def test_the_version_of_the_collection_is_that_of_galaxy_yml():
    assert f"\nversion: {collection_version.VERSION}\n" in (jobs.ROOT / "galaxy.yml").read_text()


def test_gpus_that_no_worker_uses_are_told_and_divide_nothing(helpers, run_dir):
    plan = finished(helpers, run_dir)
    plan["nodes"].append({"name": "node0004", "address": "10.0.0.4", "roles": ["infra"], "gpus": 8})
    made = document.build(plan, "T")
    assert (made["total_gpus"], made["allocated_gpus"], made["idle_gpus"]) == (24, 32, 8)
    one = made["results"][0]
    wanted = {
        "output_tps_per_gpu": 13.333333, "output_tps_per_decode_gpu": 40.0, "input_tps_per_prefill_gpu": 80.0,
        "input_tps": 1280.0, "interactivity": 83.333333,
    }  # fmt: skip
    assert {key: one[key] for key in wanted} == wanted


def test_the_files_in_the_shape_of_srtctl_have_only_points_that_count(helpers, run_dir):
    plan = finished(helpers, run_dir)
    helpers.write_point(run_dir, plan["benchmark"]["points"][1], helpers.raw_result(16), ["too many errors"])
    foreign_runs.write(run_dir / "plan.json", plan)
    rollup.run({"plan_path": str(run_dir / "plan.json"), "plan": None, "failure": {}}, Context())
    made = json.loads((run_dir / f"{srtctl_shape.NAME}.json").read_text())
    assert [run["concurrency"] for run in made["runs"]] == [4]
    assert made["config"] == {"model": "tiny", "isl": 64, "osl": 16}
    assert (made["runs"][0]["throughput_toks"], made["runs"][0]["ttft_p99_ms"]) == (320.0, 4.0)
    header, *rows = (run_dir / f"{srtctl_shape.NAME}.csv").read_text().splitlines()
    assert header.startswith("Config,Total GPU Count,Decode GPU Count,Total Working GPU Count,")
    assert rows == ["job,24,8,24,8,16,4,1600,320,4,8,12,,125,66.667"]


def test_the_image_of_the_workers_and_the_job_in_slurm_are_told(helpers, run_dir):
    plan = finished(helpers, run_dir)
    plan["spec"]["model"]["container"] = "/images/sglang.sqsh"
    plan["spec"]["slurm"] = {"partition": "gpu", "account": "me", "time_limit": "01:00:00"}
    plan["inputs"] = {"model.container": {"path": "/images/sglang.sqsh", "fingerprint": "sha256:12"}}
    foreign_runs.write(run_dir / "77.json", {"slurm_cluster": "big@login", "submitted_at": "2026-11-30T10:00:00Z"})
    told = check(document.build(plan, "T"))["provenance"]
    assert told["container"] == {"image": "/images/sglang.sqsh", "fingerprint": "sha256:12"}
    wanted = {"cluster": "big@login", "partition": "gpu", "account": "me", "version": None}
    assert {key: told["slurm"][key] for key in wanted} == wanted
    assert told["slurm"]["submitted_at"] == "2026-11-30T10:00:00Z"


def test_without_logs_what_they_said_stays(helpers, run_dir):
    """A copy of a run without its logs is as complete as the run was."""
    plan = finished(helpers, run_dir)
    for step in plan["steps"]:
        foreign_runs.write(run_dir / step["log"].replace("%N", step["nodes"][0]), "vLLM API server version 0.11.0\n")
    foreign_runs.write(run_dir / "plan.json", plan)
    assert rollup.run({"run_dir": str(run_dir)}, Context())["rollup"]["complete"] is True
    (run_dir / "logs").rename(run_dir / "elsewhere")
    again = rollup.run({"run_dir": str(run_dir)}, Context())
    assert (again["changed"], again["rollup"]["complete"]) == (False, True)
    assert again["rollup"]["provenance"]["engines"] == {"vllm": ["0.11.0"]}
