# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of runs: what it has, what it selects, and that its index is never more than a copy of the files."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.catalogue import entries, index
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.stages import runs_info
from compared_runs import make_run, roll_up

DEFAULTS = {name: one.get("default") for name, one in runs_info.ARGUMENT_SPEC.items()}


def run(out, check_mode=False, **params):
    return runs_info.run({**DEFAULTS, "output_dir": str(out), **params}, Context(check_mode=check_mode))


def ids(result):
    return [one["id"] for one in result["runs"]]


@pytest.fixture
def out(tmp_path):
    """Three runs with a rollup, one of them not valid, one without a rollup, and one of a sweep."""
    make_run(tmp_path / "7", tags=["nightly", "h100"])
    roll_up(tmp_path / "7")
    make_run(tmp_path / "8", seed=2, invalid={2: "bad"}, tags=["nightly"], minutes=[10, 11, 12, 13, 14])
    roll_up(tmp_path / "8")
    make_run(tmp_path / "7.earlier1", seed=3, name="older", minutes=[20, 21, 22, 23, 24])
    roll_up(tmp_path / "7.earlier1")
    make_run(tmp_path / "9", seed=4)
    make_run(tmp_path / "sweeps" / "s" / "variants" / "job_a", seed=5, minutes=[30, 31, 32, 33, 34])
    roll_up(tmp_path / "sweeps" / "s" / "variants" / "job_a")
    for name in ("comparisons", "latest", "x8"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_each_run_has_its_line_the_newest_first(out):
    result = run(out)
    assert ids(result) == ["s/job_a", "7.earlier1", "8", "7", "9"] and result["total"] == 5
    lines = result["text"].splitlines()
    assert lines[0].split() == ["id", "name", "topology", "isl/osl", "best", "verdict", "date"]
    assert lines[3].split()[:4] == ["8", "job", "2P/1D", "64/16"]
    assert "NOT valid (4 of 5 points valid)" in lines[3] and "2026-11-21 10:10" in lines[3]
    assert "no rollup" in lines[5]


def test_the_best_is_that_of_valid_points(out):
    (found,) = [one for one in run(out)["runs"] if one["id"] == "8"]
    results = json.loads((out / "8" / "rollup.json").read_text())["results"]
    assert found["best"] == max(one["output_tps"] for one in results if one["valid"])
    assert found["best_metric"] == "output_tps"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"tags": ["nightly"]}, ["8", "7"]),
        ({"tags": ["nightly", "h100"]}, ["7"]),
        ({"tags": ["none"]}, []),
        ({"name": "old*"}, ["7.earlier1"]),
        ({"name": "OLDER"}, ["7.earlier1"]),
        ({"name": "old"}, []),
        ({"model": "t?ny", "valid": False}, ["8"]),
        ({"valid": True}, ["s/job_a", "7.earlier1", "7"]),
        ({"since": "2026-11-21T10:10"}, ["s/job_a", "7.earlier1", "8"]),
        ({"since": "2026-11-21T11:15:00+01:00"}, ["s/job_a", "7.earlier1"]),
        ({"since": "2026-11-22"}, []),
    ],
)
def test_runs_are_selected(out, params, expected):
    assert ids(run(out, **params)) == expected


def test_since_may_be_how_long_ago(out):
    assert ids(run(out, since="1h")) == [] and len(ids(run(out, since="99999d"))) == 5


@pytest.mark.parametrize(
    ("params", "words"),
    [({"since": "yesterday"}, "since is yesterday"), ({"output_dir": "/nowhere"}, "does not exist")],
)
def test_wrong_input_says_what_would_be_right(out, params, words):
    with pytest.raises(Error, match=words):
        run(out, **params)


def fresh(out):
    """Return the records as the files alone have them."""
    return index.records(str(out), write=False)


def test_the_index_follows_the_files(out, monkeypatch):
    assert run(out)["runs"] == fresh(out)
    read, real = [], entries.entry
    monkeypatch.setattr(entries, "entry", lambda output_dir, folder: read.append(folder) or real(output_dir, folder))
    assert run(out)["runs"] and read == []  # nothing changed, so nothing is read
    roll_up(out / "9")
    shutil.rmtree(out / "8")
    assert sorted(ids(run(out))) == ["7", "7.earlier1", "9", "s/job_a"] and read == [str(out / "9")]
    assert run(out)["runs"] == fresh(out)


@pytest.mark.parametrize("content", [b"", b"no database", "other", "table", "record"])
def test_a_broken_index_is_made_anew(out, content):
    path = out / index.NAME
    if content == "record":
        run(out)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        made = sqlite3.connect(path)
        made.executescript({
            "other": "PRAGMA user_version = 99; CREATE TABLE runs (something TEXT);",
            "table": f"PRAGMA user_version = {index.VERSION}; CREATE TABLE runs (something TEXT);",
            "record": "UPDATE runs SET record = 'no json'",
        }[content])  # fmt: skip
        made.close()
    assert run(out)["runs"] == fresh(out)


def test_an_index_that_cannot_be_written_is_done_without(out):
    (out / index.NAME).mkdir()
    assert run(out)["runs"] == fresh(out)


def test_check_mode_writes_no_index(out):
    assert run(out, check_mode=True)["runs"] and not os.path.exists(out / index.NAME)


def test_a_name_with_control_characters_is_spelt_out(tmp_path):
    make_run(tmp_path / "7", name="a\x1b[2Jb\n")
    roll_up(tmp_path / "7")
    assert "\x1b" not in run(tmp_path)["text"]


def test_no_runs_are_said(tmp_path):
    assert run(tmp_path)["text"] == "There are no runs."


def spoil(run_dir, how):
    """Let a run, whose rollup says that it is valid, have something that speaks against it."""
    result = sorted(path for path in run_dir.glob("results/*/*.json") if ".verdict" not in path.name)[0]
    path, made = run_dir / "rollup.json", json.loads((run_dir / "rollup.json").read_text())
    if how == "the result changed":
        result.write_text(result.read_text().replace('"duration": 2.0', '"duration": 1.0'))
    elif how == "the result is gone":
        result.unlink()
    elif how == "the verdict is gone":
        result.with_suffix(".verdict.json").unlink()
    elif how == "the plan is of another point":
        plan = json.loads((run_dir / "plan.json").read_text())
        plan["benchmark"]["points"][0]["digest"] = "other"
        (run_dir / "plan.json").write_text(json.dumps(plan))
    elif how == "the plan cannot be read":
        (run_dir / "plan.json").write_text("{")
    elif how == "a figure is another one":
        made["results"][0]["output_tps"] = 1e9
    elif how == "a point is not valid":
        made["results"][0].update(valid=False, state="invalid", invalid_reasons=["bad"])
    else:
        made["results"][0]["invalid_reasons"] = ["bad"]
    path.write_text(json.dumps(made))


@pytest.mark.parametrize(
    "how",
    ["the result changed", "the result is gone", "the verdict is gone", "the plan is of another point",
     "the plan cannot be read", "a figure is another one", "a point is not valid", "a point has a reason"],
)  # fmt: skip
def test_a_rollup_that_calls_a_run_valid_is_believed_only_as_its_files_prove_it(out, how):
    assert "7" in ids(run(out, valid=True))
    spoil(out / "7", how)
    (found,) = [one for one in run(out)["runs"] if one["id"] == "7"]
    assert found["valid"] is False and found["verdict"] in ("NOT valid", "passed") and found["valid_points"] < 5
    assert (found["best"] or 0) < 1e9 and "7" not in ids(run(out, valid=True))
