# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that is taken away is named, and not the steps that it takes along."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import job_end as allocation_end
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_ends import job_end
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait


def test_a_job_that_ends_is_named(fake, monkeypatch):
    monkeypatch.setattr(allocation_end, "EXPLAINED_S", 0.0)
    health_wait.still_there(fake)
    fake.holder.ending = job_end("signal", signal=15)
    with pytest.raises(Error, match="Job 42 is ending: signal 15"):
        health_wait.still_there(fake)


@pytest.mark.parametrize(("end", "retryable"), [("CANCELLED (None), exit code 0:0", False), ("PREEMPTED (None)", True)])
def test_what_the_holder_cannot_say_of_a_signal_is_asked_of_slurm(fake, monkeypatch, end, retryable):
    asked = []

    def look(job_id, run_dir, names):
        asked.append((job_id, run_dir))
        return {"end": end, "retryable": retryable, "bad_nodes": ["n1"] if retryable else [], "final": True}

    monkeypatch.setattr(allocation_end, "EXPLAINED_S", 0.0)
    monkeypatch.setattr(allocation_end, "outcome", look)
    fake.holder.ending = job_end("signal", signal=15)
    with pytest.raises(Error, match=rf"^Job 42 is ending: signal 15: {end[:9]}") as caught:
        health_wait.still_there(fake)
    assert asked == [("42", fake.run_dir)]
    assert (caught.value.evidence["retryable"], caught.value.evidence["bad_nodes"]) == (retryable, ["n1"] * retryable)


def test_a_start_in_a_job_that_is_taken_away_says_so_and_is_retryable(fake):
    """It may be the first request that hears of it; that the holder refuses it is not why the run failed."""
    fake.holder.ending = job_end("preempted", signal=15)
    with pytest.raises(Error, match="^Job 42 is ending: signal 15: preempted, Slurm gave its nodes") as caught:
        fake.request("start", steps=[])
    assert caught.value.evidence["retryable"] is True
    fake.holder.ending = job_end("requested", "slurm_job state absent")
    with pytest.raises(Error, match=r"^Job 42 is ending: slurm_job state absent\.") as caught:
        fake.request("start", steps=[])
    assert caught.value.evidence["retryable"] is False
