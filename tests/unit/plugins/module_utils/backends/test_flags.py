# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends.flags import whole


def test_nothing_is_said_of_a_mode_that_the_job_repeats():
    def notes(mode):
        section = {"type": "sglang", "sglang_config": {"prefill": {"disaggregation-mode": mode}}}
        return [note for note in jobs.plan_of(backend=section)["notes"] if "disaggregation-mode" in note]

    assert notes("prefill") == [] and len(notes("decode")) == 1


@pytest.mark.parametrize(
    ("value", "wanted"), [("8", 8), (8.0, 8), (8, 8), ("8.5", "8.5"), ("x", "x"), (True, True), (None, None)]
)
def test_whole_numbers(value, wanted):
    assert whole(value) == wanted and type(whole(value)) is type(wanted)
