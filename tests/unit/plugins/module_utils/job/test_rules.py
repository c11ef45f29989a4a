# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB


def problems(**changes):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(**changes)
    return {problem["path"]: problem["problem"] for problem in caught.value.problems}


@pytest.mark.parametrize(
    "changes, path, words",
    [
        ({"resources": {"agg_workers": 1}}, "resources", "agg_* keys and prefill"),
        ({"resources": dict.fromkeys(jobs.AGGREGATED)}, "resources", "does not define any workers"),
        ({"resources": {"decode_workers": 0}}, "resources.decode_workers", "at least 1"),
        ({"resources": {"prefill_nodes": 0}}, "resources.prefill_nodes", "need nodes"),
        ({"resources": {"decode_nodes": None}}, "resources.decode_nodes", "missing"),
        ({"resources": {"prefill_nodes": None, "decode_nodes": None}}, "resources.prefill_nodes", "missing"),
        ({"resources": {"prefill_workers": 9}}, "resources.prefill_workers", "less than one GPU"),
        ({"resources": {"decode_workers": 3, "gpus_per_decode": 4}}, "resources", "3 x 4 GPUs = 12"),
        ({"dynamo": {"hash": "a", "wheel": "1.0"}}, "dynamo", "hash and wheel"),
        ({"dynamo": {"cargo_patches": ["a"]}}, "dynamo.cargo_patches", "needs dynamo.hash"),
        ({"dynamo": {"hash": "a", "cargo_patches": ["tokio"]}}, "dynamo.cargo_patches[0]", "a line of Cargo.toml"),
        ({"dynamo": {"hash": "a", "cargo_patches": ["a = 1", "= 2"]}}, "dynamo.cargo_patches[1]", "a line of"),
        ({"dynamo": {"hash": "a", "cargo_patches": ["a = 1\nb = 2"]}}, "dynamo.cargo_patches[0]", "a line of"),
        ({"dynamo": {"hash": "a", "cargo_patches": ["a ="]}}, "dynamo.cargo_patches[0]", "a line of"),
        (
            {"resources": jobs.AGGREGATED, "frontend": {"orchestrator_placement": "first_decode"}},
            "frontend.orchestrator_placement",
            "the job has no decode workers",
        ),
        (
            {"resources": jobs.AGGREGATED, "benchmark": {"client_placement": "last_decode"}},
            "benchmark.client_placement",
            "the job has no decode workers",
        ),
        ({"dynamo": {"request_plane": "carrier-pigeon"}}, "dynamo.request_plane", "one of tcp, nats, http"),
        (
            {"frontend": {"dedicated_node": True, "orchestrator_placement": "first_decode"}},
            "frontend.dedicated_node",
            "contradicts",
        ),
        (
            {"benchmark": {"client_dedicated_node": True, "client_placement": "first_decode"}},
            "benchmark.client_dedicated_node",
            "contradicts",
        ),
        ({"setup_script": "../x.sh"}, "setup_script", "leaves configs_dir"),
        ({"setup_script": "x.sh"}, "setup_script", "needs configs_dir"),
        ({"profiling": {"type": "torch"}}, "profiling.type", "which mocker does not support"),
        (
            {"benchmark": {"slow_down_wait_time": 5}},
            "benchmark.slow_down_wait_time",
            "is not supported: the figures would be those of an engine that sleeps",
        ),
        ({"model": {"path": "$NOT_SET_ANYWHERE/m"}}, "model.path", "NOT_SET_ANYWHERE, which is not set"),
    ],
)
def test_cross_field_errors(changes, path, words):
    found = problems(**changes)
    assert words in found[path]


def test_several_problems_at_once():
    found = problems(resources={"decode_workers": 0}, benchmark={"isl": None}, dynamo={"cargo_patches": ["x"]})
    assert {"resources.decode_workers", "benchmark.isl", "dynamo.cargo_patches"} <= set(found)


@pytest.mark.parametrize(
    "resources, expected",
    [
        ({}, (4, 4, None)),
        ({"prefill_nodes": 2, "prefill_workers": 1}, (16, 4, None)),
        ({"gpus_per_prefill": 2}, (2, 4, None)),
        (
            {"prefill_nodes": 2, "prefill_workers": 3, "gpus_per_prefill": 4, "decode_nodes": 0, "decode_workers": 1},
            (4, 4, None),
        ),
        ({**jobs.AGGREGATED, "agg_workers": 4}, (None, None, 2)),
    ],
)
def test_gpus_per_worker(resources, expected):
    spec = jobs.spec_of(resources=resources)
    assert tuple(spec["resources"][f"gpus_per_{mode}"] for mode in ("prefill", "decode", "agg")) == expected


def test_paths_are_looked_for_beside_the_job_then_here(tmp_path):
    (tmp_path / "beside" / "m").mkdir(parents=True)
    (tmp_path / "here" / "n").mkdir(parents=True)
    folders = [str(tmp_path / "beside"), str(tmp_path / "here")]
    for path, found in (("m", "beside/m"), ("n", "here/n"), ("../here/n", "here/n")):
        spec = jobs.spec_of(model={"path": path}, check_paths=True, folders=folders)
        assert spec["model"]["path"] == str(tmp_path / found)
    with pytest.raises(SpecError, match="does not exist here"):
        jobs.spec_of(model={"path": "absent"}, check_paths=True, folders=folders)
    assert jobs.spec_of(model={"path": "absent"}, folders=folders)["model"]["path"] == str(tmp_path / "here/absent")


def test_containers():
    assert jobs.spec_of()["model"]["container"] is None
    assert jobs.spec_of(model={"container": None})["model"]["container"] is None
    spec = jobs.spec_of(model={"container": "nvcr.io/x:1"})
    assert spec["model"]["container"] == "nvcr.io/x:1" and spec["cluster"]["container_runtime"] == "pyxis"
    with pytest.raises(SpecError, match="does not exist here"):
        jobs.spec_of(model={"path": "/", "container": "/nope.sqsh"}, check_paths=True)


def test_aliases_of_the_cluster(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("model_paths: {r1: /models/r1}\ncontainers: {web: 'docker://a/b:1'}\nconfigs_dir: /site/configs\n")
    cluster = load_cluster(str(path))
    spec = jobs.spec_of(model={"path": "r1", "container": "web"}, setup_script="a/b.sh", cluster=cluster)
    assert spec["model"]["path"] == "/models/r1" and spec["model"]["container"] == "docker://a/b:1"
    assert spec["cluster"]["configs_dir"] == "/site/configs"


def test_every_field_has_a_doc_and_a_schema():
    def walk(section, path):
        for key, field in section.fields.items():
            assert field.doc or hasattr(field.type, "fields"), f"{path}{key} has no doc"
            assert isinstance(field.type.schema(), dict)
            if hasattr(field.type, "fields"):
                walk(field.type, f"{path}{key}.")

    walk(JOB, "")


NO_AGG = [{"agg_workers": 0}, {"agg_nodes": 0}, {"agg_nodes": 0, "agg_workers": 0}, {"agg_nodes": 2, "agg_workers": 0}]
NO_SPLIT = [{"prefill_workers": 0, "decode_workers": 0}, {"decode_nodes": 0, "prefill_nodes": 0, "prefill_workers": 0}]


@pytest.mark.parametrize(
    "given, zeros", [(jobs.JOB["resources"], one) for one in NO_AGG] + [(jobs.AGGREGATED, one) for one in NO_SPLIT]
)
def test_0_workers_of_the_other_kind_are_none(given, zeros):
    spec = jobs.spec_of(resources={**given, **zeros})
    assert spec == jobs.spec_of(resources={**given, **dict.fromkeys(zeros)})
    assert jobs.plan_of(spec)["endpoints"]


def test_0_nodes_for_aggregated_workers_are_one():
    """As in srtctl."""
    plan = jobs.plan_of(resources={**jobs.AGGREGATED, "agg_nodes": 0, "agg_workers": 2})
    assert [one["nodes"] for one in plan["endpoints"]] == [["n1"], ["n1"]]


@pytest.mark.parametrize(
    "changes, path, remedy",
    [
        (
            {"backend": {"type": "sglang", "sglang_config": {"agg": {}}}, "resources": jobs.AGGREGATED},
            "backend.sglang_config.agg",
            'Did you mean "aggregated"?',
        ),
        ({"profiling": {"agg": {"start_step": 1}}}, "profiling.agg", 'Did you mean "aggregated"?'),
        ({"faults": {"aggregated": {"restarts": 1}}}, "faults.aggregated", 'Did you mean "agg"?'),
        ({"resources": {"aggregated_nodes": 1}}, "resources.aggregated_nodes", 'Did you mean "agg_nodes"?'),
        ({"backend": {"agg_environment": {}}}, "backend.agg_environment", 'Did you mean "aggregated_environment"?'),
        ({"frontend": {"port": 8001}}, "frontend.port", 'Write it as "frontend" under "ports".'),
    ],
)
def test_a_key_of_another_form_is_hinted_at(changes, path, remedy):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(**changes)
    assert {one["path"]: one["remedy"] for one in caught.value.problems} == {path: remedy}
