# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that is not whole while it is measured: restarts of the holder, and gaps that the job allows."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, StepError
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait, service_look
from ansible_collections.srt.slurm.plugins.module_utils.stages.service_gaps import gaps_between


def test_a_point_during_a_restart_is_measured_once_more_when_the_service_is_whole(made, monkeypatch):
    waited = []
    monkeypatch.setattr(health_wait, "wait_for", lambda *args: waited.append(args))
    made.plan["checks"] = [{"name": "decode_0"}]
    next(step for step in made.plan["steps"] if step["name"] == "decode_0")["restarts"] = 1

    def scene():
        made.holder.change("decode_0", state="running", attempt=2, started_at=made.holder.at(1))
        made.holder.finish()

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert (point["valid"], len(waited)) == (True, 2)  # before the first time and before the second
    assert made.holder.started() == ["bench_c4", "bench_c4"]


def test_a_loss_that_the_job_allows_is_recorded_and_the_run_goes_on(made):
    next(step for step in made.plan["steps"] if step["name"] == "decode_0")["critical"] = False
    made.holder.records["decode_0"]["critical"] = False

    def scene():
        made.holder.die("decode_0")
        made.holder.finish()

    made.holder.scenes = [scene]
    result = made.call()
    assert [point["valid"] for point in result["points"]] == [True, True]
    path = made.plan["benchmark"]["points"][0]["result"].replace(".json", ".verdict.json")
    gaps = json.loads((made.run_dir / path).read_text())["service_gaps"]
    assert gaps == ["decode_0 ended during the measurement: killed by signal 9 on node0003"]
    assert [point["service_gaps"] for point in result["points"]] == [
        gaps,
        ["decode_0 was not running: killed by signal 9 on node0003"],
    ]
    told = [line for line in made.lines if line.startswith("c=4 measured, valid: ")]
    assert told and told[0].endswith(f", with service gaps: {gaps[0]}")
    assert [point["action"] for point in made.call()["points"]] == ["measured", "measured"]


def test_a_point_that_failed_names_what_does_not_answer(made):
    """A node that was cut off has no step that ended."""
    made.plan["checks"] = [
        {"name": "prefill_0", "steps": ["prefill_0"], "after": []},
        {"name": "decode_0", "steps": ["decode_0"], "after": []},
        {"name": "token", "steps": ["prefill_0", "decode_0"], "after": ["decode_0"]},
    ]
    node = next(step["nodes"][0] for step in made.plan["steps"] if step["name"] == "decode_0")

    def scene():
        made.holder.mute = {"decode_0": "timed out"}
        made.holder.finish(exit_code=1, result=False)

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"][-1] == f"parts of the service did not answer afterwards: decode_0 on {node} (timed out)"
    asked = [fields["checks"] for op, fields in made.holder.asked if op == "wait" and fields.get("checks")]
    assert [check["name"] for check in asked[-1]] == ["prefill_0", "decode_0", "token"]
    assert [check["after"] for check in asked[-1]] == [[], [], []]


def test_a_point_after_which_a_part_does_not_answer_is_not_valid_and_no_other_is_measured(made, monkeypatch):
    monkeypatch.setattr(service_look, "STILL_WHOLE_S", 0.2)
    made.plan.update(checks=[{"name": "decode_0", "steps": ["decode_0"], "after": []}], health_timeout_s=3600.0)

    def scene():
        made.holder.finish()
        made.holder.mute = {"decode_0": "timed out"}

    made.holder.scenes = [scene]
    with pytest.raises(Error, match="not healthy after 0.2 s: .*decode_0 on node0003: timed out") as caught:
        made.call()
    points = caught.value.evidence["points"]
    why = "parts of the service did not answer afterwards: decode_0 on node0003 (timed out)"
    assert [point["reasons"] for point in points][0] == [why]
    assert [point["action"] for point in points] == ["measured", "not_measured"]


def test_a_worker_that_may_be_lost_is_waited_for_until_nobody_lists_it_any_more(made, monkeypatch):
    """A part that is lost is listed for longer than a service that was whole may be silent."""
    monkeypatch.setattr(service_look, "STILL_WHOLE_S", 0.2)
    listing = {"tier": "worker", "by": "etcd", "kept_s": 0.4}
    made.plan.update(checks=[{"name": "workers", "steps": ["decode_0"], "after": [], "listing": listing}])
    asked = []
    monkeypatch.setattr(health_wait, "wait_for", lambda talk, plan, checks, whole_s, *more: asked.append(whole_s))
    made.holder.scenes = [made.holder.finish, made.holder.finish]
    made.call()
    assert asked[1:] == [pytest.approx(0.6)]


def test_a_service_that_is_not_the_planned_one_is_not_measured_for_it(made):
    made.holder.records["decode_0"]["digest"] = "of other options"
    with pytest.raises(Error, match="decode_0 was started with other options or on other nodes. It was not measured"):
        made.call()
    assert made.holder.started() == []


def test_a_part_that_another_run_replaces_meanwhile_makes_the_point_invalid(made):
    def scene():
        made.holder.change("decode_0", digest="of other options")
        made.holder.finish()

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["decode_0 does not match the plan: it has other options"]


def test_two_points_are_never_measured_at_once(made):
    other = dict(made.plan["benchmark"]["points"][1]["step"], name="bench_c99")
    made.holder.put(other, state="running", started_at=made.holder.at(0))
    made.holder.busy = ["bench_c99"]
    made.holder.scenes = [lambda: made.holder.change("bench_c99", state="ended", ended_at=made.holder.at(30))]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["valid"], point
    assert "c=4 waits for bench_c99, which is being measured" in made.lines


def test_a_point_beside_which_another_one_was_measured_is_not_valid(made):
    def scene():
        other = dict(made.plan["benchmark"]["points"][1]["step"], name="bench_c99")
        made.holder.put(other, state="running", started_at=made.holder.at(1))
        made.holder.finish()

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["bench_c99 was measured at the same time"]


def test_a_part_whose_death_is_known_only_from_slurm_makes_the_point_invalid(made):
    """The srun client was stopped: its report never comes, and the holder asks Slurm."""
    reason = "Slurm no longer runs it"

    def scene():
        made.holder.finish()
        made.holder.before["status"] = lambda: made.holder.die("decode_0", ended_at=made.holder.at(9), reason=reason)

    made.holder.scenes = [scene]
    with pytest.raises(StepError, match="Step decode_0 on node0003 ended while c=4 was measured"):
        made.call(concurrencies=[4])
    path = made.run_dir / made.plan["benchmark"]["points"][0]["result"].replace(".json", ".verdict.json")
    reasons = json.loads(path.read_text())["reasons"]
    assert reasons == [f"decode_0 had ended when the measurement was over: {reason}"]


def test_an_engine_that_its_launcher_started_again_makes_the_point_invalid(made):
    def scene():
        made.holder.breaks = [{"name": "decode_0", "at": made.holder.at(2), "reason": "its server ended"}]
        made.holder.finish()

    made.holder.scenes = [scene]
    made.plan["checks"] = [{"name": "decode_0", "steps": ["decode_0"], "after": [], "host": "n3", "port": 1}]
    first, second = made.call()["points"]
    assert first["reasons"] == ["decode_0 stopped serving during the measurement: its server ended"]
    assert second["valid"]
    watched = [fields["witness"] for op, fields in made.holder.asked if "witness" in fields]
    assert watched[0] == {"decode_0": ["n3", 1]}


def test_a_service_that_slurm_says_nothing_about_is_not_called_whole(made):
    def request(op, known=None, real=made.holder.request, **fields):
        return dict(real(op, known=known, **fields), looked=not fields.get("look"))

    made.holder.request = request
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["Slurm did not say afterwards which steps it runs"]


def test_a_point_that_failed_on_a_service_that_answers_says_nothing_of_that(made):
    made.plan["checks"] = [{"name": "decode_0", "steps": ["decode_0"], "after": []}]
    made.holder.scenes = [lambda: made.holder.finish(exit_code=1, result=False)]
    (point,) = made.call(concurrencies=[4])["points"]
    assert not point["valid"] and "did not answer" not in str(point["reasons"])


def test_a_point_in_which_the_job_was_paused_is_stopped_and_measured_again(made):
    holder = made.holder

    def stand_still():
        holder.pauses = [{"from": holder.at(1), "to": holder.at(15), "s": 14.0}]

    holder.scenes.append(stand_still)
    made.plan["checks"] = [{"name": "frontend"}]
    result = made.call(concurrencies=[made.plan["benchmark"]["points"][0]["key"]["concurrency"]])
    assert [point["valid"] for point in result["points"]] == [True]
    assert [op for op, _fields in holder.asked].count("stop") == 1
    (first,) = made.run_dir.glob("results/*/*.attempt1.verdict.json")
    assert "the job was paused for 14 s meanwhile: Slurm suspended it" in first.read_text()


def test_a_point_whose_load_client_was_stopped_is_measured_again(made):
    health = {
        "gaps": 1, "gaps_s": 10.0, "max_gap_s": 10.0, "max_gap_at_s": 12.3, "suspended_s": 0.0, "cpu_share": 0.1,
        "wait_share": 0.0, "mean_lag_ms": 0.1, "mean_send_lateness_ms": 0.1,
    }  # fmt: skip
    made.holder.scenes = [lambda: made.holder.finish(client_health=health)]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["valid"]
    assert made.holder.started() == ["bench_c4", "bench_c4"]
    (first,) = made.run_dir.glob("results/*/*.attempt1.verdict.json")
    assert "the load client did not run for 10.0 s, 12.3 s after the measurement began" in first.read_text()


def test_a_point_whose_load_client_is_too_slow_is_measured_only_twice(made):
    health = {
        "gaps": 0, "gaps_s": 0.0, "max_gap_s": 0.0, "max_gap_at_s": None, "suspended_s": 0.0, "cpu_share": 0.99,
        "wait_share": 0.0, "mean_lag_ms": 0.1, "mean_send_lateness_ms": 0.1,
    }  # fmt: skip
    made.holder.scenes = [lambda: made.holder.finish(client_health=health)] * 2
    (point,) = made.call(concurrencies=[4])["points"]
    assert not point["valid"]
    assert point["reasons"] == ["the load client itself was the limit: it used 99 % of a core"]
    assert made.holder.started() == ["bench_c4", "bench_c4"]


def test_a_part_that_does_not_survive_that_the_job_was_paused_is_named_with_it(made):
    """As a worker whose lease etcd took for over."""
    holder = made.holder

    def stand_still():
        holder.pauses = [{"from": holder.at(1), "to": holder.at(15), "s": 14.0}]
        holder.change("decode_0", state="ended", exit_code=0, ended_at=holder.at(16), reason="exited with code 0")

    holder.scenes.append(stand_still)
    with pytest.raises(StepError) as caught:
        made.call(concurrencies=[made.plan["benchmark"]["points"][0]["key"]["concurrency"]])
    said = r"Step decode_0 on \w+ ended while c=\d+ was measured and the job had been paused for 14 s: exited with"
    assert re.match(said, caught.value.msg), caught.value.msg


def life(attempt, begin, end=None, **more):
    """Return one attempt of decode_0 between two clock times, as an end and as a record; no end: it runs."""
    state = "ended" if end else "running"
    facts = {"name": "decode_0", "attempt": attempt, "digest": "d", "reason": end and "killed", "state": state,
             "started_at": begin, "ended_at": end, "from": begin, "to": end}  # fmt: skip
    return dict(facts, **more)


ENDED = "decode_0 ended during the measurement: killed"
ANEW = "decode_0 was restarted during the measurement"
OVER = "decode_0 had ended when the measurement was over: killed"
OTHER = "decode_0 does not match the plan: it has other options"


@pytest.mark.parametrize(
    ("ends", "record", "told"),
    [
        pytest.param([], life(1, "09:00"), [], id="whole"),
        pytest.param([], life(1, "09:00", "10:06"), [OVER], id="died after it"),
        pytest.param([life(1, "09:00", "10:06")], life(2, "10:07"), [], id="replaced after it"),
        pytest.param([life(1, "08:00", "08:30")], life(2, "09:00"), [], id="replaced before it"),
        pytest.param([life(1, "09:00", "10:02")], life(2, "10:07"), [ENDED], id="died in it, replaced after it"),
        pytest.param([life(1, "09:00", "10:02")], life(2, "10:03"), [ENDED, ANEW], id="replaced in it"),
        pytest.param(
            [life(1, "09:00", "10:02", expected=True)], life(2, "10:03"), [ENDED, ANEW], id="replaced on purpose"
        ),
        pytest.param(
            [life(1, "09:00", "10:01"), life(2, "10:02", "10:03")], life(3, "10:09"), [ENDED, ANEW, ENDED], id="twice"
        ),
        pytest.param(
            [life(1, "09:00", "10:02"), life(2, "10:03", "10:08", digest="o")],
            life(3, "10:09"),
            [ENDED, ANEW, OTHER],
            id="other options for a while",
        ),
        pytest.param(
            [life(1, "09:00", "09:30")], life(2, "10:07"), ["decode_0 was not running: killed"], id="died before it"
        ),
        pytest.param([], life(2, "10:07"), ["decode_0 was not running"], id="nothing known of before"),
        pytest.param([life(1, "09:00", "10:02")], life(2, None, state="starting"), [ENDED], id="starts now"),
        pytest.param([], None, ["decode_0 was not running"], id="never seen"),
    ],
)
def test_what_counts_is_who_ran_in_all_of_the_time(ends, record, told):
    step, records = {"name": "decode_0", "digest": "d", "critical": True}, {"decode_0": record} if record else {}
    found = gaps_between([step], records, ends, "10:00", "10:05")
    assert (found.critical, found.allowed, found.steps) == (told, [], ["decode_0"] if told else [])
    allowed = gaps_between([dict(step, critical=False)], records, ends, "10:00", "10:05")
    assert (allowed.critical, allowed.allowed) == ([OTHER] if OTHER in told else [], [t for t in told if t != OTHER])


def unwatched(made):
    """Let c=4 begin without a controller, and decode_0 die in it."""
    made.holder.put(made.plan["benchmark"]["points"][0]["step"], started_at=made.holder.at(0))
    made.holder.die("decode_0")


def test_a_worker_that_died_in_an_unwatched_point_and_runs_again_makes_it_invalid(made):
    unwatched(made)
    made.holder.finish()
    made.holder.replace("decode_0", made.holder.at(30))
    made.holder.minute += 1
    (point,) = made.call(concurrencies=[4])["points"]
    why = "decode_0 ended during the measurement: killed by signal 9 on node0003"
    path = made.run_dir / made.plan["benchmark"]["points"][0]["result"].replace(".json", ".attempt1.verdict.json")
    assert json.loads(path.read_text())["reasons"] == [why]
    assert f"c=4 will be measured again when the service is complete ({why})" in made.lines
    assert (point["valid"], point["action"], made.holder.started()) == (True, "measured", ["bench_c4"])


def test_the_same_while_it_is_still_measured(made):
    unwatched(made)
    made.holder.replace("decode_0", made.holder.at(2))
    (point,) = made.call(concurrencies=[4])["points"]
    assert any("ended during" in line and "restarted" in line for line in made.lines)
    assert (point["valid"], made.holder.started()) == (True, ["bench_c4"])


def test_a_part_that_another_run_replaces_by_the_same_makes_a_watched_point_invalid(made):
    def scene():
        made.holder.die("decode_0", expected=True, signal=15, reason="killed by signal 15 on node0003")
        made.holder.replace("decode_0", made.holder.at(2))
        made.holder.finish()

    made.holder.scenes = [scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == [
        "decode_0 ended during the measurement: killed by signal 15 on node0003",
        "decode_0 was restarted during the measurement",
    ]
    assert made.holder.started() == ["bench_c4"]


BETWEEN = "2026-11-21T10:00:50.000Z"  # after the look at the service before the first point, before its step began


def test_an_engine_that_dies_between_the_look_before_a_point_and_its_start_makes_it_invalid(made):
    """Its launcher starts it again, so that it answers afterwards; it may have been missing for most of the point."""
    found = {"name": "decode_0", "at": BETWEEN, "reason": "its server ended"}
    made.holder.before["start"] = lambda: made.holder.breaks.append(found)
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == [
        "it was stopped because decode_0 stopped serving",
        "decode_0 stopped serving during the measurement: its server ended",
    ]


def test_a_worker_that_is_restarted_between_the_look_before_a_point_and_its_start_makes_it_invalid(made):
    next(step for step in made.plan["steps"] if step["name"] == "decode_0")["restarts"] = 1

    def restarted():
        made.holder.die("decode_0", ended_at=BETWEEN)
        made.holder.replace("decode_0", BETWEEN)

    made.holder.before["start"] = restarted
    (point,) = made.call(concurrencies=[4])["points"]
    (first,) = made.run_dir.glob("results/*/*.attempt1.verdict.json")
    reasons = json.loads(first.read_text())["reasons"]
    assert "decode_0 was restarted during the measurement" in reasons
    assert point["valid"] and made.holder.started() == ["bench_c4", "bench_c4"]


def test_a_part_that_ends_while_others_are_waited_for_is_waited_for_as_well(made, monkeypatch):
    """What has answered once is not asked again in one wait."""
    waited = []

    def wait_for(*_args):
        waited.append(1)
        if len(waited) == 1:
            made.holder.breaks.append({"name": "decode_0", "at": made.holder.at(40), "reason": "its server ended"})
            made.holder.minute += 1

    monkeypatch.setattr(health_wait, "wait_for", wait_for)
    made.plan["checks"] = [{"name": "decode_0", "steps": ["decode_0"], "after": []}]
    (point,) = made.call(concurrencies=[4])["points"]
    assert (point["valid"], len(waited)) == (True, 2)


def test_the_service_is_looked_at_again_after_another_run_was_waited_for(made, monkeypatch):
    """A part may have ended in the point of the other run."""
    other, looks = dict(made.plan["benchmark"]["points"][1]["step"], name="bench_c99"), []
    monkeypatch.setattr(health_wait, "wait_for", lambda *_args: looks.append(made.holder.running()))
    made.plan["checks"] = [{"name": "decode_0", "steps": ["decode_0"], "after": []}]
    made.holder.busy = ["bench_c99"]

    def begun():
        made.holder.put(other, state="running", started_at=made.holder.at(0))

    made.holder.put(other, state="ended")
    made.holder.before["start"] = begun
    made.holder.scenes = [lambda: made.holder.change("bench_c99", state="ended", ended_at=made.holder.at(30))]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["valid"], point
    assert looks == [None, None]
