# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hit rate of prefix caches from the logs of workers: only of the tokens that were sent, with its source."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.results import cache_hits, document, tables


def worker(name, new=None, cached=None, rate=None):
    counts = {"total_new_tokens": new, "total_cached_tokens": cached}
    if rate is None and new is not None:
        rate = round(100 * cached / (new + cached), 3)
    return {"name": name, **{key: value for key, value in counts.items() if value is not None}, "cache_hit_rate": rate}


SGLANG = [worker("prefill_0", 600, 400), worker("prefill_1", 900, 100)]


@pytest.mark.parametrize(
    ("backend", "workers", "sent", "rate", "source"),
    [
        ("sglang", SGLANG, 2000, 25.0, "#cached-token and #new-token in the logs of 2 workers"),
        ("trtllm", SGLANG, 1900, 25.0, "cached_kv_tokens and num_ctx_tokens in the logs of 2 workers"),
        # Of other requests, or not of all.
        ("sglang", SGLANG, 4000, None, "are about 2000 prompt tokens, but 4000 were sent"),
        ("sglang", SGLANG, 1000, None, "are about 2000 prompt tokens, but 1000 were sent"),
        ("sglang", SGLANG, None, None, "are about 2000 prompt tokens"),
        ("sglang", SGLANG[:1], 1000, None, "in the window of the point: prefill_1"),
        ("sglang", [], 2000, None, "in the window of the point: prefill_0, prefill_1"),
        ("sglang", [*SGLANG, worker("decode_0", 5000, 0)], 2000, 25.0, "#cached-token"),
        # One worker on two nodes: only the first one logs.
        ("sglang", [worker("prefill_0_node1", 600, 400), SGLANG[1], worker("prefill_10", 9, 9)], 2000, 25.0,
         "2 workers"),
        ("vllm", [worker("prefill_0", rate=40.0), worker("prefill_1", rate=60.0)], 2000, None,
         "2 workers log a share (Prefix cache hit rate) without the tokens"),
        ("mocker", SGLANG, 2000, None, "the logs of The mocker do not have it"),
    ],
)  # fmt: skip
def test_a_rate_is_of_the_tokens_that_were_sent_or_is_none(backend, workers, sent, rate, source):
    found = cache_hits.from_logs(workers, ["prefill_0", "prefill_1"], backend, sent)
    assert found["logged_cache_hit_rate"] == rate and source in found["logged_cache_source"], found


def test_vllms_share_says_that_it_is_over_more_than_the_window():
    found = cache_hits.from_logs([worker("agg_0", rate=92.5)], ["agg_0"], "vllm", 2000)
    assert found["logged_cache_hit_rate"] == 92.5 and "also earlier ones" in found["logged_cache_source"]


@pytest.fixture
def rolled(helpers, run_dir):
    """``rolled(result)``: the rollup of a run with one point of type router."""

    def roll(**result):
        plan = helpers.make_plan(run_dir, [4], "sglang")
        plan["spec"]["benchmark"] = {"type": "router"}
        plan["benchmark"]["type"] = "router"
        (point,) = plan["benchmark"]["points"]
        point.update(key={"prefix_ratio": 0.5}, label="prefix=0.5")
        helpers.write_point(run_dir, point, helpers.raw_result(**result))
        return document.build(plan, "2026-11-21T10:05:00Z")

    return roll


def test_both_rates_and_their_sources_are_in_the_rollup(rolled):
    rollup = rolled(cache_hit_rate=40.0, cache_source="sglang:cached_tokens_total", cache_note=None)
    (point,) = rollup["results"]
    assert (point["cache_hit_rate"], point["cache_source"]) == (40.0, "sglang:cached_tokens_total")
    assert point["logged_cache_hit_rate"] is None and "no line about #cached-token" in point["logged_cache_source"]
    assert "cache hits (logs) %" not in tables.table_text(rollup)


def test_without_a_rate_the_rollup_says_why(rolled):
    rollup = rolled(cache_hit_rate=None, cache_source=None, cache_note="no worker publishes metrics")
    assert rollup["results"][0]["cache_source"] == "no worker publishes metrics"
