# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.spec.cluster import (
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
    assert given[("model", "path")] == "model_paths" and given[("slurm", "account")] == "default_account"
    assert ("slurm", "partition") not in given and cluster.place("default_account") == "srtslurm.yaml:1"


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


@pytest.mark.parametrize("given, environ", [("/nope/x", {}), (None, {"SRTSLURM_CONFIG": "/nope/x"})])
def test_named_file_must_exist(given, environ):
    with pytest.raises(Error, match="/nope/x"):
        find_cluster_file(given, environ, "/")
