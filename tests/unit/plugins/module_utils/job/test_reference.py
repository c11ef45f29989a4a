# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated documents: up to date, and true for the examples."""

from __future__ import annotations

import json

import jobs
import jsonschema
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.job import reference
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB
from ansible_collections.srt.slurm.plugins.module_utils.schema.places import known_places

EXAMPLES = sorted(
    path
    for path in (jobs.ROOT / "examples").rglob("*.yaml")
    if path.name != "srtslurm.yaml" and path.parent.name != "rl"
)


@pytest.mark.parametrize("name", sorted(reference.documents()))
def test_the_document_is_not_stale(name):
    text = (jobs.ROOT / "docs" / name).read_text(encoding="utf-8")
    assert text == reference.documents()[name], "run bin/make-job-reference"


def test_the_page_names_every_key():
    page = reference.page()
    assert [key for key in known_places(JOB) if f"| `{key}` |" not in page] == []


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(reference.documents()["job.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_schema_accepts_the_examples(validator, path):
    validator.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "change", [{"nmae": "x"}, {"resources": {"gpus_per_node": "x"}}, {"frontend": {"type": "apache"}}, {"name": None}]
)
def test_the_schema_refuses_what_the_check_refuses(validator, change):
    assert validator.is_valid(jobs.raw())
    assert not validator.is_valid({**jobs.raw(), **change})
