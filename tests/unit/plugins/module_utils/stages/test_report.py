# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module report: which directory is meant, what it writes, and that it fails no run."""

from __future__ import annotations

import json

import pytest
import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.report import writing
from ansible_collections.srt.slurm.plugins.module_utils.stages import report


def call(check=False, **params):
    spec = {name: one.get("default") for name, one in report.ARGUMENT_SPEC.items()}
    return report.run({**spec, **params}, Context(check_mode=check))


def broken(*_args):
    raise KeyError("anything")


def test_a_run_directory_gets_its_page_its_picture_and_the_index(tmp_path):
    report_runs.make_run(tmp_path / "77")
    result = call(run_dir=str(tmp_path / "77"))
    assert result["changed"] and result["path"] == str(tmp_path / "77" / "report.html")
    assert result["picture"] == str(tmp_path / "77" / "rollup.svg") and result["index"] == str(tmp_path / "index.html")
    assert result["bytes"] == (tmp_path / "77" / "report.html").stat().st_size
    assert "77/report.html" in (tmp_path / "index.html").read_text()
    assert not call(run_dir=str(tmp_path / "77"))["changed"]


def test_the_index_shows_an_invalid_run_as_invalid_whatever_its_rollup_says(tmp_path):
    report_runs.make_run(tmp_path / "77")
    path = next((tmp_path / "77").glob("results/*/*_4_*16.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "completed": 3}))
    call(run_dir=str(tmp_path / "77"))
    index = (tmp_path / "index.html").read_text()
    assert 'data-verdict="NOT valid"' in index and "its result file has changed" in index


def test_a_sweep_folder_gets_the_page_of_the_sweep(tmp_path):
    folder = tmp_path / "sweeps" / "s"
    report_runs.make_run(folder / "variants" / "a", (4,))
    job = {"name": "a", "rows": [{"point": "bench_c4", "label": "c=4", "state": "valid"}], "parameters": {},
           "benchmark_type": "sa-bench", "failure": None}  # fmt: skip
    record = {"schema_version": 1, "name": "s", "state": "finished", "output_dir": str(tmp_path), "points": {},
              "left": [], "allocation_names": [], "best": [], "jobs": [job]}  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(record))
    result = call(run_dir=str(folder))
    assert result["path"] == str(folder / "report.html") and result["index"] == str(tmp_path / "index.html")
    assert "1 of 1 points count" in (folder / "report.html").read_text()
    assert "s/a" in (tmp_path / "index.html").read_text()


def test_check_mode_reads_and_writes_nothing(tmp_path):
    report_runs.make_run(tmp_path / "77")
    assert call(check=True, run_dir=str(tmp_path / "77"))["path"] == str(tmp_path / "77" / "report.html")
    assert not (tmp_path / "77" / "report.html").exists() and not (tmp_path / "index.html").exists()
    assert call(check=True, optional=True, run_dir=str(tmp_path / "78"))["path"] is None


def test_a_directory_that_is_not_there_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(Error, match="There is no directory .*Set run_dir"):
        call(run_dir=str(tmp_path / "78"))


@pytest.mark.parametrize("name", ["write_run", "write_index"])
def test_at_the_end_of_a_run_whatever_goes_wrong_is_a_note(tmp_path, monkeypatch, name):
    report_runs.make_run(tmp_path / "77")
    monkeypatch.setattr(writing, name, broken)
    result = call(run_dir=str(tmp_path / "77"), optional=True)
    assert result["path"] is None and result["text"].startswith("note: there is no report: KeyError")
    assert call(run_dir=str(tmp_path / "78"), optional=True)["text"].startswith("note: there is no report: There is no")


def test_a_page_that_is_newer_than_the_results_is_not_made_again_at_the_end_of_a_run(tmp_path, monkeypatch):
    report_runs.make_run(tmp_path / "77")
    assert call(run_dir=str(tmp_path / "77"), optional=True)["changed"]
    monkeypatch.setattr(writing, "write_run", broken)
    assert call(run_dir=str(tmp_path / "77"), optional=True)["text"] == ""


def test_a_job_that_wants_no_report_gets_none_at_its_end(tmp_path):
    plan = report_runs.make_run(tmp_path / "77")
    spec = {**plan["spec"], "observability": {"build_dashboard": False}}
    report_runs.make_run(tmp_path / "77", spec=spec)
    assert call(run_dir=str(tmp_path / "77"), optional=True)["path"] is None
    assert not (tmp_path / "77" / writing.PAGE).exists()
    assert call(run_dir=str(tmp_path / "77"))["path"]  # asked for it is made


def test_an_index_that_cannot_be_written_is_a_note(tmp_path):
    report_runs.make_run(tmp_path / "77")
    (tmp_path / "index.html").mkdir()
    result = call(run_dir=str(tmp_path / "77"))
    assert result["index"] is None and "index.html cannot be written" in result["text"]


def test_a_page_that_would_be_too_large_is_not_written(tmp_path, monkeypatch):
    report_runs.make_run(tmp_path / "77")
    monkeypatch.setattr(writing, "MOST_BYTES", 1000)
    with pytest.raises(Error, match=r"1,000 at most\. It was not written"):
        call(run_dir=str(tmp_path / "77"))


def test_a_page_that_would_be_too_large_leaves_out_what_other_files_have(tmp_path, monkeypatch):
    report_runs.make_run(tmp_path / "77")
    call(run_dir=str(tmp_path / "77"))
    whole = (tmp_path / "77" / "report.html").read_text()
    monkeypatch.setattr(writing, "MOST_BYTES", len(whole.encode()) - 1)
    call(run_dir=str(tmp_path / "77"))
    brief = (tmp_path / "77" / "report.html").read_text()
    assert len(brief) < 0.8 * len(whole) and "too large with all figures" in brief
    assert "✓ valid" in brief and 'id="chart-frontier"' in brief and 'data-metric="output_tps"' in brief
