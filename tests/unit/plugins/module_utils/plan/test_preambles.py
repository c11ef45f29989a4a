# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs before an engine: the texts are run by a real shell with stand-ins for pip and the like."""

from __future__ import annotations

import os
import subprocess

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils import plan_file
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import preparation, resolve
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner, preambles
from ansible_collections.srt.slurm.plugins.module_utils.services import dynamo_install
from ansible_collections.srt.slurm.plugins.module_utils.stages import topology_plan

STRANGER = 65534
PYTHON = """#!/bin/sh
case "$1" in
  -c) echo "$PREFIX" ;;
  *) echo "$@" >> "$PREFIX/calls"
    # The image's distribution marks its Python as its own (PEP 668); pip reads its options from variables too.
    [ "$PIP_BREAK_SYSTEM_PACKAGES" = 1 ] || { echo "error: externally-managed-environment" >&2; exit 1; }
    [ ! -e "$PREFIX/broken" ] ;;
esac
"""


def site(tmp_path, text=""):
    path = tmp_path / "site.yaml"
    path.write_text(f"configs_dir: {tmp_path}/configs\n{text}")
    return load_cluster(str(path))


def install(spec, job_id="7", run_dir="/out/7"):
    """Return the text that installs dynamo for *spec* on imaginary nodes."""
    allocation = jobs.allocation(planner.node_count(spec), job_id, run_dir)
    return dynamo_install.script(planner.Planner(spec).layout(allocation))


def contained(tmp_path, **changes):
    return jobs.spec_of(cluster=site(tmp_path), **{"model": {"container": "img:1"}, "dynamo": {}, **changes})


@pytest.fixture
def shell(tmp_path):
    """Run text in bash; ``python3`` writes down what it was asked to do."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python3").write_text(PYTHON)
    (tools / "python3").chmod(0o755)

    def run(text, **env):
        env = {"PATH": f"{tools}:/usr/bin:/bin", "PREFIX": str(tmp_path), "HOME": str(tmp_path), **env}
        argv = ["bash", "-c", text + "\necho started"]
        return subprocess.run(argv, env=env, text=True, capture_output=True, check=False)

    run.calls = tmp_path / "calls"
    run.broken = tmp_path / "broken"
    return run


def test_dynamo_is_installed_once_and_a_failure_stops_the_worker(tmp_path, shell):
    text = install(contained(tmp_path, dynamo={"install": True, "version": "0.8.1"}))
    for _again in range(2):
        assert shell(text).stdout == "started\n"
    (call,) = shell.calls.read_text().splitlines()
    assert "ai-dynamo-runtime==0.8.1 ai-dynamo==0.8.1" in call and "--extra-index-url https://pypi.nvidia.com" in call
    shell.broken.touch()
    other = install(contained(tmp_path, dynamo={"install": True, "version": "0.9.0"}))
    done = shell(other)
    assert done.returncode == 1 and "could not be installed" in done.stderr and "started" not in done.stdout


def test_wheels_come_from_configs_dir(tmp_path, shell):
    text = install(contained(tmp_path, dynamo={"install": True, "wheel": "1.2.3"}))
    assert shell(text).returncode == 0
    call = shell.calls.read_text()
    assert "--no-index" in call and "/configs/wheelhouse/dynamo" in call and "ai-dynamo==1.2.3" in call


@pytest.mark.parametrize(
    "dynamo", [{"hash": "abc"}, {"hash": "abc", "cargo_patches": ["a = '1|2'"]}, {"top_of_tree": True}]
)
def test_builds_are_shell(tmp_path, dynamo):
    text = install(contained(tmp_path, dynamo={"install": True, **dynamo}))
    assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0
    assert ("/configs/dynamo-wheels/abc" in text) is bool(dynamo.get("hash"))
    assert ("s|^a *=.*|" in text) is ("cargo_patches" in dynamo)


def test_the_newest_commit_is_built_anew_for_each_job(tmp_path, shell):
    """Neither the build nor the mark of an installation may be taken for the newest one by a later job."""
    spec = contained(tmp_path, dynamo={"install": True, "top_of_tree": True})
    # A build that is complete is taken: put one where the first job keeps its own.
    first, second = tmp_path / "job 1", tmp_path / "job 2"
    for folder in (first, second):
        build_dir = folder / "dynamo-build"
        build_dir.mkdir(parents=True)
        (build_dir / ".complete").touch()
        (build_dir / "a.whl").touch()
        subprocess.run(["tar", "-C", str(tmp_path), "-czf", build_dir / "dynamo.tar.gz", "bin"], check=True)
    for job_id, folder, installed in (("1", first, 2), ("1", first, 2), ("2", second, 4)):
        done = shell(install(spec, job_id, str(folder)))
        assert done.returncode == 0, done.stderr
        assert len(shell.calls.read_text().splitlines()) == installed, "once a job, and in the next one again"
    calls = shell.calls.read_text().splitlines()
    assert f"{first}/dynamo-build/a.whl" in calls[0] and f"{second}/dynamo-build/a.whl" in calls[2]
    assert "/tmp/srt-dynamo-wheels" not in install(spec) and "/configs/dynamo-wheels" not in install(spec)


def test_a_service_with_the_newest_commit_has_one_digest_in_every_allocation(tmp_path):
    spec = contained(tmp_path, dynamo={"install": True, "top_of_tree": True})
    plans = [planner.build(spec, jobs.allocation(2, job_id, f"/out/{job_id}")) for job_id in "12"]
    assert plans[0]["digests"] == plans[1]["digests"] and "/out/2/dynamo-build" in plans[1]["steps"][2]["preamble"]


def test_nothing_is_installed_on_the_host_or_unasked(tmp_path):
    plan = jobs.plan_of(jobs.spec_of(dynamo={"install": True}))
    assert all("dynamo" not in (step["preamble"] or "") for step in plan["steps"])
    assert any(note.startswith("dynamo.install: the job does not run in a container") for note in plan["notes"])
    plan = jobs.plan_of(contained(tmp_path, dynamo={"install": False}))
    assert all("srt_dynamo" not in (step["preamble"] or "") for step in plan["steps"])


def test_a_site_without_a_container_runtime(tmp_path):
    cluster = site(tmp_path, "container_runtime: none\n")
    plan = jobs.plan_of(jobs.spec_of(cluster=cluster, model={"container": "img:1"}, dynamo={"install": True}))
    step = jobs.step(plan, "prefill_0")
    assert step["container"] is None and step["mounts"] == [] and "srt_dynamo" not in step["preamble"]
    assert jobs.option(step["argv"], "--model-path") == "/models/tiny"
    assert any("the image is not used" in note for note in plan["notes"])


def stage(source, target, model=""):
    words = {"source": source, "target": target, "model": model}
    return preambles.STAGE.format(**{name: preambles.shlex.quote(str(word)) for name, word in words.items()})


def test_a_model_is_staged_once_and_whole(tmp_path, shell):
    source, target = tmp_path / "model's dir", tmp_path / "scratch" / "m"
    (source / "sub").mkdir(parents=True)
    (source / "a b").write_text("x" * 10)
    (source / "sub" / "c").write_text("y")
    text = stage(source, target)
    first, second = shell(text), shell(text)
    assert "staging 2 files" in first.stdout and second.stdout == "started\n", first.stderr
    assert (target / "a b").read_text() == "x" * 10 and (target / "sub" / "c").read_text() == "y"
    (source / "a b").write_text("x" * 11)
    assert "staging 1 files" in shell(text).stdout and (target / "a b").read_text() == "x" * 11


def test_other_weights_of_the_same_names_and_sizes_are_staged_again(tmp_path, shell):
    source, target = tmp_path / "model", tmp_path / "scratch" / "m"
    source.mkdir()
    (source / "w.safetensors").write_text("old")
    assert "staging 1 files" in shell(stage(source, target, "f1")).stdout
    assert shell(stage(source, target, "f1")).stdout == "started\n"
    with open(target / "w.safetensors", encoding="utf-8") as in_use:
        (source / "w.safetensors").write_text("new")
        assert "staging 1 files" in shell(stage(source, target, "f2")).stdout
        assert (target / "w.safetensors").read_text() == "new"
        assert in_use.read() == "old", "an engine that runs keeps its file"
    assert shell(stage(source, target, "f2")).stdout == "started\n"


@pytest.mark.skipif(os.getuid() != 0, reason="makes files of another user")
@pytest.mark.parametrize("fault", ["foreign", "foreign link", "link"])
def test_a_copy_that_another_user_made_is_not_used(tmp_path, shell, fault):
    source, target, there = tmp_path / "model", tmp_path / "scratch" / "m", tmp_path / "there"
    for folder in (source, target.parent, there):
        folder.mkdir()
    if fault == "foreign":
        target.mkdir()
        os.chown(target, STRANGER, STRANGER)
    else:
        target.symlink_to(there)
        if fault == "foreign link":
            os.chown(target, STRANGER, STRANGER, follow_symlinks=False)
    done = shell(stage(source, target))
    assert done.returncode == 1 and f"{target} is not this user's" in done.stderr and "started" not in done.stdout


def test_nobody_else_can_write_to_a_copy(tmp_path, shell):
    source, target = tmp_path / "model", tmp_path / "m"
    source.mkdir()
    (source / "code.py").write_text("x")
    (source / "code.py").chmod(0o666)
    target.mkdir()
    target.chmod(0o777)
    done = shell("umask 000\n" + stage(source, target))
    assert done.stdout.endswith("started\n"), done.stderr
    assert not [one for one in (target, *target.iterdir()) if one.stat().st_mode & 0o022]


@pytest.mark.skipif(os.getuid() != 0, reason="makes files of another user")
@pytest.mark.parametrize("fault", ["foreign", "link", "writable", None])
def test_wheels_that_another_user_could_have_made_are_not_installed(tmp_path, shell, fault):
    spec = jobs.spec_of(model={"container": "img:1"}, dynamo={"install": True, "hash": "abc"})
    top = tmp_path / "wheels"
    text = install(spec)
    assert '"/tmp/srt-dynamo-wheels-$(id -u)"' in text
    folder = tmp_path / "there" if fault == "link" else top
    if fault:
        (folder / "abc").mkdir(parents=True)
        folder.chmod(0o777 if fault == "writable" else 0o700)
        (folder / "abc" / ".complete").touch()
    if fault == "link":
        top.symlink_to(folder)
    if fault == "foreign":
        os.chown(top, STRANGER, STRANGER)
    done = shell(text.replace("/tmp/srt-dynamo-wheels-$(id -u)", str(top)).replace("apt-get update", "false"))
    assert done.returncode == 1
    assert ("is not a private directory of this user" in done.stderr) is bool(fault), done.stderr
    assert fault or top.stat().st_mode & 0o777 == 0o700


def test_staged_models_are_used_by_workers_and_mounted(tmp_path):
    spec = contained(tmp_path, model={"container": "img:1", "stage_dir": "/scratch/models/"}, dynamo={"install": False})
    plan = jobs.plan_of(spec)
    step = jobs.step(plan, "prefill_0")
    assert jobs.option(step["argv"], "--model-path") == "/scratch/models/tiny" and "srt_stage" in step["preamble"]
    assert "/scratch:/scratch" in step["mounts"]
    assert jobs.option(jobs.step(plan, "bench_c4")["argv"], "--tokenizer") == "/model"
    assert "srt_stage" not in (jobs.step(plan, "frontend_0")["preamble"] or "")


def test_a_download_that_fails_only_warns(tmp_path, shell):
    text = preambles.DOWNLOAD.format(model="org/name")
    assert shell(text).stdout == "started\n"
    (tmp_path / "hf").mkdir()
    done = shell(text, HF_HOME=str(tmp_path / "hf"), PATH="/nowhere:/usr/bin:/bin")
    assert done.returncode == 0 and "warning: org/name" in done.stderr and done.stdout.endswith("started\n")


def test_setup_scripts(tmp_path, shell):
    spec = jobs.spec_of(cluster=site(tmp_path), setup_script="my script.sh")
    plan = jobs.plan_of(spec)
    for name in ("prefill_0", "frontend_0"):
        assert "my script.sh" in jobs.step(plan, name)["preamble"]
    for name in ("nats", "nginx", "bench_c4"):
        assert "my script.sh" not in (jobs.step(plan, name)["preamble"] or "")
    text = jobs.step(plan, "frontend_0")["preamble"]
    assert shell(text).returncode == 1
    folder = tmp_path / "configs" / "patches"
    folder.mkdir(parents=True)
    (folder / "my script.sh").write_text("echo from patches")
    assert shell(text).stdout == "from patches\nstarted\n"
    (tmp_path / "configs" / "my script.sh").write_text("echo mine; exit 3")
    done = shell(text)
    assert done.returncode == 1 and done.stdout == "mine\n"


def test_an_edited_setup_script_restarts_the_steps_that_run_it(tmp_path, shell):
    spec = jobs.spec_of(cluster=site(tmp_path), setup_script="tune.sh")
    assert preparation.with_content(spec) is spec, "it cannot be read"
    folder = tmp_path / "configs" / "patches"
    folder.mkdir(parents=True)
    (tmp_path / "7").mkdir()

    def planned(text, path=folder / "tune.sh"):
        path.write_text(text)
        params = {"spec": spec, "job": jobs.allocation(planner.node_count(spec), "7", str(tmp_path / "7"))}
        topology_plan.run(params, Context())
        plan = plan_file.load_plan(str(tmp_path / "7" / "plan.json"))
        steps = plan["steps"] + [point["step"] for point in plan["benchmark"]["points"]]
        assert shell(jobs.step(plan, "frontend_0")["preamble"]).stdout == "tuned\nstarted\n"
        return {step["name"]: step["digest"] for step in steps}

    first = planned("echo tuned")
    assert planned("echo tuned") == first
    runs_it = {name for name in first if name.startswith(("prefill", "decode", "frontend", "bench"))}
    edited = planned("echo tuned # more")
    assert {name for name in first if edited[name] != first[name]} == runs_it
    assert planned("echo tuned # mine", tmp_path / "configs" / "tune.sh")["decode_0"] != edited["decode_0"]


@pytest.mark.parametrize("name", ["../x.sh", "/etc/x.sh", "a/../../x.sh", "a/.."])
def test_a_setup_script_stays_in_its_directory(tmp_path, name):
    os.makedirs(tmp_path / "configs", exist_ok=True)
    with pytest.raises(SpecError, match="configs_dir"):
        jobs.spec_of(cluster=site(tmp_path), setup_script=name)


@pytest.mark.parametrize("image", ["none", None])
def test_mounts_without_a_container_are_pointed_out(tmp_path, image):
    changes = {"extra_mount": ["/data:/data"], "container_mounts": {"/a": "/b"}}
    note = (
        "extra_mount, container_mounts: no effect, the job does not run in a container and sees the host's file system."
    )
    assert note in preparation.notes(jobs.spec_of(model={"container": image}, **changes))
    assert not [one for one in preparation.notes(contained(tmp_path, **changes)) if "mount" in one]


def test_the_digest_of_a_job_is_that_of_its_plan_also_with_a_setup_script(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "setup.sh").write_text("echo hello\n")
    made = jobs.resolved(jobs.raw(setup_script="setup.sh"), cluster=site(tmp_path))
    spec = preparation.with_content(made.spec)
    assert spec is not made.spec
    plan = planner.build(spec, planner.imaginary_allocation(spec))
    assert resolve.describe(made)["digests"]["serving"] == plan["digests"]["serving"]
