#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of plugins/module_utils: who may import whom, who does, and how large each is.

Usage: rooms.py             sizes and imports, one room a line
       rooms.py --mermaid   the picture, drawn from the table below
       rooms.py --write     put that picture into docs/architecture.md
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
UTILS = ROOT / "plugins" / "module_utils"
PAGE = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r"(<!-- rooms: tools/rooms.py --write -->\n```mermaid\n).*?(```\n)", re.DOTALL)

# Room, or file beside the rooms: the rooms and files that it may import. Ground floor first.
ALLOWED = {
    "json_types": "",
    "plain_text": "json_types",
    "failures": "json_types plain_text",
    "holder": "",
    "load_client": "",
    "scraper": "",
    "inputs": "",
    "programs": "holder",
    "run_option_values": "json_types",
    "run_options": "json_types holder run_option_values",
    "metrics": "json_types",
    "log_lines": "",
    "collection_version": "",
    "files": "failures json_types holder",
    "entry": "failures json_types files plain_text plan_file",
    "sweep_folders": "files json_types",
    "plan_shape": "json_types",
    "plan_profiling": "json_types",
    "plan_file": "failures json_types plan_shape plan_profiling files",
    "secrets": "json_types holder",
    "schema": "failures json_types secrets",
    "topology": "failures json_types plan_file",
    "services": "scraper failures json_types log_lines plan_file plan_profiling programs schema secrets topology",
    "backends": "failures json_types log_lines plan_file plan_profiling schema topology services",
    "frontends": "failures json_types log_lines plan_file schema topology services",
    "supplies": "failures json_types topology",
    "benchmarks": "load_client supplies failures json_types files metrics plan_file programs schema topology",
    "slurm": "failures json_types plan_file holder",
    "job": "failures json_types files inputs metrics plan_file run_options secrets schema topology services backends "
    "frontends supplies benchmarks slurm",
    "plan": "failures json_types files log_lines plan_file plan_profiling schema topology services backends frontends "
    "benchmarks job holder slurm",
    "survey": "failures json_types schema slurm job",
    "statistics": "failures",
    "results": "collection_version failures json_types files metrics plain_text plan_file secrets sweep_folders "
    "topology backends benchmarks statistics",
    "comparison": "failures json_types files metrics plan_file secrets sweep_folders benchmarks statistics results",
    "catalogue": "failures json_types files metrics plain_text plan_file sweep_folders results",
    "sweeps": "json_types metrics benchmarks results",
    "rl": "failures json_types files programs schema holder slurm",
    "report": "failures json_types files holder metrics plain_text plan_file sweep_folders benchmarks results sweeps",
    "allocation": "collection_version failures json_types files entry plan_file programs run_options secrets holder "
    "slurm",
    "publishing": "failures json_types plain_text files secrets holder",
    "stages": (
        "failures json_types files entry inputs metrics plain_text plan_file plan_profiling programs secrets schema "
        "supplies benchmarks holder slurm job plan results allocation sweep_folders sweeps report publishing "
        "run_option_values comparison catalogue rl survey"
    ),
    "sandbox": "failures json_types files entry plan_file programs holder",
}
ALLOWED = {room: tuple(to.split()) for room, to in ALLOWED.items()}
# What nearly everybody imports says nothing in a picture.
UTILITIES = {
    "failures",
    "json_types",
    "plain_text",
    "files",
    "entry",
    "programs",
    "run_option_values",
    "run_options",
    "plan_file",
    "plan_profiling",
    "secrets",
    "metrics",
    "log_lines",
    "collection_version",
    "sweep_folders",
}


def name_of(path):
    """Return the dotted name of *path* below module_utils."""
    parts = path.relative_to(UTILS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files():
    """Return ``{dotted name: path}`` of all files below module_utils."""
    return {name_of(path): path for path in sorted(UTILS.rglob("*.py"))}


@functools.cache
def relative_imports(path):
    """Return the relative import statements of *path*, also those inside functions."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]


def imports(path, names):
    """Yield those of the dotted *names* below module_utils that *path* imports."""
    package = path.relative_to(UTILS).parent.parts
    for node in relative_imports(path):
        base = package[: len(package) - node.level + 1]
        target = [*base, *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            full = ".".join([*target, alias.name])
            yield full if full in names else ".".join(target)


def graph():
    """Return ``{room: {other room: number of imports}}`` as the code has it."""
    found, every = {}, files()
    for name, path in every.items():
        room = name.partition(".")[0]
        row = found.setdefault(room, {})
        for other in (one.partition(".")[0] for one in imports(path, every)):
            if other not in (room, ""):
                row[other] = row.get(other, 0) + 1
    return found


def sizes():
    """Return ``{room or file: lines}``."""
    found = {}
    for name, path in files().items():
        room = name.partition(".")[0]
        found[room] = found.get(room, 0) + len(path.read_text(encoding="utf-8").splitlines())
    return found


def below(room, table):
    """Return every room that *room* reaches in *table*."""
    found, left = set(), [room]
    while left:
        for other in table.get(left.pop(), ()):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def picture():
    """Return the allow-table as a Mermaid graph, without arrows that others imply."""
    table = {room: [one for one in to if one not in UTILITIES] for room, to in ALLOWED.items() if room not in UTILITIES}
    lines = ["graph BT"]
    for room, others in table.items():
        lines += [f"  {room}"] if not others and not any(room in to for to in table.values()) else []
        reached = set().union(*(below(one, table) for one in others)) if others else set()
        lines += [f"  {other} --> {room}" for other in others if other not in reached]
    return "\n".join(lines) + "\n"


def overview():
    """Return one line a room: its size, its share, and what it imports how often."""
    lines, size = [], sizes()
    total = sum(size.values())
    for room in ALLOWED:
        to = ", ".join(f"{other} {count}" for other, count in sorted(graph().get(room, {}).items()))
        lines.append(f"{room:<12} {size[room]:>6} lines {size[room] / total:>5.1%}  {to}")
    return "\n".join([*lines, f"{'':<12} {total:>6} lines"])


def main(argv):
    """Print or write what was asked for."""
    if argv == ["--write"]:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda match: match[1] + picture() + match[2], text), encoding="utf-8")
    elif argv == ["--mermaid"]:
        print(picture(), end="")
    elif argv:
        raise SystemExit(__doc__)
    else:
        print(overview())


if __name__ == "__main__":
    main(sys.argv[1:])
