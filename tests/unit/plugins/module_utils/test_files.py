# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a run that cannot be written: an error that names the file."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import write_verdict


def test_a_verdict_that_cannot_be_written(tmp_path):
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(Error, match="The verdict .*/results/c2.verdict.json cannot be written: Not a directory"):
        write_verdict(str(tmp_path / "results" / "c2.json"), {"valid": True})
