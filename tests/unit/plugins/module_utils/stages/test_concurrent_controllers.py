# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two controllers that measure one service, and holders that follow one another."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, StepError
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait

CHECKS = [{"name": "decode_0", "steps": ["decode_0"], "after": []}]


def waits(made):
    """Return how often the end of a measurement was waited for."""
    return sum(op == "wait" and "bench_c4" in fields.get("watch", ()) for op, fields in made.holder.asked)


def test_a_measurement_that_a_second_holder_calls_ended_is_not_waited_for_any_longer(made):
    def scene():
        made.holder.change("bench_c4", state="ended", expected=True, ended_at=made.holder.at(2),
                           reason="ended before this holder started")  # fmt: skip
        made.holder.follow(*made.holder.records)

    made.holder.scenes = [lambda: None, scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["the load client ended before this holder started"]
    assert waits(made) == 2


def test_a_measurement_that_a_second_holder_does_not_know_of_is_over(made):
    service = [step["name"] for step in made.plan["steps"]]
    made.holder.scenes = [lambda: made.holder.follow(*service)]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["the load client was lost with its holder"]
    assert waits(made) == 1


def test_a_part_of_the_service_that_a_second_holder_does_not_know_of_does_not_run(made):
    made.holder.scenes = [lambda: (made.holder.finish(), made.holder.follow("prefill_0", "prefill_1", "bench_c4"))]
    with pytest.raises(Error, match="The running service does not match the plan: decode_0 does not run") as caught:
        made.call()
    first, second = caught.value.evidence["points"]
    assert (first["valid"], second["action"]) == (False, "not_measured")
    assert "decode_0" in first["reasons"][0]


def rival(made, evaluated=None, **facts):
    """Let another controller begin c=4; with *evaluated* it has also ended, and has a verdict if that is true."""
    point = made.plan["benchmark"]["points"][0]
    made.holder.minute += 1
    made.holder.put(point["step"], **dict({"started_at": made.holder.at(0)}, **facts))
    made.holder.write(point["progress"], {})
    if evaluated is None:
        return
    made.holder.finish("bench_c4")
    if evaluated:
        result = json.loads((made.run_dir / point["result"]).read_text())
        made.helpers.write_point(made.run_dir, point, result)


def outcome(made, **params):
    """Measure c=4; return what was done and how often it was started, and see that nothing was set aside."""
    (point,) = made.call(concurrencies=[4], **params)["points"]
    assert point["valid"], point["reasons"]
    assert list((made.run_dir / "results").rglob("*.attempt*")) == []
    return point["action"], made.holder.minute


def test_a_measurement_that_ends_while_it_is_joined_is_not_begun_again(made):
    rival(made)
    made.holder.before["start"] = made.holder.finish
    assert outcome(made) == ("attached", 1)


@pytest.mark.parametrize(("evaluated", "action"), [(None, "attached"), (False, "evaluated"), (True, "kept")])
@pytest.mark.parametrize("force", [False, True])
def test_what_another_one_measures_while_the_service_is_seen_to_counts(made, evaluated, action, force):
    made.plan["checks"] = CHECKS
    made.holder.before["wait"] = lambda: rival(made, evaluated)
    assert outcome(made, force=force) == (action, 1)
    assert made.holder.started() == []


@pytest.mark.parametrize(("evaluated", "action"), [(None, "attached"), (False, "evaluated"), (True, "kept")])
def test_what_another_one_begins_at_the_same_moment_counts(made, evaluated, action):
    made.holder.before["start"] = lambda: rival(made, evaluated)
    assert outcome(made) == (action, 1)


def test_what_was_measured_before_is_measured_again_if_that_is_wanted(made):
    rival(made, True)
    assert made.call(concurrencies=[4])["points"][0]["action"] == "kept"
    (point,) = made.call(concurrencies=[4], force=True)["points"]
    assert (point["action"], made.holder.minute) == ("measured", 2)
    assert len(list((made.run_dir / "results").rglob("*.attempt1.json"))) == 1


def test_a_verdict_is_not_written_on_what_another_one_measures_by_then(made):
    made.plan["checks"] = CHECKS

    def scene():
        made.holder.finish(exit_code=1, result=False)
        made.holder.before["wait"] = lambda: rival(made)

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert (point["action"], point["valid"], point["reasons"]) == ("attached", True, [])


def test_a_measurement_with_other_options_is_not_taken_for_this_one(made):
    made.holder.scenes = [lambda: rival(made, digest="other")]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"][0].startswith("another controller started to measure it with other options")
    assert [op for op, _fields in made.holder.asked if op == "stop"] == []
    assert list((made.run_dir / "results").rglob("*.verdict.json")) == []


def test_the_time_of_a_measurement_begins_with_it_and_not_with_who_joins(made):
    rival(made, started_at="2026-11-21T09:59:00.000Z")
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"][0] == "it was stopped because it was not complete after 60 s"


def test_a_measurement_that_another_one_begins_again_has_its_own_time(made):
    made.holder.scenes = [lambda: rival(made, attempt=2), lambda: None]
    assert outcome(made) == ("attached", 2)


def other_point(made, started_at="2026-11-21T09:57:00.000Z", **facts):
    """Let another controller measure another point, c=99."""
    step = dict(made.plan["benchmark"]["points"][1]["step"], name="bench_c99", digest="s99")
    made.holder.put(step, started_at=started_at, **facts)
    made.holder.busy = ["bench_c99"]


def test_another_measurement_that_nobody_ends_is_ended_after_its_deadline(made):
    other_point(made, deadline_s=90)
    (point,) = made.call(concurrencies=[4])["points"]
    assert (point["action"], point["valid"]) == ("measured", True)
    assert "bench_c99 was ended: it was not complete after 181 s, and its controller did not end it" in made.lines
    assert [fields["names"] for op, fields in made.holder.asked if op == "stop"] == [["bench_c99"]]


@pytest.mark.parametrize("facts", [{"deadline_s": 150}, {}, {"deadline_s": 60, "started_at": None}])
def test_another_measurement_that_may_go_on_is_waited_for(made, facts):
    other_point(made, **facts)
    made.holder.scenes = [
        lambda: None,
        lambda: made.holder.change("bench_c99", state="ended", ended_at=made.holder.at(0)),
    ]
    assert made.call(concurrencies=[4])["valid"]
    assert [op for op, _fields in made.holder.asked if op == "stop"] == []
    assert [fields["watch"] for op, fields in made.holder.asked if op == "wait"][:2] == [["bench_c99"]] * 2
    assert "c=4 waits for bench_c99, which is being measured" in made.lines


def test_another_measurement_that_cannot_be_ended_is_an_error(made, monkeypatch):
    other_point(made, deadline_s=60)
    monkeypatch.setattr(made.holder, "change", lambda *args, **facts: None)
    with pytest.raises(Error, match="bench_c99 exceeded its deadline and cannot be ended.* Check node0001"):
        made.call(concurrencies=[4])


def test_the_holder_gets_the_deadline_and_the_last_attempt(made):
    rival(made, evaluated=False)
    made.holder.change("bench_c4", exit_code=1)
    made.call(concurrencies=[4])
    (fields,) = [fields for op, fields in made.holder.asked if op == "start"]
    assert (fields["attempts"], fields["steps"][0]["deadline_s"]) == ({"bench_c4": 1}, 60)


def another_worker(made, **facts):
    """Let the holder have a worker that is not in the plan: of an earlier one, or of another run."""
    decode = next(step for step in made.plan["steps"] if step["name"] == "decode_0")
    made.holder.put(dict(decode, name="decode_1"), **facts)


def test_a_service_with_a_worker_that_the_plan_does_not_have_is_not_measured_for_it(made):
    another_worker(made)
    with pytest.raises(
        Error, match="decode_1 runs, but is not in the plan. It was not measured. Run the whole playbook"
    ):
        made.call()
    assert made.holder.started() == []
    made.holder.die("decode_1", ended_at=made.holder.at(0))
    assert made.call(concurrencies=[4])["points"][0]["valid"]


def test_a_worker_that_another_run_starts_meanwhile_makes_the_point_invalid(made):
    def scene():
        another_worker(made, started_at=made.holder.at(1))
        made.holder.finish()

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["decode_1 ran at the same time, but is not in the plan"]


def test_a_part_that_another_run_replaces_while_the_service_is_waited_for_ends_the_wait(made, monkeypatch):
    def wait_for(*_args):
        made.holder.change("decode_0", digest="of other options")

    monkeypatch.setattr(health_wait, "wait_for", wait_for)
    made.plan["checks"] = CHECKS
    with pytest.raises(Error, match="decode_0 was started with other options or on other nodes. It was not measured."):
        made.call()


def test_a_part_that_ends_while_others_are_waited_for_is_named(made, monkeypatch):
    monkeypatch.setattr(
        health_wait, "wait_for", lambda *_args: made.holder.die("decode_0", ended_at=made.holder.at(50))
    )
    made.plan["checks"] = CHECKS
    with pytest.raises(StepError, match="Step decode_0 on node0003 ended before the point was measured"):
        made.call()
