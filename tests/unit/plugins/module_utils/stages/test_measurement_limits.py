# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a measurement may take, with and without progress, and what is shown meanwhile."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.stages import measurement


def test_a_point_that_hangs_is_stopped_at_its_deadline(made):
    made.plan["benchmark"]["points"][0]["deadline_s"] = 0.0
    result = made.call()
    assert result["points"][0]["reasons"][0] == "it was stopped because it was not complete after 0 s"
    assert result["points"][1]["valid"] is True


def test_a_point_without_progress_is_stopped(made, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(measurement.time, "monotonic", lambda: now[0])
    path = made.plan["benchmark"]["points"][0]["progress"]

    def scene():
        now[0] += 10.0
        made.holder.write(
            path, {"state": "running", "done": 3, "total": 40, "tokens": 5, "concurrency": 4, "errors": 0}
        )

    made.holder.scenes = [scene] * 6
    made.plan["benchmark"]["points"][0]["deadline_s"] = 1000.0
    (point,) = made.call(concurrencies=[4], stall_timeout_s=25.0)["points"]
    assert point["reasons"][0] == "it was stopped after 30 s without progress"


def stalling(made, monkeypatch, progress, limit_s, **params):
    """Measure c=4, whose progress stays *progress* and whose plan has the limit *limit_s*; return its first reason.

    Ten seconds go by between two looks, an hour at most.
    """
    now, point = [0.0], made.plan["benchmark"]["points"][0]
    monkeypatch.setattr(measurement.time, "monotonic", lambda: now[0])
    point.update(deadline_s=7200.0, stall_timeout_s=limit_s)

    def scene():
        now[0] += 10.0
        if progress:
            made.holder.write(point["progress"], dict(progress, total=40, concurrency=4, errors=0))

    made.holder.scenes = [scene] * 360
    return "".join(made.call(concurrencies=[4], **params)["points"][0]["reasons"][:1])


RUNNING = {"state": "running", "done": 3, "tokens": 5}


@pytest.mark.parametrize(
    ("limit_s", "params", "seconds"),
    [
        (900, {}, 920),
        (30, {}, 50),
        (0, {}, None),
        (900, {"stall_timeout_s": 25.0}, 30),
        (900, {"stall_timeout_s": 0}, None),
    ],
)
def test_a_point_without_progress_is_stopped_at_the_limit_of_its_plan(made, monkeypatch, limit_s, params, seconds):
    """The load client keeps the limit itself and is left some seconds to say so."""
    reason = stalling(made, monkeypatch, RUNNING, limit_s, **params)
    assert reason == (f"it was stopped after {seconds} s without progress" if seconds else "")


@pytest.mark.parametrize(
    ("progress", "how"),
    [
        ({"state": "preparing"}, "it was still preparing its requests"),
        (None, "it reported no progress"),
    ],
)
@pytest.mark.parametrize(("limit_s", "seconds"), [(900, 920), (30, 610), (0, 610)])
def test_a_client_that_never_begins_is_stopped(made, monkeypatch, progress, how, limit_s, seconds):
    reason = stalling(made, monkeypatch, progress, limit_s)
    assert reason == f"it was stopped because its load client did not start in {seconds} s: {how}"


def test_preparation_is_no_stall(made, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(measurement.time, "monotonic", lambda: now[0])

    def scene():
        now[0] += 100.0
        made.holder.write(made.plan["benchmark"]["points"][0]["progress"], {"state": "preparing", "concurrency": 4})

    made.holder.scenes = [scene] * 4
    made.plan["benchmark"]["points"][0]["deadline_s"] = 1000.0
    assert made.call(concurrencies=[4], stall_timeout_s=25.0)["valid"] is True
    assert "c=4 starting" in made.lines


def test_waits_are_short_at_first_and_longer_later(made):
    made.plan["benchmark"]["points"][0]["deadline_s"] = 1000.0
    made.holder.scenes = [lambda: None] * 6
    made.call(concurrencies=[4])
    slices = [fields["slice_s"] for op, fields in made.holder.asked if op == "wait"]
    assert slices == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_progress_is_shown(made):
    path = made.plan["benchmark"]["points"][0]["progress"]
    made.holder.scenes = [lambda: made.holder.write(path, {
        "state": "running", "done": 12, "total": 40, "tokens": 5, "concurrency": 4, "errors": 1,
        "output_tok_s": 812.4, "left_s": 3.2,
    })]  # fmt: skip
    made.call(concurrencies=[4])
    assert "c=4 12/40 done, 812 tok/s, 1 error, 3 s left" in made.lines


@pytest.mark.parametrize("limit", ["stall", "deadline"])
def test_a_client_that_shows_no_life_at_a_limit_is_the_cause_and_measured_again(made, monkeypatch, limit):
    now, point = [0.0], made.plan["benchmark"]["points"][0]
    monkeypatch.setattr(measurement.time, "monotonic", lambda: now[0])
    point.update(deadline_s=60.0 if limit == "deadline" else 7200.0, stall_timeout_s=0 if limit == "deadline" else 30)

    def scene(alive):
        def look():
            now[0] += 10.0
            made.holder.write(point["progress"], dict(RUNNING, total=40, concurrency=4, errors=0, updated_at=alive))

        return look

    made.holder.scenes = [scene("10:00:01")] * 10 + [made.holder.finish] * 2
    (one,) = made.call(concurrencies=[4])["points"]
    assert (one["valid"], made.holder.started()) == (True, ["bench_c4", "bench_c4"])
    (first,) = made.run_dir.glob("results/*/*.attempt1.verdict.json")
    assert ": its load client did not run for " in first.read_text()


def test_a_client_that_lives_at_a_limit_waits_for_the_service(made, monkeypatch):
    now, point = [0.0], made.plan["benchmark"]["points"][0]
    monkeypatch.setattr(measurement.time, "monotonic", lambda: now[0])
    point.update(deadline_s=7200.0, stall_timeout_s=30)

    def scene():
        now[0] += 10.0
        made.holder.write(point["progress"], dict(RUNNING, total=40, concurrency=4, errors=0, updated_at=str(now)))

    made.holder.scenes = [scene] * 10
    (one,) = made.call(concurrencies=[4])["points"]
    assert one["reasons"] == ["it was stopped after 50 s without progress"]
    assert made.holder.started() == ["bench_c4"]


def test_a_step_that_does_not_end_with_its_load_client_is_ended_and_measured_again(made, monkeypatch):
    """Its srun client was stopped, so that nobody reports the end."""
    now, point = [0.0], made.plan["benchmark"]["points"][0]
    monkeypatch.setattr(measurement.time, "monotonic", lambda: now[0])
    point.update(deadline_s=7200.0, stall_timeout_s=900)

    def scene():
        now[0] += 10.0
        made.holder.write(point["progress"], {"state": "done", "done": 40, "total": 40, "concurrency": 4, "errors": 0})

    made.holder.scenes = [scene] * 5 + [made.holder.finish]
    (one,) = made.call(concurrencies=[4])["points"]
    assert (one["valid"], made.holder.started()) == (True, ["bench_c4", "bench_c4"])
    (first,) = made.run_dir.glob("results/*/*.attempt1.verdict.json")
    assert "its step did not end with the load client" in first.read_text()
