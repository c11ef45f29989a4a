# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""srun_worker and health_wait over the real holder and a fake Slurm."""

from __future__ import annotations

import json
import pathlib
import socket
import threading

import plays
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, StepError
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait, image_import, srun_worker
from fake_holder import make_plan, make_step


def run(plan, ctx=None, **params):
    defaults = {key: option.get("default") for key, option in srun_worker.ARGUMENT_SPEC.items()}
    return srun_worker.run(dict(defaults, plan=plan, **{"wait_timeout_s": 10.0, **params}), ctx or Context())


def rows(result, *keys):
    return {row["name"]: tuple(row[key] for key in keys) for row in result["steps"]}


@pytest.fixture
def plan(tmp_path):
    return make_plan(
        tmp_path,
        [
            make_step("nats", tier="head_infra"),
            make_step("prefill_0", "node001"),
            make_step("decode_0", "node002"),
            make_step("frontend_0", tier="frontend"),
        ],
    )


def test_a_stage_starts_its_own_steps_and_again_nothing(fake, plan):
    first = run(plan, tier="worker")
    assert first["changed"] and rows(first, "action", "state", "node") == {
        "prefill_0": ("started", "running", "node001"),
        "decode_0": ("started", "running", "node002"),
    }
    assert first["steps"][0]["log"] == f"{plan['run_dir']}/logs/node001_prefill_0.out"
    again = run(plan, tier="worker")
    assert not again["changed"] and set(rows(again, "action").values()) == {("kept",)}
    assert rows(again, "step_id") == rows(first, "step_id")


def test_plan_comes_by_path_too(fake, plan, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    result = run(None, plan_path=str(tmp_path / "plan.json"), tier="frontend")
    assert rows(result, "action") == {"frontend_0": ("started",)}


def test_a_killed_worker_is_replaced_and_the_others_stay(fake, plan):
    first = run(plan)
    fake.slurm.end("decode_0", 137, "srun: error: node002: task 0: Killed")
    fake.until(lambda steps: steps["decode_0"]["state"] == "ended")
    again = run(plan)
    assert rows(again, "changed") == {
        "nats": (False,),
        "prefill_0": (False,),
        "decode_0": (True,),
        "frontend_0": (False,),
    }
    assert rows(again, "action", "attempt")["decode_0"] == ("replaced", 2)
    same = {name for name, step_id in rows(first, "step_id").items() if rows(again, "step_id")[name] == step_id}
    assert same == {"nats", "prefill_0", "frontend_0"}


def test_filters(fake, plan):
    assert list(rows(run(plan, tier="worker", hosts=["node002"]), "name")) == ["decode_0"]
    assert list(rows(run(plan, names=["nats", "prefill_0"]), "name")) == ["nats", "prefill_0"]
    assert run(plan, tier="worker", hosts=["elsewhere"]) == {"steps": [], "changed": False}
    with pytest.raises(Error, match="no step nots.*nats"):
        run(plan, names=["nots"])
    with pytest.raises(Error, match="for job 42, not for 43"):
        run(plan, job_id="43")


def test_steps_that_left_the_plan_end(fake, plan):
    run(plan)
    plan["steps"] = [step for step in plan["steps"] if step["name"] != "decode_0"]
    assert not run(plan, tier="frontend")["changed"]
    assert not run(plan, tier="worker", hosts=["node001"])["changed"]
    assert not run(plan, tier="worker", names=["prefill_0"])["changed"]
    result = run(plan, tier="worker")
    assert rows(result, "action", "state") == {"prefill_0": ("kept", "running"), "decode_0": ("removed", "ended")}
    assert fake.records()["decode_0"]["expected"]


def test_restarted_and_stopped(fake, plan):
    run(plan)
    assert rows(run(plan, tier="worker", state="restarted"), "action") == {
        "prefill_0": ("replaced",),
        "decode_0": ("replaced",),
    }
    stopped = run(plan, state="stopped", tier="worker")
    assert stopped["changed"] and set(rows(stopped, "action", "state").values()) == {("stopped", "ended")}
    again = run(plan, state="stopped", tier="worker")
    assert not again["changed"] and set(rows(again, "action").values()) == {("absent",)}
    assert fake.records()["nats"]["state"] == "running"


def test_check_mode_compares_and_touches_nothing(fake, plan):
    run(plan, tier="worker")
    plan["steps"][1]["digest"] = "another"
    spawned = len(fake.slurm.spawned)
    result = run(plan, Context(check_mode=True, diff=True))
    assert rows(result, "action") == {
        "nats": ("start",),
        "prefill_0": ("replace",),
        "decode_0": ("keep",),
        "frontend_0": ("start",),
    }
    assert result["changed"] and len(fake.slurm.spawned) == spawned
    assert "srun --jobid=42" in result["diff"]["after"] and "decode_0" not in result["diff"]["after"]
    assert rows(run(plan, Context(check_mode=True), state="stopped", tier="worker"), "action") == {
        "prefill_0": ("stop",),
        "decode_0": ("stop",),
    }


def test_check_mode_of_a_job_that_is_not_there_yet(plan):
    plan.update(job_id="JOBID", run_dir="/out/JOBID")
    result = run(plan, Context(check_mode=True, diff=True))
    assert set(rows(result, "action", "step_id", "state").values()) == {("start", None, "absent")}
    assert result["diff"]["after"].count("srun --jobid=JOBID") == 4


def test_a_step_that_dies_at_once_fails_with_evidence(fake, plan, tmp_path):
    (tmp_path / "logs" / "node002_decode_0.out").parent.mkdir(exist_ok=True)
    fake.slurm.outcomes["decode_0"] = [(1, "srun: error: node002: task 0: Exited with exit code 1")]
    with pytest.raises(StepError) as caught:
        run(plan, tier="worker")
    assert "Step decode_0 on node002 ended while it was starting: exited with code 1 on node002." in caught.value.msg
    assert f"{tmp_path}/logs/node002_decode_0.out" in caught.value.msg
    assert caught.value.evidence["evidence"][0]["exit_code"] == 1


def test_a_step_that_is_not_critical_may_die(fake, plan):
    plan["steps"][3]["critical"] = False
    fake.slurm.outcomes["frontend_0"] = [(1, "")]
    assert rows(run(plan, tier="frontend"), "state") == {"frontend_0": ("ended",)}


def test_readiness_of_infra_is_waited_for(fake, plan):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        plan["steps"][0]["ready"] = [
            {"name": "nats", "kind": "tcp", "host": "127.0.0.1", "port": server.getsockname()[1]}
        ]
        threading.Timer(0.1, server.listen).start()
        assert rows(run(plan, tier="head_infra"), "state") == {"nats": ("running",)}


def test_not_ready_in_time_says_what_is_missing(fake, plan):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        plan["steps"][0]["ready"] = [
            {"name": "nats", "kind": "tcp", "host": "127.0.0.1", "port": server.getsockname()[1]}
        ]
        with pytest.raises(Error, match="0/1 ready, waiting for nats: Connection refused, after 0.3 s") as caught:
            run(plan, tier="head_infra", wait_timeout_s=0.3)
    assert caught.value.evidence["checks"][0]["attempts"] > 1


CONTAINER = {"runtime": "pyxis", "image": "i"}


class Watcher(Context):
    """Keeps every line of progress; the tasks of the step *name* begin one by one, after each third line."""

    def __init__(self, fake, name):
        super().__init__()
        self.fake, self.name, self.lines = fake, name, []

    def progress(self, line):
        self.lines.append(line)
        path = [env["SRT_BEGUN"] for name, _argv, env in self.fake.slurm.spawned if name == self.name][-1]
        task, rest = divmod(len(self.lines), 3)
        if not rest:
            pathlib.Path(f"{path}.{task - 1}").touch()

    @property
    def importing(self):
        """For each line whether the image was being imported."""
        return [line.endswith(f"; importing the image: {self.name}") for line in self.lines]


def test_the_time_to_become_ready_does_not_count_while_the_image_is_imported(fake, plan):
    watcher = Watcher(fake, "nats")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        check = {"name": "nats", "kind": "tcp", "host": "127.0.0.1", "port": server.getsockname()[1]}
        plan["steps"][0].update(container=CONTAINER, ntasks=2, ready=[check])
        with pytest.raises(Error, match=r"waiting for nats: Connection refused, after 0.1 s"):
            run(plan, watcher, tier="head_infra", wait_timeout_s=0.1)
    assert watcher.importing[:5] == [True] * 5 and not watcher.importing[-1]


def test_health_does_not_count_the_time_in_which_an_image_is_imported(fake, plan):
    plan["steps"][1]["container"] = CONTAINER
    unreachable(plan)
    for _attempt in range(2):  # a replaced step imports it again
        run(plan)
        watcher = Watcher(fake, "prefill_0")
        with pytest.raises(Error, match="is not healthy after 0.1 s"):
            health_wait.run({"plan": plan, "timeout_s": 0.1, "slice_s": 0.1}, watcher)
        assert watcher.importing[:3] == [True] * 3
        fake.slurm.end("prefill_0", 1)
        fake.until(lambda steps: steps["prefill_0"]["state"] == "ended")


def test_an_import_does_not_last_for_ever(fake, plan, monkeypatch):
    plan["steps"][1]["container"] = CONTAINER
    unreachable(plan)
    run(plan)
    monkeypatch.setattr(image_import, "LIMIT_S", 0.3)
    with pytest.raises(Error, match=r"Still importing the image: prefill_0, after 0.3 s"):
        health_wait.run({"plan": plan, "timeout_s": 0.1, "slice_s": 0.1}, Context())


def test_health_ends_when_all_checks_are_done(fake, plan):
    lines = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        checks = [{"name": name, "kind": "tcp", "host": "127.0.0.1", "port": server.getsockname()[1]} for name in "ab"]
        plan["checks"] = [checks[0], dict(checks[1], after=["a"])]
        result = health_wait.run({"plan": plan, "timeout_s": 10.0, "slice_s": 5.0}, Context(progress=lines.append))
    assert result["completed"] and not result["changed"] and [c["name"] for c in result["checks"]] == ["a", "b"]
    assert all(c["done"] and c["attempts"] == 1 and c["last_error"] is None for c in result["checks"])
    assert len(lines) == 1 and lines[0].startswith("2/2 ready after")


def unreachable(plan):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        plan["checks"] = [{"name": "frontend", "kind": "tcp", "host": "127.0.0.1", "port": free.getsockname()[1]}]


def test_health_stops_at_once_when_a_critical_step_dies(fake, plan):
    unreachable(plan)
    run(plan)
    threading.Timer(0.1, fake.slurm.end, ("decode_0", 137, "srun: error: node002: task 0: Killed")).start()
    with pytest.raises(
        StepError, match="Step decode_0 on node002 ended while the service.*killed by signal 9"
    ) as caught:
        health_wait.run({"plan": plan, "timeout_s": 60.0, "slice_s": 30.0}, Context())
    assert caught.value.evidence["completed"] is False and caught.value.evidence["checks"][0]["name"] == "frontend"


def test_health_at_its_deadline_has_all_records(fake, plan):
    unreachable(plan)
    with pytest.raises(
        Error, match="not healthy after 0.2 s: 0/1 ready, waiting for frontend: Connection refused"
    ) as caught:
        health_wait.run({"plan": plan, "timeout_s": 0.2, "slice_s": 5.0}, Context())
    assert caught.value.evidence["checks"][0]["attempts"] >= 1


def test_health_stops_with_its_controller_and_with_the_job(fake, plan, monkeypatch):
    unreachable(plan)
    ctx = Context()
    monkeypatch.setattr(ctx, "controller_alive", lambda: False)
    with pytest.raises(Error, match="controller has ended"):
        health_wait.run({"plan": plan, "timeout_s": 60.0, "slice_s": 0.05}, ctx)
    fake.holder.end("lease_expired", "no controller for 5 s")
    with pytest.raises(Error, match="Job 42 is ending: no controller for 5 s"):
        health_wait.run({"plan": plan, "timeout_s": 60.0, "slice_s": 30.0}, Context())


def test_health_in_check_mode(plan):
    unreachable(plan)
    result = health_wait.run({"plan": plan, "timeout_s": 60.0, "slice_s": 5.0}, Context(check_mode=True))
    assert result["checks"] == [
        {"name": "frontend", "done": False, "attempts": 0, "elapsed_s": 0.0, "last_error": None}
    ]
    assert result["completed"] is False and result["changed"] is False


def test_line_of_what_is_missing():
    done = {"name": "a", "done": True, "attempts": 1, "last_error": None}
    before = {"name": "models", "done": False, "attempts": 4, "last_error": "decode 6/8"}
    later = {"name": "request", "done": False, "attempts": 0, "last_error": None}
    assert health_wait.waiting_line([done, later, before]) == "1/3 ready, waiting for models: decode 6/8 (and 1 more)"
    assert health_wait.waiting_line([later, before], {"models": "node002"}).endswith(
        "waiting for models on node002: decode 6/8 (and 1 more)"
    )
    assert health_wait.waiting_line([done]) == "1/1 ready"


class Read(dict):
    """Parameters that remember which of them were read."""

    def __init__(self, *args):
        super().__init__(*args)
        self.keys_read = set()

    def __getitem__(self, key):
        self.keys_read.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.keys_read.add(key)
        return super().get(key, default)


@pytest.mark.parametrize("point", ["main", "start", "stop"])
@pytest.mark.parametrize("role", ["head_infra", "worker", "frontend"])
def test_what_a_role_passes_on_is_read_in_the_state_that_it_asks_for(fake, plan, tmp_path, role, point):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    (call,) = plays.Play({}, tmp_path).role(role, point, {f"{role}_plan_path": str(path)})
    defaults = {key: option.get("default") for key, option in srun_worker.ARGUMENT_SPEC.items()}
    params = Read({**defaults, **call[1]})
    srun_worker.run(params, Context())
    assert set(call[1]) - params.keys_read == set()
