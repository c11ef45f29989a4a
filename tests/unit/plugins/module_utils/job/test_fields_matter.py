# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every field of a job and of the cluster file does something.

Each is set to other values than its default, in jobs that have its section, until the allocation request, the plan,
the metadata, a note or a refusal changes. What changes nothing there is in a list, with the place where it is seen.
"""

from __future__ import annotations

import copy
import json

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import reading, resolve
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import CLUSTER, load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.job.common_fields import STORAGE
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB
from ansible_collections.srt.slurm.plugins.module_utils.schema.section import Checker
from job_fields import at, changed, leaves, values

COLOCATED = {"gpus_per_node": 8, "prefill_nodes": 1, "decode_nodes": 1, "prefill_workers": 1, "decode_workers": 1}
TORCH = {
    "profiling.type": "torch",
    "profiling.prefill": {"start_step": 1, "stop_step": 9},
    "profiling.decode": {"start_step": 1, "stop_step": 9},
}
VLLM = {"backend.type": "vllm"}
SEARCH = {
    "benchmark.concurrencies": None,
    "benchmark.search": {"from": 2, "to": 200, "objectives": {"p99_ttft_ms": 9}},
}
TRACE = {"benchmark.dataset_name": "trace", "benchmark.dataset_path": "/trace.jsonl"}
# What only matters beside another setting: path -> what is set with it.
WITH = {
    "health_check.fatal_log_markers": VLLM,
    "frontend.nginx_session_affinity_header": {"frontend.nginx_session_affinity": True},
    "benchmark.colocate_with_frontend": {"benchmark.client_dedicated_node": True, "frontend.dedicated_node": True},
    "benchmark.dataset_path": {"benchmark.dataset_name": "custom"},
    "benchmark.trace_times": TRACE,
    "benchmark.trace_block_size": TRACE,
    "benchmark.trace_speedup": {**TRACE, "benchmark.trace_times": True},
    "benchmark.burstiness": {"benchmark.req_rate": 4},
    **{
        f"profiling.{mode}.{key}_step": TORCH
        for mode in ("prefill", "decode", "aggregated")
        for key in ("start", "stop")
    },
    **{f"benchmark.search.{key}": SEARCH for key in ("over", "from", "to", "objectives", "resolution", "replicates")},
    "benchmark.repeat_order": {"benchmark.repeats": 3},
    "benchmark.repeat_redeploy": {"benchmark.repeats": 3},
    "benchmark.repeat_seed": {"benchmark.repeats": 3, "benchmark.repeat_order": "shuffled"},
    **{f"ports.{key}": VLLM for key in ("nixl", "vllm")},
    **{f"reporting.s3.{key}": {"reporting.s3.bucket": "b"} for key in STORAGE.fields if key != "bucket"},
    "telemetry.cpu_power.enabled": {
        "telemetry.enabled": True,
        "telemetry.dcgm_exporter": {"container_image": "none", "port": 9401, "command": "exporter"},
    },
    "observability.enable_otel": {"observability.otel_endpoint": "http://collector:4317"},
    "backend.allow_prefill_decode_colocation": {
        "resources": {**COLOCATED, "gpus_per_prefill": 4, "gpus_per_decode": 4}
    },
    "backend.allow_prefill_decode_colocation_across_nodes": {
        "resources": {
            **COLOCATED,
            "gpus_per_prefill": 4,
            "gpus_per_decode": 4,
            "prefill_nodes": 2,
            "prefill_workers": 3,
        },
        "backend.allow_prefill_decode_colocation": True,
    },
}
# Sections of what this version cannot do yet, and the setting that a run refuses, or that gets the note for them all.
SWITCHED = {
    "telemetry": "telemetry.enabled",
    "observability.tachometer": "observability.tachometer.enabled",
}


def outcome(job, cluster):
    """Return what a person, Slurm or the steps see of *job*, as text; its refusal if it is refused."""
    try:
        found = jobs.resolved(copy.deepcopy(job), cluster=cluster)
        made, plan = resolve.describe(found), jobs.plan_of(found.spec)
    except SpecError as error:
        return f"refused: {error}"
    shown = {key: made[key] for key in ("name", "allocation", "metadata", "output_dir")}
    shown["reporting"] = found.spec.get("reporting")  # for the room publishing
    return json.dumps([found.notes, shown, {key: value for key, value in plan.items() if key != "spec"}])


def examples():
    """Return [(raw job, cluster)] of all examples that are not refused, the plain test job first."""
    found = [(jobs.raw(), load_cluster(None))]
    for path in jobs.EXAMPLES:
        job, _source = reading.read_job(str(path))
        site = (jobs.SEEDS if path.parent == jobs.SEEDS else jobs.GALLERY) / "srtslurm.yaml"
        found.append((job, load_cluster(str(site))))
    return [(job, cluster, before) for job, cluster in found if not (before := outcome(job, cluster)).startswith("ref")]


@pytest.fixture(scope="module")
def bases():
    return examples()


def bases_with(bases, chosen, more):
    """Yield (job, cluster, outcome) with the words *chosen* and the settings *more*."""
    there = [one for one in bases if all(str(at(one[0], path)) == word for path, word in chosen.items())]
    if there and not more:
        yield from there
        return
    job, cluster, _before = (there or bases)[0]
    for path, value in [
        *({} if there else chosen).items(),
        *((tuple(key.split(".")), one) for key, one in more.items()),
    ]:
        job = changed(job, path, value)
    yield job, cluster, outcome(job, cluster)


def effect(bases, path, field, chosen):
    """Return what a value of the field changes in one of the jobs, None if nothing changes anything."""
    candidates = values(field.type, field.default)
    if path in chosen:  # the selector of the variants itself
        candidates, chosen = list(JOB.fields[path[0]].type.sections), {}
    tried = list(bases_with(bases, chosen, WITH.get(".".join(path), {})))
    for value in candidates:
        for job, cluster, before in tried:
            other = changed(job, path, value)
            checker = Checker()
            checker.check(JOB, copy.deepcopy(other))
            if checker.problems:  # no value of the type; what is refused below is refused for what it means
                continue
            after = outcome(other, cluster)
            if after != before:
                return after
    return None


def is_switched(name):
    """Return whether the field *name* belongs to a section that this version cannot act on yet."""
    return any(name.startswith(f"{section}.") and name != switch for section, switch in SWITCHED.items())


FIELDS = {
    ".".join(path) + "".join(f" ({word})" for word in chosen.values()): (path, field, chosen)
    for path, field, chosen in leaves(JOB)
}


@pytest.mark.parametrize("name", [name for name in FIELDS if not is_switched(name)])
def test_a_field_of_a_job_does_something(bases, name):
    path, field, chosen = FIELDS[name]
    seen = effect(bases, path, field, chosen)
    assert seen is not None or field.doc.endswith("Accepted for old files; has no effect.")


def test_the_switches_are_fields():
    assert set(SWITCHED.values()) <= set(FIELDS)


# Fields of the cluster file that no job sees: it is only in config.yaml of the run directory, and sync.yml reads it.
RECORDED = ("cluster", "cloud")
# Jobs that leave to the cluster file what it can give.
OPEN = (
    jobs.raw(model={"container": None}, resources={"gpus_per_node": None, "gpu_type": None}),
    jobs.raw(model={"path": "odd_key", "container": "odd_key"}),
    jobs.raw(backend={"type": "sglang"}),
)


@pytest.mark.parametrize("name", CLUSTER.fields)
def test_a_field_of_the_cluster_file_does_something(tmp_path, name):
    field, path = CLUSTER.fields[name], tmp_path / "srtslurm.yaml"
    section = getattr(field.type, "section", None)
    fields = section.fields.items() if section else ()
    candidates = [{key: value} for key, one in fields for value in values(one.type, one.default)] or values(field.type)
    before, seen = [outcome(job, load_cluster(None)) for job in OPEN], False
    for value in candidates:
        path.write_text(yaml.safe_dump({name: value}))
        try:
            cluster = load_cluster(str(path))
        except SpecError:  # no value of the type
            continue
        seen = seen or bool(cluster.notes) or [outcome(job, cluster) for job in OPEN] != before
    assert seen != (name in RECORDED)
