# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Job files are rewritten into the second layout: comments and order stay, and the plans are proven equal."""

from __future__ import annotations

import pathlib
import types

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.layouts import migration
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_migrate, plan_diff

FILES = sorted(
    path
    for folder in (jobs.ROOT / "examples", jobs.GALLERY, jobs.SEEDS)
    for path in folder.glob("*.yaml")
    if not path.name.startswith("srtslurm")
)
TEXT = """\
# A job.
name: x
model: {path: /models/x, container: none}  # tiny
resources:
  # GPUs first
  gpus_per_node: 8   # eight
  prefill_nodes: 1   # one
  prefill_workers: 2
  decode_nodes: 0
  decode_workers: 2
  gpus_per_prefill: 2
  gpus_per_decode: 2

# the engine
backend:
  type: sglang  # of today
  # env of prefill
  prefill_environment:
    A: "1"  # quoted
  sglang_config:
    # for all
    prefill: {tensor-parallel-size: 2}
  kv_events_config: true
infra: {etcd_nats_dedicated_node: true, nats_max_payload_mb: 3}
benchmark: {type: manual, client_dedicated_node: true}
dynamo: {install: false, version: "1.2.3"}
"""


def run(path, check_mode=False):
    context = types.SimpleNamespace(check_mode=check_mode, diff=True)
    site = (jobs.SEEDS if path.parent == jobs.SEEDS else jobs.GALLERY) / "srtslurm.yaml"
    return job_migrate.run({"job_file": str(path), "cluster_file": str(site)}, context)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_has_a_twin_with_the_same_plans(path, monkeypatch):
    for name, value in jobs.VARIABLES.items():
        monkeypatch.setenv(name, value)
    before = path.read_text(encoding="utf-8")
    found = run(path, check_mode=True)
    assert found["changed"] and found["jobs"] and "schema: 2" in found["diff"]["after"]
    assert path.read_text(encoding="utf-8") == before, "check mode writes nothing"


def test_comments_quotes_and_order_stay(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(TEXT, encoding="utf-8")
    found = run(path)
    after = path.read_text(encoding="utf-8")
    assert found["notes"] == [] and migration.comments_lost(TEXT, after) == []
    assert [line.split(":")[0] for line in after.splitlines() if line[:1].isalpha()] == [
        *("schema", "name", "model", "resources", "engine", "roles", "services", "benchmark", "dynamo")
    ]
    assert 'A: "1" # quoted' in after and "nodes: colocate" in after and "placement: {node: dedicated}" in after
    again = run(path)
    assert not again["changed"] and "in the second layout already" in again["notes"][0]


def test_overrides_are_rewritten_on_their_own(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(
        """\
base:
  name: b
  model: {path: /models/x, container: none}
  resources: {gpus_per_node: 8, prefill_nodes: 1, prefill_workers: 1, decode_nodes: 1, decode_workers: 1}
  backend:
    type: vllm
    vllm_config: {decode: {tensor-parallel-size: 8}, aggregated: {tensor-parallel-size: 8}}
  dynamo: {install: false}
override_agg:
  resources: {prefill_nodes: null, prefill_workers: null, decode_nodes: 0, decode_workers: 0, agg_nodes: 1,
              agg_workers: 1}
override_two:
  backend: {connector: lmcache, vllm_config: {decode: {max-num-seqs: 4}}}
zip_override_z:
  resources: {decode_nodes: [2, 3], decode_workers: [2, 3]}
""",
        encoding="utf-8",
    )
    assert run(path)["jobs"] == ["b_agg", "b_two", "b_z_0", "b_z_1"]
    assert path.read_text(encoding="utf-8").startswith("schema: 2\nbase:\n")


def test_a_file_whose_plans_would_differ_is_not_changed(tmp_path, monkeypatch):
    path = tmp_path / "job.yaml"
    path.write_text(TEXT, encoding="utf-8")
    before = migration.migrated
    monkeypatch.setattr(migration, "migrated", lambda *given: (before(*given)[0].replace('A: "1"', 'A: "2"'), []))
    with pytest.raises(Error, match=r"its plans would differ\.\nx: step prefill_0: env.A: 1 -> 2"):
        run(path)
    assert path.read_text(encoding="utf-8") == TEXT


def test_the_difference_of_two_jobs(tmp_path):
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(TEXT, encoding="utf-8")
    other.write_text(
        TEXT.replace('A: "1"', 'B: "1"').replace("tensor-parallel-size: 2", "page-size: 16"), encoding="utf-8"
    )
    found = plan_diff.run({"a": str(one), "b": str(other)}, None)
    assert not found["same"]
    assert "step prefill_0: env.A: 1 -> (absent)" in found["differences"]
    assert any("--tensor-parallel-size 2 -> --page-size 16" in line for line in found["differences"])
    assert plan_diff.run({"a": str(one), "b": str(one)}, None)["same"]
    many = pathlib.Path(jobs.ROOT / "examples" / "sweep.yaml")
    with pytest.raises(Error, match="Select one"):
        plan_diff.run({"a": str(many), "b": str(one)}, None)
