# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""repeat_redeploy: workers and frontends start anew between repeats, once, and only when they have to."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import read_verdict, verdict_path
from ansible_collections.srt.slurm.plugins.module_utils.stages import bench_run, redeployment

SERVING = ["prefill_0", "prefill_1", "decode_0", "frontend_0"]


@pytest.fixture
def repeated(made, monkeypatch):
    """A job of two points and two repeats, each with a deployment of its own; its holder also runs etcd."""
    plan, holder = made.plan, made.holder
    plan["spec"]["benchmark"]["repeat_redeploy"] = True
    worker = plan["steps"][0]
    plan["steps"] = [
        {**worker, "name": "etcd", "tier": "head_infra", "kind": "etcd", "digest": "e"},
        *plan["steps"],
        {**worker, "name": "frontend_0", "tier": "frontend", "kind": "frontend", "digest": "f"},
    ]
    for step in plan["steps"]:
        step.update(ready=[], needs=[], srun_options={}, mounts=[], container=None, preamble=None, files=[])
        holder.put(step, state="running", started_at="2026-11-21T09:00:00.000Z")
    first = plan["benchmark"]["points"]
    for point in first:
        point["key"]["repeat"], point["label"] = 1, f"{point['label']} #1"
    again = json.loads(json.dumps(first[::-1]).replace("_gpus_16", "_gpus_16_r2").replace("#1", "#2"))
    for point in again:
        point["key"]["repeat"], point["name"] = 2, f"{point['name']}_r2"
        point["step"]["name"], point["digest"] = point["name"], f"{point['digest']}r2"
    first += again
    started = []

    def start(params, _ctx):
        for step in plan["steps"]:
            if step["tier"] == params["tier"] and holder.records[step["name"]]["state"] == "ended":
                holder.minute += 1
                holder.replace(step["name"], holder.at(0))
                started.append(step["name"])

    monkeypatch.setattr(redeployment.srun_worker, "run", start)
    made.started = started
    return made


def deployments(made):
    found = (read_verdict(str(made.run_dir / one["result"])) for one in made.plan["benchmark"]["points"])
    return [one["deployment"]["since"] if one else None for one in found]


def test_what_serves_starts_anew_once_before_the_second_repeat_and_infrastructure_stays(repeated):
    result = repeated.call()
    assert result["valid"] and [one["label"] for one in result["points"]] == ["c=4 #1", "c=16 #1", "c=16 #2", "c=4 #2"]
    assert repeated.started == SERVING
    stops = [fields["names"] for op, fields in repeated.holder.asked if op == "stop"]
    assert stops == [SERVING] and repeated.holder.records["etcd"]["attempt"] == 1
    since = deployments(repeated)
    assert since[0] == since[1] < since[2] == since[3]
    assert sum("workers and frontends start anew before c=16 #2" in line for line in repeated.lines) == 1


def test_nothing_starts_anew_without_that_wish(repeated):
    repeated.plan["spec"]["benchmark"]["repeat_redeploy"] = False
    assert repeated.call()["valid"] and repeated.started == [] and len(set(deployments(repeated))) == 1


@pytest.mark.parametrize("measured", [1, 2, 3])
def test_a_run_that_was_interrupted_goes_on_with_the_deployment_that_is_up(repeated, measured):
    points = repeated.plan["benchmark"]["points"]
    repeated.call()
    for point in points[measured:]:
        (repeated.run_dir / verdict_path(point["result"])).unlink()
        (repeated.run_dir / point["result"]).unlink()
    before, repeated.started[:] = deployments(repeated), []
    assert repeated.call()["valid"]
    since = deployments(repeated)
    assert since[:measured] == before[:measured] and since[2] == since[3]
    # A repeat of which nothing is left has measured nothing: the deployment is as good as new for the second one.
    assert repeated.started == (SERVING if measured == 1 else [])
    assert len(set(since)) == (3 if measured == 1 else 2)


def test_a_deployment_of_which_one_part_is_older_is_replaced(repeated):
    """A controller that was killed in a restart leaves a service that the next run completes: a part of it is old."""
    points = repeated.plan["benchmark"]["points"]
    repeated.call(concurrencies=[4])
    for point in points:
        if point["key"]["repeat"] == 2:
            for path in (point["result"], verdict_path(point["result"])):
                (repeated.run_dir / path).unlink(missing_ok=True)
    repeated.started.clear()
    holder = repeated.holder
    for name in SERVING[1:]:
        holder.change(name, state="ended", expected=True, ended_at=holder.at(50))
        holder.minute += 1
        holder.replace(name, holder.at(0))
    old = json.loads((repeated.run_dir / verdict_path(points[0]["result"])).read_text())["deployment"]
    holder.change("prefill_0", started_at=old["since"])
    assert repeated.call()["valid"] and repeated.started == SERVING


def test_a_repeat_of_the_deployment_of_another_one_is_measured_again(repeated):
    spec = repeated.plan["spec"]["benchmark"]
    spec["repeat_redeploy"] = False
    repeated.call()
    spec["repeat_redeploy"] = True
    result = repeated.call()
    assert [one["action"] for one in result["points"]] == ["kept", "kept", "measured", "measured"]
    assert result["valid"] and repeated.started == SERVING
    assert [one["action"] for one in repeated.call()["points"]] == ["kept"] * 4


def test_check_mode_says_before_which_points_and_asks_nobody(repeated):
    repeated.call(check=True)
    words = [line for line in repeated.lines if "anew" in line]
    assert words == ["workers and frontends would start anew before c=16 #2"] and repeated.holder.asked == []
    repeated.call(concurrencies=[4])
    repeated.lines.clear()
    repeated.call(check=True)
    # c=4 #2 was the last one that was measured, so c=16 #1 needs another deployment, and so does c=16 #2.
    assert [line for line in repeated.lines if "anew" in line] == [
        "workers and frontends would start anew before c=16 #1",
        "workers and frontends would start anew before c=16 #2",
    ]


def test_a_measurement_that_goes_on_is_not_disturbed(repeated):
    holder, point = repeated.holder, repeated.plan["benchmark"]["points"][0]
    repeated.call(concurrencies=[4])
    (repeated.run_dir / verdict_path(point["result"])).unlink()
    (repeated.run_dir / point["result"]).unlink()
    repeated.started.clear()
    holder.minute += 1
    holder.put(point["step"], started_at=holder.at(0))
    result = repeated.call(concurrencies=[4])
    assert [one["action"] for one in result["points"]][0] == "attached"


def test_a_service_that_does_not_come_up_ends_the_run_with_what_was_measured(repeated, monkeypatch):
    def fail(_params, _ctx):
        raise bench_run.Error("Step decode_0 on node0003 ended while it was starting.")

    monkeypatch.setattr(redeployment.srun_worker, "run", fail)
    with pytest.raises(bench_run.Error, match="decode_0 on node0003 ended") as caught:
        repeated.call()
    assert [one["action"] for one in caught.value.evidence["points"]] == ["measured", "measured"] + ["not_measured"] * 2
