# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""A job that is taken away is named, and not the steps that it takes along."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import health


def test_a_job_that_ends_is_named(fake):
    health.still_there(fake)
    fake.holder.ending = "signal 15"
    with pytest.raises(Error, match="Job 42 is ending: signal 15"):
        health.still_there(fake)
