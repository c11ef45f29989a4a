# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which deployment measured a repeat, and that two repeats of one deployment do not pass for two."""

from __future__ import annotations

import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.results import deployments, document, repeats, tables, verdict
from ansible_collections.srt.slurm.plugins.module_utils.results.deployments import Measured


def span(first, since, job_id="7"):
    return {"job_id": job_id, "first": f"2026-11-21T10:{first:02d}", "since": f"2026-11-21T10:{since:02d}"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(span(1, 2), span(1, 2), True), (span(1, 2), span(3, 4), False), (span(1, 2), span(1, 4), True),  # one part is new
     (span(1, 2), span(2, 3), True), (span(1, 2), span(1, 2, "8"), False), (span(1, 9), span(3, 4), True)],
)  # fmt: skip
def test_deployments_are_the_same_if_they_may_have_a_step_in_common(one, other, same):
    assert deployments.overlap(one, other) is deployments.overlap(one=other, other=one) is same


def test_a_deployment_counts_for_the_first_repeat_that_it_measured():
    points = [
        Measured("a #1", 1, span(1, 2)), Measured("b #1", 1, span(1, 2)), Measured("b #2", 2, span(3, 4)),
        Measured("a #2", 2, span(2, 2)), Measured("a #3", 3, None), Measured("once", None, span(1, 2)),
        Measured("b #3", 3, span(4, 5)), Measured("a #4", 4, span(3, 4, "8")),
    ]  # fmt: skip
    assert deployments.shared(points) == {"a #2": "a #1", "b #3": "b #2"}


def test_what_a_verdict_of_an_earlier_version_may_have_been_measured_by():
    old = {"ended_at": "2026-11-21T10:02", "origin": None}
    assert deployments.overlap(deployments.of_verdict(old, "7"), span(1, 1))
    assert not deployments.overlap(deployments.of_verdict(old, "7"), span(3, 3))
    assert deployments.of_verdict({**old, "origin": {"job_id": "5"}}, "7") is None


@pytest.fixture
def measured(tmp_path):
    """A run of two repeats of two points; returns a function from their deployments to the rollup."""

    def build(*spans, redeploy=True):
        plan = run_results.make_plan(tmp_path, concurrencies=())
        plan["spec"]["benchmark"]["repeat_redeploy"] = redeploy
        for repeat, levels in ((1, (4, 8)), (2, (8, 4))):
            for level in levels:
                point = run_results.point(level, f"r{repeat}-")
                point.update(label=f"c={level} #{repeat}", name=f"{point['name']}_r{repeat}")
                point["key"]["repeat"], point["result"] = repeat, point["result"].replace(".json", f"_r{repeat}.json")
                plan["benchmark"]["points"].append(point)
        for point, one in zip(plan["benchmark"]["points"], spans):
            path = run_results.write_point(tmp_path, point, run_results.raw_result(point["key"]["concurrency"]))
            found = verdict.read_verdict(str(path))
            verdict.write_verdict(str(path), {**found, "deployment": one} if one else found)
        return document.build({**plan, "steps": []}, "now")

    return build


def test_each_point_says_its_deployment_and_the_means_say_of_how_many_they_are(measured):
    rollup = measured(span(1, 2), span(1, 2), span(3, 4), span(3, 4))
    assert rollup["valid"] and [one["deployment"]["since"][-2:] for one in rollup["results"]] == [
        "02",
        "02",
        "04",
        "04",
    ]
    assert [(one["valid"], one["deployments"]) for one in rollup["repeats"]] == [(2, 2), (2, 2)]
    assert "c=4: 2 of 2 valid by 2 deployments, " in tables.table_text(rollup)
    assert tables.csv_text(rollup).splitlines()[1].endswith("job 7 since 2026-11-21T10:02")


def test_repeats_of_one_deployment_are_not_valid_where_each_was_to_have_its_own(measured):
    rollup = measured(span(1, 2), span(1, 2), span(3, 4), span(2, 4))
    assert not rollup["valid"] and [one["valid"] for one in rollup["results"]] == [True, True, True, False]
    (reason,) = rollup["invalid_reasons"]
    assert reason == "c=4 #2: was measured by the same deployment as c=4 #1, in spite of repeat_redeploy"
    assert [(one["valid"], one["deployments"]) for one in rollup["repeats"]] == [(1, 1), (2, 2)]


def test_repeats_without_that_wish_are_valid_and_show_that_there_was_one_deployment(measured):
    rollup = measured(*[span(1, 2)] * 4, redeploy=False)
    assert rollup["valid"] and [one["deployments"] for one in rollup["repeats"]] == [1, 1]
    assert "deployments" not in tables.table_text(rollup) and "deployment" not in tables.csv_text(rollup)


@pytest.mark.parametrize("wrong", [5, "job 7", {}, {"job_id": 7, "first": "a", "since": "b"}, []])
def test_a_verdict_whose_deployment_is_none_is_no_verdict(tmp_path, wrong):
    point = run_results.point()
    path = run_results.write_point(tmp_path, point, run_results.raw_result())
    found = verdict.read_verdict(str(path))
    verdict.write_verdict(str(path), {**found, "deployment": wrong})
    assert verdict.read_verdict(str(path)) is None and repeats.summary([], BENCHMARKS["sa-bench"]) == []
