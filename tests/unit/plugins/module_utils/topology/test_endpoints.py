# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.topology.endpoints import Demand, allocate


def nodes(count):
    return [str(number) for number in range(1, count + 1)]


def picture(endpoints):
    """Write endpoints as ``p0@1[0-3]`` with all GPUs of a node left out."""
    words = []
    for endpoint in endpoints:
        gpus = endpoint.gpu_indices
        text = "" if len(gpus) == 8 else f"[{gpus[0]}-{gpus[-1]}]"
        words.append(f"{endpoint.mode[0]}{endpoint.index}@{','.join(endpoint.nodes)}{text}")
    return " ".join(words)


CASES = [
    # demands, nodes, options, picture
    ([("agg", 4, 2)], 1, {}, "a0@1[0-1] a1@1[2-3] a2@1[4-5] a3@1[6-7]"),
    ([("agg", 6, 4)], 3, {}, "a0@1[0-3] a1@1[4-7] a2@2[0-3] a3@2[4-7] a4@3[0-3] a5@3[4-7]"),
    ([("prefill", 2, 16), ("decode", 1, 16)], 6, {}, "p0@1,2 p1@3,4 d0@5,6"),
    ([("prefill", 1, 4), ("decode", 1, 16)], 3, {}, "p0@1[0-3] d0@2,3"),
    ([("prefill", 3, 4), ("decode", 1, 4)], 2, {}, "p0@1[0-3] p1@1[4-7] p2@2[0-3] d0@2[4-7]"),
    ([("prefill", 3, 3), ("decode", 2, 2)], 2, {}, "p0@1[0-2] p1@1[3-5] p2@2[0-2] d0@2[3-4] d1@2[5-6]"),
    ([("prefill", 1, 12), ("decode", 1, 8)], 3, {}, "p0@1,2 d0@3"),
    (
        [("prefill", 2, 4), ("decode", 4, 2)],
        6,
        {"spread": True},
        "p0@1[0-3] p1@2[0-3] d0@3[0-1] d1@4[0-1] d2@5[0-1] d3@6[0-1]",
    ),
    (
        [("prefill", 3, 4), ("decode", 3, 4)],
        3,
        {"share": True},
        "p0@1[0-3] p1@1[4-7] p2@2[0-3] d0@2[4-7] d1@3[0-3] d2@3[4-7]",
    ),
    # Shared nodes: who needs whole ones goes on to the next.
    ([("prefill", 1, 4), ("decode", 1, 8)], 2, {"share": True}, "p0@1[0-3] d0@2"),
    ([("prefill", 3, 4), ("decode", 1, 12)], 4, {"share": True}, "p0@1[0-3] p1@1[4-7] p2@2[0-3] d0@3,4"),
    ([("prefill", 2, 8), ("decode", 2, 8)], 4, {}, "p0@1 p1@2 d0@3 d1@4"),
]


@pytest.mark.parametrize("demands, count, options, expected", CASES)
def test_worked_examples(demands, count, options, expected):
    endpoints = allocate([Demand(*demand) for demand in demands], nodes(count), 8, **options)
    assert picture(endpoints) == expected


REFUSED = [
    # srtctl puts d0 on GPUs of p2 here.
    ([("prefill", 3, 5), ("decode", 1, 8)], 3, ["3 x 5 GPUs = 15", "on 3 node(s)", "24", "belong to prefill_2"]),
    # srtctl dies with an IndexError here.
    ([("prefill", 1, 8), ("decode", 2, 12)], 4, ["2 x 12 GPUs = 24 GPUs on 4 node(s)", "decode_1", "4 node(s) x 8"]),
    ([("prefill", 1, 8), ("decode", 1, 8)], 1, ["16 GPUs on 2 node(s)", "1 node(s) x 8 GPUs = 8"]),
    ([("prefill", 1, 4), ("decode", 1, 16)], 2, ["needs all 8 GPUs of node 1, 4 of them belong to prefill_0"]),
    ([("agg", 3, 4)], 1, ["3 x 4 GPUs = 12", "agg_2"]),
    ([("agg", 3, 2)], 2, ["agg_2"]),
]


@pytest.mark.parametrize("demands, count, words", REFUSED)
def test_what_does_not_fit_shows_the_sum(demands, count, words):
    spread, share = demands == [("agg", 3, 2)], demands[-1] == ("decode", 1, 16)
    with pytest.raises(Error) as caught:
        allocate([Demand(*demand) for demand in demands], nodes(count), 8, spread=spread, share=share)
    for word in words:
        assert word in caught.value.msg


def test_random_demands_never_overlap():
    source = random.Random(7)
    placed = 0
    for _round in range(2000):
        gpus = source.choice([1, 2, 4, 8])
        demands = [
            Demand("prefill", source.randint(0, 4), source.randint(1, 2 * gpus)),
            Demand("decode", source.randint(0, 4), source.randint(1, 2 * gpus)),
        ]
        names = nodes(source.randint(1, 9))
        options = {"spread": source.random() < 0.2, "share": source.random() < 0.2}
        try:
            endpoints = allocate(demands, names, gpus, **options)
        except Error:
            continue
        placed += 1
        owned = [(node, gpu) for endpoint in endpoints for node in endpoint.nodes for gpu in endpoint.gpu_indices]
        assert len(owned) == len(set(owned))
        assert {node for node, _gpu in owned} <= set(names)
        assert len(endpoints) == sum(demand.workers for demand in demands)
        assert all(len(one.nodes) * len(one.gpu_indices) >= one.gpus for one in endpoints)
        assert endpoints == allocate(demands, names, gpus, **options)
    assert placed > 500
