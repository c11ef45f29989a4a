# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about sections that nobody owns, and what a rehearsal makes of what cannot be run yet."""

from __future__ import annotations

import datetime

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import paths
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml

IMAGE = {"container_image": "dcgm:1", "port": 9401}
EXPORTER = {**IMAGE, "command": "dcgm-exporter --address :{port}"}
INSTALLED = {"model": {"container": "img:1"}}
POWER = {"enabled": True, "dcgm_exporter": EXPORTER}


def rehearse(job):
    """Return (spec, notes) of a job in a rehearsal."""
    environment = paths.Environment(jobs.VARIABLES, ["/work"], check_paths=False, rehearse=True)
    found = jobs.resolved(job, environment=environment)
    return found.spec, found.notes


def problems(**changes):
    with pytest.raises(SpecError) as caught:
        rehearse(jobs.raw(**changes))
    return {one["path"]: one["problem"] for one in caught.value.problems}


@pytest.mark.parametrize(
    "changes, path, words",
    [
        ({"name": "a\nb"}, "name", "line break"),
        ({"sbatch_directives": {"comment": "a\u2028b"}}, "sbatch_directives.comment", "line break"),
        ({"name": " "}, "name", "is empty"),
        ({"name": "n" * 201}, "name", "has 201 bytes"),
        ({"slurm": {"account": "a\n#SBATCH --uid=0"}}, "slurm.account", "line break"),
        ({"environment": {"a-b": "1"}}, "environment.a-b", "name for an environment variable"),
        ({"environment": {"A": "x\0y"}}, "environment.A", "zero byte"),
        (
            {"backend": {"type": "sglang", "mooncake_kv_store": {"container": "c", "env": {"a b": "1"}}}},
            "backend.mooncake_kv_store.env.a b",
            "environment variable",
        ),
        ({"srun_options": {"job_name": "x"}}, "srun_options.job_name", "cannot be changed"),
        ({"srun_options": {"n": 3}}, "srun_options.n", "cannot be changed"),
        ({"srun_options": {"pty": True}}, "srun_options.pty", "no terminal"),
        ({"srun_options": {"mpi": ["a"]}}, "srun_options.mpi", "is a list"),
        ({"sbatch_directives": {"array": "1-2"}}, "sbatch_directives.array", "use a sweep"),
        ({"sbatch_directives": {"N": 3}}, "sbatch_directives.N", "the plan needs 2"),
        ({"sbatch_directives": {"ntasks": 1}}, "sbatch_directives.ntasks", "need 2"),
        ({"sbatch_directives": {"gpus-per-node": 4}}, "sbatch_directives.gpus-per-node", "needs 8"),
        ({"sbatch_directives": {"nodelist": "n[1-3]"}}, "sbatch_directives.nodelist", "names 3 nodes"),
        ({"sbatch_directives": {"time": 14400}}, "sbatch_directives.time", "with quotes"),
        ({"sbatch_directives": {"time": "soon"}}, "sbatch_directives.time", "not a Slurm time"),
        ({"sbatch_directives": {"cpus-per-taks": 4}}, "sbatch_directives.cpus-per-taks", "not an option of sbatch"),
        (
            {"backend": {"mocker_config": {"prefill": {"max num seqs": 4}}}},
            "backend.mocker_config.prefill.max num seqs",
            "not a valid option name",
        ),
        (
            {"frontend": {"args": {"router-mode": "kv", "router_mode": "kv"}}},
            "frontend.args.router_mode",
            "also as router-mode",
        ),
        ({"dynamo": {"wheel": "a/b.whl"}}, "dynamo.wheel", "a version such as"),
        ({"dynamo": {"wheel": " "}}, "dynamo.wheel", "a version such as"),
        ({**INSTALLED, "dynamo": {"install": True, "version": ""}}, "dynamo.version", "is empty"),
        ({"telemetry": {"enabled": True}, "benchmark": {"type": "manual"}}, "telemetry.enabled", "has none"),
        (
            {"telemetry": {**POWER, "dcgm_exporter": IMAGE}},
            "telemetry.dcgm_exporter.container_image",
            "not run in cont",
        ),
        ({"telemetry": {**POWER, "default_frequency": 4}}, "telemetry.default_frequency", "at most 3"),
        ({"telemetry": {**POWER, "default_frequency": 0}}, "telemetry.default_frequency", "more than 0"),
        ({"telemetry": {**POWER, "request_timeout_seconds": 0}}, "telemetry.request_timeout_seconds", "more than 0"),
        ({"telemetry": {"cpu_power": {"enabled": True}}}, "telemetry.cpu_power.enabled", "needs telemetry.enabled"),
        ({"telemetry": {**POWER, "cpu_power": {"source": "acpi"}}}, "telemetry.cpu_power.source", "RAPL counters"),
        (
            {"telemetry": {**POWER, "cpu_power_exporter": {"source": "dcgm"}}},
            "telemetry.cpu_power_exporter.source",
            "RAPL counters",
        ),
        (
            {"telemetry": {**POWER, "cpu_power": {"required": True}}},
            "telemetry.cpu_power.required",
            "nothing reads the CPUs",
        ),
        (
            {"telemetry": {**POWER, "cpu_power": {"enabled": True}, "cpu_power_exporter": {"port": 9401}}},
            "telemetry.cpu_power_exporter.port",
            "has the port 9401 of telemetry.dcgm_exporter",
        ),
        ({"telemetry": {**POWER, "storage_subdir": "../x"}}, "telemetry.storage_subdir", "below the logs"),
        (
            {
                "telemetry": POWER,
                "observability": {"enabled": True, "tachometer": {"enabled": True, "node_exporter": EXPORTER}},
            },
            "observability.tachometer.node_exporter.port",
            "has the port 9401 of telemetry.dcgm_exporter",
        ),
        ({"observability": {"tachometer": {"enabled": True}}}, "observability.tachometer.enabled", "needs obs"),
        (
            {
                "observability": {"enabled": True, "tachometer": {"enabled": True, "dcgm_exporter": EXPORTER}},
                "telemetry": POWER,
            },
            "observability.tachometer.dcgm_exporter",
            "twice",
        ),
        (
            {"observability": {"enabled": True, "tachometer": {"enabled": True, "storage_subdir": "/x"}}},
            "observability.tachometer.storage_subdir",
            "below the logs",
        ),
        ({"benchmark": {"type": "custom"}}, "benchmark.command", "is missing"),
        (
            {"benchmark": {"type": "router", "prefix_ratios": "0.1 x"}},
            "benchmark.prefix_ratios",
            "no share from 0 to 1",
        ),
        (
            {"benchmark": {"type": "mooncake-router", "mooncake_workload": "x"}},
            "benchmark.mooncake_workload",
            "one of mooncake",
        ),
        ({"benchmark": {"type": "trace-replay"}}, "benchmark.trace_file", "is missing"),
        ({"benchmark": {"dataset_name": "custom"}}, "benchmark.dataset_path", "is missing"),
        ({"benchmark": {"dataset_name": "other"}}, "benchmark.dataset_name", "random, custom, trace or sessions"),
    ],
)
def test_rules(changes, path, words):
    assert words in problems(**changes)[path]


@pytest.mark.parametrize("dynamo", [{"install": False}, {"wheel": "0.8.1"}, {"hash": "abc"}, {"top_of_tree": True}])
def test_an_empty_version_that_nothing_installs_is_fine(dynamo):
    jobs.spec_of(**INSTALLED, dynamo={"install": True, "version": "", **dynamo})


@pytest.mark.parametrize(
    "changes",
    [
        {"benchmark": {"slow_down_sleep_time": 1}},
    ],
)
def test_what_cannot_be_run_yet_is_refused_but_can_be_rehearsed(changes):
    with pytest.raises(SpecError):
        jobs.spec_of(**changes)
    spec, notes = rehearse(jobs.raw(**changes))
    assert any("The plan is shown anyway" in note for note in notes)
    assert jobs.plan_of(spec)["steps"]


def test_all_problems_of_a_file_at_once():
    text = """\
name: x
model: {path: /m, container: none, precision: fp8}
resources: {gpus_per_node: 8, prefill_nodes: 1, prefill_workers: 0, decode_nodes: 1, decode_workers: 1}
backend: {type: mocker, sped_ratio: 3}
dynamo: {hash: a, wheel: b}
environment: {yes: 1, A: yes}
benchmark: {type: sa-bench, isl: 1.5}
frontend: {type: dynmo}
"""
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(*parse_yaml(text, "j.yaml"))
    found = [(one["line"], one["path"]) for one in caught.value.problems]
    assert found == [
        (3, "resources.prefill_workers"),
        (4, "backend.sped_ratio"),
        (5, "dynamo"),
        (6, "environment.A"),
        (7, "benchmark.isl"),  # that osl and concurrencies are missing is found by a rule that reads isl too
        (8, "frontend.type"),
    ]
    assert '"speedup_ratio"' in str(caught.value) and "with quotes" in str(caught.value)


def test_one_wrong_entry_of_a_table_hides_no_other():
    text = """\
environment: {A: yes, A-B: x}
sbatch_directives: {time: 1:00:00, array: 1-3, mem: 0}
srun_options: {mpi: [1], n: 4}
backend: {type: mocker, sped_ratio: 3, mocker_config: {prefill: {"a b": 1}}}
"""
    job, source = parse_yaml(text, "j.yaml")
    with pytest.raises(SpecError) as caught:
        jobs.spec_of({**jobs.raw(), **job}, source)
    assert sorted(one["path"] for one in caught.value.problems) == [
        "backend.mocker_config.prefill.a b",
        "backend.sped_ratio",
        "environment.A",
        "environment.A-B",
        "sbatch_directives.array",
        "sbatch_directives.time",
        "srun_options.mpi",
        "srun_options.n",
    ]


def test_options_without_a_value_and_options_left_out():
    spec = jobs.spec_of(
        sbatch_directives={"exclusive": "", "requeue": True, "mem": False, "qos": None, "cpus-per-task": 4},
        srun_options={"label": True, "unbuffered": False},
    )
    assert spec["sbatch_directives"] == {"exclusive": True, "requeue": True, "cpus-per-task": "4"}
    assert spec["srun_options"] == {"label": True}


def test_keys_that_yaml_takes_for_truth_values():
    text = "environment: {on: '1', NO: '2', null: '3'}\n"
    job, source = parse_yaml(text, "j.yaml")
    assert jobs.spec_of({**jobs.raw(), **job}, source)["environment"] == {"on": "1", "NO": "2", "null": "3"}
    with pytest.raises(SpecError, match="environment.True: has a key that YAML reads as true. Put it in quotes"):
        jobs.spec_of({**jobs.raw(), "environment": {True: "1"}})
    with pytest.raises(SpecError, match="YAML reads as false"):
        jobs.spec_of({**jobs.raw(), False: "1"})


def test_null_in_a_table_of_text_is_nothing():
    assert jobs.spec_of({**jobs.raw(), "environment": {"A": None, "B": "1"}})["environment"] == {"B": "1"}
    for section in ("backend", "frontend", "slurm", "dynamo", "health_check"):
        jobs.spec_of({**jobs.raw(), section: None, "benchmark": {"type": "manual"}})


def test_the_longest_name_is_no_problem():
    assert rehearse(jobs.raw(name="n" * 200))


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"environment": "HF_TOKEN=hidden"}, "environment"),
        ({"environment": 471147}, "environment"),
        ({"environment": ["HF_TOKEN=hidden"]}, "environment"),
        ({"environment": {"A": ["hidden"]}}, "environment.A"),
        ({"environment": {"A": 47.1147}}, "environment.A"),
        ({"environment": {"A": datetime.date(4711, 4, 7)}}, "environment.A"),
        ({"environment": {"HF_TOKEN=hidden": "1"}}, "environment.HF_TOKEN=..."),
        ({"frontend": {"env": "HF_TOKEN=hidden"}}, "frontend.env"),
        ({"backend": {"prefill-environment": "HF_TOKEN=hidden"}}, "backend.prefill-environment"),
        ({"backend": {"decode_environment": "HF_TOKEN=hidden"}}, "backend.decode_environment"),
    ],
)
def test_values_of_an_environment_are_in_no_message(changes, path):
    with pytest.raises(SpecError) as caught:
        rehearse(jobs.raw(**changes))
    assert [one["path"].replace("-", "_") for one in caught.value.problems] == [path.replace("-", "_")]
    assert not any(word in str(caught.value.as_result()) for word in ("hidden", "4711", "47.11"))


def test_other_values_are_reported():
    assert problems(container_mounts="/a:/b")["container_mounts"] == 'is "/a:/b"; expected a mapping.'


BARE = "model.container: not set, so workers run directly on the nodes. Write none to confirm."


@pytest.mark.parametrize("runtime, told", [("", True), ("pyxis", True), ("apptainer", True), ("none", False)])
def test_a_job_without_an_image_where_containers_run(tmp_path, runtime, told):
    (tmp_path / "cluster.yaml").write_text(f"container_runtime: {runtime}\n" if runtime else "{}")

    def notes(job):
        return jobs.resolved(job, cluster=load_cluster(str(tmp_path / "cluster.yaml"))).notes

    assert (BARE in notes(jobs.raw(model={"container": None}))) == told
    assert BARE not in notes(jobs.raw(model={"container": "none"}))
    assert BARE not in notes(jobs.raw(model={"container": "image:1"}))
    # There is a note already.
    found = notes(jobs.raw(model={"container": None}, dynamo={"install": True}))
    assert BARE not in found and any("the job does not run in a container" in note for note in found)


@pytest.mark.parametrize(
    "backend, kind, benchmark, told",
    [
        ("sglang", "torch", "manual", True),
        ("vllm", "torch", "manual", True),
        ("sglang", "nsys", "manual", True),
        ("vllm", "nsys", "manual", True),
        # It begins by itself.
        ("sglang", "nsys-time", "manual", False),
        ("trtllm", "nsys", "manual", False),
        ("sglang", "torch", "sa-bench", False),
        ("sglang", "none", "manual", False),
    ],
)
def test_profiling_that_nobody_starts(backend, kind, benchmark, told):
    profiling = {"type": kind}
    if kind in ("torch", "nsys"):
        profiling["aggregated"] = {"start_step": 1, "stop_step": 5}
    elif kind == "nsys-time":
        profiling.update(delay_secs=1, duration_secs=1)
    load = dict(jobs.JOB["benchmark"], type=benchmark) if benchmark == "sa-bench" else {"type": benchmark}
    changes = {"backend": {"type": backend}, "profiling": profiling, "resources": jobs.AGGREGATED}
    if backend == "trtllm":
        changes["backend"]["trtllm_config"] = {"aggregated": {"tensor_parallel_size": 8}}
    _spec, notes = rehearse({**jobs.raw(**changes), "benchmark": load})
    words = f"profiling: {kind} profiling starts with each point, but benchmark type manual has none: POST /"
    assert any(note.startswith(words) for note in notes) == told


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"frontend": {"args": {"api-key": "abcdefgh"}}}, "frontend.args.api-key"),
        ({"sbatch_directives": {"comment": "hf_abcdefghijklmnop"}}, "sbatch_directives.comment"),
        ({"model": {"container": "docker://me:hush@registry/x:1"}}, "model.container"),
        ({"environment": {"HF_TOKEN": "abcdefgh"}, "frontend": {"args": {"max-tokens": "5"}}}, None),
    ],
)
def test_what_looks_secret_outside_environments_is_told(changes, path):
    told = [note for note in rehearse(jobs.raw(**changes))[1] if "looks like a secret" in note]
    assert [note.partition(":")[0] for note in told] == ([path] if path else [])
    assert not [note for note in told if "abcdefgh" in note or "hush" in note]
