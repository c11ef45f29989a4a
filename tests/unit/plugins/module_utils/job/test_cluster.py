# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import (
    apply_cluster,
    find_cluster_file,
    load_cluster,
)

TEXT = """\
default_account: acct
default_partition: batch
default_time_limit: "4:00:00"
gpus_per_node: 4
use_segment_sbatch_directive: false
output_dir: /out
default_health_check: {max_attempts: 3}
default_sbatch_directives: {mem: "0", qos: low}
model_paths: {r1: /models/r1}
containers: {latest: /c/latest.sqsh, web: nginx.sqsh}
"""


@pytest.fixture
def cluster(tmp_path):
    path = tmp_path / "srtslurm.yaml"
    path.write_text(TEXT)
    return load_cluster(str(path))


def test_defaults_and_aliases(cluster):
    job, given = apply_cluster(
        {
            "model": {"path": "r1", "container": "latest"},
            "slurm": {"partition": "mine"},
            "resources": {},
            "frontend": {"nginx_container": "web"},
            "sbatch_directives": {"qos": "high"},
        },
        cluster,
    )
    assert job["model"] == {"path": "/models/r1", "container": "/c/latest.sqsh"}
    assert job["slurm"] == {"partition": "mine", "account": "acct", "time_limit": "4:00:00"}
    assert job["resources"] == {"gpus_per_node": 4}
    assert job["frontend"]["nginx_container"] == "nginx.sqsh"
    assert job["sbatch_directives"] == {"mem": "0", "qos": "high"}
    assert job["health_check"] == {"max_attempts": 3}
    assert given[("model", "path")] == ("model_paths", "r1") and given[("slurm", "account")] == ("default_account",)
    assert ("slurm", "partition") not in given
    assert cluster.place(("default_account",)) == "srtslurm.yaml:1 (default_account)"


def test_null_refuses_a_default(cluster):
    assert apply_cluster({"slurm": {"account": None}}, cluster)[0]["slurm"]["account"] is None


def test_input_is_left_alone(cluster):
    job = {"model": {"path": "r1"}}
    apply_cluster(job, cluster)
    assert job == {"model": {"path": "r1"}}


def test_wrong_sections_do_not_crash(cluster):
    for value in (None, 3, "text", []):
        apply_cluster({"model": value, "slurm": value, "resources": value, "sbatch_directives": value}, cluster)


def test_kept_settings(cluster):
    kept = cluster.kept()
    assert kept["output_dir"] == "/out" and kept["use_segment_sbatch_directive"] is False
    assert "reporting" not in kept and "model_paths" not in kept


def test_bad_key_is_an_error(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("default_acount: x\nuse_exclusive_sbatch_directive: maybe\n")
    with pytest.raises(SpecError) as caught:
        load_cluster(str(path))
    assert len(caught.value.problems) == 2 and "default_account" in str(caught.value)


def load(tmp_path, text):
    path = tmp_path / "srtslurm.yaml"
    path.write_text(text)
    return load_cluster(str(path))


def told(tmp_path, text):
    """Return [(line, path, problem and remedy)] of a bad cluster file."""
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)
    assert {one["file"] for one in caught.value.problems} == {str(tmp_path / "srtslurm.yaml")}
    return [(one["line"], one["path"], f"{one['problem']} {one['remedy']}") for one in caught.value.problems]


def test_problems_inside_its_tables_are_its_own(tmp_path):
    text = """\
default_time_limit: "4:00:00"
default_health_check: {max_atempts: 3, interval_seconds: 0}
default_sbatch_directives:
  time: 240
  mem: [1]
reporting: {s3: {buket: x}}
"""
    found = told(tmp_path, text)
    assert [(line, path) for line, path, _text in found] == [
        (2, "default_health_check.max_atempts"),
        (2, "default_health_check.interval_seconds"),
        (4, "default_sbatch_directives.time"),
        (5, "default_sbatch_directives.mem"),
        (6, "reporting.s3.buket"),
    ]
    assert 'Did you mean "max_attempts"' in found[0][2] and '"4:00:00"' in found[2][2]


def test_wrong_keys_of_both_forms_get_a_hint_with_their_path(tmp_path):
    found = told(tmp_path, "cluster:\n  acount: x\n  gpus-per-nod: 4\n  container-: x\naccount: me\nnmae: x\n")
    assert [(line, path) for line, path, _text in found] == [
        (2, "cluster.acount"),
        (3, "cluster.gpus-per-nod"),
        (4, "cluster.container-"),
        (5, "account"),
        (6, "nmae"),
    ]
    for (_line, _path, text), hint in zip(found, ("account", "gpus_per_node", "container", "default_account")):
        assert f'Did you mean "{hint}"?' in text


def test_a_health_check_of_the_site_leaves_the_rest_to_the_job(tmp_path):
    cluster = load(tmp_path, "default_health_check: {interval-seconds: 5}\n")
    assert apply_cluster({}, cluster)[0]["health_check"] == {"interval_seconds": 5}
    assert "is now written default_health_check.interval_seconds" in cluster.notes[0]
    assert "health_check" not in apply_cluster({}, load(tmp_path, "default_health_check: null\n"))[0]


@pytest.mark.parametrize("text, words", [("[1]", "is a list"), ("3", "is 3"), ("x", 'is "x"')])
def test_a_file_that_is_not_a_mapping(tmp_path, text, words):
    with pytest.raises(Error, match="a cluster file is a mapping") as caught:
        load(tmp_path, text)
    assert words in str(caught.value)


def test_an_option_that_the_job_spells_otherwise_is_the_jobs(tmp_path):
    cluster = load(tmp_path, "default_sbatch_directives: {account: site, cpus-per-task: 4, mem: 0}\n")
    job, given = apply_cluster({"sbatch_directives": {"A": "me", "cpus_per_task": 8}}, cluster)
    assert job["sbatch_directives"] == {"A": "me", "cpus_per_task": 8, "mem": "0"}
    assert given == {("sbatch_directives", "mem"): ("default_sbatch_directives", "mem")}


def test_empty_file_and_no_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("")
    assert load_cluster(str(path)).settings == load_cluster(None).settings


def test_search(tmp_path):
    deep = tmp_path / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    assert find_cluster_file(None, {}, str(deep)) is None
    (tmp_path / "srtslurm.yaml").write_text("{}")
    assert find_cluster_file(None, {}, str(deep)) == str(tmp_path / "srtslurm.yaml")
    (tmp_path / "other.yaml").write_text("{}")
    other = str(tmp_path / "other.yaml")
    assert find_cluster_file(None, {"SRTSLURM_CONFIG": other}, str(deep)) == other
    assert find_cluster_file(other, {"SRTSLURM_CONFIG": "/nope"}, str(deep)) == other


@pytest.mark.parametrize("fault", ["folder", "file", "sticky folder", "target", "folder of the target"])
def test_a_found_file_that_others_can_write_is_refused_and_a_named_one_is_not(tmp_path, fault):
    folder, there = tmp_path / "shared", tmp_path / "there"
    (folder / "below").mkdir(parents=True)
    there.mkdir()
    path, start, target = folder / "srtslurm.yaml", str(folder / "below"), there / "site.yaml"
    if "target" in fault:
        target.write_text("{}")
        path.symlink_to(target)
    else:
        path.write_text("{}")
    assert find_cluster_file(None, {}, start) == str(path)
    wrong = {"target": target, "file": path, "folder of the target": there}.get(fault, folder)
    wrong.chmod(0o1777 if "sticky" in fault else 0o666 if wrong.is_file() else 0o777)
    with pytest.raises(Error, match=r"other users can write to .* -e cluster_file=\S*/shared/srtslurm.yaml, or export"):
        find_cluster_file(None, {}, start)
    assert find_cluster_file(str(path), {}, start) == find_cluster_file(None, {"SRTSLURM_CONFIG": str(path)}, start)


@pytest.mark.skipif(os.getuid() != 0, reason="makes files of another user")
@pytest.mark.parametrize("what", ["shared", "shared/srtslurm.yaml"])
def test_a_found_file_of_another_user_is_refused(tmp_path, what):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "srtslurm.yaml").write_text("{}")
    os.chown(tmp_path / what, 65534, 65534)
    with pytest.raises(Error, match="was found, but .* belongs to the user nobody"):
        find_cluster_file(None, {}, str(tmp_path / "shared"))


def test_a_configs_dir_that_everybody_can_write_to_is_refused(tmp_path):
    (tmp_path / "configs").mkdir()
    cluster = tmp_path / "srtslurm.yaml"
    cluster.write_text(f"configs_dir: {tmp_path}/configs\n")
    assert jobs.spec_of(cluster=load_cluster(str(cluster)))["cluster"]["configs_dir"] == str(tmp_path / "configs")
    (tmp_path / "configs").chmod(0o777)
    with pytest.raises(SpecError, match="configs_dir: is .*/configs, to which every user can write"):
        jobs.spec_of(cluster=load_cluster(str(cluster)))


@pytest.mark.parametrize("given, environ", [("/nope/x", {}), (None, {"SRTSLURM_CONFIG": "/nope/x"})])
def test_named_file_must_exist(given, environ):
    with pytest.raises(Error, match="/nope/x"):
        find_cluster_file(given, environ, "/")


def test_what_came_with_the_second_layout(tmp_path):
    text = "default_gpu_type: mi355x\nvisible_devices_env: ROCR_VISIBLE_DEVICES\npreflight: false\ngpus_per_node: 8\n"
    cluster = load(tmp_path, text)
    assert any("preflight: it has no effect" in note for note in cluster.notes)
    job = jobs.raw(backend={"type": "sglang"}, resources={"gpu_type": None, "gpus_per_node": None})
    spec = jobs.spec_of(job, cluster=cluster)
    assert spec["resources"]["gpu_type"] == "mi355x"
    env = jobs.step(jobs.plan_of(spec), "prefill_0")["env"]
    assert env["ROCR_VISIBLE_DEVICES"] == "0,1,2,3" and "CUDA_VISIBLE_DEVICES" not in env


def test_what_is_not_built_is_refused_with_the_reason(tmp_path):
    text = """\
gpu_sbatch_directive: gres
accelerator_vendor: amd
default_host_setup: {commands: [x]}
launcher: docker
docker_args: []
"""
    found = told(tmp_path, text)
    assert [(line, path) for line, path, _text in found] == [
        (1, "gpu_sbatch_directive"),
        (2, "accelerator_vendor"),
        (3, "default_host_setup"),
        (4, "launcher"),
    ]
    assert "AMD's fork" in found[0][2] and "use_gpus_per_node_directive: false" in found[0][2]


def test_a_repeated_key_hides_no_other_problem(tmp_path):
    found = told(tmp_path, "cluster: a\ncluster: b\nmodel_path: {}\n")
    assert [(line, path) for line, path, _text in found] == [(2, "cluster"), (3, "model_path")]
    assert any("appears twice" in note for note in load(tmp_path, "cluster: a\ncluster: a\n").notes)
