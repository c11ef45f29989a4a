# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a run directory of srtctl, of each age, without a rollup and with one."""

from __future__ import annotations

import foreign_runs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.report import inputs
from ansible_collections.srt.slurm.plugins.module_utils.stages import report, rollup


@pytest.mark.parametrize("age", [foreign_runs.of_2026, foreign_runs.of_early_2026, foreign_runs.of_2025])
@pytest.mark.parametrize("first", [False, True])
def test_a_run_of_srtctl_has_a_page_that_calls_nothing_valid(tmp_path, age, first):
    run = age(tmp_path)
    if first:
        rollup.run({"run_dir": str(run)}, Context())
    made = report.run({"run_dir": str(run)}, Context())
    text = (run / "report.html").read_text()
    assert made["changed"] is True and made["path"] == str(run / "report.html")
    assert "measured by srtctl: nothing proves" in text and "3,200.0" in text
    assert "hf_secret" not in text and "abc" not in inputs.rollup_at(str(run))["nodes_summary"]["nodes"][0].values()


def test_files_of_two_runs_have_no_page(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    foreign_runs.write(run / "4712.json", foreign_runs.metadata("4712"))
    with pytest.raises(Error, match="has files of different runs: the job is 4711"):
        report.run({"run_dir": str(run)}, Context())
