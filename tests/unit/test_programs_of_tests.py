# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports of the collection in the programs that tests and benchmarks start, which stand in strings, too."""

from __future__ import annotations

import importlib
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
IMPORT = re.compile(r"from (ansible_collections\.srt\.slurm\.plugins[\w.]*) import (\w+(?:, \w+)*)")
FOUND = sorted(
    {
        (module, name)
        for path in TESTS.rglob("*.py")
        for module, names in IMPORT.findall(path.read_text(encoding="utf-8"))
        for name in names.split(", ")
    }
)


@pytest.mark.parametrize(("module", "name"), FOUND)
def test_what_a_test_imports_is_there(module, name):
    whole = importlib.import_module(module)
    if not hasattr(whole, name):
        importlib.import_module(f"{module}.{name}")


def test_the_folder_of_the_load_client_is_named_right():
    text = (TESTS / "benchmarks" / "load_client.py").read_text(encoding="utf-8")
    (parts,) = re.findall(r"^CLIENT = ROOT / (.*)$", text, re.M)
    folder = TESTS.parent.joinpath(*re.findall(r'"(\w+)"', parts))
    assert (folder / "__main__.py").is_file()
