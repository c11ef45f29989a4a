# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single requests of a result file, and long series made short."""

from __future__ import annotations

import random

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.report import downsample, requests


def share_at(curve, value):
    return max((share for x, share in curve if x <= value), default=0.0)


def test_a_distribution_is_that_of_the_samples():
    draw = random.Random(7)
    values = [draw.lognormvariate(3, 1) for _number in range(5000)]
    curve = downsample.quantiles(values)
    assert len(curve) < 120 and curve[0][0] == min(values) and curve[-1] == (max(values), 1.0)
    for value, share in curve:
        assert share == sum(one <= value for one in values) / len(values)


@pytest.mark.parametrize(("values", "curve"), [([5.0], [(5.0, 1.0)]), ([2, 1, 2, 2], [(1, 0.25), (2, 1.0)])])
def test_the_distribution_of_few_samples_is_exact(values, curve):
    assert downsample.quantiles(values) == curve


def test_a_series_keeps_its_extremes():
    values = [0.0] * 100_000
    values[777], values[50_001] = 9.0, -3.0
    found = downsample.series(list(range(100_000)), values, 400)
    assert len(found) <= 400 and (777, 9.0) in found and (50_001, -3.0) in found
    assert found == sorted(found)


def test_a_series_leaves_out_what_is_no_number():
    assert downsample.series([3, 1, 2, None, 4], [1.0, 2.0, None, 5.0, float("nan")], 10) == [(1, 2.0), (3, 1.0)]


def test_the_latencies_of_requests_are_in_milliseconds():
    raw = {"ttfts": [0.1, 0.2], "latencies": [0.4, 0.8], "itls": [[0.1, 0.2], [0.3, 0.3]], "input_lens": [7, 9],
           "output_lens": [3, 4], "errors": ["", ""]}  # fmt: skip
    found = requests.of_result(raw)
    assert found.completed == 2 and found.pairs == [(7, 100.0), (9, 200.0)]
    rounded = {name: [(round(x, 6), share) for x, share in curve] for name, curve in found.curves.items()}
    assert rounded == {
        "ttft": [(100.0, 0.5), (200.0, 1.0)],
        "tpot": [(150.0, 0.5), (200.0, 1.0)],
        "itl": [(100.0, 0.25), (200.0, 0.5), (300.0, 1.0)],
        "e2el": [(400.0, 0.5), (800.0, 1.0)],
    }


def test_failed_requests_are_in_no_distribution():
    raw = {
        "ttfts": [0.1, 9.0, 8.0],
        "itls": [[0.1], [9.0], []],
        "output_lens": [2, 5, 0],
        "errors": ["", "HTTP 503", ""],
    }
    found = requests.of_result(raw)
    assert found.completed == 1 and max(x for curve in found.curves.values() for x, _share in curve) < 500


def test_results_without_latencies_have_those_of_their_chunks():
    found = requests.of_result({"ttfts": [0.1], "itls": [[0.2, 0.3]], "output_lens": [3], "errors": [""]})
    assert found.curves["e2el"][0][0] == pytest.approx(600)


def test_of_very_many_times_between_tokens_those_of_some_requests_are_taken(monkeypatch):
    monkeypatch.setattr(requests, "MOST_GAPS", 100)
    count = 50
    raw = {
        "ttfts": [0.1] * count,
        "itls": [[number / 1000] * 10 for number in range(count)],
        "output_lens": [11] * count,
    }
    found = requests.of_result(raw)
    assert found.every == 5 and [round(x) for x, _share in found.curves["itl"]] == list(range(0, 50, 5))
    assert found.completed == count and found.curves["ttft"] == [(100.0, 1.0)]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"ttfts": None},
        {"ttfts": "no"},
        {"ttfts": [], "itls": []},
        {"ttfts": ["x", None], "itls": 7, "errors": 3, "output_lens": {}},
        {"ttfts": [float("inf"), -1.0, True], "itls": [[None, "x"]]},
    ],
)
def test_a_file_of_something_else_has_no_requests_or_those_that_can_be_read(raw):
    assert requests.of_result(raw).curves == {}
