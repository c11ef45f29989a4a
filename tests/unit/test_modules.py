# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules share: the action group and the documented attributes."""

from __future__ import annotations

import ast
import pathlib

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = sorted(path for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
ACTIONS = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")} - {"__init__"}


def documentation(path):
    """Return the DOCUMENTATION of a module as it stands in its file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "DOCUMENTATION":
            return yaml.safe_load(node.value.value)
    raise AssertionError(f"{path} has no DOCUMENTATION")


def test_the_action_group_all_names_all_modules():
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    assert groups["all"] == [path.stem for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_documents_the_shared_attributes(path):
    fragments = documentation(path)["extends_documentation_fragment"]
    assert "srt.slurm.attributes" in fragments
    assert ("srt.slurm.attributes.action" in fragments) == (path.stem in ACTIONS)
    assert ("srt.slurm.attributes.info" in fragments) == path.stem.endswith("_info")
