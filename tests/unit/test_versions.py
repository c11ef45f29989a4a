# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Which ansible-core is needed is said in several places, which agree, and to whoever runs an older one."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.slurm.detached import OLDEST
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import too_old

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ".".join(map(str, OLDEST))


def test_all_places_name_the_same_ansible():
    assert yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"] == f">={NEEDED}.0"
    assert f"ansible-core {NEEDED} or newer" in (ROOT / "README.md").read_text()
    roles = sorted((ROOT / "roles").glob("*/meta/main.yml"))
    assert roles
    for path in roles:
        assert yaml.safe_load(path.read_text())["galaxy_info"]["min_ansible_version"] == NEEDED, path


@pytest.mark.parametrize("version", ["2.19.0", "2.19.0rc1", "2.21.1.dev0", "3.0.0"])
def test_an_ansible_that_works(version):
    assert too_old(version) is None


@pytest.mark.parametrize("version", ["2.9.27", "2.17.14", "2.18.19"])
def test_an_older_ansible_is_refused_in_words(version):
    assert f"This is ansible-core {version}; srt.slurm needs {NEEDED} or newer. Install it" in too_old(version)
