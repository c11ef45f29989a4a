# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Files of a run that can be neither read nor written: an error that names the file."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import load_plan
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import write_verdict


def test_a_plan_that_cannot_be_read(tmp_path):
    with pytest.raises(Error, match="There is no plan at .*none.json"):
        load_plan(str(tmp_path / "none.json"))
    (tmp_path / "file").write_text("")
    for path, why in (("file/plan.json", "Not a directory"), ("", "Is a directory")):
        with pytest.raises(Error, match=f"The plan .*{path} cannot be read: {why}"):
            load_plan(str(tmp_path / path))
    for text in ("[]", "{"):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(Error, match="plan.json is not a plan: .*Remove it"):
            load_plan(str(tmp_path / "plan.json"))


def test_a_verdict_that_cannot_be_written(tmp_path):
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(Error, match="The verdict .*/results/c2.verdict.json cannot be written: Not a directory"):
        write_verdict(str(tmp_path / "results" / "c2.json"), {"valid": True})
