# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of the play: what happens around the stages, on the real playbook."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import s3_server
from cluster import ROOT, SANDBOX, interrupt, wait_for

STAGES = ["head_infra", "worker", "frontend", "health", "benchmark", "rollup"]


@pytest.fixture(scope="module")
def kept(cluster):
    """A job that is up for all tests of this file; yields (job file, job id)."""
    # A worker that is killed is listed for as long, and waited for.
    job = cluster.job_file("kept", environment={"ETCD_LEASE_TTL": "10"})
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    job_id = cluster.latest.name
    yield job, job_id
    cluster.end(job)


PROGRAMS = {
    "holder serve": 1, " nats-server: ": 1, " etcd: ": 1, " -m dynamo.mocker ": 3, " -m dynamo.frontend ": 2,
    "nginx: master process": 1,
}  # fmt: skip


def test_every_process_of_a_service_is_seen_and_none_is_left_after_its_end(cluster):
    """What other tests say of processes that are left is worth as much as what is seen of those that run."""
    job = cluster.job_file("seen")
    played = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "benchmark,rollup")
    assert played.rc == 0, played.text
    up = cluster.processes()
    own = [line for line in up if " srun: " not in line and " sh: " not in line]
    seen = {word: sum(word in line for line in own) for word in PROGRAMS}
    assert seen == PROGRAMS, up
    assert any("nginx: worker" in line for line in up), up
    for step in cluster.steps(cluster.latest.name):
        assert any(" srun: srun " in line and f"--job-name={step} " in line for line in up), (step, up)
    assert not any("slurmstepd" in line for line in up), up
    cluster.end(job)
    cluster.alone()


STATUS_API = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as stream:
            stream.write(json.dumps([self.command, self.path, body, self.headers["Authorization"]]) + chr(10))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_POST = do_PUT = answer
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""


@pytest.fixture
def others(cluster, tmp_path):
    """Other systems beside the cluster: storage, a status API, a publisher; yields (reporting, folder)."""
    (tmp_path / "s3" / "runs").mkdir(parents=True)
    port, answer = s3_server.free_port(), {"protocol_version": 1, "status": "published", "links": ["https://wiki/1"]}
    code = f"import sys; open({str(tmp_path / 'heard')!r}, 'a').write(sys.stdin.read()); print({json.dumps(answer)!r})"
    api = [sys.executable, "-c", STATUS_API, str(port), str(tmp_path / "statuses")]
    with (
        s3_server.serving(tmp_path / "s3", cluster.prefix()) as storage,
        subprocess.Popen([*cluster.prefix(), *api], stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout.readline() == "ready\n"
        s3 = {"bucket": "runs", "endpoint_url": storage.url, "access_key_id": s3_server.KEY, "prefix": "e2e"}
        yield (
            {
                "status": {"endpoint": f"http://127.0.0.1:{port}", "token_env": "E2E_TOKEN"},
                "publishers": [{"name": "wiki", "command": [sys.executable, "-c", code]}],
                "s3": {**s3, "secret_access_key": s3_server.SECRET},
            },
            tmp_path,
        )
        process.terminate()


def test_a_failing_stage_is_named_torn_down_and_fails_the_play_and_others_hear_of_it(cluster, others):
    reporting, folder = others
    job = cluster.job_file(
        "failing",
        backend={"type": "mocker", "mocker_config": {"aggregated": {}, "prefill": {"no-such-flag": 1}}},
        reporting=reporting,
    )
    played = cluster.playbook(job, env={"E2E_TOKEN": "of-the-test"})
    assert played.rc != 0
    assert re.search(r"Step prefill_0 on node\d+ ended", played.text), played.text
    assert "no-such-flag" in played.text
    assert "srt.slurm.teardown : End the service and release the nodes" in played.tasks
    assert cluster.jobs("failing") == []
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert rollup["valid"] is False
    assert "prefill_0" in json.dumps(rollup["invalid_reasons"])
    job_id, heard = cluster.latest.name, json.loads((folder / "heard").read_text())
    assert (heard["job_id"], heard["run_exit_code"], heard["rollup_path"]) == (
        job_id,
        2,
        str(cluster.latest.resolve() / "rollup.json"),
    )
    copy = folder / "s3" / "runs" / "e2e" / "failing" / job_id
    assert (copy / "rollup.json").read_bytes() == (cluster.latest / "rollup.json").read_bytes()
    assert json.loads((copy / "logs/publishers/wiki.json").read_text())["status"] == "published"
    assert not any(s3_server.SECRET in path.read_text(errors="replace") for path in copy.rglob("*") if path.is_file())
    assert s3_server.SECRET not in played.text and "of-the-test" not in played.text
    statuses = [json.loads(line) for line in (folder / "statuses").read_text().splitlines()]
    assert [(one[0], one[1]) for one in statuses[:2]] == [
        ("POST", "/api/jobs"),
        ("PUT", f"/api/jobs/{job_id}"),
    ]
    told = [(body["status"], body["stage"]) for _method, _path, body, _token in statuses[1:]]
    told = [one for one in told if one[0] != "frontend"]  # it may begin before the worker ends
    assert told == [
        ("starting", "starting"),
        ("starting", "head_infrastructure"),
        ("workers", "workers"),
        ("benchmark", "cleanup"),
        ("failed", "cleanup"),
    ]
    assert statuses[-1][2]["exit_code"] == 2 and {token for *_rest, token in statuses} == {"Bearer of-the-test"}


def test_a_single_stage_without_a_job_says_what_to_do(cluster):
    played = cluster.playbook(cluster.job_file("nobody"), "--tags", "benchmark")
    assert played.rc != 0
    assert "No running job was found for nobody" in played.text
    assert cluster.jobs("nobody") == []


@pytest.mark.parametrize("tag", STAGES)
def test_each_tag_alone_runs_only_its_stage_and_changes_nothing(cluster, kept, tag):
    job, job_id = kept
    before = cluster.steps(job_id)
    played = cluster.playbook(job, "--tags", tag)
    assert played.rc == 0, played.text
    roles = {task.split(" : ")[0].rsplit(".", 1)[1] for task in played.tasks if " : " in task}
    assert roles == {tag}
    assert played.changed == 0, played.text
    assert cluster.steps(job_id) == before


def test_limit_touches_only_the_steps_of_its_nodes(cluster, kept):
    job, job_id = kept
    plan = json.loads((cluster.latest / "plan.json").read_text())
    (victim,) = [step for step in plan["steps"] if step["name"] == "decode_1"]
    before = cluster.steps(job_id)
    cluster.run("scancel", "--signal=KILL", before["decode_0"], before["decode_1"])
    wait_for(lambda: not {"decode_0", "decode_1"} & set(cluster.steps(job_id)), "both workers to be gone")
    inventory = cluster.folder / "limit.slurm.yml"
    inventory.write_text("plugin: srt.slurm.slurm\n")
    played = cluster.playbook(
        job, "-i", str(inventory), "--limit", victim["nodes"][0], "--tags", "worker",
        env={"SRT_SLURM_RUN_DIR": str(cluster.latest)},
    )  # fmt: skip
    assert played.rc == 0, played.text
    assert "decode_1" in cluster.steps(job_id)
    assert "decode_0" not in cluster.steps(job_id)
    again = cluster.playbook(job, "-e", "keep=600")
    assert again.rc == 0, again.text
    assert set(cluster.steps(job_id)) == set(before)


def test_check_against_what_is_up_touches_nothing(cluster, kept):
    job, job_id = kept
    before = cluster.steps(job_id), (cluster.latest / "plan.json").read_bytes()
    played = cluster.playbook(job, "-e", "keep=600", "--check", "--diff")
    assert played.rc == 0, played.text
    assert (cluster.steps(job_id), (cluster.latest / "plan.json").read_bytes()) == before


def test_check_without_slurm_shows_the_script_the_configs_and_every_srun_line(cluster):
    job = cluster.job_file("dry")
    argv = [
        "ansible-playbook",
        "bench.yml",
        "-e",
        f"@{job}",
        "-e",
        f"output_dir={cluster.folder}/dry",
        "--check",
        "--diff",
    ]
    done = subprocess.run(
        argv, cwd=ROOT, env=cluster.environment, text=True, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (
        "#SBATCH --job-name=dry",
        "upstream",
        "dynamo.mocker",
        "--nodelist=node0001",
        "speedup-ratio",
        "load_client",
    ):
        assert text in done.stdout, text
    assert len(re.findall(r"srun --jobid", done.stdout)) == 9
    assert not os.path.exists(f"{cluster.folder}/dry")
    assert cluster.run("squeue", "--noheader", "--name=dry", "--format=%i") == ""


def test_512_nodes_in_check_mode(cluster):
    job = cluster.job_file(
        "large",
        resources={
            "gpu_type": "h100", "gpus_per_node": 8,
            "prefill_nodes": 256, "prefill_workers": 256, "decode_nodes": 256, "decode_workers": 256,
        },
    )  # fmt: skip
    played = cluster.playbook(job, "--check")
    assert played.rc == 0, played.text
    assert "node0512" in played.text


def test_a_group_called_frontend_of_the_user_is_left_alone(cluster, kept):
    job, _job_id = kept
    inventory = cluster.folder / "own.ini"
    inventory.write_text("[frontend]\nweb1 ansible_connection=local\n[worker]\nweb2 ansible_connection=local\n")
    played = cluster.playbook(job, "-i", str(inventory), "--tags", "frontend")
    assert played.rc == 0, played.text
    assert not {"web1", "web2"} & set(played.recap)


@pytest.mark.slow
def test_a_node_that_is_cut_off_is_named_and_the_job_is_ended(cluster):
    """No task connects to a node, so an unreachable node is a failing stage, and teardown still runs."""
    job = cluster.job_file("cut", health_check={"max_attempts": 5, "interval_seconds": 1})
    played = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "health,benchmark,rollup")
    assert played.rc == 0, played.text
    plan = json.loads((cluster.latest / "plan.json").read_text())
    (node,) = [step["nodes"][0] for step in plan["steps"] if step["name"] == "decode_1"]
    subprocess.run([SANDBOX, "node", node, "cut", "--dir", cluster.dir], check=True)
    try:
        played = cluster.playbook(job, "-e", "keep=600", "--tags", "health")
        assert played.rc != 0
        message = re.findall(r"^fatal: \[.*?\]: FAILED! => (.*)$", played.text, re.M)[0]
        assert "The service is not healthy after 5 s" in message
        assert re.search(rf"waiting for decode_1 on {node}: ", message), message
    finally:
        subprocess.run([SANDBOX, "node", node, "heal", "--dir", cluster.dir], check=True)
    cluster.end(job)


def read_until(process, text):
    """Read the playbook's lines until one holds *text*; return what was read."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return "".join(seen)
    raise AssertionError(f"the playbook ended before {text!r}: {''.join(seen)}")


@pytest.mark.parametrize(
    ("number", "stage"), [(signal.SIGINT, "Workers"), (signal.SIGKILL, "health"), (signal.SIGKILL, "benchmark")]
)
def test_an_interrupted_run_leaves_the_service_up_and_the_next_run_adopts_it(cluster, number, stage):
    job = cluster.job_file(f"cut-{stage}-{int(number)}".lower())
    process = cluster.start_playbook(job)
    marker = {"Workers": "srt.slurm.worker :", "health": "srt.slurm.health :", "benchmark": "srt.slurm.benchmark :"}[
        stage
    ]
    read_until(process, marker)
    interrupt(process, number)
    rest = process.stdout.read()
    assert process.wait(timeout=60) != 0, rest
    job_id = cluster.latest.name
    output = f"Job {job_id} stays up for its lease of 0:02:00. The same command continues it. To end it now: "
    output += f"ansible-playbook playbooks/stop.yml -e run_dir={cluster.latest.resolve()}"
    assert rest.count(output) == (number == signal.SIGINT), rest
    assert job_id in cluster.jobs(), rest
    before = cluster.steps(job_id)
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    assert cluster.latest.name == job_id
    after = cluster.steps(job_id)
    assert {name: step for name, step in before.items() if not name.startswith("bench")}.items() <= after.items()
    cluster.end(job)


def test_a_run_whose_service_stays_up_says_where_for_how_long_and_how_it_is_ended(cluster):
    job = cluster.job_file("kept-service")
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    where = re.search(r"The service of job \d+ stays up at (\S+), for 0:(\d\d):\d\d \(its lease: ", played.text)
    assert where, played.text
    assert int(where.group(2)) >= 8
    ask = f"import urllib.request; print(urllib.request.urlopen('{where.group(1)}/v1/models').status)"
    assert cluster.run("python3", "-c", ask, node="node001") == "200\n"
    (command,) = re.findall("To end it now: (.*)", played.text)
    assert "To end it now" not in cluster.playbook(job, "-e", "keep=600", "--check").text
    one = cluster.playbook(job, "--tags", "health").text
    assert one.count("The service of job") == one.count("To end it now: ") == 1, one
    ended = cluster.play([*cluster.prefix(), "sh", "-c", command])
    assert ended.rc == 0, ended.text
    assert cluster.jobs("kept-service") == []
    again = cluster.playbook(job)
    assert again.rc == 0, again.text
    assert "To end it now" not in again.text


LOSES_CTRL_C = """
import signal
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_NAME = "loses_ctrl_c"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task, is_conditional):
        if task.get_name().startswith("srt.slurm.health :"):
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # what stays of a Ctrl-C that came while Ansible forked
"""


def test_a_ctrl_c_that_ansible_loses_still_ends_the_run(cluster, tmp_path):
    (tmp_path / "loses_ctrl_c.py").write_text(LOSES_CTRL_C)
    job = cluster.job_file("lost-ctrl-c")
    env = {
        "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path),
        "ANSIBLE_CALLBACKS_ENABLED": "loses_ctrl_c",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
    }
    played = cluster.play(cluster.playbook_argv(job), env)
    assert played.rc in (-signal.SIGINT, 128 + signal.SIGINT), played.text
    assert "health_wait: Ansible lost a Ctrl-C while it started this task" in played.text
    assert played.text.count("stays up for its lease of 0:02:00.") == 1, played.text
    assert "srt.slurm.teardown : End the service" not in played.text.partition("PLAY [Run the stages]")[2]
    assert cluster.jobs("lost-ctrl-c") == [cluster.latest.name]
    assert list((tmp_path / "local").iterdir()) == []
    cluster.end(job)


def test_the_lease_gives_the_nodes_back(cluster):
    job = cluster.job_file("leased")
    played = cluster.playbook(job, "-e", "keep=true", "-e", "lease_s=15", "--skip-tags", "health,benchmark,rollup")
    assert played.rc == 0, played.text
    wait_for(lambda: cluster.jobs("leased") == [], "the lease to end the job", timeout_s=60)
    events = (cluster.latest / "steps.jsonl").read_text()
    assert "no controller for 15 s" in events
