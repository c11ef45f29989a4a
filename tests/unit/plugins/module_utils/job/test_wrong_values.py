# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every problem at once, and none that only follows from a known one."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import resolve, rules

AGG = {"resources": jobs.AGGREGATED}
TP8 = {"type": "sglang", "sglang_config": {"prefill": {"tp-size": 8}}}
EIGHT = {"prefill_nodes": None, "prefill_workers": 1, "decode_workers": 1}


def found(**changes):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(**changes)
    return {one["path"]: one["problem"] for one in caught.value.problems}


@pytest.mark.parametrize(
    "changes, paths",
    [
        # One bad key of a section does not hide the rest of it, save for what the same rule finds.
        (
            {
                "benchmark": {
                    **dict.fromkeys(("osl", "concurrencies")), "isl": "1k",
                    "client_dedicated_node": True, "client_placement": "first_decode",
                }
            },
            ["benchmark.isl", "benchmark.client_dedicated_node"],
        ),
        (
            {"dynamo": {"request_plane": "grpc", "hash": "a", "wheel": "x.whl"}},
            ["dynamo", "dynamo.request_plane", "dynamo.wheel"],
        ),
        # Workers that do not fit are told with all else, whatever it is about.
        ({"resources": {"decode_workers": 3, "gpus_per_decode": 4}, "dynamo": {"hash": "a", "wheel": "1.0"}},
         ["resources", "dynamo"]),
        ({"resources": {"decode_workers": 3, "gpus_per_decode": 4}, "slrum": {}}, ["resources", "slrum"]),
        ({"resources": {"decode_workers": 3, "gpus_per_decode": 4, "spread_worker": 1}}, ["resources.spread_worker"]),
        ({"ports": {"nats": 8000}, "name": " "}, ["ports", "name"]),
        # What may go away with the wrong key is not told.
        ({"resources": {**EIGHT, "prefil_nodes": 1}, "backend": TP8}, ["resources.prefil_nodes"]),
        ({"resources": {**EIGHT, "prefill_nodes": -1}, "backend": TP8}, ["resources.prefill_nodes"]),
        ({"resources": {"gpus_per_node": "8x"}, "backend": TP8}, ["resources.gpus_per_node"]),
        ({"backend": {"type": "moker"}, "frontend": {"type": "sglang"}}, ["backend.type"]),
        ({"frontend": {"type": "dynmo", "args": {"http-port": 1}}}, ["frontend.type"]),
        ({"resources": {"decode_workers": "two", "gpus_per_decode": 5}}, ["resources.decode_workers"]),
        # A key in the wrong place is not missing as well, nor is a misspelt one.
        ({"benchmark": {"osl": None}, "osl": 4}, ["osl"]),
        ({"model": None, "modle": {"path": "/m"}}, ["modle"]),
    ],
)  # fmt: skip
def test_problems(changes, paths):
    assert sorted(found(**changes)) == sorted(paths)


def test_a_heterogeneous_job_that_cannot_be_one_and_directives():
    both = found(resources={**jobs.AGGREGATED, "het_jobs": True}, sbatch_directives={"mem": 0, "cpus-per-taks": 3})
    assert set(both) == {"resources.het_jobs", "sbatch_directives.cpus-per-taks"}


def test_a_rule_that_fails_without_a_wrong_value_is_a_fault():
    def fails(spec):
        raise KeyError(spec["a"])

    for wrong in ((), {("b",)}):
        with pytest.raises(KeyError):
            rules.Pass({"a": 1, "b": 2}, wrong).call(fails)
    assert rules.Pass({"a": 1}, {("a",)}).call(fails) == []


SPEC = {"a": {"x": 1, "y": {"z": 2}, "table": {"k": 1}, "list": [1]}, "b": 3, "empty": {}}


@pytest.mark.parametrize(
    "rule, wrong, told",
    [
        (lambda spec: spec["a"]["x"], ("a", "x"), False),
        (lambda spec: spec["a"]["x"], ("a",), False),
        (lambda spec: spec["a"]["x"], ("a", "y"), True),
        (lambda spec: spec["a"]["x"], ("a", "y", "z"), True),
        (lambda spec: spec["b"], ("a", "x"), True),
        # A list or a whole table is read with all that is in it, a section on the way to one of its keys is not.
        (lambda spec: spec["a"]["list"], ("a", "list", 0), False),
        (lambda spec: list(spec["a"]["table"]), ("a", "table", "wrong"), False),
        (lambda spec: list(spec["a"]["table"].items()), ("a", "table", "wrong"), False),
        (lambda spec: dict(spec["a"]["table"]), ("a", "table", "wrong"), False),
        (lambda spec: {**spec["a"]}, ("a", "y", "z"), False),
        (lambda spec: spec["a"]["table"] == {}, ("a", "table", "wrong"), False),
        (lambda spec: spec["a"]["table"] != {}, ("a", "table", "wrong"), False),
        (lambda spec: spec["a"]["table"].get("k"), ("a", "table", "wrong"), True),
        # What is not there may have been meant.
        (lambda spec: spec["a"].get("new"), ("a", "new"), False),
        (lambda spec: "new" in spec["a"], ("a", "new"), False),
        # An empty table may have something in it; one with something in it has that whatever else is wrong.
        (lambda spec: bool(spec["empty"]), ("empty", "wrong"), False),
        (lambda spec: bool(spec["a"]), ("a", "wrong"), True),
    ],
)
def test_a_finding_is_reported_if_the_rule_read_nothing_wrong(rule, wrong, told):
    def finds(spec):
        rule(spec)
        return ["found"]

    assert rules.Pass(SPEC, {wrong}).call(finds) == (["found"] if told else [])


def test_what_follows_from_a_wrong_value_is_wrong():
    def writes(spec):
        spec["b"] = spec["a"]["x"] + 1
        return []

    def reads(spec):
        return [spec["b"]]

    one = rules.Pass({"a": {"x": 1}, "b": 3}, {("a", "x")})
    assert one.call(reads) == [3]
    one.call(writes, writes=(("b",),))
    assert one.call(reads) == []


def test_the_job_without_wrong_values():
    job = {"a": {"number": -1, "word": "x"}, "list": [1, "x"], "text": "x", "b": 1}
    wrong = {("a", "number"), ("list", 1), ("text", "below"), ("gone", "x"), ("b",)}
    assert resolve.without(job, wrong) == {"a": {"word": "x"}}
    assert job["a"]["number"] == -1
