# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom: read from the import statements, so that no room grows a door by accident."""

from __future__ import annotations

import ast
import importlib.util
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("srt_rooms", ROOT / "tools" / "rooms.py")
rooms = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rooms)

FILES = rooms.files()
PROGRAMS = [path.parent for path in FILES.values() if path.name == "__main__.py"]


@pytest.mark.parametrize("name", FILES)
def test_room_imports_only_what_is_below(name):
    room = name.partition(".")[0]
    assert room in rooms.ALLOWED, f"say in tools/rooms.py what {room} may import"
    others = {other.partition(".")[0] for other in rooms.imports(FILES[name], FILES)} - {room, ""}
    assert others <= set(rooms.ALLOWED[room]), f"{room} must not import {sorted(others - set(rooms.ALLOWED[room]))}"


def test_every_door_of_the_table_is_used():
    graph = rooms.graph()
    unused = {room: sorted(set(to) - set(graph.get(room, ()))) for room, to in rooms.ALLOWED.items()}
    assert not {room: others for room, others in unused.items() if others}


def test_no_room_is_above_a_fifth():
    sizes = rooms.sizes()
    assert max(sizes.values()) * 5 <= sum(sizes.values()), sizes


def test_the_picture_of_the_architecture_page_is_that_of_the_table():
    text = rooms.PAGE.read_text(encoding="utf-8")
    assert rooms.picture() in text, "run tools/rooms.py --write"


@pytest.mark.parametrize("name", FILES)
def test_no_absolute_import_of_ourselves(name):
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not [one for one in names if one.startswith("ansible_collections")]


def test_no_circle():
    graph = {name: {one for one in rooms.imports(path, FILES) if one} - {name} for name, path in FILES.items()}
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


@pytest.mark.parametrize("folder", PROGRAMS, ids=lambda folder: folder.name)
def test_a_program_is_a_folder_that_can_be_copied(folder):
    mains = {(one / "__main__.py").read_text(encoding="utf-8") for one in PROGRAMS}
    assert len(mains) == 1, "the __main__.py of all programs is the same file"
    for path in folder.glob("*.py"):
        assert path.stem not in sys.stdlib_module_names, f"{path} would hide a module of the standard library"
        outside = {one for one in rooms.imports(path, FILES) if not FILES[one].is_relative_to(folder)}
        assert not outside, f"{path} imports what is not copied with it"
