# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder reads of the collection: the files it names are there, and have what the controller imports."""

from __future__ import annotations

import ast
import pathlib
import re
import sys

import yaml
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).resolve().parents[2]
META = yaml.safe_load((ROOT / "meta" / "execution-environment.yml").read_text())
# What ansible-core brings, and what only programs on compute nodes import.
BROUGHT = {"ansible", "ansible_collections", "yaml", "jinja2", "packaging"}
ON_NODES = {"load_client", "holder", "scraper", "inputs", "side", "node_check", "anchor", "accuracy"}
# What boto3 brings, and what archives are packed with if it is there.
FURTHER = {"botocore", "zstandard"}
# Packages with another name than what is imported.
NAMED = {"ruamel": "ruamel.yaml"}


def lines(name):
    text = (ROOT / META["dependencies"][name]).read_text()
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def imported():
    """Return the packages that the plugins import in the controller or on the submit host."""
    found = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        if ON_NODES & set(path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    return found - set(sys.stdlib_module_names) - BROUGHT - FURTHER


def test_the_file_has_the_form_that_ansible_builder_reads():
    assert META["version"] == 3 and set(META) == {"version", "dependencies"}
    assert set(META["dependencies"]) == {"python", "system"}
    for path in META["dependencies"].values():
        assert not path.startswith("/") and (ROOT / path).is_file()
    assert all(re.fullmatch(r"[a-z0-9.+-]+( \[platform:[a-z]+\])?", line) for line in lines("system"))


def test_the_packages_are_those_that_the_controller_imports():
    assert {NAMED.get(name, name) for name in imported()} == {Requirement(line).name for line in lines("python")}
