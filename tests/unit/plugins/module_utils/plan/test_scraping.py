# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scrapers and exporters in the plan: which pages are read for which key of a job, and where their files are."""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import scraping

CONTAINER = {"model": {"container": "img:1"}}
SGLANG = {"backend": {"type": "sglang"}}
DCGM = {"container_image": "dcgm:1", "port": 9401}


def planned(**changes):
    """Return (the groups of the scraper, the plan) of the test job with *changes*."""
    plan = jobs.plan_of(jobs.spec_of(**changes))
    found = [one["content"] for one in plan["files"] if one["path"] == scraping.CONFIG]
    groups = json.loads(found[0]) if found else []
    return {group["out"].split("/")[-2]: group for group in groups}, plan


def test_nothing_is_scraped_for_an_engine_with_figures_in_its_log_unless_it_is_asked_for():
    groups, plan = planned(**SGLANG)
    assert groups == {} and "scraped" not in plan["benchmark"]
    assert not any("scraper" in (point["step"]["preamble"] or "") for point in plan["benchmark"]["points"])


@pytest.mark.parametrize(
    "changes", [{}, {**SGLANG, "observability": {"scrape_metrics": True}}, {"benchmark": {"export_node_metrics": True}}]
)
def test_pages_of_workers_and_frontends_are_read_beside_each_point(changes):
    groups, plan = planned(**changes)
    targets = groups["raw_prometheus"]["targets"]
    workers = {process["name"] for process in plan["processes"] if process["leader"]}
    assert workers <= {one["name"] for one in targets} and any(one["role"] == "frontend" for one in targets)
    assert plan["benchmark"]["scraped"]["paths"] == {"metrics": "logs/raw_prometheus/{point}.jsonl"}
    for point in plan["benchmark"]["points"]:
        text = point["step"]["preamble"]
        assert f"--point {point['name']} --parent $$" in text and text.count("scraper scrape") == 1
        assert "programs/scraper/main.py" in point["step"]["files"]


def test_the_keys_of_the_recipes_say_how_often_and_where():
    observed = {"scrape_metrics": True, "scrape_interval_seconds": 3, "scrape_output": "x.jsonl"}
    groups, _plan = planned(observability=observed)
    assert groups["x"]["interval_s"] == 3.0
    groups, _plan = planned(observability={**observed, "scrape_interval_seconds": 0.01})
    assert groups["x"]["interval_s"] == 0.5


def test_tachometer_reads_all_metrics_and_those_of_its_exporters():
    own = {"enabled": True, "default_frequency": 2, "extra_metadata": {"a": "b"}, "storage_subdir": "tacho",
           "node_exporter": {**DCGM, "command": "/opt/node_exporter --web.listen-address=:{port}"}}  # fmt: skip
    groups, plan = planned(**SGLANG, observability={"enabled": True, "tachometer": own})
    group = groups["tacho"]
    assert (group["interval_s"], group["wanted"], group["metadata"]) == (0.5, "", {"a": "b"})
    (step,) = [step for step in plan["steps"] if step["kind"] == "exporter"]
    assert step["argv"] == ["sh", "-c", "exec /opt/node_exporter --web.listen-address=:9401"]
    assert step["critical"] is False and set(step["nodes"]) == {one["node"] for one in plan["processes"]}
    urls = [one["url"] for one in group["targets"] if one["role"] == "node_exporter"]
    assert len(urls) == len(step["nodes"]) and all(url.endswith(":9401/metrics") for url in urls)


def test_power_comes_from_the_image_of_the_job_or_from_our_own_exporter():
    groups, plan = planned(**SGLANG, telemetry={"enabled": True, "default_frequency": 0.5, "required": True})
    (step,) = [step for step in plan["steps"] if step["kind"] == "exporter"]
    assert step["name"] == "power_exporter" and step["argv"][-3:] == ["power", "--port", "9405"]
    assert groups["power"]["interval_s"] == 0.5 and plan["benchmark"]["scraped"]["required"] == ["power"]
    job = jobs.raw(**SGLANG, model={"container": "img:1"}, telemetry={"enabled": True, "dcgm_exporter": DCGM})
    found = jobs.resolved(job, cluster=load_cluster(None))
    plan = jobs.plan_of(found.spec)
    (step,) = [step for step in plan["steps"] if step["kind"] == "exporter"]
    assert (step["container"]["image"], step["argv"][0], step["argv"][-1]) == ("dcgm:1", "dcgm-exporter", ":9401")
    assert plan["benchmark"]["scraped"] == {"paths": {"power": "logs/power/{point}.jsonl"}, "required": []}


def test_the_cpus_are_read_beside_the_image_of_the_job_at_a_port_of_their_own():
    cpus = {"cpu_power": {"enabled": True, "required": True}, "cpu_power_exporter": {"port": 9777}}
    job = jobs.raw(**SGLANG, model={"container": "img:1"}, telemetry={"enabled": True, "dcgm_exporter": DCGM, **cpus})
    plan = jobs.plan_of(jobs.resolved(job, cluster=load_cluster(None)).spec)
    gpus, own = [step for step in plan["steps"] if step["kind"] == "exporter"]
    assert gpus["container"]["image"] == "dcgm:1" and own["name"] == "cpu_power_exporter"
    assert own["argv"][-4:] == ["power", "--port", "9777", "--cpus-only"] and own["nodes"] == gpus["nodes"]
    (group,) = json.loads(next(one["content"] for one in plan["files"] if one["path"] == scraping.CONFIG))
    assert {one["role"] for one in group["targets"]} == {"dcgm_exporter", "cpu_power_exporter"}
    assert plan["benchmark"]["scraped"]["required"] == ["cpu_power"]
    # Without an image our own exporter reads both.
    _groups, plan = planned(**SGLANG, telemetry={"enabled": True, **cpus})
    (step,) = [step for step in plan["steps"] if step["kind"] == "exporter"]
    assert step["argv"][-3:] == ["power", "--port", "9777"]


def test_processes_have_an_exporter_of_the_job():
    own = {"enabled": True, "process_exporter": {"container_image": "proc:1", "port": 9256}}
    job = jobs.raw(**SGLANG, **CONTAINER, observability={"enabled": True, "tachometer": own})
    plan = jobs.plan_of(jobs.resolved(job, cluster=load_cluster(None)).spec)
    (step,) = [step for step in plan["steps"] if step["kind"] == "exporter"]
    assert (step["container"]["image"], step["argv"][1]) == ("proc:1", "-web.listen-address=:9256")
    (group,) = json.loads(next(one["content"] for one in plan["files"] if one["path"] == scraping.CONFIG))
    assert any(one["role"] == "process_exporter" and one["url"].endswith(":9256/metrics") for one in group["targets"])


def test_the_digest_of_a_point_does_not_change_with_what_is_scraped():
    digests = [
        [
            point["digest"]
            for point in planned(**SGLANG, observability={"scrape_metrics": one})[1]["benchmark"]["points"]
        ]
        for one in (True, False)
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("key", [{"required": True}, {"cpu_power": {"required": True}}])
def test_a_point_that_was_valid_without_readings_is_another_one_where_they_are_required(key):
    plans = [planned(**SGLANG, telemetry={"enabled": True, **more})[1] for more in ({}, key)]
    first, second = ([point["digest"] for point in plan["benchmark"]["points"]] for plan in plans)
    assert not set(first) & set(second) and plans[0]["digests"]["serving"] == plans[1]["digests"]["serving"]
