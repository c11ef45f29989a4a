# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Job files in the second layout: recognised, read into the same spec as the first, and refused in their own words."""

from __future__ import annotations

import copy

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.frontends import FRONTENDS
from ansible_collections.srt.slurm.plugins.module_utils.job import reading
from ansible_collections.srt.slurm.plugins.module_utils.job.layouts import places, unbuilt
from ansible_collections.srt.slurm.plugins.module_utils.job.layouts.schema import JOB2
from ansible_collections.srt.slurm.plugins.module_utils.job.layouts.services import READERS
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB
from ansible_collections.srt.slurm.plugins.module_utils.plan import differences
from ansible_collections.srt.slurm.plugins.module_utils.schema.merge import deep_merge
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml
from job_fields import leaves

FIRST = """\
name: shop
model: {path: /models/shop-8b, container: acme/sgl:1, precision: fp8}
resources: {gpu_type: h100, gpus_per_node: 8, prefill_nodes: 1, prefill_workers: 2, decode_nodes: 1, decode_workers: 1,
            gpus_per_prefill: 4}
backend:
  type: sglang
  prefill_environment: {LOG_TAG: p}
  sglang_config:
    prefill: {tp-size: 4, disaggregation-mode: prefill}
    decode: {tp-size: 8, disaggregation-mode: decode}
  kv_events_config: {prefill: true}
frontend: {type: sglang, enable_multiple_frontends: false, orchestrator_placement: first_decode}
infra: {etcd_nats_dedicated_node: false}
dynamo: {install: false}
telemetry: {default_frequency: 0.5}
benchmark: {type: sa-bench, isl: 1024, osl: 1024, concurrencies: "8x16", client_placement: last_decode}
"""
SECOND = """\
schema: 2
name: shop
model: {path: /models/shop-8b, container: acme/sgl:1, precision: fp8}
resources: {gpu_type: h100, gpus_per_node: 8}
engine: sglang
roles:
  prefill:
    nodes: 1
    workers: 2
    gpus: 4
    kv_events: true
    env: {LOG_TAG: p}
    args: {tp-size: 4, disaggregation-mode: prefill}
  decode: {nodes: 1, workers: 1, gpus: 8, args: {tp-size: 8, disaggregation-mode: decode}}
frontend: {type: sglang-router, enable_multiple_frontends: false, placement: {node: first_decode}}
dynamo: {install: false}
telemetry: {collect_interval_ms: 500}
benchmark: {type: sa-bench, isl: 1024, osl: 1024, concurrencies: "8x16", placement: {node: last_decode}}
"""
AGG = {
    "schema": 2,
    "name": "agg",
    "model": {"path": "/models/m", "container": "acme/e:1"},
    "resources": {"gpus_per_node": 8},
    "engine": {"type": "vllm"},
    "roles": {"agg": {"nodes": 1, "workers": 2}},
    "dynamo": {"install": False},
    "benchmark": {"type": "manual"},
}


def resolved(text):
    (variant,) = reading.Document(*parse_yaml(text, "r.yaml")).variants()
    return jobs.resolved(*variant[1:])


def refused(job, text=None):
    """Return {path: problem and remedy} of a job that is not valid."""
    with pytest.raises(SpecError) as caught:
        resolved(text) if text else jobs.resolved(job)
    return {one["path"]: f"{one['problem']} {one['remedy'] or ''}" for one in caught.value.problems}


def changed(**changes):
    return deep_merge(copy.deepcopy(AGG), changes)


def test_both_layouts_of_a_job_have_one_plan():
    one, other = resolved(FIRST), resolved(SECOND)
    assert differences.differences(jobs.plan_of(one.spec), jobs.plan_of(other.spec)) == []
    assert other.spec["layout"] == 2 and "layout" not in one.spec


def test_what_decides_is_said():
    assert "r.yaml: read as the second layout of recipes, as its schema says." in resolved(SECOND).notes
    by_shape = resolved(SECOND.replace("schema: 2\n", ""))
    assert "because it has engine and roles" in by_shape.notes[0] and "schema: 2" in by_shape.notes[0]
    assert not any("layout" in note for note in resolved(FIRST).notes)


@pytest.mark.parametrize("word", ["true", '"2"', "2.0", "null", "[2]"])
def test_a_schema_that_is_no_whole_number(word):
    assert "expected the number 2" in refused(None, SECOND.replace("schema: 2", f"schema: {word}"))["schema"]


def test_a_schema_that_is_not_known():
    assert "is 1, which is not supported" in refused(None, SECOND.replace("schema: 2", "schema: 1"))["schema"]


def test_the_origin_of_a_value_is_its_line_in_the_file():
    origins = resolved(SECOND).origins
    assert origins["backend.sglang_config.prefill.tp-size"] == "r.yaml:13"
    assert origins["resources.prefill_workers"] == "r.yaml:9" and origins["backend.type"] == "r.yaml:5"


def test_messages_speak_the_words_of_the_file():
    text = SECOND.replace("workers: 2", "workers: none").replace("gpus: 8, args", "gpuz: 8, args")
    text = text.replace("osl: 1024", "ols: 1024").replace("node: last_decode", "node: last")
    found = refused(None, text)
    assert found.keys() >= {"roles.prefill.workers", "roles.decode.gpuz", "benchmark.ols", "benchmark.placement.node"}
    assert 'Did you mean "gpus"?' in found["roles.decode.gpuz"]
    assert not any("backend" in one or "resources.p" in one for one in [*found, *found.values()])


def test_a_rule_that_knows_the_first_layout_names_keys_of_the_second():
    found = refused(changed(roles={"agg": {"args": {"tensor-parallel-size": 16}}}))
    assert list(found) == ["roles.agg.args"] and "set roles.agg.gpus to 16" in found["roles.agg.args"]
    found = refused(changed(roles={"agg": {"workers": 9}}))
    assert list(found) == ["roles.agg.workers"] and "backend" not in str(found)
    notes = jobs.resolved(changed(roles={"agg": {"args": {"master-port": 1}}})).notes
    assert any(note.startswith("roles.agg.args") for note in notes)


@pytest.mark.parametrize(
    "changes, path, words",
    [
        ({"roles": {"agg": None}}, "roles", "does not define any workers"),
        ({"roles": {"prefill": {"nodes": 1, "workers": 1}}}, "roles", "has agg and prefill"),
        ({"roles": {"agg": None, "decode": {"nodes": 1, "workers": 1}}}, "roles", "has decode but no prefill"),
        ({"roles": {"agg": {"nodes": "colocate"}}}, "roles.agg.nodes", "only decode can be"),
        ({"roles": {"agg": {"nodes": 0}}}, "roles.agg.nodes", "Leave the role out"),
        ({"roles": {"agg": {"workers": 0}}}, "roles.agg.workers", "Leave the role out"),
        ({"roles": {"aggr": {"nodes": 1}}}, "roles.aggr", 'Did you mean "agg"?'),
        ({"roles": {"agg": {"nodes": True}}}, "roles.agg.nodes", "expected whole number"),
        ({"roles": {"agg": {"critical": "maybe"}}}, "roles.agg.critical", "expected true or false"),
        ({"engine": None}, "engine", "is missing"),
        ({"roles": {"agg": {"engine": "vllm"}}}, "roles.agg.engine", "is set, and engine too"),
        ({"engine": {"type": "vlm"}}, "engine.type", "Did you mean vllm?"),
        ({"dynamo": {"source": {"pypi": "1", "rev": "abc1234"}}}, "dynamo.source", "has pypi and rev"),
        ({"dynamo": {"source": {"rev": "main"}}}, "dynamo.source.rev", "another commit tomorrow"),
        ({"dynamo": {"source": {"git": "https://x"}}}, "dynamo.source.git", "needs dynamo.source.rev"),
        ({"roles": {"agg": {"restart": {"max_restarts": 2}}}}, "roles.agg.restart.policy", "is missing"),
        ({"services": [{"name": "e", "type": "etcd", "placement": {"node": "dedicated"}}]},
         "services[0].placement.node", "Declare both services"),
        ({"services": [{"name": "n", "type": "nats"}, {"name": "n", "type": "etcd"}]},
         "services[1].name", "the name of services[0] too"),
        ({"services": [{"name": "n", "type": "nats", "options": {"max_payload": 1}}]},
         "services[0].options.max_payload", "not a known option"),
        ({"services": [{"name": "n", "type": "nats", "comand": ["x"]}]}, "services[0].comand", 'mean "command"'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_the_words_of_the_file(changes, path, words):
    found = refused(changed(**changes))
    assert path in found and words in found[path], found


def test_keys_of_both_layouts_are_named_at_once():
    job = changed(
        resources={"agg_nodes": 1}, backend={"type": "vllm"}, dynamo={"version": "1", "source": {"wheel": "2"}}
    )
    (found,) = refused(job).items()
    assert found[0] == "backend" and "Write what the brackets say" in found[1]
    for words in ("backend (engine and roles)", "resources.agg_nodes (roles.agg.nodes)", "dynamo.source.pypi"):
        assert words in found[1]


def test_relics_of_the_form_between_the_layouts_are_read_with_notes():
    job = changed(
        engine=None,
        backend={"type": "sglang"},
        infra={"placement": {"node": "dedicated"}, "nats_max_payload_mb": 4},
        benchmark={"client_placement": "head", "use_chat_template": True, "type": "custom", "command": "true"},
        dynamo={"version": "1.2.3"},
    )
    found = jobs.resolved(job)
    assert found.spec["backend"]["type"] == "sglang" and found.spec["dynamo"]["version"] == "1.2.3"
    assert found.spec["infra"] == {"etcd_nats_dedicated_node": True, "nats_max_payload_mb": 4}
    for words in (
        "backend.type is the older form of engine.type",
        "benchmark.client_placement is the older form of benchmark.placement.node",
        "dynamo.version is the older form of dynamo.source.pypi",
        "infra is the older form of the services etcd and nats",
    ):
        assert any(words in note for note in found.notes), (words, found.notes)


def test_zero_decode_nodes_are_the_older_form_of_colocate():
    roles = {"prefill": {"nodes": 1, "workers": 1, "gpus": 4}, "decode": {"nodes": 0, "workers": 1, "gpus": 4}}
    found = jobs.resolved(changed(engine={"type": "sglang"}, roles={"agg": None, **roles}))
    assert found.spec["resources"]["decode_nodes"] == 0
    assert any("roles.decode.nodes is 0, the older form of colocate" in note for note in found.notes)
    roles["decode"] = {"nodes": "colocate", "workers": 1}
    found = refused(changed(engine={"type": "sglang"}, roles={"agg": None, **roles}))
    assert "Set gpus of prefill and decode" in found["roles.decode.nodes"]


def test_the_word_sglang_is_never_guessed():
    router = {"frontend": {"type": "sglang"}, "engine": {"type": "sglang"}}
    assert "is not built yet" in refused(changed(**router))["frontend.type"]
    assert "has no schema" in refused(changed(schema=None, **router))["frontend.type"].replace("this file ", "")
    old = changed(engine=None, backend={"type": "sglang"}, frontend={"type": "sglang"})
    assert "keys of older layouts" in refused(old)["frontend.type"]
    assert jobs.spec_of(changed(frontend={"type": "sglang-router"}, engine={"type": "sglang"}))["frontend"]["type"]


def test_the_first_layout_reads_newer_features():
    job = jobs.raw(backend={"type": "sglang"}, frontend={"type": "sglang-router"}, resources={"decode_critical": False})
    job["services"] = [{"name": "nats", "type": "nats", "options": {"max_payload_mb": 7}}]
    found = jobs.resolved(job)
    assert found.spec["frontend"]["type"] == "sglang" and found.spec["infra"]["nats_max_payload_mb"] == 7
    assert found.spec["faults"]["decode"]["critical"] is False
    assert any("first layout of recipes, with newer features" in note for note in found.notes)
    assert "frontend.type" in refused(jobs.raw(frontend={"type": "vllm-router"}))
    own = {"name": "x", "command": ["true"], "container": "img"}
    spec = jobs.spec_of({**jobs.raw(), "services": [{"name": "etcd", "type": "etcd"}, own]})
    assert [one["name"] for one in spec["services"]] == ["x"]
    assert "services[0].type" in refused({**jobs.raw(), "services": [{"name": "x", "type": "ray"}]})


def within(path, value):
    """Return a mapping with *value* at *path*."""
    for key in reversed(path):
        value = {key: value}
    return value


REFUSED = [
    *(({"engine": {"type": word}}, "engine.type") for word in unbuilt.ENGINES),
    *(({"frontend": {"type": word}}, "frontend.type") for word in [*unbuilt.FRONTENDS, *unbuilt.FORK_FRONTENDS]),
    *(({"benchmark": {"type": word}}, "benchmark.type") for word in unbuilt.BENCHMARKS),
    *(({"services": [{"name": "x", "type": word}]}, "services[0].type") for word in unbuilt.SERVICES),
    ({"roles": {"agg": {"sidecar": True}}}, "roles.agg.sidecar"),
    *((within(path, "x"), ".".join(path)) for path in [*unbuilt.KEYS, *unbuilt.FORKS] if path[0] != "backend"),
]


@pytest.mark.parametrize("changes, path", REFUSED)
def test_what_is_not_built_is_refused_by_name(changes, path):
    found = refused(changed(**changes))
    assert path in found and ("not built yet" in found[path] or "fork" in found[path])


def test_what_says_nothing_is_not_refused():
    job = changed(host_setup={"commands": []}, post_eval={}, frontend={"numa_bind": False}, engine={"failover": None})
    assert jobs.spec_of(job)["layout"] == 2


def test_the_readiness_of_etcd_and_nats_is_noted():
    entry = {"name": "etcd", "type": "etcd", "readiness": {"port": 2379, "timeout_seconds": 1200}}
    notes = jobs.resolved(changed(services=[entry])).notes
    assert any(note.startswith("services[0].readiness: etcd has a check of its own") for note in notes)


def test_a_mooncake_store_is_a_service():
    store = {"metadata_server": "P2PHANDSHAKE"}
    entry = {
        "name": "m",
        "type": "mooncake-master",
        "args": ["--eviction_ratio=0.1"],
        "options": {"store_config": store},
    }
    spec = jobs.spec_of(changed(services=[entry]))
    assert spec["backend"]["mooncake_kv_store"]["store_config"] == store
    plan = jobs.plan_of(spec)
    assert "--eviction_ratio=0.1" in jobs.step(plan, "mooncake")["argv"]
    entry["env"] = {"A": "1"}
    assert "for the master alone" in refused(changed(services=[entry]))["services[0].env.A"]
    assert jobs.spec_of(changed(services=[entry], roles={"agg": {"env": {"A": "1"}}}))


def test_roles_have_images_srun_options_and_policies_of_their_own():
    role = {"container": "acme/other:2", "srun_options": {"cpu-bind": "none", "mem": False}, "restart": "on-failure"}
    job = changed(srun_options={"cpu_bind": "cores", "mem": "0"}, roles={"agg": {**role, "critical": False}})
    plan = jobs.plan_of(jobs.spec_of(job))
    worker, frontend = jobs.step(plan, "agg_0"), jobs.step(plan, "frontend_0")
    assert worker["container"]["image"] == "acme/other:2" and frontend["container"]["image"] == "acme/e:1"
    assert worker["srun_options"] == {"cpu-bind": "none"}
    assert (worker["critical"], worker["restarts"]) == (False, 3)


def test_all_roles_may_name_the_engine():
    roles = {"prefill": {"nodes": 1, "workers": 1, "engine": "sglang"}, "decode": {"nodes": 1, "workers": 1}}
    job = changed(engine=None, roles={"agg": None, **roles})
    assert "but not for decode" in refused(job)["roles.prefill.engine"]
    job["roles"]["decode"]["engine"] = {"type": "sglang"}
    assert jobs.spec_of(job)["backend"]["type"] == "sglang"
    job["roles"]["decode"]["engine"] = {"type": "vllm"}
    assert "differs between roles (sglang and vllm)" in refused(job)["roles.prefill.engine"]


def test_dynamo_is_installed_from_its_source():
    source = {
        "rev": "v1.2",
        "sha": "a" * 40,
        "git": "https://example.org/d.git",
        "patches": {"x": {"git": "u", "rev": "r"}},
    }
    spec = jobs.spec_of(changed(dynamo={"install": True, "source": source}))
    assert spec["dynamo"]["hash"] == "a" * 40 and spec["dynamo"]["cargo_patches"] == ['x = { git = "u", rev = "r" }']
    assert "https://example.org/d.git" in jobs.step(jobs.plan_of(spec), "agg_0")["preamble"]
    assert jobs.spec_of(changed(dynamo={"source": {}}))["dynamo"]["version"] == "0.8.0"


def test_schema_beside_base_holds_for_all_overrides():
    text = "schema: 2\nbase:\n" + "".join(f"  {line}\n" for line in SECOND.splitlines()[1:])
    text += "override_a:\n  roles: {decode: {gpus: 4, args: {tp-size: 4}}}\noverride_b:\n  frontend:\n"
    first, second = reading.Document(*parse_yaml(text, "r.yaml")).variants()
    assert jobs.resolved(*first[1:]).spec["resources"]["gpus_per_decode"] == 4
    assert jobs.resolved(*second[1:]).spec["frontend"]["type"] == "dynamo"
    problem = "base:\n  schema: 3\n" + text.split("base:\n")[1]
    with pytest.raises(SpecError, match="is 3, and 2 beside base"):
        reading.Document(*parse_yaml("schema: 2\n" + problem, "r.yaml")).variants()


def test_a_repeated_key_hides_no_other_problem():
    text = SECOND.replace("name: shop\n", "name: shop\nname: stop\nmodel: {pat: x}\n").replace("engine: sglang\n", "")
    document = reading.Document(*parse_yaml(text, "r.yaml"))
    found = document.expand()
    assert [(one["path"], one["line"]) for one in found.problems] == [("name", 3), ("model", 5)]
    assert found.variants, "the rest is read"


def test_what_is_built_is_not_refused():
    """Who builds something removes its line among what is not built."""
    assert not unbuilt.ENGINES.keys() & BACKENDS.keys()
    assert not unbuilt.FRONTENDS.keys() & (FRONTENDS.keys() - set(places.FRONTENDS.values()))
    assert not unbuilt.BENCHMARKS.keys() & BENCHMARKS.keys() and not unbuilt.SERVICES.keys() & READERS.keys()
    known = {path for path, _field, _chosen in leaves(JOB)} | {path for path, _field, _chosen in leaves(JOB2)}
    known |= {path[:size] for path in known for size in range(1, len(path))}
    assert not known & {*unbuilt.KEYS, *unbuilt.FORKS}
