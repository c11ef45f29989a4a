# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers where text is expected keep the text that is in the file, on every way to the spec."""

from __future__ import annotations

import copy
import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import reading
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import numbers, parse_yaml
from ansible_collections.srt.slurm.plugins.module_utils.schema.spelling import bare, spelt, written

JOB = """\
name: 007
model: {path: /m, precision: 0.10}
resources: {gpus_per_node: 010, agg_nodes: 1, agg_workers: 1}
backend: {type: mocker, mocker_config: {aggregated: {x: 0.50}}}
dynamo: {install: false, hash: 01234567}
environment: {B: 010, F: 12:30:00, E: 1e3, N: -0, H: 0x1F, U: 1_000}
benchmark: {type: manual}
"""


def specs(text, cluster=None):
    variants = reading.Document(*parse_yaml(text, "j.yaml")).variants()
    return [jobs.spec_of(job, source, cluster) for _suffix, job, source in variants]


def test_a_job_file():
    (spec,) = specs(JOB)
    assert spec["name"] == "007" and spec["model"]["precision"] == "0.10" and spec["dynamo"]["hash"] == "01234567"
    wanted = {"B": "010", "F": "12:30:00", "E": "1e3", "N": "-0", "H": "0x1F", "U": "1_000"}
    assert spec["environment"] == wanted
    # Where a number is expected it is one, and a table of any values has plain ones.
    assert spec["resources"]["gpus_per_node"] == 8 and spec["backend"]["mocker_config"]["aggregated"] == {"x": 0.5}
    assert str(spec["backend"]["mocker_config"]["aggregated"]["x"]) == "0.5"
    assert '"x": 0.5' in json.dumps(spec)


def test_variants_keep_it():
    text = "base:\n" + "".join(f"  {line}\n" for line in JOB.splitlines())
    first, second = specs(text + "override_a: {environment: {B: 020}}\nzip_override_b: {environment: {B: [0.30]}}\n")
    assert first["environment"]["B"] == "020" and second["environment"]["B"] == "0.30"
    text = JOB.replace("B: 010", 'B: "{v}", C: "x{v}"') + "sweep: {v: [0.10, 0.20]}\n"
    first, second = specs(text)
    assert (first["environment"]["B"], first["environment"]["C"]) == ("0.10", "x0.10")
    # Names are made of the numbers themselves, as before.
    assert [first["name"], second["name"]] == ["007_v0.1", "007_v0.2"]


def test_the_cluster_file(tmp_path):
    (tmp_path / "srtslurm.yaml").write_text(
        "default_account: 007\ndefault_sbatch_directives: {mem: 010}\ncloud: {bucket: b, prefix: 0.10}\n"
    )
    (spec,) = specs(JOB, load_cluster(str(tmp_path / "srtslurm.yaml")))
    assert spec["slurm"]["account"] == "007" and spec["sbatch_directives"] == {"mem": "010"}


def test_an_unknown_spelling_is_an_error():
    job = jobs.raw(environment={"A": 8, "B": 0.1}, model={"precision": 0.1})
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(job)
    told = {one["path"]: f"{one['problem']} {one['remedy']}" for one in caught.value.problems}
    assert set(told) == {"environment.B", "model.precision"}
    assert 'quotes, for example "0.1"' in told["model.precision"]
    # It may be a secret.
    assert "with quotes" in told["environment.B"] and "0.1" not in told["environment.B"]


def test_written_numbers():
    one, two = written(8, "010"), written(0.5, ".50")
    assert (str(one), f"{one}", one, f"{one:03d}", str(two)) == ("010", "010", 8, "008", ".50")
    assert copy.deepcopy([one, two])[0] is one and json.dumps([one, two]) == "[8, 0.5]"
    assert (bare(one).__class__, bare(two).__class__, bare("x")) == (int, float, "x")
    assert spelt({"a": [True, 1]}, {("a", 0): "yes", ("a", 1): "01"}) == {"a": [True, 1]}


def test_numbers_of_a_text_by_their_places():
    assert numbers("a: 010\nb: [x, 0.10, &n 5, *n]\n") == {(1, 4): ("010", 8), (2, 8): ("0.10", 0.1), (2, 14): ("5", 5)}
    assert numbers("a: [") == {} and numbers("") == {} and numbers("a: 2024-13-01 \nb: 1\n") == {(2, 4): ("1", 1)}
