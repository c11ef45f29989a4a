# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""sweep.csv, the table, and the lines while a sweep runs."""

from __future__ import annotations

import csv
import io

import pytest
from ansible_collections.srt.slurm.plugins.module_utils import sweep_folders
from ansible_collections.srt.slurm.plugins.module_utils.sweeps import progress, rows, tables


def job(name, **own):
    return {"name": name, "parameters": own, "run_dir": f"/o/{name}", "benchmark_type": "sa-bench"}


def rollup(*records, job_id="7"):
    return {"job_id": job_id, "results": list(records)}


def record(concurrency, valid=True, digest="d", state=None, **figures):
    state = state or ("valid" if valid else "invalid")
    reasons = [] if valid else ["2 of 40 requests failed"]
    about = {"name": f"p{concurrency}", "digest": digest, "state": state, "valid": valid, "invalid_reasons": reasons}
    return {**about, "label": f"c={concurrency}", "concurrency": concurrency, **figures}


def planned(*concurrencies):
    return [rows.Planned(f"p{one}", f"c={one}", {"concurrency": one}, "d") for one in concurrencies]


@pytest.fixture
def found():
    """Two jobs: one with a valid point and one that is not, one with a point that is better but for its latency."""
    first = rollup(record(4, output_tps=100.0, mean_ttft_ms=5.0), record(8, valid=False, output_tps=900.0))
    second = rollup(record(4, output_tps=200.0, mean_ttft_ms=9.0), job_id="8")
    return rows.rows(job("a", n=1), planned(4, 8), first) + rows.rows(job("b", n=2), planned(4, 8), second)


def test_the_csv_has_one_row_for_each_point_and_a_column_for_each_parameter(found):
    table = list(csv.DictReader(io.StringIO(tables.csv_text(found))))
    keys = ("job_name", "n", "concurrency", "state", "valid", "output_tps", "job_id")
    assert [tuple(row[key] for key in keys) for row in table] == [
        ("a", "1", "4", "valid", "true", "100.0", "7"),
        ("a", "1", "8", "invalid", "false", "900.0", "7"),
        ("b", "2", "4", "valid", "true", "200.0", "8"),
        ("b", "2", "8", "not_measured", "false", "", ""),
    ]


def test_a_parameter_with_the_name_of_another_column_has_its_own():
    row = rows.rows(job("a", concurrency=3, valid="x"), planned(4), None)
    (line,) = csv.DictReader(io.StringIO(tables.csv_text(row)))
    assert (line["concurrency"], line["parameter.concurrency"], line["parameter.valid"]) == ("4", "3", "x")


def test_the_best_is_one_of_the_valid_points(found):
    assert {one["metric"]: (one["job_name"], one["value"]) for one in rows.best(found)} == {
        "output_tps": ("b", 200.0), "mean_ttft_ms": ("a", 5.0),
    }  # fmt: skip
    assert rows.best([]) == []


def test_the_table_names_what_is_not_valid_and_what_was_not_measured(found):
    text = tables.text(found, {"b": "decode_0 exited with code 1"})
    assert "2 of 4 points are valid, 1 are NOT valid, 1 are not measured." in text
    assert "  a c=8: 2 of 40 requests failed" in text
    assert "  b (c=8 not measured): decode_0 exited with code 1" in text
    assert rows.count(found) == (4, 2, 0, 1) and rows.count(found).left == 1


def test_a_result_of_another_digest_does_not_count():
    other = rollup(record(4, digest="another", output_tps=1.0))
    (row,) = rows.rows(job("a"), planned(4), other)
    assert (row["state"], row["valid"], row["metrics"]["output_tps"]) == ("not_measured", False, None)
    (row,) = rows.rows(job("a"), planned(4), other, trusted=True)
    assert row["valid"] is True


def test_a_line_says_how_many_are_done_and_how_long_the_rest_takes():
    count = progress.Progress(12, 5, 100.0)
    assert count.line("a", "c=16", "out 812.4 tok/s", 160.0) == "[6/12] a c=16  out 812.4 tok/s  about 6 min left"
    assert count.line("a", "c=32", "out 1 tok/s", 160.0, measured=False).startswith(
        "[7/12] a c=32  out 1 tok/s  about 5"
    )
    for _time in range(5):
        last = count.line("a", "c=64", "x", 220.0)
    assert last == "[12/12] a c=64  x"


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (89, "89 s"), (240, "4 min"), (7500, "2 h 05 min")])
def test_a_duration_is_for_people(seconds, text):
    assert progress.duration(seconds) == text


@pytest.mark.parametrize("names", [("a/b", "a-b"), ("..", "."), ("x" * 300, "x" * 299), ("ü", "ö"), (" a b", "a-b")])
def test_two_jobs_never_share_a_directory(names):
    words = [sweep_folders.word(name) for name in names]
    assert len(set(words)) == 2 and all("/" not in one and one not in (".", "..") and len(one) < 200 for one in words)


def test_the_output_directory_of_a_job_of_a_sweep_is_that_of_the_sweep():
    folder = sweep_folders.variant_dir(sweep_folders.folder_of("/out", "s"), "j")
    assert (folder, sweep_folders.output_dir_of(folder)) == ("/out/sweeps/s/variants/j", "/out")
    assert sweep_folders.output_dir_of("/out/7") == sweep_folders.output_dir_of("/out/7/") == "/out"
