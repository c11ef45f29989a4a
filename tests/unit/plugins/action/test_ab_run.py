# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a comparison in turns ends, what it says then, and that allocations end. Its playbooks only write results."""

from __future__ import annotations

import json
import pathlib
import shutil
import types

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.action import ab_run
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.resolve import describe
from ansible_collections.srt.slurm.plugins.module_utils.stages import compare
from ansible_collections.srt.slurm.plugins.plugin_utils import ab
from compared_runs import make_run


class World:
    """Playbooks that write the results of a turn.

    :ivar turns: (name of the turn, its job, its extra vars) in order; ``ended`` are the allocations that were ended.
    :ivar slower: factor of the candidate's latencies; ``spread`` of all; ``rc`` is {name of a turn: exit code}.
    """

    def __init__(self, folder):
        self.folder, self.turns, self.ended, self.shown = folder, [], [], []
        self.slower, self.spread, self.rc, self.invalid = 1.0, 0.002, {}, {}
        self.job_id, self.killed_in = "7", None  # of the allocation; the turn in which the controller is interrupted

    def play(self, _playbook, extra, hear, _note):
        given = json.loads(extra[0])
        with open(given["srt_slurm_frozen"], encoding="utf-8") as stream:
            (job,) = json.load(stream)["jobs"]
        target = pathlib.Path(given["srt_slurm_variant_dir"])
        number = len(self.turns)
        self.turns.append((target.name, job, given))
        if target.name == self.killed_in:
            raise KeyboardInterrupt
        hear("  bench_run: c=4 measured")
        slower = self.slower if target.name.startswith("candidate") else 1.0
        if self.rc.get(target.name) != 2:
            shutil.rmtree(target, ignore_errors=True)  # what is measured again takes its place
            make_run(
                target, seed=number, repeats=1, slower=slower, spread=self.spread, minutes=[number], job_id=self.job_id,
                serving=target.name.partition("_")[0], invalid=self.invalid.get(target.name, {}),
            )  # fmt: skip
        return self.rc.get(target.name, 0)

    def call(self, module, args):
        if module.__name__.endswith("slurm_job_info"):
            about = {"id": self.job_id, "name": args["allocation"]["name"], "started_at": "2026-11-21T10:00:00Z"}
            return {"job": about}
        if module.__name__.endswith("slurm_job"):
            self.ended.append((args["job_id"], args["reason"]))
            return {}
        spec = {key: one.get("default") for key, one in compare.ARGUMENT_SPEC.items()}
        return module.run({**spec, **args}, Context())


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    begin = ab_run.datetime.datetime(2026, 11, 21, 10, tzinfo=ab_run.datetime.timezone.utc).timestamp()
    monkeypatch.setattr(ab_run.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(ab_run, "play", made.play)
    monkeypatch.setattr(ab_run, "show", made.shown.append)
    monkeypatch.setattr(ab_run.time, "time", lambda: begin + 900.0 * len(made.turns))
    return made


def run(world, candidate=None, check_mode=False, **params):
    action = ab_run.ActionModule.__new__(ab_run.ActionModule)
    action._task = types.SimpleNamespace(check_mode=check_mode, action="srt.slurm.ab_run")
    action._connection = types.SimpleNamespace(transport="local")
    action.call = world.call
    defaults = {key: one.get("default") for key, one in ab_run.ARGUMENT_SPEC.items()}
    sides = {}
    for word, changes in (("baseline", {}), ("candidate", candidate or {"backend": {"speedup_ratio": 2.0}})):
        resources = {"gpus_per_node": 1, "prefill_workers": 1, "decode_workers": 1}
        made = describe(jobs.resolved(jobs.raw(name=f"job-{word}", resources=resources, **changes)))
        sides[word] = {"jobs": [made], "origins": [{}], "lease_s": 120.0}
    params = {**defaults, **sides, "output_dir": str(world.folder / "out"), "playbook": "/bench.yml", **params}
    return action.entry(params, Context(check_mode=check_mode))


def turns(world):
    return [name for name, _job, _given in world.turns]


def test_it_ends_with_the_answer_and_the_sides_took_turns(world):
    world.slower = 0.7
    result = run(world)
    assert result["ended_by"] == "the answer" and result["repeats"] == 4 and result["verdict"] == "3 better"
    expected = ["baseline_01", "candidate_01", "candidate_02", "baseline_02", "baseline_03", "candidate_03"]
    assert turns(world)[:6] == expected and len(turns(world)) == 8
    assert result["points"][0]["method"] == "paired"
    assert {given["keep"] and given["force"] for _name, _job, given in world.turns} == {True}
    assert len({job["allocation"]["digest"] for _name, job, _given in world.turns}) == 1
    assert world.ended == [("7", "the comparison has finished")]
    with open(f"{result['folder']}/logs/candidate_02.log", encoding="utf-8") as log:
        assert "c=4 measured" in log.read()


def test_a_worse_candidate_fails_with_all_that_is_known(world):
    world.slower = 1.5
    with pytest.raises(Error, match="out tok/s worse") as caught:
        run(world)
    assert caught.value.evidence["repeats"] == 4 and caught.value.evidence["ended_by"] == "the answer"
    assert world.ended


def test_it_ends_with_the_number_of_repeats(world):
    world.spread = 0.3
    result = run(world, most_repeats=5)
    assert (result["ended_by"], result["repeats"]) == ("the number of repeats", 5)
    assert "no evidence" in result["verdict"]
    # The first look had half of the error probability, so the last one has the other half.
    assert json.loads(pathlib.Path(result["path"]).read_text())["confidence"] == pytest.approx(1 - 0.005 / 2)


def test_it_ends_before_the_budget_is_exceeded(world):
    world.spread = 0.3
    result = run(world, budget_gpu_hours=4.0)  # a repeat of both sides costs two turns of two GPUs
    assert result["ended_by"] == "the budget" and result["gpu_hours"] <= 4.0
    assert result["repeats"] == 4 and world.ended


def test_an_invalid_repeat_does_not_count_and_fails_the_comparison(world):
    world.slower, world.invalid, world.rc = 0.7, {"candidate_02": {1: "12 requests failed"}}, {"candidate_02": 1}
    with pytest.raises(Error, match="12 requests failed") as caught:
        run(world)
    (one,) = caught.value.evidence["invalid"]
    assert one["side"] == "candidate" and "candidate_02" in one["run"]
    assert caught.value.evidence["points"][0]["metrics"][0]["n"][1] == caught.value.evidence["repeats"] - 1


def test_repeats_that_fail_one_after_the_other_end_it(world):
    world.rc = {f"candidate_{number:02d}": 2 for number in range(3, 30)}
    with pytest.raises(Error, match="2 valid repeats of the candidate|2 pairs, 3 are needed") as caught:
        run(world)
    assert caught.value.evidence["ended_by"] == "failures" and caught.value.evidence["repeats"] == 4 and world.ended


def test_the_allocation_ends_when_a_playbook_cannot_be_run(world, monkeypatch):
    def broken(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(ab_run, "play", broken)
    with pytest.raises(KeyboardInterrupt):
        run(world)
    assert world.ended


def test_check_mode_measures_nothing(world):
    result = run(world, check_mode=True)
    assert result["changed"] and world.turns == [] and world.ended == []
    assert "allocation job-baseline-vs-job-candidate.ab with 2 GPUs" in world.shown[0]


def test_another_load_is_refused_before_anything_runs(world):
    with pytest.raises(Error, match="isl"):
        run(world, candidate={"benchmark": {"isl": 999}})
    assert world.turns == [] and world.ended == []


def test_an_earlier_comparison_of_the_same_jobs_stays(world):
    world.slower = 0.7
    first = run(world)["folder"]
    world.turns.clear()
    assert run(world)["folder"] == f"{first}.2" and pathlib.Path(first, "compare.json").exists()


def interrupt(world, turn, **params):
    """Run until the controller is interrupted in a *turn*, then with another allocation; return the next result."""
    world.killed_in = turn
    with pytest.raises(KeyboardInterrupt):
        run(world, **params)
    first = turns(world)
    world.killed_in, world.job_id = None, "8"
    result = run(world, **params)
    return first, turns(world)[len(first) :], result


def test_an_interrupted_comparison_goes_on_with_the_repeat_that_lacks_a_side(world):
    world.slower = 0.7
    first, then, result = interrupt(world, "baseline_02")
    assert first == ["baseline_01", "candidate_01", "candidate_02", "baseline_02"]
    assert then == ["candidate_02", "baseline_02", "baseline_03", "candidate_03", "candidate_04", "baseline_04"]
    (point,) = result["points"]
    # The pairs are of two allocations, each measured in turns.
    assert point["method"] == "paired" and point["metrics"][0]["n"] == [4, 4]
    assert (result["repeats"], result["verdict"], result["ended_by"]) == (4, "3 better", "the answer")
    assert [job_id for job_id, _why in world.ended] == ["7", "8"]


def test_a_comparison_that_went_on_has_cost_what_both_allocations_did(world):
    world.spread = 0.3
    _first, _then, result = interrupt(world, "candidate_03", most_repeats=4)
    # Four turns, then one that counts although its repeat was cut, of the first allocation; four of the second.
    record = json.loads(pathlib.Path(result["folder"], "ab.json").read_text())
    assert set(record["gpu_hours"]) == {"7", "8"} and sum(record["gpu_hours"].values()) == result["gpu_hours"]


def test_the_budget_holds_over_an_interruption(world):
    world.spread = 0.3
    _first, then, result = interrupt(world, "candidate_04", budget_gpu_hours=4.0)
    assert result["ended_by"] == "the budget" and result["repeats"] == 4 and then == ["candidate_04", "baseline_04"]


@pytest.mark.parametrize(
    "other", [{"threshold": 3.0}, {"most_repeats": 8}, {"primary_metrics": ["output_tps"]}, {"anew": True},
              {"candidate": {"backend": {"speedup_ratio": 3.0}}}]
)  # fmt: skip
def test_what_was_asked_differently_begins_anew(world, other):
    world.slower, world.killed_in = 0.7, "candidate_03"
    with pytest.raises(KeyboardInterrupt):
        run(world)
    world.killed_in = None
    before = len(turns(world))
    assert run(world, **other)["folder"].endswith(".2") and turns(world)[before] == "baseline_01"


@pytest.mark.parametrize("code", [99, -15, 130])
def test_a_turn_whose_playbook_was_stopped_is_measured_again(world, code):
    world.slower, world.rc, world.killed_in = 0.7, {"candidate_02": code}, "baseline_02"
    with pytest.raises(KeyboardInterrupt):
        run(world)
    world.killed_in, world.rc = None, {}
    run(world)
    assert turns(world).count("candidate_02") == 2 and turns(world).count("candidate_01") == 1


def test_a_turn_that_failed_is_not_measured_again_until_it_suits(world):
    world.slower, world.invalid, world.rc = 0.7, {"candidate_01": {1: "12 requests failed"}}, {"candidate_01": 1}
    world.killed_in = "candidate_03"
    with pytest.raises(KeyboardInterrupt):
        run(world)
    world.killed_in = None
    with pytest.raises(Error, match="12 requests failed"):
        run(world)
    assert turns(world).count("candidate_01") == 1


def test_two_controllers_do_not_share_a_comparison(world):
    world.slower, world.killed_in = 0.7, "candidate_03"
    with pytest.raises(KeyboardInterrupt):
        run(world)
    world.killed_in = None
    folder = world.folder / "out" / "sweeps" / "job-baseline-vs-job-candidate"
    other = ab.Record(str(folder), json.loads((folder / "ab.json").read_text())["asked"])
    assert other.alone()
    assert run(world)["folder"] == f"{folder}.2"
    assert any("another controller measures in" in line for line in world.shown)
    other.close()


def test_a_record_of_something_else_is_not_gone_on_with(world):
    world.slower, world.killed_in = 0.7, "candidate_03"
    with pytest.raises(KeyboardInterrupt):
        run(world)
    world.killed_in = None
    folder = world.folder / "out" / "sweeps" / "job-baseline-vs-job-candidate"
    for text in ("", "[]", "{}", '{"schema_version": 2}', '{"schema_version": 1, "asked": 5}'):
        (folder / "ab.json").write_text(text)
        assert not ab.Record(str(folder), "x").goes_on
    assert run(world)["folder"] == f"{folder}.2"
