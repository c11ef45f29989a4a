# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""A job that is taken away is named, and not the steps that it takes along."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import health, holder_job


def test_a_job_that_ends_is_named(fake):
    health.still_there(fake)
    fake.holder.ending = "signal 15"
    with pytest.raises(Error, match="Job 42 is ending: signal 15"):
        health.still_there(fake)


def test_a_start_in_a_job_that_is_taken_away_says_so_and_may_be_cured(fake):
    """It may be the first request that hears of it; that the holder refuses it is not why the run failed."""
    fake.holder.ending = f"signal 15: {holder_job.PREEMPTED}"
    with pytest.raises(Error, match="^Job 42 is ending: signal 15: preempted, Slurm gave its nodes") as caught:
        fake.request("start", steps=[])
    assert caught.value.evidence["curable"] is True
    fake.holder.ending = "slurm_job state absent"
    with pytest.raises(Error, match=r"^Job 42 is ending: slurm_job state absent\.") as caught:
        fake.request("start", steps=[])
    assert caught.value.evidence["curable"] is False
