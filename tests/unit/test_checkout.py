# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for the checkout itself, so that plays run from its root."""

from __future__ import annotations

import pathlib

import ansible.module_utils

ROOT = pathlib.Path(__file__).resolve().parents[2]


def names(folder):
    """Return the importable names in a folder."""
    found = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    return found - {"__init__", "__pycache__"}


def test_no_module_util_takes_the_place_of_one_of_ansible():
    # For a play in the root Ansible puts what lies in ./module_utils into every module as ansible.module_utils.X.
    theirs = names(pathlib.Path(ansible.module_utils.__file__).parent)
    assert (ROOT / "module_utils").resolve() == ROOT / "plugins" / "module_utils"
    assert names(ROOT / "module_utils") & theirs == set()
