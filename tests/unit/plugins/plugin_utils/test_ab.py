# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing jobs in turns: the order, the shared allocation, the looks, the budget."""

from __future__ import annotations

import math
import random

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.resolve import describe
from ansible_collections.srt.slurm.plugins.module_utils.statistics import decisions, ratios
from ansible_collections.srt.slurm.plugins.plugin_utils import ab


def job(**changes):
    return describe(jobs.resolved(jobs.raw(**changes)))


def test_the_sides_take_turns():
    assert ["".join(word[0] for word in ab.order(number)) for number in (1, 2, 3, 4)] == ["bc", "cb", "bc", "cb"]


def test_each_repeat_has_a_seed_of_its_own_that_both_sides_share():
    one, other = job(), job(backend={"speedup_ratio": 2.0})
    first, second = ab.turn(one, 1), ab.turn(one, 2)
    assert first["spec"]["benchmark"]["seed"] != second["spec"]["benchmark"]["seed"]
    assert second["spec"]["benchmark"]["seed"] == ab.turn(other, 2)["spec"]["benchmark"]["seed"]
    assert second["spec"]["benchmark"]["concurrencies"] == first["spec"]["benchmark"]["concurrencies"][::-1]
    assert ab.turn(job(benchmark={"repeats": 5}), 3)["spec"]["benchmark"]["repeats"] == 1
    assert one["spec"] == job()["spec"]  # the job itself stays as it was


def test_one_allocation_serves_both_jobs_if_only_their_sizes_differ():
    small, large = job(), job(name="large", resources={"decode_nodes": 2, "decode_workers": 4})
    shared, why = ab.request_of([small, large], "a-vs-b")
    assert why == "" and shared["nodes"] == large["allocation"]["nodes"] and shared["name"] == "a-vs-b.ab"
    assert shared == ab.request_of([large, small], "a-vs-b")[0]
    assert shared["digest"] not in (small["allocation"]["digest"], large["allocation"]["digest"])


def test_the_longer_time_limit_counts():
    limits = ["90", "02:00:00", "1-00:00:00", "1:30", "0-12"]
    for limit in limits:
        pair = [job(slurm={"time_limit": one}) for one in (limit, "01:00:00")]
        longer = ab.request_of(pair, "x")[0]["time_limit"]
        assert (longer == pair[0]["allocation"]["time_limit"]) == (limit != "1:30"), limit


def test_jobs_that_ask_for_other_hardware_have_no_common_allocation():
    request, why = ab.request_of([job(), job(slurm={"partition": "other"})], "x")
    assert request is None and why == "partition"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"benchmark": {"isl": 999}}, r"differ in their load: isl \(128 and 999\)"),
        ({"model": {"path": "/models/x"}}, r"model \(tiny and x\)"),
        ({"benchmark": {"concurrencies": None, "search": {"to": 64, "objectives": {"p99_ttft_ms": 100}}}}, "search"),
    ],
)
def test_jobs_that_cannot_be_compared_are_refused_before_anything_is_submitted(changes, words):
    with pytest.raises(Error, match=words):
        ab.check([job(), job(**changes)])
    ab.check([job(), job(backend={"speedup_ratio": 2.0}, benchmark={"repeats": 5})])


@pytest.mark.parametrize("most", [3, 4, 5, 20, 100])
def test_all_looks_together_have_the_confidence_of_one(most):
    looks = ab.looks(most)
    assert looks == sorted(set(looks)) and looks[-1] == most and looks[0] == min(4, most)
    shares = [ab.alpha(number, last=number == len(looks)) for number in range(1, len(looks) + 1)]
    assert sum(shares) == pytest.approx(ab.ALPHA)


def test_looking_often_does_not_find_differences_where_there_are_none():
    draw, margin, wrong = random.Random(11), math.log(1.02), 0
    for _try in range(200):
        pairs, looks = [(draw.lognormvariate(0, 0.05), draw.lognormvariate(0, 0.05)) for _n in range(20)], ab.looks(20)
        for look, count in enumerate(looks, 1):
            ratio, last = ratios.paired(pairs[:count]), look == len(looks)
            verdict = decisions.decide([ratio], margin, ab.alpha(look, last))[0].verdict
            if verdict in ("up", "down"):
                wrong += 1
                break
    assert wrong <= 1


def answer(*verdicts):
    return [
        {"metrics": [{"primary": True, "verdict": one} for one in verdicts] + [{"primary": False, "verdict": None}]}
    ]


def test_an_answer_is_one_for_each_primary_metric():
    assert ab.decided(answer("better", "worse", "equivalent"))
    assert not ab.decided(answer("better", "no evidence")) and not ab.decided(answer("no verdict"))
    assert not ab.decided(answer()) and not ab.decided([])


def test_no_repeat_starts_that_would_exceed_the_budget():
    budget = ab.Budget(1.0, {"baseline": 16, "candidate": 16})
    job = {"id": "7", "began_s": 1000.0}
    assert budget.fits()
    budget.take("baseline", job, 1000.0 + 90)  # 0.4 GPU hours
    assert budget.spent == pytest.approx(0.4) and budget.fits()
    budget.take("baseline", job, 1000.0 + 180)
    assert budget.spent == pytest.approx(0.8) and not budget.fits()  # another one would be at 1.2
    assert ab.Budget(None, {}).fits()


def test_the_budget_counts_every_allocation():
    budget = ab.Budget(10.0, {"baseline": 8, "candidate": 16})
    budget.take("baseline", {"id": "7", "began_s": 0.0}, 3600.0)
    budget.take("candidate", {"id": "8", "began_s": 1800.0}, 3600.0)
    budget.take("candidate", None, 9e9)
    budget.take("candidate", {"id": "9"}, 9e9)  # it has no nodes yet
    assert budget.spent == pytest.approx(16.0)
