# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the holder knows of a service although nobody reports it: steps that Slurm does not run, servers that ended."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import operations, steps, stopping
from ansible_collections.srt.slurm.plugins.module_utils.holder.witness import Witness
from fake_holder import make_step, start, until


def lose(fake, name):
    """The step is gone, and its srun client, which was stopped, says nothing."""
    fake.slurm.running.pop(fake.slurm.clients[name].step_id)


def test_a_step_whose_client_does_not_report_its_end_is_found_by_asking_slurm(fake, monkeypatch):
    monkeypatch.setattr(steps, "CLIENT_LATE_S", 0.2)
    start(fake, make_step("prefill_0"), make_step("decode_0"))
    lose(fake, "decode_0")
    assert {one["state"] for one in fake.request("status")["steps"]} == {"running"}
    answer = fake.request("status", look=True)
    found = {one["name"]: one for one in answer["steps"]}
    assert answer["looked"] is True
    assert (found["prefill_0"]["state"], found["decode_0"]["state"]) == ("running", "ended")
    assert (found["decode_0"]["end_code"], found["decode_0"]["expected"]) == ("unreported", False)
    assert found["decode_0"]["reason"].startswith("Slurm no longer runs it")


def test_such_a_step_is_restarted_as_its_policy_says(fake, monkeypatch):
    monkeypatch.setattr(steps, "CLIENT_LATE_S", 0.2)
    start(fake, make_step("decode_0", restarts=1))
    lose(fake, "decode_0")
    fake.request("status", look=True)
    fake.until(lambda records: records["decode_0"]["attempt"] == 2)


def test_such_a_step_can_be_ended_and_started_again(fake, monkeypatch):
    monkeypatch.setattr(stopping, "KILL_AGAIN_S", 0.02)
    start(fake, make_step("decode_0", stop_grace_s=0.01))
    lose(fake, "decode_0")
    start(fake, make_step("decode_0", digest="new"))
    assert (fake.records()["decode_0"]["attempt"], len(fake.slurm.spawned)) == (2, 2)


@pytest.mark.parametrize("checks", [[{"name": "c", "kind": "tcp", "host": "127.0.0.1", "port": 1}], []])
def test_who_waits_hears_of_it_too(fake, monkeypatch, checks):
    monkeypatch.setattr(steps, "CLIENT_LATE_S", 0.1)
    monkeypatch.setattr(operations, "LOOK_S" if checks else "SELDOM_S", 0.3)
    start(fake, make_step("nginx"))
    lose(fake, "nginx")
    answer = fake.request("wait", checks=checks, guard=["nginx"], watch=[], slice_s=20.0)
    assert [one["end_code"] for one in answer["ended"]] == ["unreported"]


def test_a_client_that_is_only_late_reports_the_end_itself(fake):
    start(fake, make_step("decode_0"))
    lose(fake, "decode_0")
    wait_for = fake.steps.change.wait_for

    def late(condition, limit_s=None):
        fake.slurm.clients["decode_0"].finish(3)
        return wait_for(condition, limit_s)

    fake.steps.change.wait_for = late
    fake.request("status", look=True)
    assert (fake.records()["decode_0"]["end_code"], fake.records()["decode_0"]["exit_code"]) == ("exited", 3)


def test_a_slurm_that_does_not_answer_ends_nothing_and_the_answer_says_so(fake):
    start(fake, make_step("decode_0"))
    fake.slurm.mute = True
    assert fake.steps.look(patience_s=0.0) is False
    assert fake.records()["decode_0"]["state"] == "running"


@pytest.fixture
def server():
    """A server that does nothing but listen, as the kernel does for a process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_server_that_ends_is_noted_also_when_another_one_takes_its_place(server):
    witness, address = Witness(), server.getsockname()
    witness.watch({"decode_0": address, "prefill_0": address})
    accepted = [server.accept()[0] for _part in range(2)]
    server.close()
    for connection in accepted:
        connection.close()
    until(lambda: len(witness.breaks) == 2)
    assert {one["name"] for one in witness.breaks} == {"decode_0", "prefill_0"}
    assert witness.breaks[0]["reason"] == f"its server at 127.0.0.1:{address[1]} ended"
    with socket.create_server(address) as again:
        again.settimeout(20)
        for connection in [again.accept()[0] for _part in range(2)]:  # they are watched again
            connection.close()
    until(lambda: len(witness.breaks) == 4)


def test_a_server_that_closes_idle_connections_has_not_ended(server):
    witness = Witness()
    witness.watch({"nginx": server.getsockname()})
    for _time in range(3):
        server.accept()[0].close()
    connection = server.accept()[0]
    assert witness.breaks == []
    connection.close()


def test_who_is_no_longer_watched_may_end(server):
    witness = Witness()
    witness.watch({"decode_0": server.getsockname()})
    connection = server.accept()[0]
    witness.watch({})
    assert connection.recv(1) == b""
    server.close()
    assert witness.breaks == []
