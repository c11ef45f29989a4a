# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles: exact, also of many values, and none of too few."""

from __future__ import annotations

import random
from array import array

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import quantiles


@pytest.mark.parametrize(("number", "needed"), [(50, 11), (90, 64), (95, 130), (99, 662), (99.9, 6636), (10, 64)])
def test_a_percentile_needs_as_many_samples_as_mlperf_says(number, needed):
    assert quantiles.samples_needed(number) == needed


def test_a_percentile_of_too_few_samples_is_null_and_says_how_many_it_needs():
    rng = random.Random(1)
    few, many = ([rng.random() for _unused in range(count)] for count in (661, 662))
    figures, needed = quantiles.summary("ttft", few, [90, 99])
    assert figures["p99_ttft_ms"] is None and None not in (figures["p90_ttft_ms"], figures["median_ttft_ms"])
    assert needed == {"p99_ttft_ms": 662}
    figures, needed = quantiles.summary("ttft", many, [90, 99])
    assert figures["p99_ttft_ms"] == pytest.approx(quantiles.percentile(sorted(many), 99) * 1000) and needed == {}
    figures, needed = quantiles.summary("ttft", [0.5] * 10, [99])
    assert figures == {"mean_ttft_ms": 500, "median_ttft_ms": 500, "std_ttft_ms": 0, "p99_ttft_ms": None}
    assert needed == {"p99_ttft_ms": 662}
    assert set(quantiles.summary("ttft", [], [99])[0].values()) == {None}


def test_percentiles_are_interpolated_like_numpy():
    values = [1.0, 2.0, 3.0, 4.0]
    assert quantiles.percentile(values, 50) == 2.5
    assert quantiles.percentile(values, 99) == pytest.approx(3.97)
    assert quantiles.percentile([7.0], 99) == 7.0
    numpy = pytest.importorskip("numpy")
    rng = random.Random(3)
    sample = [rng.random() for _unused in range(700)]
    for number in (50, 90, 95, 99, 99.9):
        assert quantiles.percentile(sorted(sample), number) == pytest.approx(numpy.percentile(sample, number))
    assert quantiles.summary("ttft", sample, [99])[0]["std_ttft_ms"] == pytest.approx(numpy.std(sample) * 1000)


@pytest.mark.parametrize("shape", ["spread", "equal", "outlier"])
def test_many_values_have_the_same_percentiles_without_sorting_them_all(monkeypatch, shape):
    monkeypatch.setattr(quantiles, "SORTED", 500)
    rng = random.Random(2)
    values = array("f", {
        "spread": (rng.expovariate(50) for _unused in range(20_000)),
        "equal": (0.01 for _unused in range(20_000)),
        "outlier": (1000.0 if number == 7 else rng.random() / 100 for number in range(20_000)),
    }[shape])  # fmt: skip
    numbers = [0.001, 50, 90, 95, 99, 99.9, 99.999]
    assert quantiles.quantiles(values, numbers) == [quantiles.percentile(sorted(values), one) for one in numbers]
