# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Rules about sections that nobody owns, and what a rehearsal makes of what cannot be run yet."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.plan import job_spec, paths
from ansible_collections.srt.slurm.plugins.module_utils.spec.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.spec.source import NOWHERE, parse_yaml
from ansible_collections.srt.slurm.tests.unit.plugins.module_utils.plan import jobs

EXPORTER = {"container_image": "dcgm:1", "port": 9401}
POWER = {"enabled": True, "dcgm_exporter": EXPORTER}


def rehearse(job):
    """Return (spec, notes) of a job in a rehearsal."""
    notes = []
    environment = paths.Environment(jobs.VARIABLES, ["/work"], check_paths=False, rehearse=True)
    return job_spec.resolve(job, NOWHERE, load_cluster(None), environment, notes=notes), notes


def problems(**changes):
    with pytest.raises(SpecError) as caught:
        rehearse(jobs.raw(**changes))
    return {one["path"]: one["problem"] for one in caught.value.problems}


@pytest.mark.parametrize(
    "changes, path, words",
    [
        ({"name": "a\nb"}, "name", "line break"),
        ({"name": " "}, "name", "is empty"),
        ({"environment": {"a-b": "1"}}, "environment.a-b", "name of an environment variable"),
        ({"backend": {"prefill_environment": {"1A": "1"}}}, "backend.prefill_environment.1A", "environment variable"),
        ({"frontend": {"env": {"": "1"}}}, "frontend.env.", "environment variable"),
        ({"srun_options": {"job_name": "x"}}, "srun_options.job_name", "cannot be changed"),
        ({"dynamo": {"wheel": "a/b.whl"}}, "dynamo.wheel", "a version such as"),
        ({"dynamo": {"wheel": " "}}, "dynamo.wheel", "a version such as"),
        ({"telemetry": {"enabled": True}}, "telemetry.enabled", "needs telemetry.dcgm_exporter"),
        ({"telemetry": {**POWER, "default_frequency": 4}}, "telemetry.default_frequency", "at most 3"),
        ({"telemetry": {**POWER, "default_frequency": 0}}, "telemetry.default_frequency", "more than 0"),
        ({"telemetry": {**POWER, "request_timeout_seconds": 0}}, "telemetry.request_timeout_seconds", "more than 0"),
        (
            {"telemetry": {**POWER, "collector_join_timeout_seconds": 10}},
            "telemetry.collector_join_timeout_seconds",
            "2 x (2 x request_timeout_seconds + 1) = 10",
        ),
        ({"telemetry": {**POWER, "storage_subdir": "../x"}}, "telemetry.storage_subdir", "below the logs"),
        (
            {"telemetry": POWER, "benchmark": {"client_placement": "first_decode"}},
            "telemetry.enabled",
            "client_placement head",
        ),
        ({"telemetry": POWER, "infra": {"etcd_nats_dedicated_node": True}}, "telemetry.enabled", "dedicated_node"),
        ({"observability": {"tachometer": {"enabled": True}}}, "observability.tachometer.enabled", "needs obs"),
        (
            {
                "observability": {"enabled": True, "tachometer": {"enabled": True, "dcgm_exporter": EXPORTER}},
                "telemetry": POWER,
            },
            "observability.tachometer.dcgm_exporter",
            "twice",
        ),
        (
            {"observability": {"enabled": True, "tachometer": {"enabled": True, "storage_subdir": "/x"}}},
            "observability.tachometer.storage_subdir",
            "below the logs",
        ),
        ({"benchmark": {"type": "custom"}}, "benchmark.command", "is missing"),
        ({"benchmark": {"type": "router"}}, "benchmark.type", "measures frontend sglang"),
        (
            {"benchmark": {"type": "mooncake-router", "mooncake_workload": "x"}},
            "benchmark.mooncake_workload",
            "one of mooncake",
        ),
        ({"benchmark": {"type": "trace-replay"}}, "benchmark.trace_file", "is missing"),
        ({"benchmark": {"dataset_name": "custom"}}, "benchmark.dataset_path", "is missing"),
        ({"benchmark": {"dataset_name": "other"}}, "benchmark.dataset_name", "random or custom"),
    ],
)
def test_rules(changes, path, words):
    assert words in problems(**changes)[path]


@pytest.mark.parametrize(
    "changes",
    [
        {"telemetry": POWER},
        {"benchmark": {"type": "gpqa"}},
        {"benchmark": {"type": "custom", "command": "run me"}},
        {"benchmark": {"dataset_name": "custom", "dataset_path": "/d"}},
        {"model": {"path": "hf:a/b"}},
    ],
)
def test_what_cannot_be_run_yet_is_refused_but_can_be_rehearsed(changes):
    with pytest.raises(SpecError):
        jobs.spec_of(**changes)
    spec, notes = rehearse(jobs.raw(**changes))
    assert any("The plan is shown all the same" in note for note in notes)
    assert jobs.plan_of(spec)["steps"]


def test_all_problems_of_a_file_at_once():
    text = """\
name: x
model: {path: /m, container: none, precision: fp8}
resources: {gpus_per_node: 8, prefill_nodes: 1, prefill_workers: 0, decode_nodes: 1, decode_workers: 1}
backend: {type: mocker, sped_ratio: 3}
dynamo: {hash: a, wheel: b}
environment: {yes: 1, A: yes}
benchmark: {type: sa-bench, isl: 1.5}
frontend: {type: dynmo}
"""
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(*parse_yaml(text, "j.yaml"))
    found = [(one["line"], one["path"]) for one in caught.value.problems]
    assert found == [
        (3, "resources.prefill_workers"),
        (4, "backend.sped_ratio"),
        (5, "dynamo"),
        (6, "environment.A"),
        (7, "benchmark.isl"),
        (8, "frontend.type"),
    ]
    assert '"speedup_ratio"' in str(caught.value) and "with quotes" in str(caught.value)


def test_keys_that_yaml_takes_for_truth_values():
    text = "environment: {on: '1', NO: '2', null: '3'}\n"
    job, source = parse_yaml(text, "j.yaml")
    assert jobs.spec_of({**jobs.raw(), **job}, source)["environment"] == {"on": "1", "NO": "2", "null": "3"}
    with pytest.raises(SpecError, match="environment.True: has a key that YAML reads as true. Put it in quotes"):
        jobs.spec_of({**jobs.raw(), "environment": {True: "1"}})
    with pytest.raises(SpecError, match="YAML reads as false"):
        jobs.spec_of({**jobs.raw(), False: "1"})


def test_null_in_a_table_of_text_is_nothing():
    assert jobs.spec_of({**jobs.raw(), "environment": {"A": None, "B": "1"}})["environment"] == {"B": "1"}
    for section in ("backend", "frontend", "slurm", "dynamo", "health_check"):
        jobs.spec_of({**jobs.raw(), section: None, "benchmark": {"type": "manual"}})
