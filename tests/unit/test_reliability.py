# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each row of docs/reliability.md has tests that exist, and each fault test has a row: tests/faults/TABLE.md."""

from __future__ import annotations

import ast
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def functions_of(path):
    """Return the names of the test functions in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def rows(*path):
    """Return the rows of the fault tables in a file, as lists of cells."""
    lines = ROOT.joinpath(*path).read_text(encoding="utf-8").splitlines()
    cells = [line[2:-2].split(" | ") for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] not in ("fault", "---")]


def named():
    """Return [(path, name of a test)] of each row."""
    return [re.findall(r"`(tests/\S+?)::(\w+)`", row[-1]) for row in rows("tests", "faults", "TABLE.md")]


def test_each_row_has_tests_that_exist():
    faults = [row[0] for row in rows("docs", "reliability.md")]
    assert len(faults) > 30 and faults == [row[0] for row in rows("tests", "faults", "TABLE.md")]
    for fault, tests in zip(faults, named()):
        assert tests, fault
        for path, name in tests:
            assert name in functions_of(ROOT / path), (fault, name)


def test_each_fault_test_is_in_the_table():
    listed = {test for tests in named() for test in tests}
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        for name in functions_of(path):
            assert (f"tests/faults/{path.name}", name) in listed
