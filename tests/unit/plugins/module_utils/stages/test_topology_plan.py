# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import tempfile

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils import plan_file
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job import rules
from ansible_collections.srt.slurm.plugins.module_utils.plan import printer
from ansible_collections.srt.slurm.plugins.module_utils.stages import topology_plan
from ansible_collections.srt.slurm.plugins.module_utils.topology.step import in_private_dir


def run(tmp_path, check_mode=False, **changes):
    spec = jobs.spec_of(**changes)
    job = jobs.allocation(2, run_dir=str(tmp_path / "7"))
    return topology_plan.run({"spec": spec, "job": job, "load_client": {"__main__.py": "x\n"}}, Context(check_mode))


def test_writes_plan_and_files_and_is_idempotent(tmp_path):
    first = run(tmp_path)
    assert first["changed"] and first["plan_path"] == str(tmp_path / "7" / "plan.json")
    plan = plan_file.load_plan(first["plan_path"])
    for one in plan["files"]:
        assert (tmp_path / "7" / one["path"]).read_text() == one["content"]
    assert plan["groups"] == first["groups"] and plan["nodes"] == first["nodes"]
    assert first["plan"]["points"] == ["bench_c4", "bench_c16"] and "plan_json" not in first
    second = run(tmp_path)
    assert not second["changed"] and second["diff"] == []


def test_check_mode_writes_nothing(tmp_path):
    result = run(tmp_path, check_mode=True)
    assert result["changed"] and list(tmp_path.iterdir()) == []
    assert json.loads(result["plan_json"])["job_id"] == "7"
    names = [record["after_header"].rsplit("/", 1)[-1] for record in result["diff"]]
    read = "files that the results depend on"
    assert names == ["plan.json", "mocker_config.yaml", "nats.conf", "nginx.conf", read]
    assert "nginx:8000" in result["diff"][0]["after"] and result["diff"][0]["before"] == ""


@pytest.mark.parametrize("check_mode", [True, False])
def test_without_an_allocation_nothing_is_written(tmp_path, monkeypatch, check_mode):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "<run_dir>").mkdir()
    (tmp_path / "<run_dir>" / "plan.json").write_text("of another kind")
    result = topology_plan.run({"spec": jobs.spec_of()}, Context(check_mode))
    assert result["nodes"][0]["name"] == "node0001" and "JOBID" in result["plan_json"]
    assert result["changed"] is check_mode and len(list(tmp_path.rglob("*"))) == 2


def test_what_is_no_job_is_told():
    with pytest.raises(Error, match="is not a job as job_spec returns it: it lacks resources, .* jobs\\[0\\]"):
        topology_plan.run({"spec": {"name": "x", "model": {"path": "/m"}}}, Context())


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ({}, "No running job was found for"),
        ({"id": "7", "state": "PENDING", "reason": "Priority", "nodes": []}, "is PENDING \\(Priority\\)"),
    ],
)
def test_a_job_without_nodes_is_an_error_that_says_what_to_do(job, text):
    with pytest.raises(Error, match=text) as caught:
        topology_plan.run({"spec": jobs.spec_of(), "job": job}, Context())
    assert "--tags" in str(caught.value)


def test_a_change_shows_its_diff(tmp_path):
    run(tmp_path)
    result = run(tmp_path, frontend={"nginx_keepalive_timeout": "7s"})
    assert result["changed"]
    records = {record["after_header"].rsplit("/", 1)[-1]: record for record in result["diff"]}
    assert set(records) == {"plan.json", "nginx.conf"}
    assert "600s" in records["nginx.conf"]["before"] and "7s" in records["nginx.conf"]["after"]


def test_a_lost_file_is_written_again(tmp_path):
    run(tmp_path)
    (tmp_path / "7" / "nginx.conf").unlink()
    assert run(tmp_path)["changed"]
    assert (tmp_path / "7" / "nginx.conf").exists()
    assert not run(tmp_path)["changed"]


def test_replan_keeps_ports(tmp_path):
    before = plan_file.load_plan(run(tmp_path)["plan_path"])
    after = plan_file.load_plan(run(tmp_path, ports={"system": 9000, "http": 40000})["plan_path"])
    assert after["processes"] == before["processes"]


@pytest.mark.parametrize("key", ["id", "run_dir", "nodes"])
def test_incomplete_allocation(key):
    job = {**jobs.allocation(2), key: None}
    with pytest.raises(Error, match=f"no {key}"):
        topology_plan.run({"spec": jobs.spec_of(), "job": job}, Context())


def test_node_map():
    plan = jobs.plan_of(resources={"decode_nodes": 2, "decode_workers": 1}, frontend={"num_additional_frontends": 0})
    text = printer.node_map(plan)
    lines = text.splitlines()
    assert lines[0] == "test: 3 nodes, public http://10.0.0.1:8000"
    assert lines[1] == "n1  10.0.0.1  [P0 P0 P0 P0 P1 P1 P1 P1]  head infra bench prefill"
    assert "    nats:4222  etcd:2379  nginx:8000" in lines
    assert "    decode_0 (rank 1)  system:8084 kv_events:5553" in lines
    assert lines[-3].startswith("ports begin at  frontend 8000  frontend_internal 8080  http 30000")
    assert "mooncake" not in lines[-3]
    assert lines[-2] == "benchmark sa-bench: c=4, c=16"
    assert lines[-1].startswith("cost  3 nodes x 8 GPUs = 24 GPUs; time limit 01:00:00: at most 24.0 GPU hours")
    half = printer.node_map(jobs.plan_of(resources={"gpus_per_prefill": 2}, benchmark={"type": "manual"}))
    assert "[P0 P0 P1 P1 .  .  .  . ]" in half and "benchmark manual: no points\n" in half


@pytest.mark.parametrize(
    "text, expected",
    [("90", 5400), ("1:30", 90), ("2:00:00", 7200), ("1-0", 86400), ("1-1:30", 91800), ("1-0:0:1", 86401)],
)
def test_slurm_times(text, expected):
    assert printer.seconds(text) == expected


def test_private_directory_lives_as_long_as_its_command(tmp_path):
    folder = tmp_path / "private dir"
    folder.mkdir()
    (folder / "stale").write_text("x")
    argv = in_private_dir(str(folder), ["sh", "-c", 'ls -A "$1"; stat -c %a "$1"; exit 3', "x", str(folder)])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (3, "700\n")
    assert not folder.exists()


@pytest.fixture
def shared():
    """Yield a directory like /tmp: everybody can write to it, and nobody can remove what is of somebody else."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o1777)
        yield pathlib.Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="acts as two users")
@pytest.mark.parametrize("kind", ["directory", "link", "writable directory", "file"])
def test_a_private_directory_that_another_user_made_is_not_used(shared, kind):
    stranger, user = 65534, 4711
    folder, there = shared / "srt-7-abc-etcd", shared / "there"
    there.mkdir()
    there.chmod(0o777)
    if kind == "link":
        folder.symlink_to(there)
    elif kind == "file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o777 if kind.startswith("writable") else 0o755)
    os.chown(folder, stranger, stranger, follow_symlinks=False)
    argv = in_private_dir(str(folder), ["sh", "-c", 'echo data > "$1/x"', "x", str(folder)])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, user=user, group=user)
    assert done.returncode == 1 and f"cannot make {folder}; there is: " in done.stderr
    assert os.lstat(folder).st_uid == stranger and not list(there.iterdir())


def test_a_private_directory_is_private_whatever_the_umask(tmp_path):
    for umask in (0o000, 0o002, 0o777):
        argv = in_private_dir(str(tmp_path / "d"), ["stat", "-c", "%a", str(tmp_path / "d")])
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, umask=umask)
        assert done.stdout == "700\n"


def test_private_directory_is_removed_after_term(tmp_path):
    folder = tmp_path / "private"
    script = "trap 'exit 5' TERM; echo up; while :; do read -r line; done"
    with subprocess.Popen(
        in_private_dir(str(folder), ["bash", "-c", script]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "up\n"
        assert folder.is_dir()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert process.returncode == 5
    assert not folder.exists()


IDLE = {**jobs.AGGREGATED, "agg_nodes": 2, "agg_workers": 1, "gpus_per_agg": 8}


def test_layout_notes_are_those_that_job_spec_could_not_tell(tmp_path):
    changes = {"resources": IDLE, "frontend": {"args": {"http-port": 1}}, "faults": {"prefill": {"restarts": 1}}}
    for check_mode in (True, False):
        result = run(tmp_path, check_mode, **changes)
        assert result["layout_notes"] == ["No worker is on n2: 1 of the 2 nodes for workers."]
        of_files = [note for note in result["notes"] if note.startswith(("model.path", "benchmark.use_chat"))]
        assert result["notes"][-1:] == result["layout_notes"] and len(result["notes"]) == 3 + len(of_files)
    told = rules.notes(jobs.spec_of(**changes))
    assert set(result["notes"]) - {*told, *of_files} == set(result["layout_notes"])


def test_a_port_that_steps_aside_is_a_note(tmp_path):
    notes = run(tmp_path, ports={"system": 4222})["layout_notes"]
    assert len(notes) == 1 and notes[0].startswith("Ports: system of prefill_0 on n1 is 4223 instead of 4222")
    assert run(tmp_path, resources=jobs.AGGREGATED | {"agg_nodes": 2, "gpus_per_agg": 16})["layout_notes"] == []


def test_check_mode_shows_the_mounts_with_their_keys(tmp_path):
    changes = {"model": {"container": "img:1"}, "extra_mount": ["/data:/data:ro"]}
    headers = [one["after_header"] for one in run(tmp_path, **changes)["diff"]]
    assert not [header for header in headers if header.startswith("mounts")]
    record = run(tmp_path, True, **changes)["diff"][-1]
    assert record["after_header"].startswith("mounts")
    for line in ("/models/tiny:/model  # model.path\n", "/data:/data:ro  # extra_mount\n"):
        assert line in record["after"]
    assert "mounts" not in run(tmp_path, True)["diff"][-1]["after_header"]


@pytest.mark.parametrize("directives", [{"time": "1:00:00"}, {"t": "60"}, {"--time": "1:00:00"}])
def test_gpu_hours_are_those_of_the_directive(directives):
    plan = jobs.plan_of(slurm={"time_limit": "4:00:00"}, sbatch_directives=directives)
    wanted = next(iter(directives.values()))
    assert f"time limit {wanted}: at most 16.0 GPU hours" in printer.cost(plan)
