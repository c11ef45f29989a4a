# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps on a real Slurm, through srun_worker, health_wait and the modules that carry them."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def make_step(name, node, argv, **more):
    step = {
        "name": name,
        "tier": "worker",
        "nodes": [node],
        "ntasks": 1,
        "argv": argv,
        "preamble": None,
        "env": {},
        "files": [],
        "container": None,
        "mounts": [],
        "srun_options": {},
        "log": f"logs/%N_{name}.out",
        "critical": True,
        "ready": [],
        "stop_grace_s": 2,
        "digest": f"digest of {name} {argv}",
    }
    return dict(step, **more)


SLEEP = ["sh", "-c", "echo $$; exec sleep 1000"]


@pytest.fixture
def service(allocation):
    """A plan of three sleeping workers, and a function that runs srun_worker on it."""
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
    from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
    from ansible_collections.srt.slurm.plugins.module_utils.failures import StepError
    from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait, srun_worker
    from fake_holder import make_plan

    class Service:
        def __init__(self):
            job = allocation()["job"]
            self.nodes = [node["name"] for node in job["nodes"]]
            steps = [make_step(f"w_{i}", self.nodes[i % 2], SLEEP) for i in range(3)]
            about = {"job_id": job["id"], "nodes": job["nodes"], "holder_node": self.nodes[0]}
            self.plan = make_plan(job["run_dir"], steps, **about)
            self.driver = driver.connect_plan(self.plan, Context())

        def run(self, ctx=None, **params):
            defaults = {key: option.get("default") for key, option in srun_worker.ARGUMENT_SPEC.items()}
            return srun_worker.run(
                dict(defaults, plan=self.plan, **{"wait_timeout_s": 30.0, **params}), ctx or Context()
            )

        def fails(self):
            """Start the plan and wait for health until it fails; either of the two may see it first."""
            self.plan["checks"] = [{"name": "never", "kind": "tcp", "host": "127.0.0.1", "port": 1}]
            with pytest.raises(StepError) as caught:
                self.run()
                health_wait.run({"plan": self.plan, "timeout_s": 60.0, "slice_s": 30.0}, Context())
            return caught.value

        def log(self, name):
            step = next(s for s in self.plan["steps"] if s["name"] == name)
            return pathlib.Path(self.plan["run_dir"], step["log"].replace("%N", step["nodes"][0]))

        def records(self):
            return {r["name"]: r for r in self.driver.request("status")["steps"]}

        def steps(self):
            done = subprocess.run(
                ["squeue", "-hs", "-j", self.plan["job_id"], "-o", "%i %j"],
                capture_output=True,
                text=True,
                check=True,
                timeout=30,
            )
            return {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if ".batch" not in line}

    return Service()


def column(result, key):
    return {row["name"]: row[key] for row in result["steps"]}


def test_started_kept_replaced_stopped(service, cluster):
    first = service.run()
    assert column(first, "step_id") == service.steps()
    pid = int(_lines(service.log("w_1"), 1)[0])
    again = service.run()
    assert not again["changed"] and column(again, "step_id") == column(first, "step_id")

    os.kill(pid, signal.SIGKILL)
    cluster(lambda: service.records()["w_1"]["state"] == "ended")
    record = service.records()["w_1"]
    assert (record["signal"], record["exit_code"], record["node"], record["expected"]) == (
        9,
        None,
        service.nodes[1],
        False,
    )
    third = service.run()
    assert column(third, "changed") == {"w_0": False, "w_1": True, "w_2": False}
    ids = column(third, "step_id")
    assert ids["w_0"] == column(first, "step_id")["w_0"] and ids["w_1"] != column(first, "step_id")["w_1"]
    assert service.log("w_1").with_name(service.log("w_1").name + ".1").read_text() == f"{pid}\n"

    service.plan["steps"][2]["digest"] = "another"
    assert column(service.run(), "action") == {"w_0": "kept", "w_1": "kept", "w_2": "replaced"}
    stopped = service.run(state="stopped")
    assert set(column(stopped, "action").values()) == {"stopped"}
    cluster(lambda: not service.steps())
    assert {(r["expected"], r["signal"], r["reason"].split(" on ")[0]) for r in service.records().values()} == {
        (True, 15, "killed by signal 15")
    }


def test_what_a_task_sees(service):
    env = {"CUDA_VISIBLE_DEVICES": "2,5", "TEXT": "a 'b' \"c\" $(id) \\\n é", "SECRET": "never-shown"}
    code = (
        "import json,os,sys; print(json.dumps([os.environ.get(k) for k in ('CUDA_VISIBLE_DEVICES','TEXT','SECRET',"
        "'FROM_PREAMBLE')] + [os.getcwd(), os.uname().nodename, sys.argv[1:]]), flush=True)\n"
        "import time; time.sleep(99)"
    )
    argv = [sys.executable, "-c", code, ":", "$HOME", "-x", "a b"]
    service.plan["steps"] = [
        make_step("w_0", service.nodes[1], argv, env=env, preamble='set -- x; export FROM_PREAMBLE="$TEXT"')
    ]
    service.run()
    cmdlines = [path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
    assert not any(b"never-shown" in line for line in cmdlines)
    lines = _lines(service.log("w_0"), 1)
    assert json.loads(lines[0]) == [
        "2,5",
        env["TEXT"],
        "never-shown",
        env["TEXT"],
        service.plan["run_dir"],
        service.nodes[1],
        [":", "$HOME", "-x", "a b"],
    ]
    assert "never-shown" not in pathlib.Path(service.plan["run_dir"], "steps.jsonl").read_text()


def _readable(path):
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def _lines(path, count, limit_s=20.0):
    import time

    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if path.exists() and len(path.read_text().splitlines()) >= count:
            break
        time.sleep(0.05)
    return path.read_text().splitlines()


def test_a_step_over_several_nodes(service):
    service.plan["steps"] = [
        make_step(
            "w_0",
            service.nodes[0],
            ["sh", "-c", "echo $SLURM_PROCID on $(hostname); sleep 99"],
            nodes=service.nodes,
            ntasks=2,
        )
    ]
    service.run()
    for rank, node in enumerate(service.nodes):
        assert _lines(pathlib.Path(service.plan["run_dir"], "logs", f"{node}_w_0.out"), 1) == [f"{rank} on {node}"]


def test_a_worker_that_dies_at_once_fails_with_evidence(service, cluster):
    argv = ["sh", "-c", "echo loading; echo 'RuntimeError: CUDA out of memory' >&2; sleep 0.2; exit 3"]
    service.plan["steps"][1] = make_step("w_1", service.nodes[1], argv)
    error = service.fails()
    found = error.evidence["evidence"][0]
    assert (found["step"], found["node"], found["exit_code"]) == ("w_1", service.nodes[1], 3)
    assert found["fatal"] == "RuntimeError: CUDA out of memory" and found["tail"][0] == "loading"
    assert "exited with code 3" in error.msg and str(service.log("w_1")) in error.msg
    cluster(lambda: set(service.steps()) == {"w_0", "w_2"})  # srun may be over before Slurm has counted the step out


def test_a_program_that_is_not_there(service):
    service.plan["steps"] = [make_step("w_0", service.nodes[0], ["/no/such/program"])]
    error = service.fails()
    fatal = error.msg.partition("First fatal line: ")[2]
    assert "/no/such/program: not found" in fatal


def test_the_module_itself_brings_its_payload(service, tmp_path, cluster):
    """The module and not the action: everything it imports has to be in its payload, the holder's source too."""
    plan_path = tmp_path / "plan.json"
    plan_path.write_text(json.dumps(service.plan))
    book = [
        {
            "name": "Play",
            "hosts": "localhost",
            "gather_facts": False,
            "connection": "local",
            "environment": {"MAKES_IT": "a module"},
            "tasks": [
                {"name": "Workers", "srt.slurm.srun_worker": {"plan_path": str(plan_path)}, "register": "workers"},
                {"name": "Health", "srt.slurm.health_wait": {"plan_path": str(plan_path)}},
                {
                    "name": "Another allocation",
                    "srt.slurm.slurm_job": {
                        "allocation": {"name": "second", "nodes": 1, "digest": "x"},
                        "output_dir": str(tmp_path / "out"),
                        "state": "running",
                    },
                },
                {
                    "name": "Gone",
                    "srt.slurm.slurm_job": {
                        "allocation": {"name": "second", "nodes": 1, "digest": "x"},
                        "output_dir": str(tmp_path / "out"),
                        "state": "absent",
                    },
                },
            ],
        }
    ]
    (tmp_path / "play.yml").write_text(json.dumps(book))
    program = pathlib.Path(sys.executable).parent / "ansible-playbook"
    env = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"))
    done = subprocess.run(
        [str(program), str(tmp_path / "play.yml"), "-e", f"ansible_python_interpreter={sys.executable}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=env,
        cwd=tmp_path,
    )
    assert done.returncode == 0 and "changed=3" in done.stdout, done.stdout + done.stderr
    assert set(service.steps()) == {"w_0", "w_1", "w_2"}
