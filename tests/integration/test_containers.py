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
    nodes = [{"name": "node001", "address": "10.0.0.1"}]
    return planner.build(spec, {"id": "1", "run_dir": str(folder), "nodes": nodes})


def outside(step):
    """Return the srun line of *step* as one that brings its own allocation, with the environment of its client."""
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun

    argv = srun.build_srun_argv(step, "1", "/tmp")
    return [word for word in argv if not word.startswith(("--jobid", "--overlap", "--output"))], srun.srun_env(step)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A function that runs a command on a Slurm that knows the container plugin; ``.records`` is its folder."""
    if not shutil.which("gcc") or not os.path.exists("/usr/include/slurm/spank.h"):
        pytest.skip("needs gcc and libslurm-dev")
    folder = tmp_path_factory.mktemp("plugin")
    library, records = folder / "spank_container.so", folder / "records"
    records.mkdir()
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    line = f"required {library} {records}"
    subprocess.run([*SANDBOX, "start", "--nodes", "1", "--dir", folder / "s", "--plugstack", line], check=True)

    def run(argv, env):
        inside = [folder / "s" / "exec", *argv]
        env = {**os.environ, **env}
        return subprocess.run(inside, env=env, text=True, capture_output=True, timeout=60, check=False)

    run.records = records
    yield run
    subprocess.run([*SANDBOX, "stop", "--dir", folder / "s"], check=True)


def test_srun_takes_pyxis_options(sandbox, tmp_path):
    plan = plan_of("pyxis", tmp_path)
    steps = {step["name"]: step for step in plan["steps"]}
    words = ["sh", "-c", 'echo "$GREETING:$DYN_SYSTEM_PORT:$1"', "x", "a b"]
    step = dict(steps["agg_0"], argv=words, preamble="echo before")
    argv, env = outside(step)
    done = sandbox(argv, env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["before", "hello $HOME 'you':8081:a b"]
    (record,) = [path.read_text().rstrip("\t\n").split("\t") for path in sandbox.records.iterdir()]
    assert record[0] == "container-image=docker://reg.io#team/sglang:v1"
    mounts = record[1].partition("=")[2].split(",")
    assert f"{tmp_path}:/model" in mounts and f"{tmp_path}:/data with space:ro" in mounts
    assert f"{tmp_path}:/configs" in mounts and f"{tmp_path}/logs:/logs" in mounts
    # dynamo is installed as root of the container.
    assert record[2:] == ["no-container-mount-home", "container-remap-root", "no-container-entrypoint"]


def test_every_step_is_accepted(sandbox, tmp_path):
    plan = plan_of("pyxis", tmp_path, frontend={"type": "dynamo"})
    before = len(list(sandbox.records.iterdir()))
    for step in plan["steps"]:
        argv, env = outside(dict(step, argv=["true"], preamble=None))
        done = sandbox(argv, env)
        assert done.returncode == 0, f"{step['name']}: {done.stderr}"
    assert len(list(sandbox.records.iterdir())) == before + len(plan["steps"])


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
