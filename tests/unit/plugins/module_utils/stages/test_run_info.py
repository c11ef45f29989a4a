# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What run_info says of a run, from its files."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import runs
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_ends import job_end
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import VERDICT_SCHEMA_VERSION
from ansible_collections.srt.slurm.plugins.module_utils.stages import run_info


def step(name, tier, **fields):
    """Return an event of steps.jsonl about a step that ended."""
    known = {"name": name, "tier": tier, "state": "ended", "node": "node001", "exit_code": 0, "expected": False}
    return dict(known, reason="exited with code 0", log=f"logs/{name}.out", **fields)


def utc(ago_s):
    """Return the time so many seconds ago (ahead, if negative) as squeue tells it."""
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago_s)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Return a function that gives run_info of a run with the given events; over, unless *live*."""
    points = [
        {"name": f"bench_c{n}", "key": {"concurrency": n}, "label": f"c={n}",
         "digest": "d", "result": f"results/c{n}.json",
         "progress": f"results/c{n}.progress.json", "step": {"name": f"bench_c{n}"}}
        for n in (2, 4)
    ]  # fmt: skip
    plan = {
        "run_dir": str(tmp_path),
        "steps": [{"name": "decode_0", "tier": "worker"}],
        "benchmark": {"points": points},
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))

    def call(*events, live=False, state="RUNNING", told=None, **squeue):
        (tmp_path / "steps.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        job = {"state": state, "nodelist": "", "name": "x", "reason": "", "started_at": "", "ends_at": None}
        job.update(squeue, submitted_at=squeue.get("submitted_at", ""))
        found = runs.Run(str(tmp_path), "7", job if live else None, True)
        monkeypatch.setattr(runs, "find", lambda params: found)
        monkeypatch.setattr(runs.Run, "holder", lambda self: told)
        monkeypatch.setattr(runs.Run, "_end", lambda self: ("FAILED", "NonZeroExitCode, exit code 1:0"))
        return run_info.run({"lines": 3}, None)

    return call


def at(phase, **facts):
    """Return an event of steps.jsonl about the holder."""
    return dict({"event": "holder", "phase": phase}, **facts)


@pytest.mark.parametrize("content", [{}, {"steps": []}, {"steps": {}, "benchmark": {"points": []}}, {"benchmark": 3}])
def test_the_plan_of_another_version_is_told(look, tmp_path, content):
    (tmp_path / "plan.json").write_text(json.dumps(content))
    with pytest.raises(Error, match="plan.json is not a plan of this version"):
        look(live=True)


def test_steps_that_end_by_themselves_are_no_faults(look):
    text = look(
        step("preflight", "preflight"),
        step("bench_c2", "benchmark"),
        step("decode_0", "worker"),
        live=True,
    )["text"]
    assert "decode_0 on node001: exited with code 0" in text
    assert "preflight on" not in text
    assert "bench_c2 on" not in text


def test_a_preflight_that_failed_is_one(look):
    assert "preflight on node001" in look(dict(step("preflight", "preflight"), exit_code=1), live=True)["text"]


def test_points_of_a_run_that_is_over_do_not_wait(look):
    running = dict(step("bench_c2", "benchmark"), state="running", reason=None)
    before = look(running, live=True)
    assert [point["state"] for point in before["points"]] == ["running", "waiting"]
    after = look(running)
    assert [point["state"] for point in after["points"]] == ["not_measured", "not_measured"]
    assert "c=4 not measured" in after["text"]


def test_why_the_holder_ended_the_job_is_said(look):
    end = {"code": "time_limit", "reason": "signal 15: its time limit of 00:01:00 is reached"}
    first = [at("begin"), at("ending", **job_end("preempted", signal=15)), at("ended")]
    holder = [*first, at("begin"), at("ending", **end), at("ended")]
    found = look(*holder)
    assert found["ending"] == end
    assert "ended: signal 15: its time limit of 00:01:00 is reached" in found["text"]
    assert look(*holder[:4])["ending"] is None  # it was requeued and killed


@pytest.mark.parametrize("state", ["SUSPENDED", "STOPPED"])
def test_a_suspended_job_is_paused_in_its_stage(look, state):
    running = dict(step("bench_c2", "benchmark"), state="running", reason=None)
    found = look(running, live=True, state=state)
    assert (found["stage"], found["job"]["state"]) == ("benchmark", state)
    assert f"{state}, in its stage benchmark" in found["text"].splitlines()[0].replace(" ()", "")
    assert look(live=True, state="PENDING")["stage"] == "allocation"


def test_a_job_that_was_requeued_is_in_the_stage_of_its_latest_playbook(look, tmp_path):
    written, events = tmp_path / "stage.json", [at("begin")]
    # Nobody needs the words in the output of the playbook.
    (tmp_path / "playbook.log").write_text("TASK [srt.slurm.preflight : Check] ****\nPLAY RECAP ****\n")
    for stage in ("allocation", "benchmark", "kept"):
        written.write_text(json.dumps({"stage": stage}))
        assert look(*events, live=True)["stage"] == stage
    events.append(at("requeue", attempt=2, attempts=2))
    assert look(*events, live=True)["stage"] == "head_infra", "the next job attempt has not begun"
    events.append(at("begin"))
    written.unlink()
    assert look(*events, live=True)["stage"] == "head_infra"
    written.write_text(json.dumps({"stage": "worker"}))
    assert look(*events, live=True)["stage"] == "worker"


def test_a_job_that_has_not_begun_has_no_end_and_nothing_to_count(look, tmp_path):
    (tmp_path / "plan.json").unlink()
    # Slurm's estimate of a job that waits for another one: a year ahead.
    slurm = {"submitted_at": utc(190), "started_at": utc(-31536000), "ends_at": utc(-31537200)}
    found = look(live=True, state="PENDING", **slurm, reason="Resources")
    first, *rest = found["text"].splitlines()
    assert first.startswith("job 7 x: PENDING (Resources), stage allocation, waiting for 0:03:1")
    assert "left" not in first
    assert rest == [f"run directory: {tmp_path}"]
    assert [found["job"][key] for key in ("started_at", "ends_at", "time_left_s")] == [None] * 3
    assert 190 <= found["job"]["waits_s"] < 199
    running = look(live=True, **dict(slurm, started_at=utc(5), ends_at=utc(-600)))
    assert (running["job"]["waits_s"], running["requeue"]) == (None, None)
    assert "0:09:5" in running["text"] or "0:10:00 left" in running["text"]


def attempt_that_failed(tmp_path, ago_s):
    """Leave what a first attempt left that ended so long ago: a valid point, one that is not, a rollup; its events."""
    when = utc(ago_s).replace("Z", ".123Z")
    (tmp_path / "results").mkdir()
    for number, valid in ((2, True), (4, False)):
        verdict = {"digest": "d", "valid": valid, "reasons": [] if valid else ["decode_0 ended"], "ended_at": when}
        verdict["schema_version"] = VERDICT_SCHEMA_VERSION
        (tmp_path / f"results/c{number}.verdict.json").write_text(json.dumps(verdict))
    rollup = {"valid": False, "invalid_reasons": ["c=4: decode_0 ended"], "results": [], "generated_at": when}
    (tmp_path / "rollup.json").write_text(json.dumps(rollup))
    (tmp_path / "playbook.log").write_text(
        "PLAY [Run the stages] ****\nTASK [srt.slurm.rollup : Write] ****\nPLAY RECAP ****\nJob 7 ends: x.\n"
    )
    end = job_end("playbook_ended", "its playbook ended with exit code 2")
    own = dict(step("decode_1", "worker"), state="running", reason=None)
    phases = [at("begin"), at("ending", **end), at("ended"), at("requeue", attempt=2, attempts=3)]
    return [own, *(dict(event, t=when) for event in phases)]


def test_a_job_between_two_attempts_says_that_it_was_requeued(look, tmp_path):
    events = attempt_that_failed(tmp_path, 60)
    found = look(*events, live=True, state="PENDING", reason="BeginTime", submitted_at=utc(60), ends_at=utc(-1300))
    text = found["text"]
    why = "its playbook ended with exit code 2"
    assert (
        f"requeued: attempt 2 of 3 starts when it gets nodes; the previous job attempt ended: {why}"
        in text.splitlines()
    )
    for wrong in ("is ending", "results:", "left", "invalid", "workers"):
        assert wrong not in text.partition("last lines")[0], text
    assert [point["state"] for point in found["points"]] == ["done", "waiting"]
    assert (found["valid"], found["verdict"]) == (None, None)
    assert {one["state"] for one in found["steps"]} == {"ended"}
    cancelled = look(*events)["text"]
    assert cancelled.splitlines()[1] == f"ended: {why}"
    assert "results: NOT valid" in cancelled


def holder(left_s=3600.0, ending=None):
    """Return a status answer of the holder."""
    return {"lease": {"lease_s": 3600.0, "left_s": left_s}, "ending": ending, "trouble": None}


@pytest.mark.parametrize(
    ("told", "time_left_s", "expected"),
    [
        (holder(), 7200, {"url": "http://10.1.0.1:8000", "left_s": 3600.0, "ends_by": "lease"}),
        (holder(), 500, {"url": "http://10.1.0.1:8000", "ends_by": "time_limit"}),
        (holder(), None, {"ends_by": "lease"}),
        (holder(ending=job_end("requested", "the playbook has finished")), 7200, None),
        (None, 7200, None),
    ],
)
def test_what_stays_up_is_reported_with_how_long(look, tmp_path, told, time_left_s, expected):
    ends_at = time_left_s and utc(-time_left_s)
    plan = json.loads((tmp_path / "plan.json").read_text())
    critical = {"name": "decode_0", "tier": "worker", "critical": True}
    plan.update(frontend_url="http://10.1.0.1:8000", steps=[critical, {"name": "decode_1", "tier": "worker"}])
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "stage.json").write_text('{"stage": "kept"}')
    up = dict(step("decode_0", "worker"), state="running", reason=None)
    found = look(up, live=True, told=told, ends_at=ends_at)
    assert (found["service"] or {}).items() >= (expected or {}).items()
    assert bool(found["service"]) == bool(expected)
    assert ("service: http://10.1.0.1:8000" in found["text"]) == bool(expected)
    if expected:
        assert (found["service"]["planned"], found["service"]["running"]) == (2, 1)
        assert found["service"]["left_s"] <= 3600
        lost = look(step("decode_0", "worker"), live=True, told=told, ends_at=ends_at)["service"]
        assert (lost["url"], lost["running"]) == (None, 0)


def test_a_job_that_slurm_requeued_says_so_too(look):
    """Its holder was lost with the node, and could say nothing."""
    own = dict(step("decode_0", "worker"), state="running", reason=None)
    assert "requeued: it starts when it gets nodes" in look(own, live=True, state="PENDING")["text"].splitlines()


def test_what_an_attempt_before_left_is_not_of_the_one_that_runs(look, tmp_path):
    events = attempt_that_failed(tmp_path, 60)
    begun = at("begin", restarts=1, t=utc(3))
    for more in ([], [begun]):  # its own holder has not begun yet, or has
        found = look(*events, *more, live=True)
        assert (found["ending"], found["requeue"], found["valid"]) == (None, None, None)
        assert [point["state"] for point in found["points"]] == ["done", "waiting"]
    # A service that is kept, measured an hour ago; by Slurm's clock, which is another one, it began only now.
    same = look(*events[:2], live=True, started_at=utc(0))
    assert (same["verdict"], [point["state"] for point in same["points"]]) == ("NOT valid", ["done", "invalid"])


@pytest.mark.parametrize(
    ("verdicts", "left_out", "told"),
    [
        ({2: "d", 4: "d"}, [], "valid"),
        ({2: "d", 4: "of another plan"}, [], None),
        ({2: "d"}, [], None),  # it was set aside: the point is being measured again
        ({2: "d"}, ["c=4"], "selected points valid; left out: c=4"),
        ({4: "d"}, ["c=4"], None),
    ],
)
def test_a_rollup_is_told_as_long_as_the_points_that_it_calls_valid_are(look, tmp_path, verdicts, left_out, told):
    (tmp_path / "results").mkdir()
    for number, digest in verdicts.items():
        verdict = {"schema_version": VERDICT_SCHEMA_VERSION, "digest": digest, "valid": True, "reasons": []}
        (tmp_path / f"results/c{number}.verdict.json").write_text(json.dumps(verdict))
    rollup = {"valid": not left_out, "results": [], "left_out": left_out, "generated_at": utc(5)}
    (tmp_path / "rollup.json").write_text(json.dumps(rollup))
    found = look(step("decode_0", "worker", state="running"), live=True)
    assert found["verdict"] == told
    assert found["valid"] is (not left_out if told else None)
