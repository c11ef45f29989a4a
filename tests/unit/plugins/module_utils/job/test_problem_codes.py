# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each problem has a code from one table, so that nobody needs its text to know its kind."""

from __future__ import annotations

import pathlib
import re
from typing import get_args

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import CODES, Code, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import paths, reading, resolve
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml

ROOMS = pathlib.Path(paths.__file__).parents[1]
CONTAINER = {"model": {"container": "img:1"}}


def codes(error):
    """Return {path: code} of the problems of *error*."""
    return {one["path"]: one["code"] for one in error.value.problems}


def test_the_table_has_all_codes_and_each_is_used():
    assert sorted(CODES) == sorted(get_args(Code))
    source = "".join(path.read_text(encoding="utf-8") for path in ROOMS.rglob("*.py") if path.name != "failures.py")
    assert [code for code in CODES if f'"{code}"' not in source] == []


def test_the_reference_page_says_what_each_code_means():
    page = (jobs.ROOT / "docs" / "job-reference.md").read_text(encoding="utf-8")
    assert re.findall(
        r"^\| `(\w+)` \| [A-Z].*\. \|$", page.split("## Kinds of problems")[1].split("# Job")[0], re.M
    ) == [*CODES]


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        # The machinery of sections.
        ({"nmae": "x"}, "nmae", "unknown_key"),
        ({"name": None}, "", "missing"),
        ({"resources": {"gpus_per_node": "x"}}, "resources.gpus_per_node", "wrong_type"),
        ({"resources": 3}, "resources", "wrong_type"),
        ({"container_mounts": "/a:/b"}, "container_mounts", "wrong_type"),
        ({"resources": {"gpus_per_node": 0}}, "resources.gpus_per_node", "out_of_range"),
        ({"backend": {"type": "moker"}}, "backend.type", "not_a_choice"),
        ({"dynamo": {"request_plane": "pigeon"}}, "dynamo.request_plane", "not_a_choice"),
        ({"benchmark": {"concurrencies": [0]}}, "benchmark.concurrencies", "out_of_range"),
        ({"slurm": {"time_limit": "soon"}}, "slurm.time_limit", "invalid"),
        ({"frontend": {"nginx_keepalive_timeout": "long"}}, "frontend.nginx_keepalive_timeout", "invalid"),
        # Rules.
        ({"name": "a\u2028b"}, "name", "invalid"),
        ({"name": "a\x85b"}, "name", "invalid"),
        ({"slurm": {"partition": "a\u2029b"}}, "slurm.partition", "invalid"),
        ({"name": "é" * 101}, "name", "out_of_range"),
        ({"backend": {"prefill_environment": {"1A": "1"}}}, "backend.prefill_environment.1A", "invalid"),
        ({"frontend": {"env": {"": "1"}}}, "frontend.env.", "invalid"),
        ({"frontend": {"args": {"--router mode": "kv"}}}, "frontend.args.--router mode", "invalid"),
        ({"benchmark": {"aiperf_args": {"": 1}}}, "benchmark.aiperf_args.", "invalid"),
        ({"resources": dict.fromkeys(jobs.AGGREGATED)}, "resources", "missing"),
        ({"resources": {"prefill_nodes": 0}}, "resources.prefill_nodes", "missing"),
        ({"resources": {"agg_workers": 1}}, "resources", "conflict"),
        ({"resources": {"prefill_workers": 9}}, "resources.prefill_workers", "no_room"),
        ({"resources": {"decode_workers": 3, "gpus_per_decode": 4}}, "resources", "no_room"),
        ({"ports": {"nats": 8000}}, "ports", "no_room"),
        ({"benchmark": {"isl": None}}, "benchmark.isl", "missing"),
        ({"benchmark": {"dataset_name": "other"}}, "benchmark.dataset_name", "not_a_choice"),
        ({"benchmark": {"slow_down_wait_time": 5}}, "benchmark.slow_down_wait_time", "not_supported"),
        ({"sbatch_directives": {"N": 3}}, "sbatch_directives.N", "conflict"),
        # Paths.
        ({"model": {"path": "/nope"}}, "model.path", "not_found"),
        ({"model": {"path": " "}}, "model.path", "missing"),
        ({"model": {"path": "$NOT_SET_ANYWHERE/m"}}, "model.path", "unknown_name"),
        ({"model": {"stage_dir": "./m"}}, "model.stage_dir", "invalid"),
        ({**CONTAINER, "container_mounts": {"/a": "/b/{job_di}"}}, "container_mounts./a", "unknown_name"),
        ({**CONTAINER, "container_mounts": {"/a\u2028": "/b"}}, "container_mounts./a\u2028", "invalid"),
        ({**CONTAINER, "container_mounts": {"/a,b": "/c"}}, "container_mounts./a,b", "invalid"),
        ({**CONTAINER, "extra_mount": ["x"]}, "extra_mount[0]", "invalid"),
    ],
)
def test_the_code_of_a_problem_in_a_job(changes, path, code):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(check_paths="/nope" in str(changes), **changes)
    assert codes(caught)[path] == code


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("a: [1\n", "", "not_yaml"),
        ("a: !!set {b}\n", "a", "not_yaml"),
        ("a: 1\na: 2\n", "a", "duplicate"),
        ("a: 2024-13-01\n", "a", "invalid"),
        ("3\n", "", "wrong_type"),
        ("{}\n", "", "missing"),
        ("base: 3\noverride_x: {}\n", "base", "wrong_type"),
        ("base: {name: b}\n", "base", "missing"),
        ("base: {name: b}\noveride_x: {}\n", "overide_x", "unknown_key"),
        ("base: {}\nzip_override_x: {a: [1, 2], b: [1, 2, 3]}\n", "zip_override_x", "conflict"),
        ("name: s\nsweep: {}\n", "sweep", "wrong_type"),
        ("name: s\nsweep: {p: []}\n", "sweep.p", "wrong_type"),
        ("name: s\nsweep: {p: [1]}\n", "sweep.p", "unused"),
        ("name: s\na: '{p}'\nsweep: {p: [1, 1]}\n", "sweep.p", "duplicate"),
        ("name: s\na: '{p}'\nsweep: {mode: zp, parameters: {p: [1]}}\n", "sweep.mode", "not_a_choice"),
        ("a: '{lenght}'\nb: '{length}'\nsweep: {length: [1]}\n", "a", "unknown_name"),
        (f"a: '{{p}}{{q}}'\nsweep: {{p: {[*range(101)]}, q: {[*range(100)]}}}\n", "sweep", "out_of_range"),
    ],
)
def test_the_code_of_a_problem_in_a_file(text, path, code):
    with pytest.raises(SpecError) as caught:
        reading.Document(*parse_yaml(text, "job.yaml")).variants()
    assert codes(caught) == {path: code}


def test_the_code_of_a_problem_in_the_cluster_file(tmp_path):
    path = tmp_path / "srtslurm.yaml"
    path.write_text("default_acount: x\ngpus_per_node: 0\n")
    with pytest.raises(SpecError) as caught:
        load_cluster(str(path))
    assert codes(caught) == {"default_acount": "unknown_key", "gpus_per_node": "out_of_range"}


def test_the_code_of_a_value_from_a_vault():
    with pytest.raises(SpecError) as caught:
        resolve.Secrets(inline=frozenset({"hunter22"})).conceal({"name": "hunter22"})
    assert codes(caught) == {"name": "secret"}
