# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the module compare on run directories."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.stages import compare
from compared_runs import make_run

DEFAULTS = {name: one.get("default") for name, one in compare.ARGUMENT_SPEC.items()}
ODD, EVEN = [0, 3, 4, 7, 8], [1, 2, 5, 6, 9]  # the minutes of both sides in turns, ABBA


def run(out, baseline="7", candidate="8", check_mode=False, **params):
    named = {"baseline": baseline.split(","), "candidate": candidate.split(",") if candidate else []}
    return compare.run({**DEFAULTS, **named, "output_dir": str(out), **params}, Context(check_mode=check_mode))


def failed(out, *args, **params):
    with pytest.raises(Error) as caught:
        run(out, *args, **params)
    return caught.value


def verdicts(result):
    return {one["name"]: one["verdict"] for point in result["points"] for one in point["metrics"] if one["primary"]}


def both(out, **candidate):
    """Make two runs in one allocation, measured in turns."""
    make_run(out / "7", seed=1, minutes=ODD)
    plan = make_run(out / "x" / "7", seed=2, minutes=EVEN, **candidate)
    (out / "x" / "7").rename(out / "8")
    return plan
