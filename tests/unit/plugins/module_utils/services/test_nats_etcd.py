# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""NATS and etcd of a job: where they listen, and who may connect. The server of NATS is the real one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import secret_values
from ansible_collections.srt.slurm.plugins.module_utils.secrets import references

NATS = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin")


def test_both_listen_on_the_address_of_the_job_alone():
    plan = jobs.plan_of()
    nats, etcd = (jobs.step(plan, name)["argv"] for name in ("nats", "etcd"))
    assert nats[nats.index("-a") + 1] == "10.0.0.1"
    assert etcd[etcd.index("--listen-client-urls") + 1] == "http://10.0.0.1:2379"
    assert etcd[etcd.index("--listen-peer-urls") + 1] == "http://127.0.0.1:2380"
    assert "0.0.0.0" not in str([nats, etcd])


def test_who_connects_has_the_password_as_a_reference_and_who_does_not_has_none():
    plan = jobs.plan_of()
    steps = [*plan["steps"], *(point["step"] for point in plan["benchmark"]["points"])]
    having = {step["name"] for step in steps if "NATS_AUTH_PASSWORD" in step["env"]}
    assert having == {step["name"] for step in steps if step["kind"] in ("nats", "worker", "frontend")}
    assert {step["env"].get("NATS_AUTH_PASSWORD") for step in steps} == {references.JOB_PASSWORD, None}
    (conf,) = (one["content"] for one in plan["files"] if one["path"] == "nats.conf")
    assert "password: $NATS_AUTH_PASSWORD" in conf


def test_each_job_has_a_password_of_its_own_and_concurrent_controllers_the_same(tmp_path):
    def password(run_dir):
        return secret_values.resolve({"X": references.JOB_PASSWORD}, str(run_dir), {})["X"]

    first, second = tmp_path / "7", tmp_path / "8"
    assert references.store_job_password(str(first)) and references.store_job_password(str(second))
    known = password(first)
    assert len(known) > 30 and known != password(second) and not references.store_job_password(str(first))
    secret_values.forget(str(first))
    references.store_job_password(str(first))
    assert password(first) == known
    assert (first / ".secrets" / "env.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not NATS, reason="there is no nats-server")
def test_nats_turns_away_who_has_no_password(tmp_path):
    plan = jobs.plan_of(infra={"nats_max_payload_mb": 2})
    (conf,) = (one["content"] for one in plan["files"] if one["path"] == "nats.conf")
    (tmp_path / "nats.conf").write_text(conf)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [NATS, "-a", "127.0.0.1", "-p", str(port), "-c", str(tmp_path / "nats.conf")]

    def answer(**login):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            connection.makefile("rb") as lines,
        ):
            about = json.loads(lines.readline().split(b" ", 1)[1])
            assert about["auth_required"] and about["max_payload"] == 2 << 20
            connection.sendall(f"CONNECT {json.dumps(dict(login, verbose=False))}\r\nPING\r\n".encode())
            return lines.readline()

    with subprocess.Popen(argv, env={"NATS_AUTH_PASSWORD": "srt0123e45"}, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 20
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert time.monotonic() < deadline and server.poll() is None
                time.sleep(0.02)
            assert b"Authorization Violation" in answer()
            assert b"Authorization Violation" in answer(user="srt", **{"pass": "wrong"})
            assert answer(user="srt", **{"pass": "srt0123e45"}) == b"PONG\r\n"
        finally:
            server.terminate()
