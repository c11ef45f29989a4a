# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schemas for editors: they know the types, accept all that the check accepts, and mark what is older."""

from __future__ import annotations

import copy
import json
import random

import jobs
import jsonschema
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job import json_schema, older_forms, reading
from ansible_collections.srt.slurm.tests.unit.plugins.module_utils.job import test_mutations, test_recipes

HEAD = "name: x\nmodel: {path: /m}\nresources: {agg_nodes: 1}\n"
SEEDS = sorted((jobs.ROOT / "tests" / "data" / "seeds").glob("*.yaml"))


def validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def job():
    return validator(json_schema.job_file())


@pytest.fixture(scope="module")
def cluster():
    return validator(json_schema.cluster_file())


@pytest.mark.parametrize(
    "text",
    [
        "backend: {type: vllm, vllm_config: {}, mooncake_kv_store: {store_config: {}}}",
        "backend: {sglang_config: {}}",
        "backend: {type: vllm, gpu_type: h100, use_sglang_router: false}",
        "backend: {type: null, sglang_config: {}}",
        "backend: {type: '{which}', vllm_config: {}}\nsweep: {which: [vllm]}",
        "backend: null",
        "frontend: {type: trtllm_serve, ctx_router: {}}",
        "benchmark: {type: gsm8k, num_shots: 5}",
        "benchmark: {concurrencies: 4x8}",
        "benchmark: {concurrencies: [1, '2']}",
        "environment: {A: null, B: 1}",
        "health-check: {max-attempts: 8}",
        "telemetry: {dcgm-exporter: {container-image: x, port: 1}}",
        "infra: {etcd_nats_dedicated_node: 'Yes'}",
        "infra: {etcd_nats_dedicated_node: 1}",
        "slurm: {time_limit: '{t}'}\nsweep: {t: ['1:00']}",
        "sbatch_directives: {mem: 0, requeue: true, time: '1:00:00'}",
        "benchmark: {type: profiling}",
    ],
)
def test_accepted(job, text):
    job.validate(yaml.safe_load(HEAD + text))


@pytest.mark.parametrize(
    "text, place",
    [
        ("backend: {type: vllm, sglang_config: {}}", "backend"),
        ("backend: {type: sglang, vllm_config: {}}", "backend"),
        ("backend: {vllm_config: {}}", "backend"),
        ("backend: {type: trtllm, speedup_ratio: 1}", "backend"),
        ("backend: {type: sglang, mooncake_kv_store: {store_config: {}}}", "backend/mooncake_kv_store"),
        ("backend: {type: vlm}", "backend/type"),
        ("frontend: {type: apache}", "frontend/type"),
        ("benchmark: {type: speed}", "benchmark/type"),
        ("benchmark: {concurrencies: '4,8'}", "benchmark/concurrencies"),
        ("health-chek: {}", ""),
        ("telemetry: {dcgm_exporter: {port: 1}}", "telemetry/dcgm_exporter"),
        ("infra: {etcd_nats_dedicated_node: 2}", "infra/etcd_nats_dedicated_node"),
        ("environment: {A: true}", "environment/A"),
        ("sbatch_directives: {time: 14400}", "sbatch_directives/time"),
        ("resources: {agg_nodes: x}", "resources/agg_nodes"),
    ],
)
def test_refused(job, text, place):
    document = {**yaml.safe_load(HEAD), **yaml.safe_load(text)}
    found = {
        "/".join(map(str, jsonschema.exceptions.best_match([one]).absolute_path)) for one in job.iter_errors(document)
    }
    assert found == {place}


@pytest.mark.parametrize(
    "text, valid",
    [
        ("{}", False),
        ("[1]", False),
        ("name: null\nmodel: {path: /m}\nresources: {}", False),
        ("name: x\nmodel: {}\nresources: {}", False),
        ("job: {name: x, model: {path: /m}, resources: {}}", True),
        ("job: {name: x}", False),
        ("base: {name: x}\noverride_a: {model: {path: /m}, backend: {vllm_config: {}, connector: null}}", True),
        ("base: {name: x}\noverride_a: {resources: {agg_wrokers: 1}}", False),
        ("base: {name: x}\nzip_override_a: {resources: {agg_workers: [1, 2]}}", True),
        ("base: {name: x}\nzip_override_a: {resuorces: {agg_workers: [1, 2]}}", False),
        ("base: {name: x}\noveride_a: {}", False),
        ("base: {name: x}\noverride_: {}", False),
        ("job: {base: {name: x}, override_a: {sweep: {n: [1]}}}", True),
    ],
)
def test_forms_of_a_file(job, text, valid):
    assert job.is_valid(yaml.safe_load(text)) is valid


@pytest.mark.parametrize("path", [path for path in SEEDS if path.name != "srtslurm.yaml"], ids=lambda path: path.name)
def test_the_seeds_are_accepted(job, path):
    job.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("name", test_recipes.RECIPES)
def test_the_shapes_of_public_recipes_are_accepted(job, name):
    job.validate(yaml.safe_load(test_recipes.RECIPES[name]))


@pytest.mark.parametrize("path, new", [*older_forms.MOVED, *older_forms.REPLACED.items()], ids=str)
def test_older_keys_are_accepted_and_marked(job, path, new):
    value = None
    for key in reversed(path):
        value = {key: value}
    assert job.is_valid({**yaml.safe_load(HEAD), **value})
    schema = json_schema.job_file()["$defs"]["job"]
    for key in path:
        schema = schema["properties"][key]
    new = ".".join(new) if isinstance(new, tuple) else new
    assert schema["deprecated"] and (new or "Leave it out") in schema["deprecationMessage"]


def test_keys_that_a_type_does_not_read_are_marked():
    for section, type_, key, mine in (
        ("benchmark", "sa-bench", "num_shots", "isl"),
        ("benchmark", "gsm8k", "isl", "num_shots"),
        ("frontend", "dynamo", "ctx_router", "args"),
    ):
        marked = set()
        for branch in json_schema.job_file()["$defs"]["job"]["properties"][section]["allOf"]:
            if type_ in branch["if"]["properties"]["type"]["enum"]:
                marked |= set(branch["then"]["properties"])
        assert key in marked and mine not in marked and "type" not in marked and "env" not in marked


def test_what_the_check_accepts_the_schema_accepts(job):
    source = random.Random(3)
    originals = [reading.read_job(str(jobs.ROOT / "examples" / name))[0] for name in test_mutations.EXAMPLES]
    accepted = 0
    for _round in range(300):
        damaged = copy.deepcopy(source.choice(originals))
        test_mutations.damage(damaged, source)
        try:
            jobs.spec_of(copy.deepcopy(damaged))
        except Error:
            continue
        accepted += 1
        job.validate(json.loads(json.dumps(damaged)))
    assert accepted > 50


@pytest.mark.parametrize(
    "text, valid",
    [
        ("{}", True),
        ("cluster: c1\ngpus-per-node: 4\ndefault_health_check: {interval_seconds: 5}", True),
        ("cluster: {account: a, gpus-per-node: 4, default_container: c, name: n}\nmodel_paths: {m: /m}", True),
        ("cluster: {acount: a}", False),
        ("acount: a", False),
        ("default_mounts: [/a]", False),
        ("default_health_check: {max_attempts: 0}", False),
        ("reporting: {s3: {prefix: x}}", False),
        ("reporting: {s3: {bucket: x}}", True),
        ("default_sbatch_directives: {time: 14400}", False),
    ],
)
def test_cluster_files(cluster, text, valid):
    assert cluster.is_valid(yaml.safe_load(text)) is valid


@pytest.mark.parametrize(
    "text",
    [
        test_recipes.CLUSTER,
        test_recipes.OLDER_CLUSTER,
        *(path.read_text() for path in SEEDS if path.name == "srtslurm.yaml"),
        (jobs.ROOT / "examples" / "srtslurm.yaml").read_text(),
    ],
    ids=["recipes", "older", "seed", "example"],
)
def test_whole_cluster_files(cluster, text):
    cluster.validate(yaml.safe_load(text))
