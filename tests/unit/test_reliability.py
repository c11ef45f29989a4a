# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each row of docs/reliability.md names a test that exists, and each fault test is named by a row."""

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


def rows():
    """Return the rows of the fault tables."""
    lines = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith(("| fault", "| ---"))]


def named():
    """Return the tests that the rows name, as path::name."""
    return [match for row in rows() for match in re.findall(r"`(tests/\S+?::\w+)`", row)]


def test_each_row_names_tests_that_exist():
    assert len(rows()) > 30
    for row in rows():
        found = re.findall(r"`(tests/\S+?)::(\w+)`", row)
        assert found, row
        for path, name in found:
            assert name in functions_of(ROOT / path), row


def test_each_fault_test_is_in_the_table():
    listed = set(named())
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        for name in functions_of(path):
            assert f"tests/faults/{path.name}::{name}" in listed
