# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the Ansible around: its version, which is named in several places, and the strategy of plays."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.allocation.detached import OLDEST
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


def test_plays_of_several_hosts_choose_their_strategy():
    """Others than linear know no add_host: the play would fail with the nodes taken (ANSIBLE_STRATEGY=free)."""
    plays = [play for path in (ROOT / "playbooks").glob("*.yml") for play in yaml.safe_load(path.read_text())]
    adding = [play for play in plays if any("ansible.builtin.add_host" in task for task in play["tasks"])]
    assert adding
    for play in plays:
        if play in adding or "srt_nodes" in play["hosts"]:
            assert play.get("strategy") == "linear", play["name"]
