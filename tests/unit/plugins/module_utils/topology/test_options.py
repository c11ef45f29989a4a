# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options: their words on a command line, their texts for people, and who wins."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.topology import options as options_module
from ansible_collections.srt.slurm.plugins.module_utils.topology.options import Option, as_option, override
from ansible_collections.srt.slurm.plugins.module_utils.topology.step import make_step


def test_words():
    options = {
        "a": 1,
        "b": True,
        "c": False,
        "d": None,
        "e": [1, "x"],
        "f": {"k": [1, True]},
        "g": 0.84,
        "h": 1000.0,
        "i": "a b",
        "j": 0,
        "k": [["a", "b"], {"c": [1]}, [[True, None]]],
        "l": {"m": [[1, "x"]]},
        "n": float("inf"),
    }
    assert options_module.argv_of(Option(name, value) for name, value in options.items())[0] == [
        *("--a", "1"),
        "--b",
        *("--e", "1", "x"),
        *("--f", '{"k":[1,true]}'),
        *("--g", "0.84"),
        *("--h", "1000"),
        *("--i", "a b"),
        *("--j", "0"),
        *("--k", '["a","b"]', '{"c":[1]}', "[[true,null]]"),
        *("--l", '{"m":[[1,"x"]]}'),
        *("--n", "inf"),
    ]


def test_a_value_that_looks_like_a_flag_is_tied_to_its_own():
    assert Option("a", "-x").words() == ["--a=-x"] and Option("a", -1).words() == ["--a", "-1"]
    assert Option("a", 1, tied=True).words() == ["--a=1"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("--a=b=c", Option("a", "b=c", ("x",), tied=True)),
        ("--a=", Option("a", "", ("x",), tied=True)),
        ("--a", Option("a", True, ("x",))),
        ("-a", "-a"),
        ("--", "--"),
        ("a", "a"),
    ],
)
def test_words_that_are_options(text, wanted):
    assert as_option(text, ("x",)) == wanted
    assert options_module.argv_of([wanted])[0] == [text]


def test_the_options_of_the_job_win_and_keep_the_place():
    own, given = [Option("a", 1), Option("b", 2)], [Option("a", 3, ("x",)), Option("c", 4, ("y",))]
    assert override(own, given) == [Option("a", 3, ("x",)), Option("b", 2), Option("c", 4, ("y",))]


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), ([1, "x"], "1 x"), ({"a": [1]}, '{"a":[1]}'), (2.0, "2")]
)
def test_text(value, text):
    assert Option("a", value).text() == text


def test_a_step_has_plain_words_and_keeps_what_they_are_made_of():
    argv, env = (
        ["serve", Option("port", 1, ("ports", "x")), Option("z", True)],
        {"A": "1", "B": Option("B", "2", ("environment", "B"))},
    )
    step = make_step("etcd", "head_infra", ["n1"], argv, env)
    assert step["argv"] == ["serve", "--port", "1", "--z"] and step["env"] == {"A": "1", "B": "2"}
    assert step["made_of"] == ([argv[1]], [env["B"]])
    assert [step[key] for key in ("kind", "mode", "index", "rank")] == ["etcd", None, None, None]
