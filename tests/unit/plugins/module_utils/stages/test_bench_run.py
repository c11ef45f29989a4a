# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""bench_run point by point."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import job_end
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, StepError
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import write_verdict
from ansible_collections.srt.slurm.plugins.module_utils.stages import measurement, point_files


def actions(result):
    return [point["action"] for point in result["points"]]


def verdict_of(made, concurrency):
    point = next(point for point in made.plan["benchmark"]["points"] if point["key"]["concurrency"] == concurrency)
    return json.loads((made.run_dir / point["result"].replace(".json", ".verdict.json")).read_text())


def test_points_are_measured_in_order(made):
    result = made.call()
    assert made.holder.started() == ["bench_c4", "bench_c16"]
    assert actions(result) == ["measured", "measured"]
    assert (result["changed"], result["valid"]) == (True, True)
    first = result["points"][0]
    assert (first["concurrency"], first["valid"], first["reasons"], first["origin"]) == (4, True, [], None)
    assert first["metrics"]["output_tps"] == 320.0
    assert first["path"] == str(made.run_dir / made.plan["benchmark"]["points"][0]["result"])
    assert verdict_of(made, 4)["valid"] is True
    assert made.lines[-1].startswith("c=16 measured, valid: out 1,280.0 tok/s, TTFT mean 16.0 ms")


def test_what_is_sent_to_the_holder(made):
    made.call(concurrencies=[4])
    start = next(fields for op, fields in made.holder.asked if op == "start")
    (step,) = start["steps"]
    assert step["srun_argv"][0] == "srun"
    assert step["digest"] == "s4"
    wait = next(fields for op, fields in made.holder.asked if op == "wait")
    assert wait["watch"] == ["bench_c4"]
    assert wait["guard"] == ["prefill_0", "prefill_1", "decode_0"]


def test_the_second_run_keeps_all_and_asks_nobody(made):
    made.call()
    made.holder.asked.clear()
    result = made.call()
    assert actions(result) == ["kept", "kept"]
    assert (result["changed"], result["valid"]) == (False, True)
    assert made.holder.asked == []


def test_force_measures_again_and_keeps_the_old_files(made):
    made.call()
    result = made.call(force=True, concurrencies=[4])
    assert actions(result) == ["measured"]
    names = sorted(path.name for path in (made.run_dir / "results").rglob("*c*4_gpus*"))
    assert "results_concurrency_4_gpus_16.attempt1.json" in names
    assert "results_concurrency_4_gpus_16.attempt1.verdict.json" in names
    made.call(force=True, concurrencies=[4])
    assert (made.run_dir / "results/sa-bench_isl_64_osl_16/results_concurrency_4_gpus_16.attempt2.json").exists()


def test_another_digest_measures_again(made):
    made.call()
    made.plan["benchmark"]["points"][1]["digest"] = "new"
    result = made.call()
    assert actions(result) == ["kept", "measured"]


def test_a_result_that_was_cut_is_measured_again(made):
    made.call()
    path = made.run_dir / made.plan["benchmark"]["points"][0]["result"]
    path.write_text(path.read_text()[:50])
    assert actions(made.call()) == ["measured", "kept"]


def test_a_filter_chooses_points_and_names_unknown_ones(made):
    assert [point["concurrency"] for point in made.call(concurrencies=[16])["points"]] == [16]
    with pytest.raises(Error, match="no point with concurrency 5. Its points: c=4, c=16"):
        made.call(concurrencies=[5])


def test_an_invalid_point_does_not_stop_the_next(made):
    made.holder.scenes = [lambda: made.holder.finish(completed=10, failed=30, errors=["HTTP 503: x"] * 30)]
    result = made.call()
    assert [point["valid"] for point in result["points"]] == [False, True]
    assert result["valid"] is False
    assert "30 of 40 requests did not complete" in result["points"][0]["reasons"][0]
    assert any("c=4 measured, NOT valid: 30 of 40" in line for line in made.lines)
    assert actions(made.call()) == ["measured", "kept"]


def test_the_needed_share_is_passed_on(made):
    lengths = [16] * 36 + [0] * 4
    made.holder.scenes = [lambda: made.holder.finish(
        completed=36, failed=4, output_lens=lengths, total_output_tokens=sum(lengths), total_input_tokens=64 * 36,
        server_input_tokens=64 * 36)]  # fmt: skip
    assert made.call(concurrencies=[4], min_completed=0.9)["valid"] is True


def test_a_client_that_failed_is_reported_with_its_reason(made):
    partial = made.plan["benchmark"]["points"][0]["result"].replace(".json", ".partial.json")

    def scene():
        made.holder.write(
            partial, made.helpers.raw_result(4, completed=0, interrupted=True, reason="nothing could be sent: refused")
        )
        made.holder.finish(exit_code=1, result=False)

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["valid"] is False
    assert point["reasons"][0] == "the load client exited with code 1 on node0001: nothing could be sent: refused"
    assert verdict_of(made, 4)["result_sha256"] is None


def test_a_client_that_could_not_run_is_reported_with_its_last_output(made):
    (made.run_dir / "logs" / "node0001_bench_c4.out").write_text(
        "Traceback (most recent call last):\n  x\nImportError: no aiohttp\n"
    )
    made.holder.scenes = [lambda: made.holder.finish(exit_code=2, result=False)]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["the load client exited with code 2 on node0001: ImportError: no aiohttp"]


def test_a_client_that_ends_well_without_a_result(made, monkeypatch):
    monkeypatch.setattr(measurement, "SHARED_DISK_S", 0.0)
    made.holder.scenes = [lambda: made.holder.finish(result=False)]
    (point,) = made.call(concurrencies=[4])["points"]
    assert "succeeded, but the result file" in point["reasons"][0]


def test_a_dead_service_ends_it_at_once_and_keeps_what_was_finished(made):
    made.holder.scenes = [made.holder.finish, lambda: made.holder.die("decode_0")]
    with pytest.raises(StepError) as caught:
        made.call()
    result = caught.value.as_result()
    assert "decode_0 on node0003 ended while c=16 was measured: killed by signal 9" in result["msg"]
    assert result["failed_step"] == "decode_0"
    assert [point["valid"] for point in result["points"]] == [True, False]
    assert "it was stopped because decode_0 ended" in result["points"][1]["reasons"][0]
    assert any(
        "decode_0 ended during the measurement: killed by signal 9" in reason
        for reason in result["points"][1]["reasons"]
    )
    assert [op for op, _fields in made.holder.asked if op == "stop"] == ["stop"]
    assert verdict_of(made, 4)["valid"] is True
    assert verdict_of(made, 16)["valid"] is False


def test_a_service_that_died_before_is_not_measured(made):
    made.holder.die("prefill_1")
    with pytest.raises(StepError, match="prefill_1 on node0003 ended before c=4 was measured") as caught:
        made.call()
    assert made.holder.started() == []
    assert [point["action"] for point in caught.value.evidence["points"]] == ["not_measured"] * 2
    assert "was not measured: Step prefill_1" in caught.value.evidence["points"][0]["reasons"][0]


def test_a_step_that_we_stopped_is_not_lost_but_the_service_is_not_the_planned_one(made):
    made.holder.change("prefill_1", state="ended", expected=True, ended_at="2026-11-21T09:30:00.000Z", reason="stopped")
    with pytest.raises(Error, match="The running service does not match the plan: prefill_1 does not run"):
        made.call()


def test_a_step_that_the_holder_never_saw_was_not_running(made):
    del made.holder.records["decode_0"]
    with pytest.raises(Error, match="decode_0 does not run. It was not measured"):
        made.call(concurrencies=[4])


def test_a_worker_that_may_be_lost_is_recorded_and_ends_nothing(made):
    step = dict(made.plan["steps"][0], name="prefill_9", critical=False)
    made.plan["steps"].append(step)
    made.holder.put(step, started_at="2026-11-21T09:00:00.000Z")
    made.holder.scenes = [lambda: made.holder.die("prefill_9")]
    result = made.call()
    assert [point["reasons"] for point in result["points"]] == [[], []]
    assert [verdict_of(made, concurrency)["service_gaps"] for concurrency in (4, 16)] == [
        ["prefill_9 ended during the measurement: killed by signal 9 on node0003"],
        ["prefill_9 was not running: killed by signal 9 on node0003"],
    ]


def test_a_worker_that_was_restarted_is_a_reason(made):
    made.holder.scenes = [lambda: made.holder.change("decode_0", started_at=made.holder.at(1), attempt=2)]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["decode_0 was restarted during the measurement"]


def test_a_live_measurement_is_attached_to_and_not_doubled(made):
    step = made.plan["benchmark"]["points"][0]["step"]
    made.holder.put(step, started_at="2026-11-21T10:00:00.000Z")
    partial = made.run_dir / "results/sa-bench_isl_64_osl_16/results_concurrency_4_gpus_16.progress.json"
    partial.parent.mkdir(parents=True)
    partial.write_text("{}")
    result = made.call(concurrencies=[4])
    assert actions(result) == ["attached"]
    assert result["valid"] is True
    assert partial.exists()  # the files of a live measurement are its own


def test_a_measurement_that_ended_unseen_is_evaluated_and_not_repeated(made):
    step = made.plan["benchmark"]["points"][0]["step"]
    made.holder.put(step, started_at="2026-11-21T10:00:00.000Z")
    made.holder.finish()
    result = made.call(concurrencies=[4])
    assert actions(result) == ["evaluated"]
    assert result["valid"] is True
    assert made.holder.started() == []


@pytest.mark.parametrize("facts", [{"digest": "other"}, {"exit_code": 1}])
def test_an_unseen_end_of_something_else_is_measured_again(made, facts):
    step = made.plan["benchmark"]["points"][0]["step"]
    made.holder.put(step, started_at="2026-11-21T10:00:00.000Z")
    made.holder.finish()
    made.holder.change("bench_c4", **facts)
    assert actions(made.call(concurrencies=[4])) == ["measured"]


def test_failed_requests_are_shown_also_when_they_are_few(made):
    lengths = [16] * 159 + [0]
    made.holder.scenes = [lambda: made.holder.finish(
        completed=159, failed=1, output_lens=lengths, total_output_tokens=sum(lengths), total_input_tokens=64 * 159,
        server_input_tokens=64 * 159)]  # fmt: skip
    assert made.call(concurrencies=[16])["valid"] is True
    assert made.lines[-1].startswith("c=16 measured, valid: ")
    assert made.lines[-1].endswith(", 159 completed, 1 failed")


def test_without_a_controller_it_stops_asking_and_leaves_the_measurement_alone(made):
    with pytest.raises(Error, match="The controller has ended"):
        made.call(alive=False)
    assert made.holder.asked == []


def test_a_job_that_ends_is_an_error_with_the_points(made, monkeypatch):
    monkeypatch.setattr(job_end, "EXPLAINED_S", 0.0)
    made.holder.ending = {"code": "signal", "reason": "signal 15"}
    with pytest.raises(Error, match="is ending: signal 15") as caught:
        made.call()
    assert len(caught.value.evidence["points"]) == 2
    assert caught.value.evidence["valid"] is False


def sibling(made, job_id, valid=True, digest=None):
    """Write the point c=4 of another run beside this one."""
    point = made.helpers.point(4)
    folder = made.run_dir.parent / job_id
    made.helpers.write_point(
        folder, dict(point, digest=digest or point["digest"]), made.helpers.raw_result(4), [] if valid else ["x"]
    )
    return folder


def test_a_valid_point_of_an_earlier_run_is_taken_over(made):
    folder = sibling(made, "70")
    (made.run_dir.parent / "latest").symlink_to("70")
    result = made.call()
    assert actions(result) == ["taken_over", "measured"]
    assert result["points"][0]["origin"] == {
        "job_id": "70",
        "path": str(folder / made.plan["benchmark"]["points"][0]["result"]),
        "measured_at": "2026-11-21T10:00:02.000Z",
    }
    assert made.holder.started() == ["bench_c16"]
    assert any("c=4 taken over from job 70, measured 2026-11-21, valid" in line for line in made.lines)
    again = made.call()
    assert actions(again) == ["kept", "kept"]
    assert again["points"][0]["origin"]["job_id"] == "70"


def test_the_origin_survives_a_second_take_over(made):
    folder = sibling(made, "71")
    path = folder / made.plan["benchmark"]["points"][0]["result"]
    verdict = json.loads((path.parent / (path.stem + ".verdict.json")).read_text())
    write_verdict(str(path), dict(verdict, origin={"job_id": "60", "path": "/o/60/r.json"}))
    origin = made.call()["points"][0]["origin"]
    assert origin == {"job_id": "60", "path": None, "measured_at": "2026-11-21T10:00:02.000Z"}


@pytest.mark.parametrize("other", [{"valid": False}, {"digest": "another"}])
def test_other_points_of_earlier_runs_are_not_taken_over(made, other):
    sibling(made, "70", **other)
    assert actions(made.call()) == ["measured", "measured"]


def test_a_result_that_another_user_could_have_written_is_not_taken_over(made):
    sibling(made, "70").chmod(0o777)
    assert actions(made.call()) == ["measured", "measured"]


def test_a_broken_result_of_an_earlier_run_is_not_taken_over(made):
    folder = sibling(made, "70")
    (folder / made.plan["benchmark"]["points"][0]["result"]).write_text("{")
    assert actions(made.call()) == ["measured", "measured"]


def test_force_takes_nothing_over(made):
    sibling(made, "70")
    assert actions(made.call(force=True)) == ["measured", "measured"]


def test_what_force_found_wrong_is_not_taken_over_by_the_next_run(made):
    sibling(made, "70")
    made.holder.scenes = [lambda: made.holder.finish(exit_code=1, result=False)]
    assert made.call(concurrencies=[4], force=True)["valid"] is False
    assert actions(made.call(concurrencies=[4])) == ["measured"]


def test_check_mode_says_what_would_be_done_and_touches_nothing(made):
    sibling(made, "70")
    result = made.call(check=True)
    assert actions(result) == ["take_over", "measure"]
    assert [point["valid"] for point in result["points"]] == [True, None]
    assert (result["changed"], result["valid"]) == (True, None)
    assert made.holder.asked == []
    assert made.lines[-1] == "c=16 would be measured (num_prompts 160, isl 64, osl 16)"
    assert not (made.run_dir / "results").exists()
    made.call()
    again = made.call(check=True)
    assert (actions(again), again["changed"], again["valid"]) == (["keep", "keep"], False, True)
    assert actions(made.call(check=True, force=True)) == ["measure", "measure"]


def test_check_mode_with_diff_shows_the_srun_line_of_what_would_be_measured(made):
    sibling(made, "70")
    diff = made.call(check=True, diff=True)["diff"]
    assert diff["before"] == "" and diff["after"].count("srun --jobid=77") == 1
    assert diff["after"].startswith("bench_c16 on ")


def test_check_mode_with_a_plan_that_was_never_written(made):
    plan = dict(made.plan, run_dir=str(made.run_dir.parent / "nowhere" / "JOBID"))
    assert actions(made.call(check=True, plan=plan, plan_path=None)) == ["measure", "measure"]


def test_a_plan_without_points(made):
    made.plan["benchmark"] = {"type": "manual", "points": []}
    assert made.call() == {"changed": False, "points": [], "valid": True}


def test_no_plan_is_an_error(made):
    with pytest.raises(Error, match="There is no plan"):
        made.call(plan_path=str(made.run_dir / "other.json"))


def test_setting_aside_keeps_the_files_of_one_attempt_together(tmp_path):
    for suffix in (".json", ".verdict.json", ".attempt1.json"):
        (tmp_path / f"r{suffix}").write_text(suffix)
    point_files.set_aside(str(tmp_path / "r.json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "r.attempt1.json",
        "r.attempt2.json",
        "r.attempt2.verdict.json",
    ]
    point_files.set_aside(str(tmp_path / "r.json"))
