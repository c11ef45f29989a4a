# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Older forms land in today's place, with a note that names it."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.job.older_forms import MOVED, REPLACED, modernise
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml


def modern(text):
    """Return (job, source, notes) of YAML *text*."""
    return modernise(*parse_yaml(text, "j.yaml"), JOB)


@pytest.mark.parametrize(
    "text, path, value, note",
    [
        ("enable_multiple_frontends: false", "frontend.enable_multiple_frontends", False, None),
        ("backend: {enable_multiple_frontends: false}", "frontend.enable_multiple_frontends", False, None),
        ("backend: {num_additional_frontends: 3}", "frontend.num_additional_frontends", 3, None),
        ("backend: {gpu_type: gb200}", "resources.gpu_type", "gb200", None),
        ("backend: {use_sglang_router: true}", "frontend.type", "sglang", "frontend.type: sglang"),
        ("backend: {use_sglang_router: false}", "frontend.type", None, "frontend.type, which defaults to dynamo"),
        ("profiling: {isl: 7}", "benchmark.isl", 7, None),
        ("profiling: {osl: 7}", "benchmark.osl", 7, None),
        ("profiling: {concurrency: 24}", "benchmark.concurrencies", [24], None),
        ("profiling: {start_step: 0}", "profiling.decode.start_step", 0, "profiling.prefill.start_step and"),
        ("resources: {agg_nodes: 1}\nprofiling: {stop_step: 5}", "profiling.aggregated.stop_step", 5, None),
        ("resources: {agg_workers: 0}\nprofiling: {stop_step: 5}", "profiling.decode.stop_step", 5, None),
        ("resources: {agg_nodes: 0}\nprofiling: {stop_step: 5}", "profiling.decode.stop_step", 5, None),
        ("resources: {gpus-per-node: 8}", "resources.gpus_per_node", 8, None),
        ("health-check: {max-attempts: 8}", "health_check.max_attempts", 8, "now written health_check"),
        ("benchmark: {type: gsm8k-bench}", "benchmark.type", "gsm8k", "is now called gsm8k"),
        ("benchmark: {sweep: {mode: grid}}", "benchmark.sweep", None, "at the top level"),
        ("lock: {version: 2}", "lock", None, "ignored"),
    ],
)
def test_today(text, path, value, note):
    job, source, notes = modern(text)
    found = job
    for key in path.split("."):
        found = (found or {}).get(key)
    assert found == value
    assert any((note or path) in one and one.startswith("j.yaml:") for one in notes), notes
    if value is not None:
        line = len(text.splitlines())
        assert source.where(tuple(path.split("."))) == ("j.yaml", line)


def test_todays_key_wins():
    job, _source, notes = modern("backend: {num_additional_frontends: 3}\nfrontend: {num_additional_frontends: 1}\n")
    assert job["frontend"]["num_additional_frontends"] == 1 and "takes precedence" in notes[0]


def test_a_profile_of_old_becomes_a_load_that_is_marked():
    text = (
        "profiling: {type: torch, isl: 16, osl: 8, concurrency: 2, start_step: 0, stop_step: 9}\n"
        "benchmark: {type: manual}\n"
    )
    job = {**jobs.raw(backend={"type": "sglang"}), **modern(text)[0]}
    plan = jobs.plan_of(jobs.spec_of(job))
    (point,) = plan["benchmark"]["points"]
    assert point["key"]["concurrency"] == 2 and plan["benchmark"]["profiling"]["type"] == "torch"


def test_free_tables_keep_their_spelling():
    text = "backend: {type: sglang, sglang_config: {prefill: {mem_fraction_static: 1, tp-size: 2}}}\n"
    job, _source, notes = modern(text)
    assert job["backend"]["sglang_config"]["prefill"] == {"mem_fraction_static": 1, "tp-size": 2} and not notes


def test_problems_show_the_line_of_the_older_key():
    text = "backend:\n  type: mocker\n  num_additional_frontends: many\n"
    job, source = parse_yaml(text, "j.yaml")
    with pytest.raises(SpecError, match="j.yaml:3: frontend.num_additional_frontends"):
        jobs.spec_of({**jobs.raw(), **job}, source)


@pytest.mark.parametrize("value", [None, 3, "x", [], [1], True])
def test_nonsense_passes_through(value):
    for text in ("backend", "profiling", "benchmark", "resources", "frontend", "lock"):
        modernise({text: value, "enable_multiple_frontends": True}, parse_yaml("{}", "j.yaml")[1], JOB)


@pytest.mark.parametrize("path, new", [*MOVED, *REPLACED.items()], ids=lambda one: ".".join(one) if one else "gone")
def test_every_older_key_that_is_listed_gets_a_note(path, new):
    value = {} if path in (("lock",), ("cluster",)) else {"a": 1} if path[-1] == "sweep" else 3
    for key in reversed(path):
        value = {key: value}
    _job, _source, notes = modernise(value, parse_yaml("{}", "j.yaml")[1], JOB)
    assert any(note.startswith(".".join(path)) for note in notes), notes


OLD_CLUSTER = """\
cluster:
  account: me
  partition: batch
  network_interface: ib0
  gpus_per_node: 4
  default_time_limit: "4:00:00"
  default_container: latest
containers: {latest: /c/latest.sqsh}
model-paths: {m: /models/m}
"""


def test_the_nested_cluster_file(tmp_path):
    path = tmp_path / "srtslurm.yaml"
    path.write_text(OLD_CLUSTER)
    cluster = load_cluster(str(path))
    assert cluster.settings["default_account"] == "me" and cluster.settings["cluster"] is None
    assert len(cluster.notes) == 7 and "default_partition" in cluster.notes[1]
    job = jobs.raw(model={"path": "m"})
    for key in ("container",):
        del job["model"][key]
    del job["resources"]["gpus_per_node"]
    spec = jobs.spec_of(job, cluster=cluster)
    assert spec["slurm"] == {"account": "me", "partition": "batch", "time_limit": "4:00:00"}
    assert spec["model"]["path"] == "/models/m" and spec["model"]["container"] == "/c/latest.sqsh"
    assert spec["resources"]["gpus_per_node"] == 4 and spec["cluster"]["network_interface"] == "ib0"


def test_a_wrong_key_of_the_nested_cluster_file(tmp_path):
    path = tmp_path / "srtslurm.yaml"
    path.write_text("cluster:\n  acount: me\n  default_partiton: x\n")
    with pytest.raises(SpecError) as caught:
        load_cluster(str(path))
    assert [one["line"] for one in caught.value.problems] == [2, 3]
    assert "default_partition" in str(caught.value)
