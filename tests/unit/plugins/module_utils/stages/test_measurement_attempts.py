# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A setting that goes from A to B and back: what was set aside for B counts again for A."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import standing, write_verdict
from ansible_collections.srt.slurm.plugins.module_utils.stages import point_files, rollup


@pytest.fixture
def swap(made):
    """``made`` with ``use(setting)``, ``run(setting)``, ``raw()`` and ``all_raw()`` for the point c=4."""
    point = made.plan["benchmark"]["points"].pop(0)
    made.plan["benchmark"]["points"][:] = [point]
    made.point, made.path = point, made.run_dir / point["result"]

    def use(setting):
        made.plan["benchmark"]["points"][0] = made.point = dict(
            point, digest=setting, step=dict(point["step"], digest=f"s{setting}")
        )

    def run(setting, **params):
        """Measure with *setting*, which the result file then says; return the record of the point."""
        use(setting)
        made.holder.scenes = [lambda: made.holder.finish(setting=setting)]
        made.holder.asked.clear()
        (record,) = made.call(**params)["points"]
        return record

    made.use, made.run = use, run
    made.raw = lambda: json.loads(made.path.read_text())["setting"]
    made.all_raw = lambda: sorted(
        json.loads(path.read_text())["setting"]
        for path in made.path.parent.glob(f"{made.path.stem}*")
        if path.name.count(".") == 1 or path.name.split(".")[1].startswith("attempt") and path.name.count(".") == 2
    )
    return made


def test_a_setting_that_comes_back_finds_its_result_again(swap):
    first = swap.run("A")
    assert (first["action"], first["attempt"]) == ("measured", None)
    assert swap.run("B")["action"] == "measured"
    (swap.path.parent / f"{swap.path.stem}.attempt1.progress.json").write_text("of A")
    back = swap.run("A")
    assert (back["action"], back["attempt"], back["changed"], back["valid"]) == ("kept", 1, True, True)
    assert (back["metrics"], back["origin"]) == (first["metrics"], None)
    assert swap.holder.started() == []
    assert swap.raw() == "A" and swap.all_raw() == ["A", "B"]
    assert (swap.path.parent / f"{swap.path.stem}.progress.json").read_text() == "of A"
    assert any(line.startswith("c=4 kept (attempt 1 of this run), valid: ") for line in swap.lines)
    again = swap.run("A")
    assert (again["action"], again["attempt"], again["changed"]) == ("kept", None, False)
    for setting in "BABA":
        assert swap.run(setting)["action"] == "kept"
        assert swap.raw() == setting and swap.all_raw() == ["A", "B"]


def test_force_measures_again(swap):
    for setting in "AB":
        swap.run(setting)
    assert swap.run("A", force=True)["action"] == "measured"
    assert swap.all_raw() == ["A", "A", "B"]


def test_a_result_that_force_found_wrong_does_not_come_back(swap):
    """Run again without force, a service that fails would else be valid by its past."""
    swap.run("A")
    swap.use("A")
    swap.holder.scenes = [lambda: swap.holder.finish(exit_code=1, result=False)]
    assert swap.call(force=True)["points"][0]["valid"] is False
    again = swap.run("A")
    assert (again["action"], again["valid"]) == ("measured", True)


@pytest.mark.parametrize("step_s", [3600, -3600], ids=["set forward", "set back"])
def test_the_newest_of_several_attempts_counts_whatever_the_clock_says(swap, step_s):
    for number, setting in enumerate("AAB"):
        swap.run(setting, force=True)
        os.utime(swap.path.with_suffix(".verdict.json"), (10000 + number * step_s,) * 2)
    assert swap.run("A")["attempt"] == 2


@pytest.mark.parametrize("spoil", ["invalid", "service_gaps", "changed"])
def test_attempts_that_do_not_count_are_measured_again(swap, spoil):
    swap.run("A")
    verdict, _reasons, _state = standing(swap.point, str(swap.path))
    if spoil == "changed":
        swap.path.write_text(swap.path.read_text()[:-5] + "    }")
    else:
        other = {"valid": False, "reasons": ["slow"]} if spoil == "invalid" else {"service_gaps": ["decode_1"]}
        write_verdict(str(swap.path), dict(verdict, **other))
    swap.run("B")
    assert swap.run("A")["action"] == "measured"


def test_check_mode_knows_and_touches_nothing(swap):
    for setting in "AB":
        swap.run(setting)
    record = swap.run("A", check=True)
    assert (record["action"], record["attempt"], record["valid"], record["changed"]) == ("keep", 1, True, True)
    assert "c=4 would be kept (attempt 1 of this run), valid: " in swap.lines[-1]
    assert swap.raw() == "B" and swap.holder.asked == []
    assert swap.run("A", check=True, force=True)["action"] == "measure"

    def dry(**params):
        return rollup.run({"plan_path": None, "plan": swap.plan, "failure": {}, **params}, Context(check_mode=True))

    assert dry()["valid"] is True and "to be kept (attempt 1)" in dry()["table"]
    assert "to be kept" not in dry(force=True)["table"]
    swap.run("A")
    assert dry()["valid"] is True and "to be kept" not in dry()["table"]


def test_an_attempt_of_an_earlier_run_is_taken_over(swap):
    for setting in "AB":
        swap.run(setting)
    earlier, later = swap.run_dir, swap.run_dir.parent / "78"
    swap.use("A")
    plan = dict(swap.plan, run_dir=str(later), job_id="78")
    path = earlier / swap.point["result"].replace(".json", ".attempt1.json")
    swap.holder.plan, swap.holder.run_dir = plan, later
    (record,) = swap.call(plan=plan, plan_path=None)["points"]
    assert record["action"] == "taken_over"
    assert (record["origin"]["job_id"], record["origin"]["path"]) == (earlier.name, str(path))
    assert json.loads((later / swap.point["result"]).read_text())["setting"] == "A"
    assert swap.raw() == "B" and path.exists()


def test_a_source_that_changes_meanwhile_is_not_taken_over(swap):
    swap.run("A")
    plan = dict(swap.plan, run_dir=str(swap.run_dir.parent / "78"))
    found = point_files.standing_for(plan, swap.point)
    swap.run("B")
    assert point_files.take_over(plan, swap.point, found) is None
    swap.path.unlink()
    assert point_files.take_over(plan, swap.point, found) is None
    folder = swap.run_dir.parent / "78" / os.path.dirname(swap.point["result"])
    assert list(folder.iterdir()) == []


def test_a_measurement_that_runs_here_is_not_moved_away(swap):
    """The forced one went on without its controller: it is attached to."""
    swap.run("A")
    point_files.set_aside(str(swap.path))
    swap.holder.put(swap.point["step"], started_at=swap.holder.at(0))
    assert swap.run("A")["action"] == "attached"


def test_a_measurement_of_another_setting_that_was_left_behind_is_ended_first(swap):
    swap.run("A")
    point_files.set_aside(str(swap.path))
    swap.use("B")
    swap.holder.put(swap.point["step"], started_at=swap.holder.at(0))
    assert swap.run("A")["action"] == "kept"
    assert [op for op, _fields in swap.holder.asked].count("stop") == 1


def test_another_controller_may_bring_it_back_in_the_same_moment(swap, monkeypatch):
    for setting in "AB":
        swap.run(setting)
    bring_back = point_files.bring_back

    def twice(plan, point):
        assert bring_back(plan, point).attempt == 1
        return bring_back(plan, point)

    monkeypatch.setattr(point_files, "bring_back", twice)
    record = swap.run("A")
    assert (record["action"], record["attempt"]) == ("kept", None)
    assert swap.raw() == "A" and swap.all_raw() == ["A", "B"]


class Killed(BaseException):
    """SIGKILL, as far as the files can tell."""


@pytest.mark.parametrize("renames", range(8))
def test_a_swap_that_is_cut_off_evaluates_nothing_wrongly_and_loses_nothing(swap, monkeypatch, renames):
    """Killed before any of the renames: no result stands for the wrong setting, and the next run has all of them."""
    for setting in "AB":
        swap.run(setting)
        for kind in ("partial", "progress"):
            swap.path.with_suffix(f".{kind}.json").write_text(setting)
    rename, left = os.rename, [renames]

    def until_killed(old, new):
        if not left[0]:
            raise Killed
        left[0] -= 1
        rename(old, new)

    monkeypatch.setattr(point_files.os, "rename", until_killed)
    with pytest.raises(Killed):
        swap.run("A")
    monkeypatch.setattr(point_files.os, "rename", rename)
    for setting in "AB":
        swap.use(setting)
        _verdict, reasons, _state = standing(swap.point, str(swap.path))
        assert reasons or swap.raw() == setting
        assert not point_files.unevaluated(swap.plan, swap.point)
    assert swap.all_raw() == ["A", "B"]
    assert swap.run("A", check=True)["action"] == "keep"
    for setting in "ABA":
        assert swap.run(setting)["action"] == "kept"
        assert swap.raw() == setting and swap.all_raw() == ["A", "B"]
    kept = sorted(
        path.read_text() for kind in ("partial", "progress") for path in swap.path.parent.glob(f"*.{kind}.json")
    )
    assert kept == ["A", "A", "B", "B"]


def test_a_take_over_that_is_cut_off_leaves_nothing_to_be_evaluated(swap, monkeypatch):
    swap.run("A")
    later = swap.run_dir.parent / "78"
    plan = dict(swap.plan, run_dir=str(later))
    found = point_files.standing_for(plan, swap.point)
    target = str(later / swap.point["result"])

    replace = os.replace

    def killed(old, new):
        if new == target:
            raise Killed
        replace(old, new)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(Killed):
        point_files.take_over(plan, swap.point, found)
    monkeypatch.setattr(os, "replace", replace)
    assert standing(swap.point, target)[1] and not point_files.unevaluated(plan, swap.point)
    assert point_files.take_over(plan, swap.point, point_files.standing_for(plan, swap.point))
    assert standing(swap.point, target)[1] == []


def sent(made):
    """Return the attempt that each start of the load client was given; None: its own default."""
    steps = [step for op, fields in made.holder.asked if op == "start" for step in fields["steps"]]
    lines = [step["srun_argv"] for step in steps]
    return [int(line[line.index("--attempt") + 1]) if "--attempt" in line else None for line in lines]


def test_what_the_service_has_seen_is_not_sent_again(made):
    """Its prefix cache knows those prompts: force, an invalid point, one that was left behind, other options."""
    made.call(concurrencies=[4])
    made.call(concurrencies=[4], force=True)
    made.holder.scenes = [lambda: made.holder.finish(exit_code=1, result=False)]
    made.call(concurrencies=[4], force=True)
    made.call(concurrencies=[4])
    point = made.plan["benchmark"]["points"][0]
    point.update(digest="other", step=dict(point["step"], digest="other options"))
    made.call()
    assert made.holder.started() == ["bench_c4"] * 5 + ["bench_c16"]
    assert sent(made) == [None, 1, 2, 3, 4, None]
    digests = [step["digest"] for op, fields in made.holder.asked if op == "start" for step in fields["steps"]]
    assert digests[:4] == ["s4"] * 4  # it is the same measurement all the same


def test_a_service_that_began_later_has_seen_nothing(made):
    made.call(concurrencies=[4])
    for step in made.plan["steps"]:
        made.holder.change(step["name"], started_at=made.holder.at(30), attempt=2)
    made.call(concurrencies=[4], force=True)
    assert sent(made) == [None, None]
    made.holder.change("prefill_1", started_at="2026-11-21T09:00:00.000Z")  # one of them lives on
    made.call(concurrencies=[4], force=True)
    assert sent(made) == [None, None, 2]


def test_a_result_that_changes_while_it_is_evaluated_is_not_valid(made):
    """A load client of an earlier attempt may live on, and write its own result in the end."""
    point = made.plan["benchmark"]["points"][0]

    def scene():
        made.holder.finish()
        other = made.helpers.raw_result(4, output_throughput=1.0)
        made.holder.before["status"] = lambda: made.holder.write(point["result"], other)

    made.holder.scenes = [scene]
    (measured,) = made.call(concurrencies=[4])["points"]
    assert measured["reasons"] == [
        "its result file was changed while it was evaluated: another program writes to it",
    ]


def test_a_point_that_is_valid_because_a_run_asked_for_less_is_measured_again_by_the_next_one(made):
    lost = {"completed": 30, "failed": 10, "output_lens": [16] * 30 + [0] * 10, "total_output_tokens": 480,
            "total_input_tokens": 1920, "server_input_tokens": 1920}  # fmt: skip
    made.holder.scenes = [lambda: made.holder.finish(**lost)]
    (first,) = made.call(concurrencies=[4], min_completed=0.5)["points"]
    (second,) = made.call(concurrencies=[4])["points"]
    assert (first["valid"], second["action"], second["valid"]) == (True, "measured", True)
    assert made.call(concurrencies=[4], min_completed=0.5)["points"][0]["action"] == "kept"
