# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import dotted, load_yaml, parse_yaml

TEXT = """\
# comment
name: x
base: &base
  a: 1
list:
  - one
  - {deep: 2}
copy:
  <<: *base
  b: 3
"""


def test_lines_of_keys_and_values():
    document, source = parse_yaml(TEXT, "f.yaml")
    assert document["copy"] == {"a": 1, "b": 3}
    assert source.where(("name",)) == ("f.yaml", 2)
    assert source.where(("base",), on_key=True) == ("f.yaml", 3)
    assert source.where(("list", 1, "deep")) == ("f.yaml", 7)
    assert source.where(("list", 1, "absent")) == ("f.yaml", 7)
    assert source.where(("copy", "b")) == ("f.yaml", 10)
    assert source.where(("nothing",)) == ("f.yaml", None)
    assert source.under(("list",)).where((1, "deep")) == ("f.yaml", 7)


def test_merged_keys_have_the_line_that_they_are_written_in():
    _document, source = parse_yaml(TEXT, "f.yaml")
    assert source.where(("copy", "a")) == ("f.yaml", 4), "the line in the mapping that was merged in"
    document, source = parse_yaml("a: &a {on: 1, x: 1}\nb: {<<: [*a, {x: 2, y: 2}], y: 3}\n", "f.yaml")
    assert document["b"] == {"on": 1, "x": 1, "y": 3} and source.where(("b", "x")) == ("f.yaml", 1)


@pytest.mark.parametrize(
    "text, line, path, words",
    [
        ("a: 1\nb: !!set {x, y}", 2, "b", "the YAML tag !!set"),
        ("a: !!binary aGk=", 1, "a", "!!binary"),
        ("a: [1, !!omap [b: c]]", 1, "a[1]", "!!omap"),
        ("a: !vault |\n  $ANSIBLE_VAULT;1.1", 1, "a", "-e @FILE"),
        ("a: !!python/object:os.system {}", 1, "a", "a job cannot hold"),
        ("a: =", 1, "a", "quotes"),
        ("x: 1\na: &a {b: *a}", 2, "a.b", "contains itself"),
        ("? [a]\n: b", 1, "", "not text"),
        ("a: b\n---\nc: d", 2, "", "more than one document"),
        ("a:\n - {x: 2024-13-01}", 2, "a[0].x", "it is not a valid one"),
    ],
)
def test_values_that_no_job_can_hold(text, line, path, words):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f.yaml")
    assert [(one["line"], one["path"]) for one in caught.value.problems] == [(line, path)]
    assert words in str(caught.value)


def test_all_bad_values_at_once():
    with pytest.raises(SpecError) as caught:
        parse_yaml("a: !!set {x}\nb: {c: 1, c: 2}\nd: !foo 1\n", "f.yaml")
    assert [one["path"] for one in caught.value.problems] == ["a", "b.c", "d"]


def test_files_that_would_fill_the_memory_or_the_stack():
    bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    for one, other in zip("bcdefgh", "abcdefg"):
        bomb += f"{one}: &{one} [{','.join([f'*{other}'] * 10)}]\n"
    with pytest.raises(SpecError, match="Use fewer aliases"):
        parse_yaml(bomb, "f.yaml")
    with pytest.raises(Error, match="nested too deeply"):
        parse_yaml("a: " + "[" * 5000 + "]" * 5000, "f.yaml")


def test_an_encrypted_file():
    with pytest.raises(Error, match="f.yaml is encrypted. Pass it as -e @f.yaml"):
        parse_yaml("$ANSIBLE_VAULT;1.1;AES256\n3132\n", "f.yaml")


def test_a_borrowed_value_is_reported_where_it_was_written():
    _document, source = parse_yaml("model: {path: r1}\n", "/d/job.yaml")
    _document, lender = parse_yaml("# site\npaths:\n  r1: /m\n", "/d/site.yaml")
    source.borrowed[("model", "path")] = (lender, ("paths", "r1"))
    source.borrowed[("time",)] = (lender, ("default_time",))
    problem = source.problem(("model", "path"), "not_found", "is gone.", "Find it.")
    assert (problem["file"], problem["line"], problem["path"]) == ("/d/site.yaml", 3, "paths.r1")
    assert problem["problem"] == "is gone (used by model.path, job.yaml:1)." and problem["remedy"] == "Find it."
    assert source.problem(("time",), "invalid", "is long.")["path"] == "default_time", "the job does not name it"
    assert source.where(("model",)) == ("/d/job.yaml", 1)


def test_repeated_key():
    _document, source = parse_yaml("a:\n  b: 1\n  b: 2\nc: &c {d: [1, x], d: [1, x]}\ne: {<<: *c}\n", "f.yaml")
    assert [(one["line"], one["path"], one["code"]) for one in source.faults] == [(3, "a.b", "duplicate")]
    assert source.notes == ["f.yaml:4: c.d appears twice, first in line 4, with the same value."]


@pytest.mark.parametrize("text", ["a: [1,\nb: }", "a: b: c", "\ta: 1"])
def test_malformed_yaml_names_a_line(text):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f.yaml")
    assert caught.value.problems[0]["line"] and "f.yaml:" in str(caught.value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("a: 1\n\tb: 2\n", "begins with a tab. Indent with spaces"),
        ("a:\n\tb: 2\n", "begins with a tab. Indent with spaces"),
        ("x: 1\na: 'x\nb: 1\n", "quote that begins in line 2 is not closed"),
        ('x: 1\na: "x\nb: 1\nc: "z"\n', "quote in line 2 may be unclosed"),
        ("a: @x\n", "begins with @ needs quotes"),
        ("a: b: c\n", "Quote text that contains a colon"),
        ("a:\n  b: 1\n c: 2\n", "indentation"),
    ],
)
def test_malformed_yaml_has_a_remedy(text, words):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f.yaml")
    assert words in caught.value.problems[0]["remedy"]


def test_a_mapping_is_where_its_key_is():
    _document, source = parse_yaml("a:\n  b:\n    c: 1\nd:\n- x\ne: {f: 1}\ng:\n  text\n", "f.yaml")
    lines = {path: source.where(path)[1] for path in [("a",), ("a", "b"), ("a", "b", "c"), ("d",), ("e",), ("g",)]}
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "b", "c"): 3, ("d",): 4, ("e",): 6, ("g",): 8}


def test_empty_text():
    assert parse_yaml("# nothing\n", "f")[0] is None


def test_unreadable_files(tmp_path):
    with pytest.raises(Error, match="No such file"):
        load_yaml(str(tmp_path / "absent"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Error, match="UTF-8"):
        load_yaml(str(tmp_path / "binary"))


def test_dotted():
    assert dotted(("a", 0, "b")) == "a[0].b"
    assert dotted(()) == ""
