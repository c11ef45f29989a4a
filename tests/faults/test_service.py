# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the service that die, hang or lie, at every stage. See docs/reliability.md."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import time

import pytest
from cluster import ROOT, wait_for
from faults import BENCHMARK, LONG, failed, stop

SHORT = {"max_attempts": 5, "interval_seconds": 1}
LEASE = {"ETCD_LEASE_TTL": "10"}  # so many seconds a worker that was killed is listed


def named(played):
    """Return the step that the failure of a run names: of several that die, the first."""
    return re.search(r"Step (\w+) on node\d+ ended", played.text).group(1)


def decode(what):
    """Return a trap that does *what* in decode workers only."""
    return f'case "$*" in *mode?decode*) {what} ;; esac'


def test_a_worker_killed_while_loading_fails_with_evidence(cluster):
    cluster.trap("mocker", decode('echo "loading shard 3"; sleep 0.7; kill -9 $$'))
    played = failed(
        cluster.playbook(cluster.job_file("loading")), r"Step decode_\d on node\d+ ended", "killed by signal 9"
    )
    step = named(played)
    found = cluster.evidence(step)
    assert (found["signal"], found["node"]) == (9, cluster.node_of(step))
    assert found["tail"] == ["loading shard 3"]
    assert "TASK [srt.slurm.teardown" in played.text
    output = cluster.latest / f"slurm-{cluster.latest.name}.out"
    assert "ending: the run has failed: " in output.read_text()
    cluster.gone("loading")


@pytest.mark.slow
def test_a_worker_that_exits_0_fails_with_evidence(cluster):
    cluster.trap("mocker", decode('echo "nothing to do"; sleep 0.7; exit 0'))
    played = cluster.playbook(cluster.job_file("exits"))
    failed(played, r"Step decode_\d on node\d+ ended .*exited with code 0")
    assert cluster.evidence(named(played))["exit_code"] == 0
    cluster.gone("exits")


def test_a_worker_killed_while_the_service_is_waited_for_ends_the_wait_at_once(cluster):
    cluster.trap("mocker", decode("exec sleep 600"))
    process = cluster.start_playbook(cluster.job_file("waiting"))
    seen = cluster.until(process, "srt.slurm.health :")
    began = time.monotonic()
    cluster.kill(cluster.latest.name, "prefill_0")
    played = failed(cluster.rest(process, seen), r"Step prefill_0 on node\d+ ended while the service was getting ready")
    assert "killed by signal 9" in played.text
    assert time.monotonic() - began < 60  # of 30 minutes that the service may take
    cluster.gone("waiting")


def test_a_worker_that_never_gets_ready_fails_at_the_deadline_with_its_last_answer(cluster):
    # All workers: another one may need longer than that on a busy machine, and then it is the one that is named.
    cluster.trap("mocker", 'echo "still loading"; exec sleep 600')
    played = failed(cluster.playbook(cluster.job_file("never", health_check=SHORT)), "is not healthy after 5 s")
    assert f"waiting for prefill_0 on {cluster.node_of('prefill_0')}: Connection refused" in played.text
    cluster.gone("never")


@pytest.mark.parametrize(
    "step",
    ["decode_1", "nats", *(pytest.param(one, marks=pytest.mark.slow) for one in ("frontend_1", "nginx", "etcd"))],
)
def test_a_part_killed_while_measuring_is_named_and_the_point_is_not_valid(cluster, step):
    process, job_id, seen = cluster.measuring(cluster.job_file("measuring", benchmark=dict(LONG, concurrencies=[2, 3])))
    node = cluster.node_of(step)
    cluster.kill(job_id, step)
    played = failed(cluster.rest(process, seen), f"Step {step} on {node} ended")
    assert "c=2 measured, NOT valid" in played.text
    found = cluster.evidence(step)
    assert (found["step"], found["node"]) == (step, node)
    rollup = cluster.rollup()
    assert rollup["valid"] is False
    assert step in str(rollup["invalid_reasons"]) + str(rollup["results"])
    cluster.gone("measuring")


@pytest.mark.slow
def test_what_outlives_a_killed_nginx_does_not_keep_its_port(cluster):
    """Slurm may lose a worker of nginx that was respawned while the step was killed; it would hold the port."""
    job = cluster.job_file("orphans")
    played = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "benchmark,rollup")
    assert played.rc == 0, played.text
    job_id = cluster.latest.name
    for _turn in range(3):
        cluster.kill(job_id, "nginx")
        wait_for(lambda: "nginx" not in cluster.steps(job_id), "nginx to be gone")
        played = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "benchmark,rollup")
        assert played.rc == 0, played.text
    cluster.end(job)
    log = str(cluster.latest / "logs" / "node001_nginx.out")
    left = [path for path in pathlib.Path("/proc").glob("[0-9]*/fd/1") if _link(path) == log]
    assert left == []


def _link(path):
    try:
        return str(path.readlink())
    except OSError:
        return None


@pytest.mark.slow
def test_results_from_before_the_fault_are_kept_and_taken_over(cluster):
    benchmark = dict(LONG, concurrencies=[2, 3], num_prompts_mult=80)
    process = cluster.start_playbook(cluster.job_file("kept", benchmark=benchmark))
    seen = cluster.until(process, "c=2 measured, valid")
    first = cluster.latest.name
    wait_for(lambda: cluster.steps(first).get("bench_c3"), "the second point to be measured")
    cluster.kill(first, "prefill_0")
    failed(cluster.rest(process, seen), r"Step prefill_0 on node\d+ ended")
    again = cluster.playbook(cluster.job_file("kept", benchmark=benchmark))
    assert again.rc == 0, again.text
    assert f"c=2 taken over from job {first}" in again.text
    assert "c=3 measured, valid" in again.text


@pytest.mark.parametrize(
    ("port", "step"), [(4222, "nats"), pytest.param(2379, "etcd", marks=pytest.mark.slow), (8081, "prefill_0")]
)
def test_a_port_taken_by_a_foreign_process_is_found_before_models_load(cluster, port, step):
    listeners = [cluster.listen(f"node00{number}", port) for number in (1, 2, 3)]
    try:
        why = rf"node00\d: port {port} of {step} is in use by another process"
        played = failed(cluster.playbook(cluster.job_file("taken")), why)
    finally:
        for listener in listeners:
            stop(listener)
    assert "srt.slurm.worker :" not in played.text
    cluster.gone("taken")


@pytest.mark.parametrize(("port", "step"), [(4222, "nats"), pytest.param(2379, "etcd", marks=pytest.mark.slow)])
def test_a_port_taken_after_preflight_fails_the_step_with_the_reason(cluster, port, step):
    listeners = [cluster.listen(f"node00{number}", port) for number in (1, 2, 3)]
    try:
        job = cluster.job_file("late", health_check=SHORT)
        failed(
            cluster.playbook(job, "--skip-tags", "preflight"),
            rf"Step {step} on node\d+ ended",
            "address already in use",
        )
    finally:
        for listener in listeners:
            stop(listener)
    found = cluster.evidence(step)
    assert (found["kind"], found["retryable"]) == ("port", True)
    cluster.gone("late")


@pytest.mark.slow
def test_a_port_of_a_worker_taken_after_preflight_fails_the_worker_with_the_reason(cluster):
    listener = cluster.listen("node001", 30000)
    try:
        job = cluster.job_file(
            "engine",
            resources={"gpu_type": "h100", "gpus_per_node": 8, "agg_nodes": 1, "agg_workers": 1},
            backend={"type": "sglang", "sglang_config": {"aggregated": {"tensor-parallel-size": 8}}},
            frontend={"type": "sglang"},
            environment={"PYTHONPATH": str(ROOT / "tests" / "support" / "engines")},
            health_check=SHORT,
        )
        args = ("--skip-tags", "preflight")
        failed(cluster.playbook(job, *args), r"Step agg_0 on node001 ended", "address already in use")
    finally:
        stop(listener)
    found = cluster.evidence("agg_0")
    assert (found["kind"], found["node"], found["retryable"]) == ("port", "node001", True)
    cluster.gone("engine")


def test_a_status_port_of_a_dynamo_worker_taken_after_preflight_is_not_a_fault(cluster):
    """Dynamo goes on without it, and whether the worker serves is asked at the frontends."""
    listener = cluster.listen("node001", 8081)
    try:
        played = cluster.playbook(cluster.job_file("status"), "--skip-tags", "preflight")
    finally:
        stop(listener)
    assert (cluster.node_of("prefill_0"), played.rc) == ("node001", 0), played.text
    assert cluster.rollup()["valid"] is True
    cluster.gone("status")


ROUTER = """\
import http.server, json, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code); self.send_header("Content-Length", str(len(data))); self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        one = [{"endpoint": "generate", "component": c} for c in ("prefill", "backend", "backend")]
        self.answer(200, {"instances": one, "data": [{"id": "model"}]})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(503, {"error": "no workers are ready"})
http.server.ThreadingHTTPServer(("", int(sys.argv[1])), H).serve_forever()
"""


def test_a_router_that_says_ready_and_answers_503_is_not_healthy(cluster):
    (cluster.folder / "router.py").write_text(ROUTER)
    cluster.trap("frontend", f'exec {sys.executable} {cluster.folder}/router.py "$4"')
    # Real workers may need longer than the deadline on a busy machine.
    cluster.trap("mocker", f'exec {sys.executable} {cluster.folder}/router.py "$DYN_SYSTEM_PORT"')
    played = failed(cluster.playbook(cluster.job_file("liar", health_check=SHORT)), "is not healthy after 5 s")
    assert "HTTP 503" in played.text and "no workers are ready" in played.text
    cluster.gone("liar")


def test_a_point_without_progress_is_ended(cluster):
    job = cluster.job_file("stalled", benchmark=dict(LONG, stall_timeout_s=4))
    process, _job_id, seen = cluster.measuring(job)
    assert cluster.freeze("--disaggregation-mode\0decode")
    failed(cluster.rest(process, seen), r"c=2 measured, NOT valid: .*no progress for \d+ s")
    assert cluster.rollup()["valid"] is False
    cluster.gone("stalled")


@pytest.mark.slow
def test_a_point_that_hangs_is_ended_at_its_deadline(cluster):
    cluster.trap("client", "exec sleep 600")
    job = cluster.job_file("hangs", benchmark=dict(BENCHMARK, point_timeout_s=4))
    failed(cluster.playbook(job), "it was stopped because it was not complete after 4 s")
    cluster.gone("hangs")


@pytest.mark.slow
def test_a_worker_that_ignores_term_does_not_stop_the_end(cluster):
    cluster.trap("mocker", "trap '' TERM; while :; do sleep 1; done")
    began = time.monotonic()
    failed(cluster.playbook(cluster.job_file("deaf", health_check=SHORT)), "is not healthy")
    assert time.monotonic() - began < 150
    cluster.gone("deaf")


@pytest.mark.slow
def test_a_worker_that_is_not_critical_may_be_lost(cluster):
    """The point during which it is lost loses few requests or none; the next one is measured without it."""
    job = cluster.job_file(
        "tolerant",
        faults={"decode": {"critical": False}},
        benchmark=dict(LONG, concurrencies=[2, 3], num_prompts_mult=500),
    )
    process, job_id, seen = cluster.measuring(job)
    cluster.kill(job_id, "decode_1")
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    assert cluster.evidence("decode_1")["signal"] == 9
    how = f"killed by signal 9 on {cluster.node_of('decode_1')}"
    rollup = cluster.rollup()
    assert [one["valid"] for one in rollup["results"]] == [True, True]
    assert [one["service_gaps"] for one in rollup["results"]] == [
        [f"decode_1 ended during the measurement: {how}"],
        [f"decode_1 was not running: {how}"],
    ]
    for text in (played.text, (cluster.latest / "rollup.txt").read_text()):
        assert f"c=2: decode_1 ended during the measurement: {how}" in text
        assert f"c=3: decode_1 was not running: {how}" in text
    cluster.gone("tolerant")


@pytest.mark.slow
def test_a_lost_worker_that_is_not_critical_is_not_waited_for(cluster):
    name = '[ "$SLURMD_NODENAME" = node003 ] && { echo "lost on purpose"; sleep 0.5; exit 3; }'
    cluster.trap("mocker", decode(name))
    played = cluster.playbook(cluster.job_file("without", faults={"decode": {"critical": False}}, environment=LEASE))
    assert played.rc == 0, played.text
    assert "is lost and not critical" in played.text
    assert "service_gaps" in cluster.rollup()["results"][0]


def test_a_worker_is_restarted_during_the_run_as_its_policy_says(cluster):
    cluster.trap("mocker", decode('echo "WARNING tuned.json: No such file or directory, using defaults"'))
    benchmark = dict(LONG, concurrencies=[2, 4], num_prompts_mult=200)
    job = cluster.job_file("restarted", faults={"decode": {"restarts": 2}}, benchmark=benchmark, environment=LEASE)
    process, job_id, seen = cluster.measuring(job)
    cluster.kill(job_id, "decode_1")
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    found = cluster.evidence("decode_1")
    assert (found["signal"], found["kind"], found["fatal"]) == (9, None, None)  # that line is not why
    log = cluster.latest / "logs" / f"{cluster.node_of('decode_1')}_decode_1.out.1"
    assert "WARNING tuned.json: No such file or directory, using defaults" in log.read_text()
    assert "restart 1 of 2" in (cluster.latest / "steps.jsonl").read_text()
    assert "c=2 will be measured again" in played.text
    (first,) = cluster.latest.glob("results/*/*_concurrency_2_*.attempt1.verdict.json")
    assert "decode_1 " in " ".join(json.loads(first.read_text())["reasons"])
    # The frontend lists the dead worker for as long as its lease lasts, and would send it requests.
    assert "decode_1 has ended, and may be listed for up to 15 s" in played.text
    assert [(one["valid"], one["failed"]) for one in cluster.rollup()["results"]] == [(True, 0)] * 2


@pytest.mark.slow
def test_a_worker_is_restarted_without_any_controller(cluster):
    job = cluster.job_file("alone", faults={"decode": {"restarts": 1}})
    played = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "benchmark,rollup")
    assert played.rc == 0, played.text
    job_id = cluster.latest.name
    before = cluster.steps(job_id)["decode_1"]
    cluster.kill(job_id, "decode_1")
    wait_for(lambda: cluster.steps(job_id).get("decode_1") not in (None, before), "the worker to be started again")
    cluster.end(job)


GPU_FAULT = 'echo "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus"; sleep 0.5; exit 1'


def test_a_node_with_a_gpu_fault_is_left_out_by_the_retry(cluster):
    cluster.trap("mocker", f'[ "$SLURMD_NODENAME" = node002 ] && {{ {GPU_FAULT}; }}')
    played = cluster.playbook(cluster.job_file("retried"), "-e", "job_retries=2")
    assert played.rc == 0, played.text
    assert "Job attempt 2 of 3, without node002" in " ".join(played.text.split())
    assert "node002" not in [node["name"] for node in cluster.plan()["nodes"]]
    assert len(list(cluster.output.glob("*/evidence/*"))) > 0
    cluster.gone("retried")


def test_bad_flags_are_not_retried(cluster):
    backend = {"type": "mocker", "mocker_config": {"prefill": {"no-such-flag": 1}}}
    played = failed(cluster.playbook(cluster.job_file("flags", backend=backend), "-e", "job_retries=2"), "no-such-flag")
    assert "Job attempt 2" not in played.text
    assert cluster.evidence("prefill_0")["kind"] == "usage"


def test_stale_directories_and_processes_of_ours_are_cleaned(cluster):
    job = cluster.job_file("stale")
    played = cluster.playbook(job)
    assert played.rc == 0, played.text
    old = cluster.latest
    script = (
        "import hashlib,os,sys; m=hashlib.sha256(sys.argv[1].encode()).hexdigest()[:8]; "
        "j=os.path.basename(sys.argv[1]); "
        "os.makedirs(f'/tmp/srt-{j}-{m}-nats/x'); os.makedirs(f'/tmp/srt-{j}-00000000-nats')"
    )
    cluster.run(sys.executable, "-c", script, str(old), node="node001")
    stale = subprocess.Popen(
        [*cluster.prefix("node001"), "env", "-C", str(old), f"SLURM_JOB_ID={old.name}", "sleep", "600"], cwd=ROOT
    )
    left_alone = subprocess.Popen([*cluster.prefix("node001"), "env", "-C", str(old), "sleep", "601"], cwd=ROOT)
    try:
        played = cluster.playbook(job, "-v", "-e", "force=true")
        assert played.rc == 0, played.text
        wait_for(lambda: stale.poll() is not None, "the stale process to be gone")
        assert left_alone.poll() is None
        listed = cluster.run("ls", "/tmp", node="node001")
        assert f"srt-{old.name}-00000000-nats" in listed
        assert f"removed /tmp/srt-{old.name}" in played.text
    finally:
        for process in (stale, left_alone):
            process.kill()
            process.wait()
        cluster.run("rm", "-rf", f"/tmp/srt-{old.name}-00000000-nats", node="node001")
