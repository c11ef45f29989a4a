# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of a sweep: the names of its parameters, or the keys that overrides change."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.sweeps import parameters


def job(name="j", own=None, **benchmark):
    spec = {
        "name": name,
        "benchmark": {"type": "sa-bench", "isl": 64, "concurrencies": [1], **benchmark},
        "x": {"a": 1},
    }
    return {"name": name, "spec": spec, "parameters": own or {}}


def test_a_sweep_has_its_own_names_and_no_others():
    jobs = [job("a", {"n": 1}, isl=1), job("b", {"n": 2}, isl=2)]
    assert parameters.of_jobs(jobs) == [{"n": 1}, {"n": 2}]


def test_overrides_have_the_keys_in_which_their_jobs_differ():
    assert parameters.of_jobs([job("a", isl=1), job("b", isl=2)]) == [{"benchmark.isl": 1}, {"benchmark.isl": 2}]
    assert parameters.of_jobs([job("a"), job("b", osl=[1, 2])]) == [{"benchmark.osl": None}, {"benchmark.osl": [1, 2]}]


def test_a_sweep_in_overrides_has_both():
    jobs = [job(f"{isl}{n}", {"n": n}, isl=isl) for isl in (1, 2) for n in (3, 4)]
    assert parameters.of_jobs(jobs)[2] == {"n": 3, "benchmark.isl": 2}
    assert parameters.names(parameters.of_jobs(jobs)) == ["n", "benchmark.isl"]


def test_lists_of_points_and_names_are_no_parameters():
    assert parameters.of_jobs([job("a", concurrencies=[1]), job("b", concurrencies=[2])]) == [{}, {}]
