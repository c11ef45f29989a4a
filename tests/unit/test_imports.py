# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: read from the import statements, so that no room grows a door by accident."""

from __future__ import annotations

import ast
import pathlib

import pytest

UTILS = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "module_utils"

# Room, or file beside the rooms -> rooms and files that it may import, ground floor first.
GROUND = {"failures", "files"}
ALLOWED = {
    "failures": set(),
    "files": {"failures"},
    "entry": {"failures"},
    "programs": set(),
    "run_options": set(),
    "secrets": GROUND,
    "schema": GROUND | {"secrets"},
    "topology": GROUND | {"schema"},
    "services": {"schema", "topology"},
    "backends": {"schema", "topology", "services"},
    "frontends": {"schema", "topology"},
    "benchmarks": GROUND | {"schema", "topology"},
    "holder": set(),
    "slurm": GROUND | {"holder"},
    "job": GROUND
    | {"run_options", "secrets", "schema", "topology", "services", "backends", "frontends", "benchmarks", "slurm"},
    "plan": GROUND
    | {"programs", "schema", "topology", "services", "backends", "frontends", "benchmarks", "job", "slurm"},
    "results": GROUND | {"secrets", "backends", "benchmarks"},
    "allocation": GROUND | {"programs", "run_options", "secrets", "holder", "slurm"},
    "stages": GROUND
    | {"entry", "programs", "run_options", "secrets", "schema", "backends", "benchmarks", "job", "plan", "holder"}
    | {"slurm", "allocation", "results"},
    "sandbox": GROUND | {"programs", "holder"},
}

FILES = sorted(path for path in UTILS.rglob("*.py"))


def name_of(path):
    """Return the dotted name of *path* below module_utils."""
    parts = path.relative_to(UTILS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Yield the dotted names below module_utils that *path* imports anywhere, also inside functions."""
    package = path.relative_to(UTILS).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1]
        target = [*base, *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            full = ".".join([*target, alias.name])
            yield full if full in NAMES else ".".join(target)


NAMES = {name_of(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_room_imports_only_what_is_below(path):
    room = name_of(path).split(".")[0]
    assert room in ALLOWED, f"say in this test what {room} may import"
    others = {name.split(".")[0] for name in imports(path)} - {room, ""}
    assert others <= ALLOWED[room], f"{room} must not import {sorted(others - ALLOWED[room])}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_absolute_import_of_ourselves(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not [name for name in names if name.startswith("ansible_collections")]


def test_no_circle():
    graph = {name_of(path): {name for name in imports(path) if name} - {name_of(path)} for path in FILES}
    done, stack = set(), []

    def visit(name):
        assert name not in stack, "import circle: " + " -> ".join([*stack[stack.index(name) :], name])
        if name in done or name not in graph:
            return
        stack.append(name)
        for other in sorted(graph[name]):
            # A package's __init__ imports its files; that a file belongs to the package is no circle.
            if not name.startswith(other + "."):
                visit(other)
        stack.pop()
        done.add(name)

    for name in sorted(graph):
        visit(name)
