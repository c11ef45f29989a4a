# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.spec.source import dotted, load_yaml, parse_yaml

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


def test_repeated_key():
    with pytest.raises(SpecError) as caught:
        parse_yaml("a:\n  b: 1\n  b: 2\n", "f.yaml")
    assert caught.value.problems[0]["line"] == 3 and caught.value.problems[0]["path"] == "a.b"


@pytest.mark.parametrize("text", ["a: [1,\nb: }", "a: b: c", "\ta: 1"])
def test_malformed_yaml_names_a_line(text):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f.yaml")
    assert caught.value.problems[0]["line"] and "f.yaml:" in str(caught.value)


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
