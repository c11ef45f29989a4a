# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""router: points by the share of shared prefixes, with the keys and defaults of srtctl."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError

OLD = {"type": "router", "isl": None, "osl": None, "concurrencies": None}


def plan_of(backend="sglang", **benchmark):
    frontend = {"type": "sglang"} if backend == "sglang" else {}
    return jobs.plan_of(backend={"type": backend}, frontend=frontend, benchmark={**OLD, **benchmark})


def test_the_defaults_are_those_of_srtctl():
    points = plan_of()["benchmark"]["points"]
    assert [point["key"] for point in points] == [{"prefix_ratio": one} for one in (0.1, 0.3, 0.5, 0.7, 0.9)]
    argv = points[0]["step"]["argv"]
    wanted = {"--isl": "14000", "--osl": "200", "--num-prompts": "200", "--concurrency": "20", "--prefix-ratio": "0.1",
              "--prefixes": "20", "--random-range-ratio": "1.0"}  # fmt: skip
    assert {flag: jobs.option(argv, flag) for flag in wanted} == wanted
    assert points[0]["name"] == "bench_p0p1" and points[0]["result"] == "results/router/prefix_ratio_0.1.json"
    assert BENCHMARKS["router"].in_flight(points[0]) == 20
    assert len({point["digest"] for point in points}) == 5


@pytest.mark.parametrize("given", [[0.2, 0.4], "0.2 0.4", "0.2,0.4", "0.2 0.4 0.2"])
def test_ratios_are_a_list_or_a_text(given):
    points = plan_of(prefix_ratios=given, isl=100, osl=5, num_requests=7, concurrency=3)["benchmark"]["points"]
    assert [point["key"]["prefix_ratio"] for point in points] == [0.2, 0.4]
    assert points[0]["expect"] == {"num_prompts": 7, "isl": 100, "osl": 5, "prefix_ratio": 0.2, "prefixes": 20}


@pytest.mark.parametrize("given", ["0.1 much", "1.5", "-0.1", [], "", [2]])
def test_wrong_ratios_are_refused(given):
    with pytest.raises(SpecError, match=r"benchmark\.prefix_ratios"):
        jobs.spec_of(benchmark={**OLD, "prefix_ratios": given})


@pytest.mark.parametrize(
    ("backend", "urls"),
    [
        ("mocker", ["http://10.0.0.1:8081/metrics", "http://10.0.0.1:8082/metrics", "+http://10.0.0.2:8080/metrics"]),
        ("sglang", ["http://10.0.0.1:30000/metrics", "http://10.0.0.1:30001/metrics"]),
    ],
)
def test_the_hit_rate_comes_from_the_workers_that_read_prompts(backend, urls):
    argv = plan_of(backend)["benchmark"]["points"][0]["step"]["argv"]
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "--metrics-url"] == urls


def test_a_result_of_another_share_is_not_that_of_the_point():
    expect = {"num_prompts": 7, "isl": 100, "osl": 5, "prefix_ratio": 0.2, "prefixes": 20}
    raw = {"num_prompts": 7, "isl": 100, "osl": 5, "prefix_ratio": 0.4, "prefixes": 20, "completed": 0, "failed": 7}
    reasons = BENCHMARKS["router"].evaluate(raw, expect, 0.99)
    assert reasons[0].startswith("the result is of another load: prefix_ratio 0.4; the point has isl 100, osl 5, ")


def test_the_hit_rate_is_a_figure_of_this_type_only():
    raw = {"max_concurrency": 3, "cache_hit_rate": 12.5}
    assert BENCHMARKS["router"].figures(raw)["cache_hit_rate"] == 12.5
    assert "cache_hit_rate" in BENCHMARKS["router"].metrics and "cache_hit_rate" not in BENCHMARKS["sa-bench"].metrics
