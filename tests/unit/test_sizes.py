# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""No file and no function is too long to be read at once."""

from __future__ import annotations

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES = 400, 60


def sources(*folders):
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in paths}


def functions(text):
    """Yield (name, lines) of each function in a source text, without its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno + 1


def test_no_file_is_longer_than_400_lines():
    lines = {str(path): len(text.splitlines()) for path, text in sources("plugins", "tests", "tools").items()}
    assert lines and {path: count for path, count in lines.items() if count > FILE_LINES} == {}


def test_no_function_is_longer_than_60_lines():
    found = [(f"{path}: {name}", lines) for path, text in sources("plugins").items() for name, lines in functions(text)]
    assert found and [one for one in found if one[1] > FUNCTION_LINES] == []
