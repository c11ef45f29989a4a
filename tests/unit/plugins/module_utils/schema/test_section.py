# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

from ansible_collections.srt.slurm.plugins.module_utils.schema.places import known_places
from ansible_collections.srt.slurm.plugins.module_utils.schema.section import (
    TEXTS,
    Checker,
    Field,
    Section,
    Variants,
    fill,
    optional,
)
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml
from ansible_collections.srt.slurm.plugins.module_utils.schema.types import (
    Bool,
    Int,
    ListOf,
    MapOf,
    OneOf,
    Option,
    OptionalSection,
    Str,
    Time,
)

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


def test_misplaced_key_names_its_section():
    _value, problems = check("name: x\ndelay: 4\n")
    assert problems[0]["remedy"] == 'This key belongs under "engine" of type slow.'


def test_a_key_of_another_type_names_the_type():
    _value, problems = check("name: x\nengine: {delay: 4}\n")
    assert problems[0]["remedy"] == "It is a key of type slow; the type here is fast."
    _value, problems = check("name: x\nengine: {type: slow, speed: 4, delya: 1}\n")
    assert [one["remedy"] for one in problems] == [
        "It is a key of type fast; the type here is slow.",
        'Did you mean "delay"?',
    ]


def test_a_key_that_belongs_in_several_places():
    section = Section("s", {"a": Field(INNER), "b": Field(INNER), "c": Field(Section("c", {"live": Field(Int())}))})
    document, source = parse_yaml("size: 4\na: {c: 1}\nlive: 1\n", "j")
    checker = Checker(source, known_places(section))
    checker.check(section, document)
    assert {one["path"]: one["remedy"] for one in checker.problems} == {
        "size": 'This key belongs under "a" or "b".',
        "live": 'This key belongs under "a" or "b" or "c".',
        "a.c": "This key belongs at the top level.",
    }


def test_a_near_word_and_the_right_place_are_both_told():
    section = Section("s", {"images": Field(Str()), "a": Field(Section("a", {"image": Field(Str())}))})
    document, source = parse_yaml("image: x\n", "j")
    checker = Checker(source, known_places(section))
    checker.check(section, document)
    assert checker.problems[0]["remedy"] == 'Did you mean "images"? This key belongs under "a".'


def test_a_section_among_sections_is_one_of_them():
    """Its name may be a key of another place, where a number is expected."""
    role = Section("role", {"live": Field(Int())})
    fields = {"agg": Field(role), "decode": Field(OptionalSection(role))}
    section = Section(
        "s", {"faults": Field(Section("f", fields)), "ports": Field(Section("p", {"nats": Field(Int())}))}
    )
    document, source = parse_yaml("faults: {nats: {live: 1}, decod: {live: 1}, aggregated: {}}\n", "j")
    checker = Checker(source, known_places(section))
    checker.check(section, document)
    assert {one["path"]: one["remedy"] for one in checker.problems} == {
        "faults.nats": "Known keys here: agg, decode.",
        "faults.decod": 'Did you mean "decode"?',
        "faults.aggregated": 'Did you mean "agg"?',
    }
    document, source = parse_yaml("faults: {nats: 4222}\n", "j")
    checker = Checker(source, known_places(section))
    checker.check(section, document)
    assert checker.problems[0]["remedy"] == 'This key belongs under "ports".'


def test_values_that_are_not_plain():
    for value, words in (({"x"}, "a set"), (b"x", "binary data"), (datetime.date(2024, 1, 2), "a YAML date")):
        checker = Checker()
        checker.check(TOP, {"name": value})
        assert words in checker.problems[0]["problem"]
    for value in ({"x"}, {"a": [b"x"]}):
        checker = Checker()
        checker.check(Section("s", {"free": Field(MapOf())}), {"free": {"a": value}})
        assert "a job cannot hold" in checker.problems[0]["problem"]


def test_types_of_certain_keys_of_a_table():
    section = Section("s", {"table": Field(MapOf(Option(), {"time": Time(), "t": Time()}))})
    checker = Checker()
    value = checker.check(section, {"table": {"a": "", "b": False, "c": 4, "d": None, "--time": "4:00"}})
    assert not checker.problems and value["table"] == {"a": True, "b": False, "c": "4", "--time": "4:00"}
    checker.check(section, {"table": {"t": 14400, "time": "x", "a": [1], "b": {}}})
    assert [one["path"] for one in checker.problems] == ["table.t", "table.time", "table.a", "table.b"]


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
    assert "required" not in schema and not schema["additionalProperties"], "an override has only some keys"
    assert TOP.complete()["required"] == ["name"]
    assert schema["properties"]["name"]["description"] == "Name of it."
