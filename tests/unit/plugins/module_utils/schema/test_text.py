# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.schema.merge import deep_merge
from ansible_collections.srt.slurm.plugins.module_utils.schema.text import expand, find_path, to_yaml
from ansible_collections.srt.slurm.plugins.module_utils.schema.words import nearest


@pytest.mark.parametrize(
    "text, result",
    [
        ("$A/x", "1/x"),
        ("${A}b", "1b"),
        ("${MISSING:-d/e}", "d/e"),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "1"),
        ("costs 5$", "costs 5$"),
        ("{node}", "{node}"),
    ],
)
def test_expand(text, result):
    assert expand(text, {"A": "1", "EMPTY": ""}) == result


def test_expand_unknown():
    with pytest.raises(KeyError):
        expand("$NOPE", {})


def test_find_path(tmp_path):
    (tmp_path / "b" / "m").mkdir(parents=True)
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert find_path("m", folders) == str(tmp_path / "b" / "m")
    assert find_path("../b/m", folders) == str(tmp_path / "b" / "m")
    assert find_path("nope", folders) == str(tmp_path / "b" / "nope")
    assert find_path("./nope", folders) == str(tmp_path / "a" / "nope")
    assert find_path("/x/../y", folders) == "/y"


@pytest.mark.parametrize(
    "value",
    [
        {"a": {"b": [1, 2.5, {"c": None, "d": [[], {}]}]}, "e": True},
        {"words": ["yes", "null", "1", "0x1f", "1e3", "a: b", "- x", " lead", "trail ", "", "#c", "@at", "é", "a\nb"]},
        {"numbers": [1e-06, 1e22, -0.5, 10**20, 0]},
        {"dots": [".5", "./a", "../b", "1.2.3", "4:00:00", "~", "*x", "&y", "!z", "%d", "`q", "|", ">"]},
        ["top", ["nested", ["deeper"]], []],
        {"{param}": "{node}", "true": "on", "2026-01-01": "2026-01-01"},
        "plain",
    ],
)
def test_yaml_round_trip(value):
    assert yaml.safe_load(to_yaml(value)) == value


def test_deep_merge():
    base = {"a": {"b": 1, "c": 2}, "l": [1, 2], "x": 1}
    over = {"a": {"b": 9, "d": 4}, "l": [3], "x": None, "new": {"k": 1}}
    assert deep_merge(base, over) == {"a": {"b": 9, "c": 2, "d": 4}, "l": [3], "new": {"k": 1}}
    assert base == {"a": {"b": 1, "c": 2}, "l": [1, 2], "x": 1}


@pytest.mark.parametrize(
    "word, result", [("kepp", "keep"), ("job-file", "job_file"), ("other_thing", None), ("kee", "keep"), ("x", None)]
)
def test_nearest(word, result):
    assert nearest(word, ("keep", "job_file", "job_id")) == result
