# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""However one job of an RL run ends, the other one ends, too, with honest states, and nothing is left."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from cluster import SANDBOX, wait_for
from rl_pairs import END_S

pytestmark = pytest.mark.slow
SERVER = "--engine podman --image {container_image}"
ENDLESS = "--episodes 100000 --seconds 0.5"
# (side that is hit, how): the states that are right
HITS = {
    ("training", "scancel"): {"runtime": "COMPLETED", "training": "CANCELLED"},
    ("runtime", "scancel"): {"runtime": "CANCELLED", "training": "FAILED"},
    ("training", "kill"): {"runtime": "COMPLETED", "training": "FAILED"},
    ("runtime", "kill"): {"runtime": "FAILED", "training": "FAILED"},
}


@pytest.mark.parametrize("moment", ["before", "ready", "training", "end"])
def test_the_end_of_one_job_ends_the_other(rl, moment):
    """Four pairs on the same nodes, each hit in another way."""
    server = SERVER + (" --never-well" if moment == "before" else "")
    trainer = "--episodes 2 --final 600" if moment == "end" else ENDLESS
    pairs = {}
    for number, hit in enumerate(HITS):
        pairs[hit] = rl.launch({**rl.settings(f"{moment}{number}", trainer, server), **rl.with_podman()})
    for (side, how), pair in pairs.items():
        if moment == "before":
            pair.reach("training", "waiting")
        elif moment == "ready":
            pair.reach("runtime", "ready")
        else:
            pair.reach("training", "running")
        if moment == "end":
            wait_for(lambda pair=pair: pair.seen()["episodes"] == 2, lambda pair=pair: f"the end: {pair.outputs()}")
        pair.kill(side) if how == "kill" else pair.cancel(side)
    began = time.monotonic()
    found = {hit: pair.ended() for hit, pair in pairs.items()}
    assert found == HITS, {hit: pair.outputs() for hit, pair in pairs.items()}
    assert time.monotonic() - began < END_S
    told = {side: pairs[side, "scancel"].record(side) for side in ("training", "runtime")}
    assert {side: said["state"] for side, said in told.items()} == {"training": "cancelled", "runtime": "cancelled"}, (
        told
    )


def test_the_last_episodes_have_a_bounded_time_and_their_server_may_be_hit_meanwhile(rl):
    pairs = {}
    for how in ("nothing", "kill", "scancel"):
        pairs[how] = rl.launch({**rl.settings(f"deaf-{how}", "--episodes 1", f"{SERVER} --deaf"), **rl.with_podman()})
    for how, pair in pairs.items():
        pair.reach("training", "completed")
        pair.reach("runtime", "completed")
        if how != "nothing":
            pair.kill("runtime") if how == "kill" else pair.cancel("runtime")
    began = time.monotonic()
    states = {how: pair.ended() for how, pair in pairs.items()}
    assert {how: one["training"] for how, one in states.items()} == dict.fromkeys(pairs, "COMPLETED")
    runtime = {how: one["runtime"] for how, one in states.items()}
    assert runtime == {"nothing": "COMPLETED", "kill": "FAILED", "scancel": "CANCELLED"}
    assert time.monotonic() - began < END_S


def test_a_runtime_that_is_never_ready_ends_both(rl):
    never = rl.launch(rl.settings("unready", server="--never-well", runtime_start_timeout=3))
    late = rl.launch(rl.settings("late", server="--never-well", runtime_ready_timeout=2))
    assert never.ended() == {"runtime": "FAILED", "training": "FAILED"}
    assert "was not healthy in 3 s" in never.record("runtime")["reason"]
    assert "the runtime has ended" in never.record("training")["reason"]
    assert late.ended() == {"runtime": "COMPLETED", "training": "FAILED"}
    assert "the runtime was not ready in 2 s" in late.record("training")["reason"]


def test_both_jobs_go_on_while_slurmctld_is_away(rl):
    enough = rl.folder / "enough-of-it"
    pair = rl.launch(rl.settings("alone", f"--episodes 1 --seconds 0.5 --until {enough}"))
    pair.reach("training", "running")
    subprocess.run([SANDBOX, "slurmctld", "stop", "--dir", rl.dir], check=True)
    try:
        before = pair.seen()["episodes"]
        wait_for(lambda: pair.seen()["episodes"] > before + 12, lambda: f"more episodes: {pair.outputs()}")
        enough.touch()
        pair.reach("runtime", "completed")
    finally:
        subprocess.run([SANDBOX, "slurmctld", "start", "--dir", rl.dir], check=True)
    assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()


def test_a_training_that_waits_for_nodes_ends_with_its_runtime(rl):
    taker = rl.take("node[001-002]", seconds=600)
    dies = rl.launch(rl.settings("waits", server="--dies-after 6"))
    cancelled = rl.launch(rl.settings("waits-too"))
    given_up = rl.launch(rl.settings("given-up"))
    for pair in (dies, cancelled, given_up):
        pair.reach("runtime", "ready")
        assert pair.state("training") == "PENDING"
    cancelled.cancel("runtime")
    given_up.cancel("training")
    assert cancelled.ended() == {"runtime": "CANCELLED", "training": "CANCELLED"}
    assert given_up.ended() == {"runtime": "COMPLETED", "training": "CANCELLED"}
    assert dies.ended() == {"runtime": "FAILED", "training": "CANCELLED"}
    rl.run("scancel", taker)


@pytest.mark.parametrize(
    ("node", "side", "other"), [("node003", "runtime", "training"), ("node001", "training", "runtime")]
)
def test_a_lost_node_ends_the_other_job(rl, node, side, other):
    pair = rl.launch(rl.settings(f"lost-{side}", ENDLESS, chain=3))
    pair.reach("training", "running")
    assert pair.fields(side)["NodeList"] == node
    rl.lose(node)
    began = time.monotonic()
    try:
        pair.ended(90)
        assert time.monotonic() - began < 40
        assert pair.state(side) == "NODE_FAIL"
        assert pair.state(other) == ("FAILED" if other == "training" else "COMPLETED")
        assert "next" not in pair.record("training")
    finally:
        rl.heal()


def test_a_time_limit_asks_for_a_checkpoint_and_another_pair_goes_on_as_often_as_it_may(rl):
    limits = {"time_limit": "0:01:00", "warning_s": 15}
    limited = rl.settings("limited", ENDLESS, chain=1, **limits)
    pair = rl.launch(limited)
    # An administrator shortens the time of this one's runtime.
    short = rl.launch(rl.settings("short", ENDLESS, chain=1, warning_s=15))
    short.reach("training", "running")
    rl.run("scontrol", "update", f"JobId={short.jobs['runtime']}", "TimeLimit=0:01:00")
    # This one's trainer does not listen.
    deaf = "sh -c 'trap \"\" TERM; while :; do sleep 1; done'"
    hung = rl.launch(rl.settings("hung", **limits, training_command=deaf))
    # This one is still being set up when the warning comes.
    busy = rl.launch(rl.settings("busy", ENDLESS, chain=1, setup="sleep 45", **limits))
    expected = {"runtime": "COMPLETED", "training": "FAILED"}
    assert pair.ended(150) == expected, pair.outputs()
    last = pair.following()
    last.reach("training", "running")
    wait_for(lambda: last.seen().get("resumed_from"), lambda: f"the trainer to go on: {last.outputs()}")
    again = rl.launch(limited)
    assert (again.result["action"], again.jobs) == ("keep", last.jobs)
    for one in (short, hung):
        assert one.ended(150) == expected, one.outputs()
    assert busy.ended(150) == {"runtime": "COMPLETED", "training": "TIMEOUT"}, busy.outputs()
    for one in (short, busy):
        rl.entry("rl_stop", dir=str(one.following().folder))
    assert last.ended(150) == expected, last.outputs()
    for one in (pair, short, hung, busy, last):
        record = one.record("training")
        assert (record["state"], record["exit_code"]) == ("timeout", 124), record
        assert record.get("next") == (f"{one.folder}_r1" if one in (pair, short, busy) else None)
        if one is hung:
            assert "the trainer did not end" in record["reason"]
        else:
            assert "checkpoint written on SIGTERM" in str(one.outputs())
    keys = {(one.folder / "runtime_api_key.txt").read_text() for one in (pair, last)}
    assert len(keys) == 2 and rl.jobs() == []


@pytest.mark.parametrize(
    ("side", "nodes", "states"),
    [
        ("training", "node[001-002]", {"runtime": "COMPLETED", "training": "PREEMPTED"}),
        ("runtime", "node003", {"runtime": "PREEMPTED", "training": "FAILED"}),
    ],
)
def test_after_a_preemption_another_pair_goes_on_from_the_checkpoint(rl, side, nodes, states):
    pair = rl.launch(rl.settings(f"preempted-{side}", ENDLESS, chain=1))
    alone = rl.launch(rl.settings(f"preempted-{side}-alone", ENDLESS))
    for one in (pair, alone):
        one.reach("training", "running")
        wait_for(lambda one=one: one.seen()["episodes"], "an episode")
    rl.take(nodes)
    for one in (pair, alone):
        assert one.ended() == states, one.outputs()
        assert one.record(side)["state"] == "preempted"
    if side == "training":  # a trainer that has lost its runtime may be faster than its SIGTERM
        assert "checkpoint written on SIGTERM" in str(pair.outputs())
    assert "next" not in alone.record("training")
    after = pair.following()
    after.reach("training", "running")
    wait_for(lambda: after.seen().get("resumed_from"), lambda: f"the trainer to go on: {after.outputs()}")
    assert json.loads((after.folder / "training.json").read_text())["chain"] == 0
    stopped = rl.entry("rl_stop", dir=str(after.folder))
    assert set(stopped["ended"]) == {"runtime", "training"}
    assert after.ended() == {"runtime": "CANCELLED", "training": "CANCELLED"}
    assert "next" not in after.record("training")
