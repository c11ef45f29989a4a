# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollup.json, rollup.csv and the table."""

from __future__ import annotations

import csv
import io
import json
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.results import document, outcome, tables
from ansible_collections.srt.slurm.plugins.module_utils.results.earlier import standing_for
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import read_verdict, write_verdict
from ansible_collections.srt.slurm.plugins.module_utils.stages import rollup

TOP_KEYS = [
    "job_id",
    "job_name",
    "generated_at",
    "model_path",
    "model_name",
    "precision",
    "gpu_type",
    "gpus_per_node",
    "backend_type",
    "frontend_type",
    "is_disaggregated",
    "total_nodes",
    "total_gpus",
    "prefill_nodes",
    "decode_nodes",
    "prefill_workers",
    "decode_workers",
    "prefill_gpus",
    "decode_gpus",
    "agg_nodes",
    "agg_workers",
    "benchmark_type",
    "isl",
    "osl",
    "concurrencies",
    "results",
    "max_output_tps",
    "max_total_tps",
    "min_mean_ttft_ms",
    "min_mean_itl_ms",
    "nodes_summary",
    "environment_config",
    "benchmark_command",
    "tags",
    "schema_version",
    "valid",
    "invalid_reasons",
]


def finished(helpers, run_dir, **options):
    plan = helpers.make_plan(run_dir, **options)
    (run_dir / "77.json").write_text(json.dumps({"job_name": "job", "tags": ["x"]}))
    for point in plan["benchmark"]["points"]:
        helpers.write_point(run_dir, point, helpers.raw_result(point["key"]["concurrency"]))
    return plan


def call(plan, check=False, diff=False, **params):
    path = f"{plan['run_dir']}/plan.json"
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(plan, stream)
    return rollup.run({"plan_path": path, "plan": None, "failure": {}, **params}, Context(check_mode=check, diff=diff))


def test_a_whole_run(helpers, run_dir):
    result = call(finished(helpers, run_dir))
    made = json.loads((run_dir / "rollup.json").read_text())
    assert result["rollup"] == made
    assert set(TOP_KEYS) <= set(made)
    assert (result["changed"], result["valid"], result["reasons"]) == (True, True, [])
    assert (made["concurrencies"], made["max_output_tps"], made["max_total_tps"]) == ([4, 16], 1280.0, 6400.0)
    assert (made["min_mean_ttft_ms"], made["min_mean_itl_ms"]) == (4.0, 12.0)
    assert (made["total_nodes"], made["total_gpus"], made["prefill_gpus"], made["decode_workers"]) == (3, 24, 16, 1)
    assert (made["is_disaggregated"], made["model_name"], made["tags"]) == (True, "tiny", ["x"])
    assert made["generated_at"].endswith("Z")
    assert made["started_at"] == "2026-11-21T10:00:00.000Z"
    first = made["results"][0]
    assert (first["valid"], first["output_tps_per_gpu"], first["output_tps_per_user"]) == (True, 13.333333, 125.0)
    assert made["benchmark_command"]["base_url"] == "http://h:8000"


def test_secrets_stay_out(helpers, run_dir):
    call(finished(helpers, run_dir))
    text = (run_dir / "rollup.json").read_text() + (run_dir / "rollup.csv").read_text()
    assert "hf_x" not in text
    config = json.loads((run_dir / "rollup.json").read_text())["environment_config"]
    assert config["prefill_environment"] == {"A": "1", "HF_TOKEN": "[redacted]"}
    assert config["environment"] == {"B": "2"}
    assert config["backend_options"] == {"type": "mocker", "speedup_ratio": 100.0}


def test_the_same_again_changes_nothing(helpers, run_dir):
    plan = finished(helpers, run_dir)
    call(plan)
    before = (run_dir / "rollup.json").read_bytes(), (run_dir / "rollup.json").stat().st_mtime_ns
    again = call(plan)
    assert again["changed"] is False
    assert ((run_dir / "rollup.json").read_bytes(), (run_dir / "rollup.json").stat().st_mtime_ns) == before
    (run_dir / "rollup.csv").unlink()
    assert call(plan)["changed"] is True
    assert (run_dir / "rollup.csv").exists()


def test_an_invalid_point_counts_for_no_maximum_and_makes_the_run_invalid(helpers, run_dir):
    plan = finished(helpers, run_dir)
    helpers.write_point(run_dir, plan["benchmark"]["points"][1], helpers.raw_result(16), ["too many errors"])
    result = call(plan)
    assert (result["valid"], result["reasons"]) == (False, ["c=16: too many errors"])
    assert result["rollup"]["max_output_tps"] == 320.0
    assert result["rollup"]["results"][1]["output_tps"] == 1280.0
    assert "NO" in result["table"]
    assert "too many errors" in result["table"]


def test_a_point_that_was_not_measured_is_there_and_invalid(helpers, run_dir):
    plan = helpers.make_plan(run_dir)
    result = call(plan)
    assert result["reasons"] == ["c=4: was not measured", "c=16: was not measured"]
    assert [record["concurrency"] for record in result["rollup"]["results"]] == [4, 16]
    assert result["rollup"]["max_output_tps"] is None


def test_a_run_is_valid_by_the_points_that_were_chosen_and_the_rollup_by_all(helpers, run_dir):
    plan = helpers.make_plan(run_dir, concurrencies=(4, 16, 64))
    helpers.write_point(run_dir, plan["benchmark"]["points"][0], helpers.raw_result(4))
    result = call(plan, concurrencies=[4])
    assert (result["chosen_ok"], result["chosen_reasons"], result["left_out"]) == (True, [], ["c=16", "c=64"])
    assert (result["valid"], result["reasons"]) == (False, ["c=16: was not measured", "c=64: was not measured"])
    stored = json.loads((run_dir / "rollup.json").read_text())
    assert (stored["valid"], stored["left_out"]) == (False, ["c=16", "c=64"])
    lines = result["table"].splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["yes", "out", "out"]
    assert lines[4] == "The selected points are valid; left out: c=16, c=64."
    assert "NOT" not in result["table"]
    assert outcome.in_words(stored) == "selected points valid; left out: c=16, c=64"
    assert call(plan)["table"].splitlines()[4:6] == ["The results are NOT valid:", "  c=16: was not measured"]


def test_a_chosen_point_that_is_missing_or_invalid_still_counts(helpers, run_dir):
    plan = helpers.make_plan(run_dir)
    first = plan["benchmark"]["points"][0]
    result = call(plan, concurrencies=[4])
    assert (result["chosen_reasons"], outcome.in_words(result["rollup"])) == (["c=4: was not measured"], "NOT valid")
    helpers.write_point(run_dir, first, helpers.raw_result(4), ["too many errors"])
    result = call(plan, concurrencies=[4])
    assert (result["chosen_ok"], result["chosen_reasons"]) == (False, ["c=4: too many errors"])
    assert result["table"].splitlines()[3:6] == [
        "The results are NOT valid:", "  c=4: too many errors", "  left out: c=16"
    ]  # fmt: skip
    helpers.write_point(run_dir, first, helpers.raw_result(4))
    assert call(plan, concurrencies=[4], failure={"task": "Health", "msg": "no"})["chosen_reasons"] == ["Health: no"]
    assert call(plan, concurrencies=[4, 5])["chosen_reasons"] == ["concurrency 5: is not a point of the plan"]
    assert call(plan, concurrencies=[16])["chosen_reasons"] == ["c=16: was not measured"]


def test_a_point_with_a_valid_result_is_not_left_out(helpers, run_dir):
    result = call(finished(helpers, run_dir), concurrencies=[4])
    assert (result["valid"], result["chosen_ok"], result["left_out"]) == (True, True, [])
    assert "The results are valid." in result["table"]


def test_check_mode_measures_no_point_that_is_left_out(helpers, run_dir):
    plan = helpers.make_plan(run_dir)
    result = call(plan, check=True, concurrencies=[4])
    assert (result["valid"], result["chosen_ok"]) == (None, None)
    assert [line.split()[-2:] for line in result["table"].splitlines()[1:3]] == [["be", "measured"], ["left", "out"]]
    helpers.write_point(run_dir, plan["benchmark"]["points"][0], helpers.raw_result(4))
    result = call(plan, check=True, concurrencies=[4])
    assert (result["chosen_ok"], result["valid"]) == (True, False)


def test_a_stage_that_failed_makes_the_run_invalid(helpers, run_dir):
    plan = finished(helpers, run_dir)
    assert call(plan, failure={"task": "Health", "msg": "decode 1/2"})["reasons"] == ["Health: decode 1/2"]
    assert call(plan, failure={"stage": "health", "msg": "x"})["reasons"] == ["health: x"]
    assert call(plan, failure={"msg": "x"})["reasons"] == ["a stage: x"]


def test_a_rollup_alone_keeps_the_failure_that_the_run_had(helpers, run_dir):
    plan = finished(helpers, run_dir)
    call(plan, failure={"task": "Health", "msg": "decode 1/2"})
    again = call(plan, failure=None)
    assert (again["reasons"], again["valid"], again["changed"]) == (["Health: decode 1/2"], False, False)
    point = plan["benchmark"]["points"][0]
    helpers.write_point(run_dir, point, helpers.raw_result(4), ["too many errors"])
    assert call(plan, failure=None)["reasons"] == ["Health: decode 1/2", "c=4: too many errors"]
    helpers.write_point(run_dir, point, helpers.raw_result(4))
    assert call(plan, failure={})["valid"] is True
    assert call(plan, failure=None)["valid"] is True


def test_a_run_without_points_says_so(helpers, run_dir):
    result = call(helpers.make_plan(run_dir, concurrencies=()))
    assert result["valid"] is True
    assert any("Nothing was measured" in note for note in result["rollup"]["notes"])
    assert "No points were planned." in result["table"]


def test_worker_logs_are_read_by_the_plans_steps(helpers, run_dir):
    plan = finished(helpers, run_dir, backend="sglang", sglang_config={"prefill": {"tp-size": 8, "api-key": "abc"}})
    (run_dir / "logs" / "node0001_prefill_0.out").write_text(
        "Prefill batch, #new-seq: 1, #new-token: 100, #cached-token: 100, input throughput (token/s): 500.0\n"
    )
    (run_dir / "logs" / "node0003_decode_0.out").write_text(
        "Decode batch, #running-req: 7, gen throughput (token/s): 50.5, #queue-req: 0\n"
    )
    made = call(plan)["rollup"]
    summary = made["nodes_summary"]
    assert [(node["node_name"], node["worker_type"], node["worker_id"]) for node in summary["nodes"]] == [
        ("node0001", "prefill", 0),
        ("node0003", "decode", 0),
    ]
    assert (summary["overall_cache_hit_rate"], summary["avg_decode_gen_throughput"]) == (50.0, 50.5)
    assert summary["nodes"][0]["tp_size"] == 8
    assert summary["nodes"][0]["launch_command"]["model_path"] == "/m/tiny"
    assert any("1 worker log(s) are missing" in note for note in made["notes"])
    assert made["environment_config"]["prefill_engine_config"] == {"tp-size": 8, "api-key": "[redacted]"}


def test_a_backend_without_batch_lines_gets_a_note(helpers, run_dir):
    made = call(finished(helpers, run_dir))["rollup"]
    assert made["nodes_summary"]["nodes"] == []
    assert any("mocker worker has no batch lines" in note for note in made["notes"])


def test_the_origin_of_a_point_is_kept(helpers, run_dir):
    plan = finished(helpers, run_dir)
    point = plan["benchmark"]["points"][0]
    origin = {"job_id": "70", "path": "/o/70/r.json", "measured_at": "2026-11-20T08:00:00.000Z"}
    helpers.write_point(run_dir, point, helpers.raw_result(4), origin=origin)
    result = call(plan)
    assert result["rollup"]["results"][0]["origin"] == {**origin, "path": None}
    assert "yes (from job 70, whose result is gone, measured 2026-11-20)" in result["table"]


def test_the_origin_is_found_where_its_directory_and_file_were_set_aside(helpers, run_dir):
    """outputs/70 may be another job's by now, whose point has the same name."""
    plan = finished(helpers, run_dir)
    point, outputs = plan["benchmark"]["points"][0], run_dir.parent
    earlier = helpers.write_point(outputs / "70", point, helpers.raw_result(4))
    helpers.write_point(
        run_dir, point, helpers.raw_result(4), origin={"job_id": "70", "path": str(earlier), "measured_at": None}
    )
    assert call(plan)["rollup"]["results"][0]["origin"]["path"] == str(earlier)
    earlier.rename(earlier.with_suffix(".attempt1.json"))
    assert call(plan)["rollup"]["results"][0]["origin"]["path"] == str(earlier.with_suffix(".attempt1.json"))
    (outputs / "70").rename(outputs / "70.earlier1")
    helpers.write_point(outputs / "70", point, helpers.raw_result(4, duration=3.0))
    result = call(plan)
    origin = result["rollup"]["results"][0]["origin"]
    assert origin["path"] == str(earlier.with_suffix(".attempt1.json")).replace("/70/", "/70.earlier1/")
    assert (origin["job_id"], origin["measured_at"]) == ("70", "2026-11-21T10:00:02.000Z")
    assert "yes (from job 70 in 70.earlier1, measured 2026-11-21)" in result["table"]
    rows = list(csv.DictReader(io.StringIO((run_dir / "rollup.csv").read_text())))
    assert rows[0]["origin"] == "70.earlier1"


def test_a_result_from_a_directory_that_was_set_aside_names_the_job(helpers, run_dir):
    plan = finished(helpers, run_dir)
    run_dir.rename(run_dir.parent / f"{run_dir.name}.earlier2")
    plan = dict(plan, run_dir=str(run_dir.parent / "99"), job_id="99")
    found = standing_for(plan, plan["benchmark"]["points"][0])
    assert (found.verdict["origin"]["job_id"], found.result) == (
        run_dir.name,
        str(run_dir.parent / f"{run_dir.name}.earlier2" / plan["benchmark"]["points"][0]["result"]),
    )


def test_check_mode_writes_nothing_and_diff_shows_both_tables(helpers, run_dir):
    plan = finished(helpers, run_dir)
    dry = call(plan, check=True, diff=True)
    assert not (run_dir / "rollup.json").exists()
    assert (dry["changed"], dry["valid"], dry["diff"]["before"]) == (True, True, "")
    assert "The results are valid." in dry["diff"]["after"]
    call(plan)
    helpers.write_point(run_dir, plan["benchmark"]["points"][0], helpers.raw_result(4), ["bad"])
    dry = call(plan, check=True, diff=True)
    assert "The results are valid." in dry["diff"]["before"]
    assert "NOT valid" in dry["diff"]["after"]


def test_a_plan_can_be_given_itself(helpers, tmp_path):
    plan = helpers.make_plan(tmp_path / "nowhere" / "JOBID")
    result = rollup.run({"plan_path": None, "plan": plan, "failure": {}}, Context(check_mode=True))
    assert result["valid"] is None
    assert result["table"].count("to be measured") == 2
    assert "NOT valid" not in result["table"]
    assert not (tmp_path / "nowhere").exists()


def test_check_mode_knows_what_would_be_taken_over(helpers, run_dir):
    earlier = finished(helpers, run_dir)
    plan = dict(earlier, run_dir=str(run_dir.parent / "JOBID"), job_id="JOBID")

    def dry(**params):
        return rollup.run({"plan_path": None, "plan": plan, "failure": {}, **params}, Context(check_mode=True))

    result = dry()
    assert result["table"].count(f"to be taken over (from job {run_dir.name}, measured 2026-11-21)") == 2, result[
        "table"
    ]
    assert result["valid"] is True and "to be measured" not in result["table"]
    assert "The results are valid." in result["table"]
    helpers.write_point(run_dir, plan["benchmark"]["points"][0], helpers.raw_result(4), ["bad"])
    result = dry()
    assert (result["table"].count("to be taken over"), result["table"].count("to be measured")) == (1, 1)
    assert result["valid"] is None
    result = dry(force=True)
    assert (result["table"].count("to be taken over"), result["table"].count("to be measured")) == (0, 2)
    assert not (run_dir.parent / "JOBID").exists()


def test_without_a_plan(tmp_path):
    with pytest.raises(Error, match="There is no plan"):
        rollup.run({"plan_path": str(tmp_path / "plan.json"), "plan": None, "failure": {}}, Context())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_rollup_that_was_cut_is_rewritten(helpers, run_dir, text):
    (run_dir / "rollup.json").write_text(text)
    assert call(finished(helpers, run_dir))["changed"] is True
    assert json.loads((run_dir / "rollup.json").read_text())["valid"] is True


def test_csv_has_one_line_a_point_with_and_without_pandas(helpers, run_dir, monkeypatch):
    plan = finished(helpers, run_dir)
    helpers.write_point(
        run_dir,
        plan["benchmark"]["points"][1],
        helpers.raw_result(16, completed=0, output_throughput=None),
        ['no, "none"', "two"],
    )
    made = document.build(plan, "T")
    monkeypatch.setitem(sys.modules, "pandas", None)
    plain = tables.csv_text(made)
    rows = list(csv.DictReader(io.StringIO(plain)))
    assert [row["concurrency"] for row in rows] == ["4", "16"]
    assert rows[0]["topology"] == "2P/1D"
    assert (rows[1]["valid"], rows[1]["invalid_reasons"], rows[1]["output_tps"]) == ("False", 'no, "none"; two', "")
    monkeypatch.undo()
    pytest.importorskip("pandas")
    assert tables.csv_text(made) == plain


def test_csv_of_no_points_has_its_header(helpers, run_dir):
    made = document.build(helpers.make_plan(run_dir, concurrencies=()), "T")
    assert tables.csv_text(made).startswith("job_id,job_name,")


def test_the_table_is_aligned(helpers, run_dir):
    lines = tables.table_text(document.build(finished(helpers, run_dir), "T")).splitlines()
    assert lines[0].split()[0] == "concurrency"
    assert lines[0].index("valid") == lines[1].index("yes") == lines[2].index("yes")
    assert "out tok/s  out tok/s/GPU  total tok/s/GPU" in lines[0]
    assert tables.table_text(None) == ""


def test_failed_requests_are_reported_in_the_table_also_when_they_are_few(helpers, run_dir):
    plan = helpers.make_plan(run_dir)
    for point, failed in zip(plan["benchmark"]["points"], (0, 1)):
        raw = helpers.raw_result(point["key"]["concurrency"])
        helpers.write_point(run_dir, point, dict(raw, failed=failed, completed=raw["completed"] - failed))
    rows = tables.table_text(document.build(plan, "T")).splitlines()
    assert (rows[1].split()[-1], rows[2].split()[-3:]) == ("yes", ["yes", "(1", "failed)"])


def test_service_gaps_that_the_job_allows_are_reported_in_the_table_and_the_csv(helpers, run_dir):
    plan = finished(helpers, run_dir)
    path = str(run_dir / plan["benchmark"]["points"][1]["result"])
    lost = "decode_0 ended during the measurement: killed by signal 9 on node003"
    write_verdict(path, {**read_verdict(path), "service_gaps": [lost]})
    made = call(plan)
    assert made["valid"] is True
    for text in (made["table"], (run_dir / "rollup.txt").read_text()):
        rows = text.splitlines()
        assert (rows[1].split()[-1], rows[2].split()[-3:]) == ("yes", ["(with", "service", "gaps)"])
        assert "The results are valid." in rows
        place = rows.index("The service was incomplete, which the job allows (faults: critical: false):")
        assert rows[place + 1] == f"  c=16: {lost}"
    rows = list(csv.DictReader(io.StringIO((run_dir / "rollup.csv").read_text())))
    assert [row["service_gaps"] for row in rows] == ["", lost]


def test_without_service_gaps_nothing_is_said_of_them(helpers, run_dir):
    assert "the job allows" not in call(finished(helpers, run_dir))["table"]
