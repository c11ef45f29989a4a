# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both scripts: everything quoted, and the time limits related."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.rl import scripts
from ansible_collections.srt.slurm.plugins.module_utils.rl.settings import SETTINGS, SIDES
from ansible_collections.srt.slurm.plugins.module_utils.slurm.options import seconds

NASTY = 'a\'b "c" $(touch /tmp/no) `x` \\ ;&|'


def values(**changes):
    return {**{name: one.default for name, one in SETTINGS.items()}, **changes}


@pytest.mark.parametrize("side", SIDES)
def test_a_script_exports_values_as_they_are(side, tmp_path):
    name = {"runtime": "container_image", "training": "model"}[side]
    text = scripts.render(values(**{name: NASTY}), side, str(tmp_path / "a b"), "d1")
    head = text.partition("command -v python3")[0]
    shown = subprocess.run(
        ["bash", "-c", f'{head}\nprintf %s "${name.upper()}"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == NASTY
    assert f"#SBATCH --comment=srt.slurm.rl:{side}:d1" in text


@pytest.mark.parametrize("limit", ["10", "1:00:00", "2-00:00:00"])
def test_the_runtime_never_ends_before_training(limit):
    given = values(time_limit=limit)
    runtime, training = (scripts.directives(given, side, "/d", "x") for side in SIDES)
    assert seconds(runtime["time"]) >= seconds(training["time"]) + given["runtime_ready_timeout"] + 60
    assert training["signal"] == "B:USR1@120" and runtime["signal"] == "B:USR1@240"


def test_nodes_are_excluded_from_both_jobs():
    assert [scripts.directives(values(exclude_nodes="n1"), side, "/d", "x")["exclude"] for side in SIDES] == [
        "n1",
        "n1",
    ]


def test_slices_of_gpus_are_asked_for_by_their_type():
    wanted = scripts.directives(values(gpu_type="a100_3g.20gb", gpus_per_node=2), "training", "/d", "x")
    assert wanted["gres"] == "gpu:a100_3g.20gb:2"
