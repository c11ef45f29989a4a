# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs share an allocation and a service, in what order, and what is left after an interruption."""

from __future__ import annotations

import itertools
import random

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.sweeps import groups
from ansible_collections.srt.slurm.plugins.module_utils.sweeps.groups import Job


def job(name, request="r", frontend="f", **workers):
    """A job whose workers have these digests."""
    steps = {"frontend_0": ("frontend", frontend)}
    return Job(name, request, {**steps, **{name: ("worker", digest) for name, digest in workers.items()}})


def names(found):
    return [[[one.name for one in service] for service in group.services] for group in found]


def grouped(jobs, left=None, most=1):
    return names(groups.grouped(jobs, [one.name for one in jobs] if left is None else left, most))


def total(order):
    before, count = {}, [0, 0]
    for one in order:
        for place, number in enumerate(groups.restarts(before, one.steps)):
            count[place] += number
        before = one.steps
    return tuple(count)


def test_jobs_that_differ_in_the_benchmark_alone_share_a_service():
    jobs = [job("a", w0="1"), job("b", w0="2"), job("c", w0="1"), job("d", w0="2")]
    assert grouped(jobs) == [[["a", "c"], ["b", "d"]]]


def test_another_allocation_request_is_another_allocation():
    jobs = [job("a", "two nodes", w0="1"), job("b", "three nodes", w0="1"), job("c", "two nodes", w0="1")]
    assert grouped(jobs) == [[["a", "c"]], [["b"]]]


def test_of_orders_with_equal_starts_of_workers_other_steps_count():
    jobs = [job("a", w0="1", w1="1"), job("b", w0="2", w1="2"), job("c", frontend="g", w0="1", w1="1")]
    assert grouped(jobs) == [[["b"], ["a"], ["c"]]]  # the frontend starts twice, and three times in their own order


@pytest.mark.parametrize("seed", range(5))
def test_no_order_of_a_few_services_restarts_less(seed):
    chance = random.Random(seed)
    words = [[chance.choice(two) for two in ("fg", "12", "12")] for _time in range(5)]
    jobs = [job(f"j{n}", frontend=one, w0=f"{n}", w1=two, w2=three) for n, (one, two, three) in enumerate(words)]
    (group,) = groups.grouped(jobs, [one.name for one in jobs])
    least = min(total(order) for order in itertools.permutations(jobs))
    assert total([service[0] for service in group.services]) == least


def test_many_services_have_an_order_that_keeps_equal_workers_together():
    chance = random.Random(1)
    jobs = [job(f"{kind}{n}", w0=kind, w1=f"{kind}{n}") for kind in "abc" for n in range(6)]
    chance.shuffle(jobs)
    (group,) = groups.grouped(jobs, [one.name for one in jobs])
    kinds = [service[0].name[0] for service in group.services]
    assert len([1 for one, other in zip(kinds, kinds[1:]) if one != other]) == 2


def test_what_is_done_is_left_out_and_the_order_stays():
    jobs = [job("a", w0="1"), job("b", w0="2"), job("c", w0="1"), job("d", w0="2"), job("e", "other", w0="3")]
    assert grouped(jobs, ["c", "b", "d"]) == [[["c"], ["b", "d"]]]
    assert grouped(jobs, []) == []


def test_a_group_is_divided_between_services_until_enough_run_side_by_side():
    jobs = [job(f"{n}{part}", w0=str(n)) for n in range(4) for part in "xy"]
    assert [len(group) for group in grouped(jobs, most=2)] == [2, 2]
    assert [len(group) for group in grouped(jobs, most=3)] == [1, 1, 2]
    assert grouped(jobs, most=9) == [[[f"{n}x", f"{n}y"]] for n in range(4)]
    assert grouped([], most=3) == []


def test_loads_are_starts_of_workers():
    jobs = [job("a", w0="1", w1="1"), job("b", w0="1", w1="2"), job("c", "other", w0="1", w1="2")]
    assert groups.loads(groups.grouped(jobs, "abc")) == 2 + 1 + 2


def test_a_service_that_starts_anew_between_repeats_counts_with_all_its_workers():
    one, other = job("a", w0="1", w1="1"), job("b", w0="2", w1="1")
    assert groups.loads(groups.grouped([one, other], ["a", "b"])) == 3
    again = [one._replace(redeployed=2), other]
    assert groups.loads(groups.grouped(again, ["a", "b"])) == 3 + 2 * 2
