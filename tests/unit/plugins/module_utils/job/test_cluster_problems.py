# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is wrong in the cluster file is told with its file, line and key, never with those of the job."""

from __future__ import annotations

import os

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec


def run(tmp_path, cluster, check_paths=False, told=None, **changes):
    (tmp_path / "site").mkdir(exist_ok=True)
    (tmp_path / "site" / "srtslurm.yaml").write_text("# site\n" + cluster)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(jobs.raw(**changes)))
    params = {"job_file": str(tmp_path / "job.yaml"), "cluster_file": str(tmp_path / "site" / "srtslurm.yaml")}
    return job_spec.run({**params, "check_paths": check_paths, "setup_script": told}, None)


def problems(tmp_path, cluster, **more):
    with pytest.raises(SpecError) as caught:
        run(tmp_path, cluster, **more)
    return caught.value.problems


@pytest.mark.parametrize(
    "cluster, path, words",
    [
        ("output_dir: $SRT_NOT_SET/x", "output_dir", "SRT_NOT_SET, which is not set"),
        ("configs_dir: $SRT_NOT_SET", "configs_dir", "SRT_NOT_SET, which is not set"),
        ("srtctl_root: $SRT_NOT_SET", "srtctl_root", "SRT_NOT_SET, which is not set"),
        ("default_mounts: {$SRT_NOT_SET/a: /a}", "default_mounts.$SRT_NOT_SET/a", "SRT_NOT_SET, which is not set"),
        ("default_mounts: {/a: $SRT_NOT_SET}", "default_mounts./a", "SRT_NOT_SET, which is not set"),
        ("default_mounts: {/a: a}", "default_mounts./a", "must be absolute"),
        ("default_mounts: {'/a,b': /a}", "default_mounts./a,b", "comma"),
        ("default_mounts: {'/a:b': /a}", "default_mounts./a:b", "colon"),
        ("default_mounts: {/a: '/a:ro:x'}", "default_mounts./a", "path and :options"),
        ("default_mounts: {'/{job_id}': /a}", "default_mounts./{job_id}", "only container_mounts"),
        ("default_container: $SRT_NOT_SET/i.sqsh", "default_container", "SRT_NOT_SET, which is not set"),
        ("gpus_per_node: 5000", "gpus_per_node", "at most 1024"),
        ("python: $SRT_NOT_SET/bin/python", "python", "SRT_NOT_SET, which is not set"),
        ("default_sbatch_directives: {array: 1-2}", "default_sbatch_directives.array", "use a sweep"),
        ("default_sbatch_directives: {mem: 0, nodes: 9}", "default_sbatch_directives.nodes", "the plan needs 2"),
    ],
)
def test_the_cluster_file_is_named(tmp_path, cluster, path, words):
    changes = {"model": {"container": None}}
    job = jobs.raw(**changes)
    del job["resources"]["gpus_per_node"]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "srtslurm.yaml").write_text("# site\n" + cluster + "\n")
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    params = {"job_file": str(tmp_path / "job.yaml"), "cluster_file": str(tmp_path / "site" / "srtslurm.yaml")}
    with pytest.raises(SpecError) as caught:
        job_spec.run({**params, "check_paths": False}, None)
    mine = [one for one in caught.value.problems if one["file"].endswith("srtslurm.yaml")]
    assert [(one["line"], one["path"]) for one in mine] == [(2, path)] and words in mine[0]["problem"]


def test_an_alias_names_the_file_that_defines_it_and_the_one_that_uses_it(tmp_path):
    (one,) = problems(tmp_path, "model_paths:\n  r1: /nowhere/r1\n", check_paths=True, model={"path": "r1"})
    assert (one["line"], one["path"]) == (3, "model_paths.r1") and one["file"].endswith("srtslurm.yaml")
    assert "/nowhere/r1, which does not exist here (used by model.path, job.yaml:" in one["problem"]


def test_the_jobs_own_problems_stay_the_jobs(tmp_path):
    (one,) = problems(tmp_path, "default_sbatch_directives: {mem: 0}\n", sbatch_directives={"array": "1"})
    assert one["file"].endswith("job.yaml") and one["path"] == "sbatch_directives.array"


def test_paths_of_the_cluster_file_are_beside_it(tmp_path):
    cluster = "output_dir: runs\nconfigs_dir: ./configs\ndefault_mounts: {./data: /data, ../up: /up}\n"
    (spec,) = [job["spec"] for job in run(tmp_path, cluster)["jobs"]]
    site = tmp_path / "site"
    assert spec["cluster"]["configs_dir"] == f"{site}/configs"
    assert spec["cluster"]["default_mounts"] == {f"{site}/data": "/data", f"{tmp_path}/up": "/up"}
    (site / "runs").mkdir()
    assert run(tmp_path, cluster)["jobs"][0]["spec"]["cluster"]["output_dir"] == f"{site}/runs"


def test_what_a_job_takes_from_the_cluster_file_is_beside_the_cluster_file(tmp_path):
    cluster = "default_container: ./img/s.sqsh\npython: env/python\n"
    cluster += "model_paths: {m: models/x, far: ./far, away: away}\ncontainers: {web: img/web.sqsh}\n"
    for folder in ("site", "."):
        for name in ("img/s.sqsh", "img/web.sqsh", "models/x", "env/python"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).touch()
    changes = {"model": {"path": "m", "container": None}, "frontend": {"nginx_container": "web"}}
    (one,) = run(tmp_path, cluster, check_paths=True, **changes)["jobs"]
    site, spec = str(tmp_path / "site"), one["spec"]
    assert spec["model"]["path"] == f"{site}/models/x" and spec["model"]["container"] == f"{site}/img/s.sqsh"
    assert spec["frontend"]["nginx_container"] == f"{site}/img/web.sqsh" and spec["python"] == f"{site}/env/python"
    # What the job says itself is beside the job.
    changes = {"model": {"path": "models/x", "container": "img/s.sqsh"}, "python": "./env/python"}
    (one,) = run(tmp_path, cluster, check_paths=True, **changes)["jobs"]
    assert one["spec"]["model"]["path"] == f"{tmp_path}/models/x" and one["spec"]["python"] == f"{tmp_path}/env/python"
    assert one["spec"]["model"]["container"] == f"{tmp_path}/img/s.sqsh"
    for name, path in (("far", f"{site}/far"), ("away", os.path.abspath("away"))):
        (one,) = run(tmp_path, cluster, model={"path": name})["jobs"]
        assert one["spec"]["model"]["path"] == path


def configs(spec):
    found = [mount for mount in jobs.step(jobs.plan_of(spec), "prefill_0")["mounts"] if mount.endswith(":/configs")]
    return found[0] if found else None


def test_configs_of_srtctl_are_mounted_if_they_are_there(tmp_path):
    changes = {"model": {"path": "/", "container": "img:1"}}
    (tmp_path / "srtctl" / "configs").mkdir(parents=True)
    result = run(tmp_path, f"srtctl_root: {tmp_path}/srtctl\n", check_paths=True, **changes)
    assert configs(result["jobs"][0]["spec"]) == f"{tmp_path}/srtctl/configs:/configs"
    assert not [note for note in result["notes"] if "srtctl_root" in note]
    result = run(tmp_path, "srtctl_root: /nope\n", check_paths=True, **changes)
    assert configs(result["jobs"][0]["spec"]) is None
    (note,) = [note for note in result["notes"] if "srtctl_root" in note]
    assert "/nope/configs does not exist here" in note and "check_paths=false" in note
    # Only the compute nodes may have it.
    result = run(tmp_path, "srtctl_root: /nope\n", **changes)
    assert configs(result["jobs"][0]["spec"]) == "/nope/configs:/configs"


def test_configs_are_looked_for_on_the_submit_host(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "srtslurm.yaml").write_text("srtctl_root: /there\n")
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(jobs.raw(model={"path": "/", "container": "img:1"})))

    class Remote:
        where, asked = "on x", []

        def exists(self, path):
            self.asked.append(path)
            return True

    params = {"job_file": str(tmp_path / "job.yaml"), "cluster_file": str(tmp_path / "site" / "srtslurm.yaml")}
    found = job_spec.answer(params, None, job_spec.Given(lookup=Remote())).result
    assert "/there/configs" in Remote.asked and configs(found["jobs"][0]["spec"]) == "/there/configs:/configs"


def test_a_directory_that_the_cluster_file_names_must_be_there(tmp_path):
    changes = {"model": {"path": "/", "container": "img:1"}, "setup_script": "s.sh"}
    (one,) = problems(tmp_path, "configs_dir: /nope\n", check_paths=True, **changes)
    assert (one["line"], one["path"]) == (2, "configs_dir") and "/nope, which does not exist here" in one["problem"]
    assert run(tmp_path, "configs_dir: /nope\n", **changes)["jobs"]
    # On the hosts it is only one more place to look for programs.
    assert run(tmp_path, "configs_dir: /nope\n", check_paths=True, model={"path": "/"})["jobs"]


def test_two_spellings_of_one_host_path_lose_no_mount(tmp_path):
    (one,) = problems(tmp_path, "default_mounts: {$HOME/x: /x, ~/x: /y}\n")
    assert "mounted at /x already" in one["problem"]


@pytest.mark.parametrize("given", [None, "other.sh"])
def test_a_missing_setup_script_is_reported_once(tmp_path, given):
    changes = {"setup_script": "gone.sh", "model": {"path": "/"}}
    (one,) = problems(tmp_path, "configs_dir: .\n", check_paths=True, told=given, **changes)
    assert one["path"] == "setup_script" and "is neither" in one["problem"]
    assert one["file"] == "extra vars" if given else one["file"].endswith("job.yaml")
    (one,) = problems(tmp_path, "srtctl_root: $SRT_NOT_SET\n", check_paths=True, told=given, **changes)
    assert one["path"] == "srtctl_root"
