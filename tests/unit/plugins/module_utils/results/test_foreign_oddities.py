# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the files of a run directory of srtctl hold: it is read, or refused with a reason, and never fails."""

from __future__ import annotations

import json

import foreign_runs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.results import foreign, tables
from ansible_collections.srt.slurm.plugins.module_utils.results.rollup_file import read_rollup
from foreign_runs import metadata, name_of, result, write

ODD = [None, [], {}, "x", 0, -1, 1.5, True, [None, {"a": []}], {"type": []}, "\x1b[31m\0", 10**30]


def readable(run):
    """Read *run*, and its rollup as others do; return it."""
    made = foreign.read(str(run))
    path = write(run / "rollup.json", json.dumps(made))
    assert read_rollup(str(path)) and tables.table_text(made) and tables.csv_text(made)
    path.unlink()
    return made


@pytest.mark.parametrize(
    "key",
    ["job_name", "model", "resources", "backend_type", "frontend_type", "benchmark", "tags", "generated_at"],
)
def test_a_key_of_the_metadata_that_is_odd(tmp_path, key):
    run = foreign_runs.of_2026(tmp_path)
    for value in ODD:
        for name in ("4711.json", "logs/4711.json"):
            write(run / name, metadata(**{key: value}))
        made = readable(run)
        assert made["valid"] is False and len(made["results"]) >= 2


@pytest.mark.parametrize("key", ["isl", "concurrencies", "type"])
def test_a_key_of_the_load_that_is_odd(tmp_path, key):
    run = foreign_runs.of_2026(tmp_path)
    for name in ("config.yaml", "logs/config.yaml", "recipe.lock.yaml"):
        (run / name).unlink()
    (run / "logs" / "4711.json").unlink()
    for value in ODD:
        write(run / "4711.json", metadata(benchmark={"type": "sa-bench", "isl": 1024, "osl": 128, key: value}))
        try:
            readable(run)
        except Error as error:
            assert "Put the files of each run" in str(error) and key == "isl"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.yaml", "["), ("config.yaml", "- a"), ("config.yaml", "1: 2"), ("config.yaml", "{a: &a [*a]}"),
        ("config_x.yaml", "name: other"), ("recipe.lock.yaml", "lock: 5"), ("recipe.lock.yaml", "lock: {slurm: []}"),
        ("logs/resource_snapshot.json", "[]"), ("logs/resource_snapshot.json", '{"slurm_environment": []}'),
        ("logs/fingerprint_prefill_w0.json", '{"frameworks": [], "hostname": 5}'), ("logs/rollup.json", "5"),
        ("logs/power/windows/x.json", '{"concurrency": "4", "status": 5}'), ("logs/trtllm_config_prefill.yaml", "["),
        ("logs/benchmark.out", "[CMD] python3 'unclosed\n"), ("logs/n2_decode_w0.out", "\0" * 5000),
        ("logs/n9_decode_w9.err", "Decode batch, #running-req: nine"),
        ("5000.json", "[]"), ("5001.json", '{"job_id": 5}'),
    ],
)  # fmt: skip
def test_a_file_that_is_odd_is_no_reason_to_fail(tmp_path, name, text):
    run = foreign_runs.of_2026(tmp_path)
    write(run / name, text)
    assert [one["state"] for one in readable(run)["results"]] == ["passed", "passed"]


def test_lines_of_batches_that_were_cut_are_counted_and_named_in_both_files_of_a_worker(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    for ending in ("out", "err"):
        write(run / f"logs/n9_decode_w9.{ending}", "Decode batch, #running-req: nine\n" * 2)
    made = readable(run)
    assert any(note.startswith("4 line(s) of worker logs are about batches, but were cut") for note in made["notes"])
    assert next(one for one in made["nodes_summary"]["nodes"] if one["node_name"] == "n9")["unknown_lines"] == 4


@pytest.mark.parametrize("value", [None, -1, "x", [], {}, True, 1e300, "1e5"])
@pytest.mark.parametrize(
    "key", ["completed", "duration", "output_throughput", "max_concurrency", "mean_ttft_ms", "errors"]
)
def test_a_result_with_an_odd_figure_passes_only_if_it_can(tmp_path, key, value):
    run = foreign_runs.of_2026(tmp_path)
    write(run / "logs" / name_of(4), result(4, **{key: value}))
    one = {record["label"]: record for record in readable(run)["results"]}.get("c=4")
    assert one is None or one["state"] != "valid" and one["valid"] is False


def test_a_result_whose_name_says_another_concurrency_is_a_doubt(tmp_path):
    run = foreign_runs.of_2026(tmp_path, levels=(4,))
    write(run / "logs" / name_of(8), result(16))
    one = {record["label"]: record for record in readable(run)["results"]}["c=16"]
    assert "its name says concurrency 8, but it says 16" in one["doubts"]


@pytest.mark.parametrize("target", ["nowhere", "/", "n9_decode_w9.out"])
@pytest.mark.parametrize("age", [foreign_runs.of_2026, foreign_runs.of_2025])
def test_a_log_that_is_no_file_is_told_and_no_reason_to_fail(tmp_path, target, age):
    """A link that leads nowhere, to a directory, or to itself; in the oldest form the engine is known by its logs."""
    run = age(tmp_path)
    folder = run / "logs" if (run / "logs").is_dir() else run
    (folder / "n9_decode_w9.out").symlink_to(target)
    made = readable(run)
    assert made["valid"] is False and len(made["results"]) >= 2
