# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages about RL runs are those of the code, and the examples are valid."""

from __future__ import annotations

import pathlib
import re

import pytest
import rl_original
from ansible_collections.srt.slurm.plugins.module_utils.rl import checks, reference
from ansible_collections.srt.slurm.plugins.module_utils.rl.reading import file_layer, read
from ansible_collections.srt.slurm.plugins.module_utils.rl.settings import SETTINGS, SIDES
from ansible_collections.srt.slurm.plugins.plugin_utils.rl import OPTIONS

ROOT = pathlib.Path(__file__).resolve().parents[5]


def test_the_page_of_settings_is_up_to_date():
    for name, text in reference.documents().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "run bin/make-job-reference"


def test_every_setting_of_the_original_is_one_of_ours():
    assert [name for name in rl_original.SETTINGS if name.lower() not in SETTINGS] == []


def test_the_manual_names_options_that_there_are():
    text = (ROOT / "docs" / "rl.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\brl_([a-z_]+)[=`]", text)) - {"status", "logs", "stop", "runtime", "training"}
    assert named and named - {*OPTIONS, *SETTINGS, "conf"} == set()


@pytest.mark.parametrize("name", ["dev", "production"])
def test_an_example_is_valid_but_for_the_data_of_others(name):
    path = str(ROOT / "examples" / "rl" / f"{name}.yaml")
    assert file_layer(path).values
    settings = read({"file": path}, {}, "/cwd")
    checks.check(settings, SIDES, smoke=True)
    assert settings.problems == [] or {one["path"] for one in settings.problems} <= {"env_file"}
    assert checks.slots(settings.values).wanted <= checks.slots(settings.values).room
