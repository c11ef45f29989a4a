# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file beside the result of a point that says whether it counts."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.files import read_object
from ansible_collections.srt.slurm.plugins.module_utils.results import verdict


def test_standing_of_a_valid_point(helpers, run_dir):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result())
    found, reasons, state = verdict.standing(made, str(path))
    assert (reasons, state) == ([], verdict.VALID)
    assert found["valid"] is True
    assert found["metrics"]["output_tps"] == 320.0
    assert found["started_at"] == "2026-11-21T10:00:00.000Z"
    assert len(found["result_sha256"]) == 64


def test_standing_of_what_is_not_there(helpers, run_dir):
    made = helpers.point()
    path = run_dir / made["result"]
    assert verdict.standing(made, str(path)) == (None, ["was not measured"], verdict.NOT_MEASURED)
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert verdict.standing(made, str(path)) == (None, ["was measured but not evaluated"], verdict.NOT_EVALUATED)


def test_standing_with_another_digest(helpers, run_dir):
    path = helpers.write_point(run_dir, helpers.point(), helpers.raw_result())
    _found, reasons, state = verdict.standing(dict(helpers.point(), digest="other"), str(path))
    assert reasons == ["was measured with other parameters or another service"]
    assert state == verdict.OUTDATED


def test_standing_of_a_result_that_was_changed_or_cut_or_lost(helpers, run_dir):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result())
    path.write_text(path.read_text()[:-10])
    found = verdict.standing(made, str(path))
    assert "has changed since" in found.reasons[0]
    assert found.state == verdict.CHANGED
    path.unlink()
    assert "cannot be read" in verdict.standing(made, str(path))[1][0]


def test_standing_of_an_invalid_point(helpers, run_dir):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result(), ["too slow"])
    assert verdict.standing(made, str(path))[1:] == (["too slow"], verdict.INVALID)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 99}'])
def test_a_verdict_that_cannot_be_read_is_none(helpers, run_dir, text):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result())
    (path.parent / (path.stem + ".verdict.json")).write_text(text)
    assert verdict.read_verdict(str(path)) is None


@pytest.mark.parametrize("reasons", [[], ["too slow"]])
@pytest.mark.parametrize(
    "change",
    [{"valid": True, "reasons": []}, {"digest": "d4", "metrics": {"output_tps": 9999.0}}, {"ended_at": None}],
)
def test_a_verdict_that_was_edited_is_none(helpers, run_dir, reasons, change):
    made = helpers.point()
    path = str(helpers.write_point(run_dir, made, helpers.raw_result(), reasons))
    stored = read_object(verdict.verdict_path(path))
    edited = {**stored, **change}
    with open(verdict.verdict_path(path), "w", encoding="utf-8") as stream:
        json.dump(edited, stream)
    state = verdict.NOT_EVALUATED if edited != stored else verdict.VALID
    assert verdict.standing(made, path).state == state


def test_a_verdict_of_an_earlier_version_has_no_seal_and_is_never_valid_with_reasons(helpers, run_dir):
    made = helpers.point()
    path = str(helpers.write_point(run_dir, made, helpers.raw_result()))
    stored = read_object(verdict.verdict_path(path))
    del stored["seal"]
    for change, state in ({}, verdict.VALID), ({"reasons": ["too slow"]}, verdict.NOT_EVALUATED):
        with open(verdict.verdict_path(path), "w", encoding="utf-8") as stream:
            json.dump({**stored, **change}, stream)
        assert verdict.standing(made, path).state == state


def test_a_verdict_without_a_result_keeps_the_times_it_was_given(helpers):
    made = verdict.make_verdict(helpers.point(), ["died"], times=("A", "B"))
    assert (made["valid"], made["metrics"], made["started_at"], made["ended_at"]) == (False, {}, "A", "B")
    json.dumps(made)
