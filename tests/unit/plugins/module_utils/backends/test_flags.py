# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends.flags import combine, to_argv, whole


def test_to_argv():
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
    assert to_argv(options) == [
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


def test_combine_is_silent_about_equal_values():
    assert combine({"mode": "prefill"}, {"mode": "prefill"}, fixed=("mode",)) == ({"mode": "prefill"}, [])


@pytest.mark.parametrize(
    ("value", "wanted"), [("8", 8), (8.0, 8), (8, 8), ("8.5", "8.5"), ("x", "x"), (True, True), (None, None)]
)
def test_whole_numbers(value, wanted):
    assert whole(value) == wanted and type(whole(value)) is type(wanted)
