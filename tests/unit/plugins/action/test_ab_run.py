# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a comparison in turns ends, what it says then, and that allocations end. Its playbooks only write results."""

from __future__ import annotations

import json
import pathlib
import types

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.action import ab_run
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.resolve import describe
from ansible_collections.srt.slurm.plugins.module_utils.stages import compare
from compared_runs import make_run


class World:
    """Playbooks that write the results of a turn.

    :ivar turns: (name of the turn, its job, its extra vars) in order; ``ended`` are the allocations that were ended.
    :ivar slower: factor of the candidate's latencies; ``spread`` of all; ``rc`` is {name of a turn: exit code}.
    """

    def __init__(self, folder):
        self.folder, self.turns, self.ended, self.shown = folder, [], [], []
        self.slower, self.spread, self.rc, self.invalid = 1.0, 0.002, {}, {}

    def play(self, _playbook, extra, hear, _note):
        given = json.loads(extra[0])
        with open(given["srt_slurm_frozen"], encoding="utf-8") as stream:
            (job,) = json.load(stream)["jobs"]
        target = pathlib.Path(given["srt_slurm_variant_dir"])
        number = len(self.turns)
        self.turns.append((target.name, job, given))
        hear("  bench_run: c=4 measured")
        slower = self.slower if target.name.startswith("candidate") else 1.0
        if self.rc.get(target.name) != 2:
            make_run(
                target, seed=number, repeats=1, slower=slower, spread=self.spread, minutes=[number], job_id="7",
                serving=target.name.partition("_")[0], invalid=self.invalid.get(target.name, {}),
            )  # fmt: skip
        return self.rc.get(target.name, 0)

    def call(self, module, args):
        if module.__name__.endswith("slurm_job_info"):
            return {"job": {"id": "7", "name": args["allocation"]["name"], "started_at": "2026-11-21T10:00:00Z"}}
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
