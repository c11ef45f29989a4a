# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the run options set and unset change."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import reading
from ansible_collections.srt.slurm.plugins.module_utils.job.changes import changes_of
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml

TEXT = """\
schema: 2
base:
  name: b
  model: {path: /m, container: none}
  resources: {gpus_per_node: 8}
  engine: mocker
  roles: {agg: {nodes: 1, workers: 1}}
  dynamo: {install: false}
  slurm: {account: a, time_limit: 4:00:00}
  benchmark: {type: sa-bench, isl: 8, osl: 8, concurrencies: [1, 2]}
override_x: {benchmark: {isl: 16}}
override_y: {environment: {A: "1"}}
"""


def specs(**given):
    document = reading.Document(*parse_yaml(TEXT, "r.yaml"))
    document.changes = changes_of(given)
    return [jobs.resolved(*one[1:]) for one in document.variants()]


def test_a_value_is_set_in_every_job_and_says_where_it_is_from():
    for one in specs(set="benchmark.isl=1024"):
        assert one.spec["benchmark"]["isl"] == 1024 and one.origins["benchmark.isl"] == "-e set"


@pytest.mark.parametrize(
    "given, path, value",
    [
        ("benchmark.concurrencies=[4, 8]", ("benchmark", "concurrencies"), [4, 8]),
        ("benchmark.concurrencies[1]=32", ("benchmark", "concurrencies"), [1, 32]),
        ({"environment.X": 5}, ("environment", "X"), "5"),
        (["environment.X=0.10"], ("environment", "X"), "0.10"),
        (["environment.X={a: 1}"], ("environment", "X"), "{a: 1}"),
        (["slurm.account="], ("slurm", "account"), None),
        (["roles.agg.args.odd=true"], ("backend", "mocker_config", "aggregated", "odd"), True),
    ],
)
def test_values_keep_their_types(given, path, value):
    found = specs(set=given)[0].spec
    for key in path:
        found = found[key]
    assert found == value


def test_a_placeholder_of_a_sweep_may_be_set():
    found = specs(set={"sweep": {"n": [3, 4]}, "benchmark.osl": "{n}"})
    assert [one.spec["benchmark"]["osl"] for one in found] == [3, 4, 3, 4]


def test_keys_are_removed():
    assert [one.spec["slurm"]["account"] for one in specs(unset="slurm.account")] == [None, None]
    assert "A" not in specs(unset=["environment.A"])[1].spec["environment"], "one job has it"


@pytest.mark.parametrize(
    "given, words",
    [
        ({"set": "benchmark.isl"}, "is benchmark.isl, which is no PATH=VALUE"),
        ({"set": "benchmark..isl=1"}, "is not a path in a job"),
        ({"set": "benchmark.isl.x=1"}, "leads through benchmark.isl, which is 8"),
        ({"set": "benchmark.concurrencies[7]=1"}, "names item 7 of what is a list"),
        ({"set": "name=[1"}, "is not YAML"),
        ({"set": "benchmark.ils=1"}, "-e set: benchmark.ils: is not a known key"),
        ({"unset": "benchmark.ils"}, "unset benchmark.ils: is not in the job"),
        ({"unset": ""}, "is empty"),
    ],
)
def test_what_cannot_be_changed_is_an_error(given, words):
    with pytest.raises(SpecError) as caught:
        specs(**given)
    assert words in str(caught.value)


def test_a_time_limit_without_quotes_keeps_its_spelling():
    assert specs()[0].spec["slurm"]["time_limit"] == "4:00:00"


def test_a_mapping_is_removed_before_values_in_it_are_set():
    one, _other = specs(unset="benchmark", set=["benchmark.type=manual"])
    assert one.spec["benchmark"]["type"] == "manual" and one.spec["benchmark"]["isl"] is None
