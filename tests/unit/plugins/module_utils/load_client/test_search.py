# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A search with the real load client finds the limit of a server that has a known one."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import search

CAPACITY = 23
SECTION = {"over": "concurrency", "from": 4, "to": 64, "objectives": {"p90_ttft_ms": 200.0}, "resolution": 0.05,
           "replicates": 2}  # fmt: skip


def test_the_limit_of_a_server_is_found_within_ten_per_cent(measure, sse):
    planned, outcomes = search.planned(SECTION), {}
    with sse.running(sse.Behaviour(itl_s=0.01, capacity=CAPACITY, overload_s=0.4)) as server:
        found = search.following(planned, outcomes)
        while isinstance(found, search.Wanted):
            load = [
                "--concurrency",
                str(found.level),
                "--num-prompts",
                str(max(64, 4 * found.level)),
                "--num-warmup",
                "0",
            ]
            code, result = measure(server.url, *load, "--repeat", str(found.replicate))
            outcomes.setdefault(found.level, []).append(search.outcome(planned, code == 0, result))
            found = search.following(planned, outcomes)
    assert found["bracketed"] and abs(found["largest"] - CAPACITY) <= 0.1 * CAPACITY, (found, outcomes)
