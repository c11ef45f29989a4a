# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of container jobs, taken by a real srun: pyxis' options by a plugin, apptainer by a program."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "support" / "spank_container.c"
SANDBOX = [sys.executable, str(ROOT / "bin" / "sandbox")]


def plan_of(runtime, folder, **changes):
    """Return the plan of a container job whose run directory is in *folder*."""
    from ansible_collections.srt.slurm.plugins.module_utils.job import paths
    from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
    from ansible_collections.srt.slurm.plugins.module_utils.job.resolve import resolve
    from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
    from ansible_collections.srt.slurm.plugins.module_utils.schema.source import NOWHERE

    (folder / "logs").mkdir(exist_ok=True)
    (folder / "site.yaml").write_text(f"container_runtime: {runtime}\nconfigs_dir: {folder}\n")
    job = {
        "name": "contained",
        "model": {"path": str(folder), "container": "docker://reg.io#team/sglang:v1", "precision": "fp8"},
        "resources": {"gpus_per_node": 8, "agg_nodes": 1, "agg_workers": 1},
        "environment": {"GREETING": "hello $HOME 'you'"},
        "extra_mount": [f"{folder}:/data with space:ro"],
        "benchmark": {"type": "manual"},
        **changes,
    }
    cluster = load_cluster(str(folder / "site.yaml"))
    spec = resolve(job, NOWHERE, cluster, paths.Environment({}, [str(folder)], False), planner.Planner).spec
    count = job["resources"]["agg_nodes"]
    nodes = [{"name": f"node00{number}", "address": f"10.0.0.{number}"} for number in range(1, count + 1)]
    return planner.build(spec, {"id": "1", "run_dir": str(folder), "nodes": nodes})


def outside(step):
    """Return the srun line of *step* as one that brings its own allocation, with the environment of its client."""
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun

    argv = srun.build_srun_argv(step, "1", "/tmp")
    return [word for word in argv if not word.startswith(("--jobid", "--overlap", "--output"))], srun.srun_env(step)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A function that runs a command on a Slurm with a container plugin; its folders are ``records`` and ``image``."""
    if not shutil.which("gcc") or not os.path.exists("/usr/include/slurm/spank.h"):
        pytest.skip("needs gcc and libslurm-dev")
    folder = tmp_path_factory.mktemp("plugin")
    library, records, image = folder / "spank_container.so", folder / "records", folder / "image"
    records.mkdir()
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    line = f"required {library} {records} {image}"
    subprocess.run([*SANDBOX, "start", "--nodes", "1", "--dir", folder / "s", "--plugstack", line], check=True)

    def run(argv, env=None):
        inside = [folder / "s" / "exec", *argv]
        env = {**os.environ, **(env or {})}
        return subprocess.run(inside, env=env, text=True, capture_output=True, timeout=60, check=False)

    run.records, run.image = records, image
    yield run
    subprocess.run([*SANDBOX, "stop", "--dir", folder / "s"], check=True)


@pytest.fixture
def sandbox(slurm):
    """The function *slurm*, with an image without files of its own."""
    (slurm.image / "root").mkdir(parents=True)
    yield slurm
    shutil.rmtree(slurm.image)


def in_image(sandbox, path, text):
    """Put a program into the image."""
    place = sandbox.image / "root" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(0o755)


def step_of(plan, name="agg_0", **changes):
    """Return a step of *plan* with *changes*, which runs nothing beforehand."""
    return {**next(step for step in plan["steps"] if step["name"] == name), "preamble": None, **changes}


def test_srun_takes_pyxis_options(sandbox, tmp_path):
    plan = plan_of("pyxis", tmp_path)
    words = ["sh", "-c", 'echo "$GREETING:$DYN_SYSTEM_PORT:$1"', "x", "a b"]
    argv, env = outside(step_of(plan, argv=words, preamble="echo before"))
    before = {*sandbox.records.iterdir()}
    done = sandbox(argv, env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["before", "hello $HOME 'you':8081:a b"]
    (path,) = {*sandbox.records.iterdir()} - before
    record = path.read_text().rstrip("\t\n").split("\t")
    assert record[0] == "container-image=docker://reg.io#team/sglang:v1"
    mounts = record[1].partition("=")[2].split(",")
    assert f"{tmp_path}:/model" in mounts and f"{tmp_path}:/data with space:ro" in mounts
    assert f"{tmp_path}:/configs" in mounts and f"{tmp_path}/logs:/logs" in mounts
    # dynamo is installed as root of the container.
    flags = ["no-container-mount-home", "container-remap-root", "no-container-entrypoint", "container-writable"]
    assert record[2:] == flags


def test_every_step_is_accepted(sandbox, tmp_path):
    plan = plan_of("pyxis", tmp_path, frontend={"type": "dynamo"})
    before = len(list(sandbox.records.iterdir()))
    for step in plan["steps"]:
        argv, env = outside(dict(step, argv=["true"], preamble=None))
        done = sandbox(argv, env)
        assert done.returncode == 0, f"{step['name']}: {done.stderr}"
    assert len(list(sandbox.records.iterdir())) == before + len(plan["steps"])


WRITES = ["sh", "-c", "echo kept >~/.srt-test && cat ~/.srt-test && ls /tmp && pwd"]


def test_a_step_can_write_to_its_home_unless_the_job_wants_a_readonly_root(sandbox, tmp_path):
    plan = plan_of("pyxis", tmp_path)
    done = sandbox(*outside(step_of(plan, argv=WRITES)))
    # The mounts are below a private /tmp.
    assert (done.returncode, done.stdout.split()) == (0, ["kept", tmp_path.parts[2], "/"]), done.stderr
    assert not pathlib.Path("~/.srt-test").expanduser().exists()
    plan = plan_of("pyxis", tmp_path, srun_options={"container-readonly": True})
    done = sandbox(*outside(step_of(plan, argv=WRITES)))
    assert done.returncode and "Read-only file system" in done.stderr


def test_programs_are_found_on_the_path_of_the_image(sandbox, tmp_path):
    in_image(sandbox, "opt/engine/bin/engine", '#!/bin/sh\necho "$LC_ALL,$IMAGE,$GREETING"\n')
    in_image(sandbox, "etc/environment", "PATH=/opt/engine/bin:/usr/bin:/bin\nIMAGE=image\nGREETING=image\n")
    plan = plan_of("pyxis", tmp_path)
    done = sandbox(*outside(step_of(plan, argv=["engine"])))
    assert done.stdout == ",image,hello $HOME 'you'\n", done.stderr


def test_nginx_runs_in_an_image_without_bash(sandbox, tmp_path):
    in_image(sandbox, "usr/sbin/nginx", '#!/bin/sh\n[ ! -e /bin/bash ] && echo "$*"\n')
    (sandbox.image / "root/usr/bin").mkdir(parents=True)
    os.mknod(sandbox.image / "root/usr/bin/bash", 0o20600, 0)  # hides the one of the node
    more = {"type": "dynamo", "enable_multiple_frontends": True}
    plan = plan_of("pyxis", tmp_path, frontend=more, resources={"gpus_per_node": 8, "agg_nodes": 2, "agg_workers": 2})
    step = next(step for step in plan["steps"] if step["name"] == "nginx")
    done = sandbox(*outside(step))
    assert done.stdout.startswith("-c ") and done.returncode == 0, done.stderr


def test_a_snapshot_of_hugging_face_can_be_read(sandbox, tmp_path):
    model = tmp_path / "models--org--name"
    (model / "snapshots" / "0a").mkdir(parents=True)
    (model / "blobs").mkdir()
    (model / "blobs" / "77").write_text("content\n")
    (model / "snapshots" / "0a" / "config.json").symlink_to("../../blobs/77")
    spec = {"path": str(model / "snapshots" / "0a"), "container": "docker://reg.io#team/sglang:v1", "precision": "fp8"}
    plan = plan_of("pyxis", tmp_path, model=spec)
    done = sandbox(*outside(step_of(plan, argv=["cat", "/model/config.json"])))
    assert done.stdout == "content\n", done.stderr


@pytest.mark.parametrize("name", ["it's", "a b", "#%", "back\\slash", "é"])
def test_mounts_with_other_characters(sandbox, tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "file").write_text("found\n")
    plan = plan_of("pyxis", tmp_path, extra_mount=[f"{tmp_path}/{name}:/own/{name}"])
    done = sandbox(*outside(step_of(plan, argv=["cat", f"/own/{name}/file"])))
    assert done.stdout == "found\n", done.stderr


def test_what_a_shell_would_do_with_a_refused_mount(sandbox, tmp_path):
    (tmp_path / "a$b").mkdir()
    argv = ["srun", "--container-image=x", f"--container-mounts={tmp_path}/a$b:/a", "true"]
    done = sandbox(argv)
    assert done.returncode == 1 and f"failed to mount: {tmp_path}/a at" in done.stderr, done.stderr


def test_the_evidence_is_the_line_of_enroot_or_the_importer(sandbox, tmp_path):
    from ansible_collections.srt.slurm.plugins.module_utils.holder.fatal_lines import cause

    plan = plan_of("pyxis", tmp_path)
    missing = {"container": {"runtime": "pyxis", "image": "/no/such.sqsh"}}
    cases = {
        "[ERROR] No such file or directory: /no/such.sqsh": missing,
        "enroot-mount: failed to mount: /no/data at /mnt/root/data: No such file or directory": {
            "mounts": ["/no/data:/data"]
        },
    }
    for line, changes in cases.items():
        done = sandbox(*outside(step_of(plan, argv=["true"], **changes)))
        assert done.returncode == 1
        found = cause(done.stderr.splitlines())
        assert found.text.endswith(line) and found.kind == "missing", done.stderr
    (sandbox.image / "import").write_text("echo '[ERROR] URL returned error code: 401 Unauthorized'; exit 1\n")
    done = sandbox(*outside(step_of(plan, argv=["true"])))
    assert cause(done.stderr.splitlines()).text.endswith("[ERROR] URL returned error code: 401 Unauthorized")


def test_the_plugin_refuses_what_pyxis_refuses(sandbox):
    done = sandbox(["srun", "--container-image=x", "--container-writable", "--container-readonly", "true"])
    assert done.returncode and "both --container-writable and --container-readonly were specified" in done.stderr
    done = sandbox(["srun", "--container-mounts=/a:/b", "true"])
    assert done.returncode == 0 and "ignoring --container-mounts" in done.stderr
    argv = ["srun", "--container-image=x", "--container-env=PATH,LC_ALL", "printenv", "LC_ALL"]
    done = sandbox(argv, {"LC_ALL": "C"})
    assert done.stdout == "C\n", done.stderr


def test_apptainer_is_a_program_of_its_own(tmp_path):
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun

    program, image = tmp_path / "bin" / "apptainer", "docker://reg.io/team/sglang:v1"
    program.parent.mkdir()
    # It notes its command line and then does its task in the container.
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps(sys.argv[1:]), flush=True)\n"
        f"inside = sys.argv[sys.argv.index({image!r}) + 1:]\nos.execvp(inside[0], inside)\n"
    )
    program.chmod(0o755)
    plan = plan_of("apptainer", tmp_path, resources={"gpus_per_node": 8, "agg_nodes": 1, "agg_workers": 2})
    step = next(step for step in plan["steps"] if step["name"] == "agg_1")
    assert not any(word.startswith("--container") for word in srun.build_srun_argv(step, "1", "/tmp"))
    # What srun runs on the node, without the texts before it that would install things.
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], *map(os.environ.get, sys.argv[-2:])]))"
    own = dict(
        step,
        preamble="export CUDA_VISIBLE_DEVICES=4,5,6,7",
        argv=[sys.executable, "-c", code, "two words", "GREETING", "CUDA_VISIBLE_DEVICES"],
    )
    done = subprocess.run(
        srun.task_argv(own),
        env={"PATH": f"{program.parent}:/usr/bin:/bin", **srun.srun_env(own)},
        text=True,
        capture_output=True,
        check=True,
    )
    argv, (words, greeting, gpus) = map(json.loads, done.stdout.splitlines())
    assert argv[0] == "exec" and words[0] == "two words"
    place = argv.index(f"{tmp_path}:/data with space:ro")
    assert argv[place - 1] == "--bind" and place < argv.index(image)
    assert greeting == "hello $HOME 'you'" and gpus == "4,5,6,7"
