# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.spec.section import (
    TEXTS,
    Checker,
    Field,
    Section,
    Variants,
    fill,
    known_places,
    optional,
)
from ansible_collections.srt.slurm.plugins.module_utils.spec.source import parse_yaml
from ansible_collections.srt.slurm.plugins.module_utils.spec.types import Bool, Int, ListOf, OneOf, Str

INNER = Section("inner", {"size": Field(Int(1), 3), "live": Field(Bool(), False)})
ENGINE = Variants(
    "type",
    "fast",
    {
        "fast": Section("fast", {"type": Field(Str(), "fast"), "speed": Field(Int(), 1)}),
        "slow": Section("slow", {"type": Field(Str(), "slow"), "delay": Field(Int(), 9)}),
    },
)
TOP = Section(
    "top",
    {
        "name": Field(Str(), required=True, doc="Name of it."),
        "inner": Field(INNER),
        "engine": Field(ENGINE),
        "extra": optional(INNER),
        "items": Field(ListOf(Int()), []),
        "env": Field(TEXTS, {}),
        "mixed": Field(OneOf(Int(), ListOf(Str())), None),
    },
)


def check(text):
    document, source = parse_yaml(text, "job.yaml")
    checker = Checker(source, known_places(TOP))
    return checker.check(TOP, document), checker.problems


def test_defaults_are_written_out():
    value, problems = check("name: x")
    assert not problems
    assert value == {
        "name": "x",
        "inner": {"size": 3, "live": False},
        "engine": {"type": "fast", "speed": 1},
        "extra": None,
        "items": [],
        "env": {},
        "mixed": None,
    }
    assert fill(TOP.fields["inner"].type) == value["inner"]


def test_defaults_are_not_shared():
    first, _problems = check("name: x")
    first["items"].append(1)
    second, _problems = check("name: x")
    assert second["items"] == []


def test_null_means_default():
    value, problems = check("name: x\ninner: null\nitems: null\nengine:")
    assert not problems
    assert value["inner"] == {"size": 3, "live": False} and value["items"] == [] and value["engine"]["speed"] == 1


def test_all_problems_at_once_with_lines():
    _value, problems = check(
        "inner:\n  sise: 3\n  live: maybe\nengine:\n  type: slwo\nitems:\n  - 1\n  - x\nenv: {A: true}\nmixed: {a: 1}\n"
    )
    found = {(problem["path"], problem["line"]) for problem in problems}
    assert found == {
        ("", None),
        ("inner.sise", 2),
        ("inner.live", 3),
        ("engine.type", 5),
        ("items[1]", 8),
        ("env.A", 9),
        ("mixed", 10),
    }
    assert all(problem["file"] == "job.yaml" for problem in problems)
    remedies = {problem["path"]: problem["remedy"] for problem in problems}
    assert "size" in remedies["inner.sise"] and "slow" in remedies["engine.type"]
    assert 'key "name"' in [problem["problem"] for problem in problems if not problem["path"]][0]


def test_misplaced_key_names_its_place():
    _value, problems = check("name: x\ndelay: 4\n")
    assert problems[0]["remedy"] == 'This key belongs under "engine".'


def test_dashes_and_case_find_the_key():
    _value, problems = check("name: x\nInner: {}\n")
    assert problems[0]["remedy"] == 'Did you mean "inner"?'


def test_wrong_kind_of_section():
    _value, problems = check("name: x\ninner: 3\nitems: 4\nenv: [1]\nextra: text\n")
    assert [problem["path"] for problem in problems] == ["inner", "extra", "items", "env"]


def test_optional_section_is_checked_in_depth():
    value, problems = check("name: x\nextra: {size: 0}\n")
    assert problems[0]["path"] == "extra.size"
    value, problems = check("name: x\nextra: {size: 5}\n")
    assert value["extra"] == {"size": 5, "live": False} and not problems


def test_schema_of_a_section():
    schema = TOP.schema()
    assert schema["required"] == ["name"] and not schema["additionalProperties"]
    assert schema["properties"]["name"]["description"] == "Name of it."
