# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder on a real Slurm: what it survives and how it ends. A few seconds each."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

SLEEP = ("sh", "-c", "echo $$; exec sleep 1000")
STUBBORN = [
    sys.executable,
    "-c",
    "import os,signal,time; signal.signal(15, lambda *a: print('TERM', flush=True)); "
    "print(os.getpid(), flush=True)\nwhile True: time.sleep(1)",
]


def make_step(name, node, argv=SLEEP, tier="worker", **more):
    step = {
        "name": name,
        "tier": tier,
        "nodes": [node],
        "ntasks": 1,
        "argv": list(argv),
        "preamble": None,
        "env": {},
        "container": None,
        "mounts": [],
        "srun_options": {},
        "log": f"logs/%N_{name}.out",
        "critical": True,
        "stop_grace_s": 1,
        "digest": f"digest of {name}",
    }
    return dict(step, **more)


@pytest.fixture
def held(allocation, cluster):
    """A job with its holder and short ways to talk to it."""
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
    from ansible_collections.srt.slurm.plugins.module_utils.holder import server
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun

    class Held:
        def __init__(self):
            job = allocation(nodes=2)["job"]
            self.id, self.run_dir = job["id"], pathlib.Path(job["run_dir"])
            self.nodes = [node["name"] for node in job["nodes"]]
            self.folder = pathlib.Path(server.socket_path(self.id, job["run_dir"])).parent
            self.driver = driver.connect(self.id, job["run_dir"], self.nodes[0])
            self.by_slurm = driver.connect(self.id, job["run_dir"], self.nodes[0], direct=False)

        def start(self, *steps, **fields):
            specs = [srun.start_request(step, self.id, str(self.run_dir)) for step in steps]
            answer = self.driver.request("start", steps=specs, wait_s=20, **fields)
            return {action["name"]: action["action"] for action in answer["actions"]}

        def records(self):
            return {record["name"]: record for record in self.driver.request("status")["steps"]}

        def pid(self, name, node=0):
            log = self.run_dir / "logs" / f"{self.nodes[node]}_{name}.out"
            return int(cluster(lambda: log.exists() and log.read_text().split())[0])

        def clients(self, name):
            """The pids of the srun processes of a step: there are two."""
            found = []
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes().split(b"\0")
                except OSError:
                    continue
                if (
                    words[0] == b"srun"
                    and f"--jobid={self.id}".encode() in words
                    and f"--job-name={name}".encode() in words
                ):
                    found.append(int(path.parent.name))
            return sorted(found)

        def slurm_steps(self):
            done = subprocess.run(
                ["squeue", "-hs", "-j", self.id, "-o", "%i %j"], capture_output=True, text=True, timeout=30, check=False
            )
            return {line.split()[1] for line in done.stdout.splitlines() if ".batch" not in line}

        def events(self):
            return [json.loads(line) for line in (self.run_dir / "steps.jsonl").read_text().splitlines()]

        def in_queue(self):
            done = subprocess.run(
                ["squeue", "-h", "-j", self.id, "-o", "%T"], capture_output=True, text=True, timeout=30, check=False
            )
            return done.stdout.strip()

    return Held()


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_through_slurm_and_through_the_socket(held, cluster):
    assert held.start(make_step("a", held.nodes[1])) == {"a": "started"}
    direct, by_slurm = held.driver.request("status"), held.by_slurm.request("status")
    assert direct["steps"] == by_slurm["steps"] and by_slurm["steps"][0]["state"] == "running"
    refused = json.loads(held.by_slurm.exchange(json.dumps({"v": 2, "op": "status"}), 30))
    assert refused["ok"] is False and "speaks protocol 1, not 2" in refused["error"]
    assert held.folder.stat().st_mode & 0o777 == 0o700
    held.driver.request("end")
    cluster(lambda: not held.folder.exists())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["sh", "-c", "sleep 0.3; exit 7"], {"exit_code": 7, "signal": None}),
        (["sh", "-c", "sleep 0.3; kill -11 $$"], {"exit_code": None, "signal": 11}),
        (["sleep", "0.3"], {"exit_code": 0, "signal": None}),
    ],
)
def test_how_a_step_ended_is_answered_at_once(held, argv, said):
    held.start(make_step("a", held.nodes[1], argv))
    began = time.monotonic()
    ended = held.driver.request("wait", checks=[], slice_s=30)["ended"][0]
    assert time.monotonic() - began < 15  # and not when the request has waited for as long as it may
    assert {key: ended[key] for key in said} == said
    assert ended["node"] == held.nodes[1] and ended["expected"] is False
    assert [e["event"] for e in held.events() if e.get("name") == "a"][-1] == "end"


def test_one_rank_that_fails_ends_the_step_and_is_named(held):
    argv = ["sh", "-c", "sleep 0.3; [ $SLURM_PROCID = 1 ] && exit 9; exec sleep 1000"]
    held.start(make_step("a", held.nodes[0], argv, nodes=held.nodes, ntasks=2))
    ended = held.driver.request("wait", checks=[], slice_s=30)["ended"][0]
    assert (ended["exit_code"], ended["node"]) == (9, held.nodes[1])


def test_a_killed_client_ends_its_step(held, cluster):
    held.start(make_step("a", held.nodes[1]), make_step("b", held.nodes[1]))
    pid, clients = held.pid("a", 1), held.clients("a")
    os.kill(clients[0], signal.SIGKILL)
    cluster(lambda: held.records()["a"]["state"] == "ended")
    cluster(lambda: not alive(pid))
    assert "srun client was killed by signal 9" in held.records()["a"]["reason"]
    assert held.start(make_step("a", held.nodes[1]), make_step("b", held.nodes[1])) == {"a": "replaced", "b": "kept"}


def test_a_step_that_lost_both_clients_is_adopted(held, cluster):
    held.start(make_step("a", held.nodes[1]))
    pid, before = held.pid("a", 1), held.records()["a"]["step_id"]
    clients = held.clients("a")
    assert len(clients) == 2
    for client in clients:  # the second one first looks after the task when the first dies
        os.kill(client, signal.SIGSTOP)
    for client in clients:
        os.kill(client, signal.SIGKILL)
    cluster(lambda: held.records()["a"]["state"] in ("unowned", "ended"))
    record = held.records()["a"]
    assert (record["state"], record["step_id"]) == ("unowned", before) and "signal 9" in record["reason"]
    assert [e["event"] for e in held.events() if e.get("name") == "a"][-2:] == ["client", "unowned"]
    assert alive(pid) and "a" in held.slurm_steps()
    assert held.start(make_step("a", held.nodes[1])) == {"a": "adopted"}
    assert held.records()["a"]["step_id"] == before and held.records()["a"]["state"] == "running"
    os.kill(pid, signal.SIGKILL)
    ended = held.driver.request("wait", checks=[], slice_s=30)["ended"][0]
    assert "exit code is unknown" in ended["reason"]


def test_a_step_that_ignores_term_is_killed(held, cluster):
    held.start(make_step("a", held.nodes[1], STUBBORN))
    pid = held.pid("a", 1)
    began = time.monotonic()
    answer = held.driver.request("stop", names=["a"])
    assert 1 <= time.monotonic() - began < 9  # the grace is 1 s here, and 10 s where a step names none
    record = answer["steps"][0]
    assert (record["state"], record["signal"], record["expected"]) == ("ended", 9, True) and not alive(pid)
    assert "TERM" in (held.run_dir / "logs" / f"{held.nodes[1]}_a.out").read_text()


def test_children_get_the_signal_too(held, cluster):
    argv = ["bash", "-c", "echo $$; sleep 1000 & echo $!; wait"]
    held.start(make_step("a", held.nodes[1], argv))
    log = held.run_dir / "logs" / f"{held.nodes[1]}_a.out"
    pids = [
        int(word)
        for word in cluster(lambda: log.exists() and len(log.read_text().split()) == 2 and log.read_text().split())
    ]
    held.driver.request("stop", names=["a"])
    cluster(lambda: not any(alive(pid) for pid in pids))


def test_the_service_outlives_its_controller_and_the_lease_ends_it(held, cluster):
    tiers = {"nats": "head_infra", "w": "worker", "f": "frontend"}
    steps = [make_step(name, held.nodes[1], tier=tier) for name, tier in tiers.items()]
    # A controller that starts the service and is killed at once.
    script = (
        "import json,sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver\n"
        "a = json.loads(sys.argv[2]); driver.connect(*a[0]).request('start', **a[1])\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun

    specs = [srun.start_request(step, held.id, str(held.run_dir)) for step in steps]
    root = str(pathlib.Path(__file__).resolve().parents[2] / "collections")
    request = json.dumps([[held.id, str(held.run_dir), held.nodes[0]], {"steps": specs, "wait_s": 20, "lease_s": 6}])
    assert subprocess.run([sys.executable, "-c", script, root, request], check=False, timeout=60).returncode == -9
    pids = [held.pid(name, 1) for name in tiers]
    time.sleep(0.3)
    answer = held.driver.request("status", renew=False)
    assert all(record["state"] == "running" for record in answer["steps"]) and answer["lease"]["left_s"] < 6
    assert held.start(*steps) == dict.fromkeys(tiers, "kept")
    cluster(lambda: not held.in_queue())
    assert not any(alive(pid) for pid in pids)
    ends = [e["name"] for e in held.events() if e["event"] == "end"]
    assert sorted(ends[:2]) == ["f", "w"] and ends[2:] == ["nats"]
    _begin, ending, over = [event for event in held.events() if event["event"] == "holder"]
    assert (ending["phase"], ending["code"], ending["reason"]) == ("ending", "lease_expired", "no controller for 6 s")
    assert over["phase"] == "ended"


def test_term_to_the_job_ends_it_in_tiers(held, cluster):
    held.start(make_step("nats", held.nodes[0], tier="head_infra"), make_step("w", held.nodes[1]))
    subprocess.run(["scancel", "--signal=TERM", "--batch", held.id], check=True, timeout=30)
    cluster(lambda: not held.in_queue())
    assert [e["name"] for e in held.events() if e["event"] == "end" and e["expected"]] == ["w", "nats"]
    assert "ending: signal 15" in (held.run_dir / f"slurm-{held.id}.out").read_text()


def test_a_killed_holder_takes_the_job_along(held, cluster):
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver

    held.start(make_step("a", held.nodes[1]))
    pid = held.pid("a", 1)
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"python3" in words[0] and str(held.run_dir / "programs" / "holder").encode() in words and b"serve" in words:
            os.kill(int(path.parent.name), signal.SIGKILL)
    cluster(lambda: not held.in_queue())
    cluster(lambda: not alive(pid))
    with pytest.raises(driver.JobOver, match=f"Job {held.id} is over: "):
        held.driver.request("status")
    shutil.rmtree(held.folder)  # a holder that is killed cannot do it


def test_a_real_port_is_waited_for_over_the_network_of_the_nodes(held, cluster):
    opened = held.run_dir / "opened"
    code = (
        "import http.server as h, os, sys, time\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.05)\n"
        "h.ThreadingHTTPServer(('0.0.0.0', 30000), h.SimpleHTTPRequestHandler).serve_forever()"
    )
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import addresses

    address = addresses.node_addresses(held.id, [held.nodes[1]])[0]["address"]
    held.start(make_step("a", held.nodes[1], [sys.executable, "-c", code, str(opened)]))
    check = {
        "name": "http",
        "kind": "http",
        "host": address,
        "port": 30000,
        "path": "/",
        "timeout_s": 2,
        "after": ["tcp"],
    }
    tcp = {"name": "tcp", "kind": "tcp", "host": address, "port": 30000, "timeout_s": 2}

    def completed():  # an answer may come when one of the two is done; to ask for the same is to go on waiting
        answer = held.driver.request("wait", checks=[check, tcp], slice_s=20)
        return answer if answer["completed"] else None

    threading.Timer(1.0, opened.touch).start()  # not before somebody has asked in vain
    answer = cluster(completed)
    assert [c["done"] for c in answer["checks"]] == [True, True]
    assert answer["checks"][1]["attempts"] > 1
