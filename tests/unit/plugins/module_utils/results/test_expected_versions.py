# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions that a job expects, against those that its logs say."""

from __future__ import annotations

import foreign_runs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.results import document, expected_versions

SEEN = {"vllm": ["0.26.0"], "dynamo": ["1.3.0.dev20260720"], "sglang": ["0.5.10", "0.5.9"], "nccl": ["2.29.1+cuda13.0"]}


@pytest.mark.parametrize(
    "frameworks",
    [
        {"vllm": "0.26.0"},
        {"vLLM": "v0.26.0"},
        {"ai-dynamo": "1.3.0.dev20260720", "vllm": "0.26.0+cu129"},
        {"nccl": "2.29.1"},
        {},
    ],
)
def test_versions_as_expected_are_not_mentioned(frameworks):
    assert expected_versions.notes({"identity": {"frameworks": frameworks}}, SEEN) == []


@pytest.mark.parametrize(
    ("frameworks", "note"),
    [
        ({"vllm": "0.26.0.post1"}, "identity.frameworks.vllm: it is 0.26.0.post1, but logs say 0.26.0."),
        ({"vllm": "0.26"}, "identity.frameworks.vllm: it is 0.26, but logs say 0.26.0."),
        ({"sglang": "0.5.10"}, "identity.frameworks.sglang: it is 0.5.10, but logs say 0.5.10 and 0.5.9."),
        ({"nccl": "2.29.1+cuda12.9"}, "identity.frameworks.nccl: it is 2.29.1+cuda12.9, but logs say 2.29.1+cuda13.0."),
        ({"nixl": "1.3.1", "tilert": "0.1"}, "identity.frameworks: no log says which version of nixl, tilert ran."),
    ],
)
def test_other_versions_and_unknown_ones_are_told(frameworks, note):
    assert expected_versions.notes({"identity": {"frameworks": frameworks}}, SEEN) == [note]


def test_a_job_without_an_identity_has_no_notes():
    assert expected_versions.notes({}, SEEN) == [] and expected_versions.notes({"identity": None}, SEEN) == []


def test_the_rollup_of_a_run_says_so(helpers, run_dir):
    plan = helpers.make_plan(run_dir)
    plan["spec"]["identity"] = {"frameworks": {"vllm": "0.27.0"}}
    log = plan["steps"][0]["log"].replace("%N", plan["steps"][0]["nodes"][0])
    foreign_runs.write(run_dir / log, "vLLM API server version 0.26.0\n")
    notes = document.build(plan, "T")["notes"]
    assert "identity.frameworks.vllm: it is 0.27.0, but logs say 0.26.0." in notes
