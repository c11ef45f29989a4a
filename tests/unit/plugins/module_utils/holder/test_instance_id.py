# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A holder that takes the place of one that was killed: a controller gets all its steps."""

from __future__ import annotations

import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait
from fake_holder import FakeDriver, make_plan, make_step, start


def names(answer):
    """Return the names of the steps that an answer tells of."""
    return sorted(record["name"] for record in answer["steps"])


@pytest.fixture
def later(fake, tmp_path):
    """Two steps that run, what is known of them, and the holder that follows the one that started them."""
    known = driver.known_of(start(fake, make_step("a"), make_step("b")))
    follower = FakeDriver(tmp_path, slurm=fake.slurm)
    yield types.SimpleNamespace(known=known, talk=follower)
    follower.holder.end("requested", "the test is over")
    fake.slurm.running.clear()


def test_news_of_the_same_holder_only(fake):
    known = driver.known_of(start(fake, make_step("a"), make_step("b")))
    answer = fake.request("status", known=known)
    assert names(answer) == []
    assert not driver.is_new_holder(known, answer)


def test_another_holder_answers_with_all_steps(later):
    answer = later.talk.request("status", known=later.known)
    assert names(answer) == ["a", "b"]
    assert driver.is_new_holder(later.known, answer)
    assert names(later.talk.request("status", known=driver.known_of(answer))) == []


def test_a_loss_that_another_holder_reports_is_no_longer_waited_for(fake, tmp_path, monkeypatch):
    """Its own number is lower than what the first holder had counted."""
    steps = [make_step("a", critical=False), make_step("b", critical=False)]
    start(fake, *steps)
    for number in range(20):
        fake.steps.note(fake.steps.by_name["b"], "busy", reason=f"{number}")
    check = {"name": "a", "steps": ["a"], "kind": "tcp", "host": "127.0.0.1", "port": 1, "timeout_s": 0.1}
    plan = make_plan(tmp_path, steps, checks=[check], health_timeout_s=5.0)
    follower, lines = FakeDriver(tmp_path, slurm=fake.slurm), []

    def tell(line):
        lines.append(line)
        if len(lines) == 1:
            monkeypatch.setattr(fake, "exchange", follower.exchange)
            follower.steps.note(follower.steps.by_name["a"], "end", state="ended", reason="exited with code 1")

    result = health_wait.wait_for(fake, plan, plan["checks"], 5.0, 0.05, Context(progress=tell))
    assert (result["lost"], result["completed"]) == (["a"], True)
    assert lines[1] == "a is lost and not critical: exited with code 1"


def test_without_a_loss_it_is_waited_for(fake, tmp_path):
    steps = [make_step("a")]
    start(fake, *steps)
    check = {"name": "a", "steps": ["a"], "kind": "tcp", "host": "127.0.0.1", "port": 1, "timeout_s": 0.1}
    plan = make_plan(tmp_path, steps, checks=[check])
    with pytest.raises(Error, match="The service is not healthy after 0.2 s"):
        health_wait.wait_for(fake, plan, plan["checks"], 0.2, 0.05, Context())


def load(fake, attempts=None, **step):
    """Start a measurement, having seen some of its *attempts*; return what was done, and the attempt."""
    specs = [srun.start_request(make_step("load", tier="benchmark", **step), "42", fake.run_dir)]
    answer = fake.request("start", steps=[dict(specs[0], deadline_s=60)], wait_s=10, attempts=attempts)
    return answer["actions"][0]["action"], fake.records()["load"]["attempt"]


def test_a_step_is_not_started_again_by_a_controller_that_has_not_seen_its_last_attempt(fake):
    assert load(fake, {"load": 0}) == ("started", 1)
    assert load(fake, {"load": 0}) == ("kept", 1)
    fake.slurm.end("load", 0)
    fake.until(lambda steps: steps["load"]["state"] == "ended")
    assert load(fake, {"load": 0}) == ("overtaken", 1)
    assert fake.records()["load"]["state"] == "ended"
    assert load(fake, {"load": 1}) == ("replaced", 2)
    assert load(fake, {"load": 1}, digest="other") == ("overtaken", 2)
    assert load(fake, digest="other") == ("replaced", 3)  # a controller that says nothing of attempts
    assert load(fake, {"load": 9}, digest="another") == ("replaced", 4)  # seen under a holder that was lost


def test_another_holder_knows_how_long_a_measurement_may_take(fake, tmp_path):
    load(fake)
    follower = FakeDriver(tmp_path, slurm=fake.slurm)
    answer = follower.request("status")
    (record,) = answer["steps"]
    assert (record["state"], record["deadline_s"]) == ("unowned", 60)
    assert 0.0 <= driver.age_s(answer, record["started_at"]) < 60.0
    fake.slurm.running.clear()
