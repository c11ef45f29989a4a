# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""A holder that takes the place of one that was killed: who knew the first one hears everything of the second."""

from __future__ import annotations

import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait
from fake_holder import FakeDriver, make_plan, make_step


def start(talk, *steps):
    """Start *steps*; return the answer."""
    return talk.request("start", steps=[srun.start_request(step, "42", talk.run_dir) for step in steps], wait_s=10)


def names(answer):
    """Return the names of the steps that an answer tells of."""
    return sorted(record["name"] for record in answer["steps"])


@pytest.fixture
def later(fake, tmp_path):
    """Two steps that run, what is known of them, and the holder that follows the one that started them."""
    known = driver.known_of(start(fake, make_step("a"), make_step("b")))
    follower = FakeDriver(tmp_path, slurm=fake.slurm)
    holder = follower.holder
    yield types.SimpleNamespace(known=known, talk=follower)
    holder.end("the test is over")
    fake.slurm.running.clear()


def test_news_of_the_same_holder_only(fake):
    known = driver.known_of(start(fake, make_step("a"), make_step("b")))
    answer = fake.request("status", known=known)
    assert names(answer) == []
    assert not driver.of_another(known, answer)
    assert names(fake.request("status", known={"seq": known["seq"]})) == []  # a controller of an older version


def test_another_holder_tells_all(later):
    answer = later.talk.request("status", known=later.known)
    assert names(answer) == ["a", "b"]
    assert driver.of_another(later.known, answer)
    assert names(later.talk.request("status", known=driver.known_of(answer))) == []


def test_a_controller_of_an_older_version_hears_all_from_a_holder_that_counts_anew(later):
    assert later.known["seq"] > later.talk.holder.seq
    assert names(later.talk.request("status", known={"seq": later.known["seq"]})) == ["a", "b"]


def test_a_controller_that_knew_a_holder_without_a_birth_mark_hears_all(later):
    assert names(later.talk.request("status", known={"seq": 0, "born": None})) == ["a", "b"]


class OlderHolder:
    """The answers of a holder of a version without birth marks."""

    def __init__(self, holder):
        self.holder, self.asked = holder, []

    def handle(self, request):
        seq = (request.get("known") or {}).get("seq", -1)
        answer = self.holder.handle(dict(request, known={}))
        del answer["born"]
        self.asked.append(request["op"])
        told = [record for record in answer["steps"] if self.holder.steps[record["name"]].seq > seq]
        return dict(answer, steps=told)


def test_an_older_holder_that_follows_is_asked_for_all(later):
    later.talk.holder = older = OlderHolder(later.talk.holder)
    answer = later.talk.request("status", known=later.known)
    assert (names(answer), older.asked) == (["a", "b"], ["status", "status"])
    assert driver.of_another(later.known, answer)
    known = driver.known_of(answer)
    assert known["born"] is None
    assert names(later.talk.request("status", known=known)) == []
    assert older.asked == ["status"] * 3
    assert names(later.talk.request("status", known={"seq": 99, "born": None})) == ["a", "b"]  # older ones, both


def test_a_loss_that_another_holder_tells_of_is_no_longer_waited_for(fake, tmp_path, monkeypatch):
    """Its own number is lower than what the first holder had counted."""
    steps = [make_step("a", critical=False), make_step("b", critical=False)]
    start(fake, *steps)
    for number in range(20):
        fake.holder.note(fake.holder.steps["b"], "busy", reason=f"{number}")
    check = {"name": "a", "steps": ["a"], "kind": "tcp", "host": "127.0.0.1", "port": 1, "timeout_s": 0.1}
    plan = make_plan(tmp_path, steps, checks=[check], health_timeout_s=5.0)
    follower, lines = FakeDriver(tmp_path, slurm=fake.slurm), []

    def tell(line):
        lines.append(line)
        if len(lines) == 1:
            monkeypatch.setattr(fake, "exchange", follower.exchange)
            follower.holder.note(follower.holder.steps["a"], "end", state="ended", reason="exited with code 1")

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
    """Ask for a measurement with what the asker has seen of its *attempts*; return what was done, and the attempt."""
    asks = [srun.start_request(make_step("load", tier="benchmark", **step), "42", fake.run_dir)]
    answer = fake.request("start", steps=[dict(asks[0], deadline_s=60)], wait_s=10, attempts=attempts)
    return answer["actions"][0]["action"], fake.records()["load"]["attempt"]


def test_a_step_of_which_the_asker_has_not_seen_the_last_attempt_is_not_started_again(fake):
    assert load(fake, {"load": 0}) == ("started", 1)
    assert load(fake, {"load": 0}) == ("kept", 1)
    fake.slurm.end("load", 0)
    fake.until(lambda steps: steps["load"]["state"] == "ended")
    assert load(fake, {"load": 0}) == ("overtaken", 1)
    assert fake.records()["load"]["state"] == "ended"
    assert load(fake, {"load": 1}) == ("replaced", 2)
    assert load(fake, {"load": 1}, digest="other") == ("overtaken", 2)
    assert load(fake, digest="other") == ("replaced", 3)  # a controller of an older version
    assert load(fake, {"load": 9}, digest="another") == ("replaced", 4)  # seen under a holder that was lost


def test_another_holder_knows_how_long_a_measurement_may_take(fake, tmp_path):
    load(fake)
    follower = FakeDriver(tmp_path, slurm=fake.slurm)
    answer = follower.request("status")
    (record,) = answer["steps"]
    assert (record["state"], record["deadline_s"]) == ("unowned", 60)
    assert 0.0 <= driver.age_s(answer, record["started_at"]) < 60.0
    fake.slurm.running.clear()
