# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Every problem at once, and none that only follows from a known one."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import trials
from ansible_collections.srt.slurm.plugins.module_utils.schema.types import Choice, Int

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
        # One bad key of a section does not hide the rest of it.
        (
            {
                "benchmark": {
                    **dict.fromkeys(("osl", "concurrencies")), "isl": "1k",
                    "client_dedicated_node": True, "client_placement": "first_decode",
                }
            },
            ["benchmark.isl", "benchmark.osl", "benchmark.concurrencies", "benchmark.client_dedicated_node"],
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


def test_a_rule_that_fails_without_a_wrong_key_is_a_fault(monkeypatch):
    def fails(spec):
        raise KeyError("x")

    trial = trials.Trial()
    with pytest.raises(KeyError):
        trial.attempt(fails, {})
    lenient = trials.Trial(lenient=True)
    assert lenient.attempt(fails, {}) is None and lenient.silent == {"fails"}


def test_only_what_every_trial_shows_is_independent():
    first, second, third = trials.Trial(True), trials.Trial(True), trials.Trial(True)
    for trial in (first, second, third):
        trial.attempt(str, 1)
        trial(("a",), "always")
        trial(("wrong", "key"), "about the wrong key")
    first(("b",), "once")
    for trial in (first, second):
        trial.attempt(len, ())
        trial(("c",), "where the rule could speak")
    third.attempt(len, 5)
    assert trials.independent([first, second, third], {("wrong",)}) == [
        (("a",), "always", None),
        (("c",), "where the rule could speak", None),
    ]


def test_guesses():
    job = {"a": {"numbr": 3, "word": "dynmo"}, "n": -2}
    wrong = {
        ("a", "numbr"): (None, ("a", "number")),
        ("a", "word"): (Choice("sglang", "dynamo"), None),
        ("n",): (Int(0, 4), None),
    }
    made = list(trials.guessed(job, wrong))
    # The best guess first, at last none of them; the job itself stays as it is.
    assert made[0] == {"a": {"number": 3, "word": "dynamo"}, "n": 2}
    assert made[-1] == {"a": {}} and job["n"] == -2
    assert {one["n"] for one in made if "n" in one} == {1, 2}
    assert {one["a"]["word"] for one in made if "word" in one["a"]} == {"dynamo", "sglang"}
