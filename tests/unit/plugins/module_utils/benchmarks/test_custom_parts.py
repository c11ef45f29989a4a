# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several results of one command: each has its own verdict, a broken one is told by its name, nothing is averaged."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.results import document, parts, tables, verdict
from result_files import AIPERF, LM_EVAL, SGLANG, VLLM, aiperf_metric

CUSTOM = BENCHMARKS["custom"]
EXPECT = {"models": ["m", "/models/m"]}
GOOD_AIPERF = {**AIPERF, "error_request_count": aiperf_metric("requests", avg=0.0)}


def aiperf(level, **changes):
    return {**GOOD_AIPERF, "input_config": {**AIPERF["input_config"], "loadgen": {"concurrency": level}}, **changes}


def vllm(level, **changes):
    return {**VLLM, "max_concurrency": level, **changes}


def paced(level, output_tps):
    """Return a result of so many output tokens per second."""
    factor = output_tps / VLLM["output_throughput"]
    rates = {name: VLLM[name] * factor for name in VLLM if name.endswith("_throughput")}
    return vllm(level, duration=VLLM["duration"] / factor, **rates)


def left(folder, files, **facts):
    """Write what a command left; return the path of the result of its point."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"exit_code": 0, "duration_s": 60, "concurrency": None, "started_at": "2026-11-01T10:00:00Z",
             "ended_at": "2026-11-01T10:01:00Z"}  # fmt: skip
    (folder / "point.json").write_text(json.dumps({**about, **facts}))
    for name, content in files.items():
        path = folder / "point.files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / "point.json"


def judged(tmp_path, files, **facts):
    """Return (figures, reasons, doubts, {name: part}) of a point whose command left *files*."""
    raw = CUSTOM.read(str(left(tmp_path, files, **facts)))
    found = {one.name: one for one in CUSTOM.parts(raw, EXPECT, 0.99)}
    reasons = [*CUSTOM.evaluate(raw, EXPECT, 0.99), *CUSTOM.disturbances(raw)]
    return CUSTOM.figures(raw), reasons, CUSTOM.doubts(raw), found


SWEEPS = {
    "a file for each concurrency": {f"c{level}.json": vllm(level) for level in (1, 2, 4)},
    "a folder for each value": {f"concurrency_{n}/profile_export_aiperf.json": aiperf(n) for n in (1, 2, 4)},
    "trials of a sweep": {f"profile_runs/trial_000{n}/c4/profile_export_aiperf.json": aiperf(4) for n in (1, 2, 3)},
    "lines of a file": {"bench.jsonl": "\n".join(json.dumps({**vllm(n)}) for n in (1, 2, 4))},
    "other programs": {"a.json": vllm(1), "b.json": aiperf(1), "c.json": LM_EVAL},
    "copies of result_glob": {f"found/tmp/out {n}/result.json": vllm(n) for n in (1, 2, 4)},
}


@pytest.mark.parametrize("files", SWEEPS.values(), ids=SWEEPS)
def test_each_result_is_a_part_with_its_own_figures(tmp_path, files):
    figures, reasons, doubts, found = judged(tmp_path, files)
    assert (reasons, doubts, len(found)) == ([], [], 3)
    assert figures["duration"] == 60 and "output_tps" not in figures and "score" not in figures
    assert all(one.figures["measured_by"] and not one.reasons and not one.doubts for one in found.values())
    assert len({*found}) == 3


def test_parts_have_the_names_that_the_command_gave_them(tmp_path):
    names = ["c1.json", "deep/c2.json", "lines.jsonl #1", "lines.jsonl #2", "/tmp/out 3/r.json"]
    lines = "\n".join(json.dumps(vllm(level)) for level in (4, 5))
    files = {"c1.json": vllm(1), "deep/c2.json": vllm(2), "lines.jsonl": lines, "found/tmp/out 3/r.json": vllm(3)}
    assert sorted(judged(tmp_path, files)[3]) == sorted(names)


BROKEN = {
    "all failed": ({"completed": 0, "failed": 20}, "no request completed"),
    "half failed": ({"completed": 10, "failed": 10}, "10 of 20 requests did not complete"),
    "half is missing": ({"completed": 10, "failed": 0}, "20 requests were planned, but the result has 10"),
    "no tokens": ({"total_output_tokens": 0}, "no output tokens were received"),
    "no time": ({"duration": 0}, "the duration of the measurement is 0"),
    "wrong model": ({"model_id": "other"}, "of another model: 'other', not m"),
    "of another run": ({"duration": 600.0}, "it is of another run"),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_broken_result_makes_the_whole_invalid_with_its_name(tmp_path, change, said, place):
    files = {f"c{number}.json": vllm(number, **(change if number == place else {})) for number in range(3)}
    figures, reasons, _doubts, found = judged(tmp_path, files)
    assert reasons and all(reason.startswith(f"c{place}.json: ") for reason in reasons)
    assert any(said in reason for reason in reasons), reasons
    assert [bool(one.reasons) for one in found.values()] == [number == place for number in range(3)]
    assert "output_tps" not in figures


@pytest.mark.parametrize(
    "garbage", ["", "{", json.dumps(VLLM)[:-20], "\x00\x01", json.dumps({**VLLM, "completed": "20"}), "[" * 100_000]
)
@pytest.mark.parametrize("name", ["b.json", "found/tmp/b.json", "deep/er/b.jsonl"])
def test_a_file_that_was_cut_makes_the_whole_invalid_with_its_name(tmp_path, garbage, name):
    if name.endswith(".jsonl") and not garbage:
        pytest.skip("a file without lines has nothing")
    for files in ({"a.json": VLLM, name: garbage}, {"a.json": VLLM, "c.json": VLLM, name: garbage}, {name: garbage}):
        folder = tmp_path / str(len(files))
        _figures, reasons, _doubts, _found = judged(folder, files)
        assert any(f"its result file is broken: {name.rpartition('/')[2]}" in one for one in reasons), reasons


def test_files_that_are_no_results_are_no_parts(tmp_path):
    files = {"a.json": vllm(1), "b.json": vllm(2), "inputs.json": {"data": []}, "notes.json": '{"x": NaN}'}
    _figures, reasons, doubts, found = judged(tmp_path, files)
    assert (reasons, doubts, [*found]) == ([], [], ["a.json", "b.json"])


def test_the_result_of_the_points_concurrency_has_its_figures_and_the_others_must_be_in_order_too(tmp_path):
    files = {"c1.json": paced(1, 50.0), "c16.json": paced(16, 800.0)}
    figures, reasons, _doubts, found = judged(tmp_path, files, concurrency=16)
    assert (figures["concurrency"], figures["output_tps"], reasons, len(found)) == (16, 800.0, [], 2)
    files["c1.json"] = vllm(1, completed=0)
    assert judged(tmp_path, files, concurrency=16)[1] == ["c1.json: no request completed"]


def test_results_of_other_concurrencies_are_not_those_of_the_point(tmp_path):
    files = {"c1.json": vllm(1), "c2.json": vllm(2)}
    assert judged(tmp_path, files, concurrency=16)[1] == ["none of its 2 results is of concurrency 16"]


def test_a_doubt_about_one_result_is_one_about_the_point(tmp_path):
    files = {"a.json": VLLM, "b.json": {**SGLANG, "request_rate": 1}}
    _figures, reasons, doubts, found = judged(tmp_path, files)
    assert reasons == [] and doubts == ["b.json: its result does not say how many requests failed"]
    assert [one.doubts != [] for one in found.values()] == [False, True]


def test_a_late_client_is_a_reason_that_another_measurement_may_not_have(tmp_path):
    late = aiperf(2, credit_to_start_latency=aiperf_metric("ms", avg=400.0))
    raw = CUSTOM.read(str(left(tmp_path, {"a/x.json": aiperf(1), "b/x.json": late})))
    assert CUSTOM.evaluate(raw, EXPECT, 0.99) == []
    assert [one.partition(" ")[0] for one in CUSTOM.disturbances(raw)] == ["b/x.json:"]
    assert [bool(one.reasons) for one in CUSTOM.parts(raw, EXPECT, 0.99)] == [False, True]


@pytest.mark.parametrize("said", ["m", "/elsewhere/m", "hub/m", "m/"])
def test_a_client_may_name_the_model_by_its_directory(tmp_path, said):
    assert judged(tmp_path, {"a.json": {**VLLM, "model_id": said}})[1] == []


@pytest.mark.parametrize(
    "content",
    [{**VLLM, "model_id": "other"}, {**LM_EVAL, "config": {"model_args": {"model": "other"}}},
     {**GOOD_AIPERF, "input_config": {**AIPERF["input_config"], "models": {"items": [{"name": "other"}]}}}],
)  # fmt: skip
def test_a_result_of_another_model_is_not_valid_whoever_left_it(tmp_path, content):
    assert "the result is of another model: 'other', not m" in judged(tmp_path, {"a.json": content})[1]


@pytest.mark.parametrize(("texts", "said"), [(["a", "b"], None), (["a", ""], "1 of 2 answers are empty")])
def test_the_answers_that_a_harness_left_must_have_a_text(tmp_path, texts, said):
    lines = "".join(json.dumps({"resps": [[text]], "filter": "none"}) + "\n" for text in texts)
    files = {"e/results_1.json": LM_EVAL, "e/samples_gsm8k_1.jsonl": lines, "load.json": vllm(1)}
    reasons = judged(tmp_path, files)[1]
    assert reasons == [] if said is None else reasons[0].startswith("e/results_1.json: " + said), reasons


def test_too_many_files_are_a_doubt(tmp_path):
    files = {f"notes{number:04d}.json": {"n": number} for number in range(1000)}
    assert "more than 1000" in judged(tmp_path, {"a.json": VLLM, **files})[2][0]


# In the rollup, its tables, and the file of the verdict.


@pytest.fixture
def rolled(helpers, run_dir):
    """``rolled(files, reasons)``: the rollup of a run with one custom point that left *files*."""

    def roll(files, reasons=()):
        plan = helpers.make_plan(run_dir, [4])
        plan["spec"]["benchmark"] = {"type": "custom"}
        plan["benchmark"]["type"] = "custom"
        (point,) = plan["benchmark"]["points"]
        point.update(key={}, label="custom", name="bench_custom", result="results/custom/point.json")
        raw = CUSTOM.read(str(left(run_dir / "results" / "custom", files)))
        found = parts.of_verdict(CUSTOM.parts(raw, EXPECT, 0.99))
        said = [*CUSTOM.evaluate(raw, EXPECT, 0.99), *reasons]
        path = str(run_dir / point["result"])
        made = verdict.make_verdict(point, said, CUSTOM.figures(raw), path, doubts=CUSTOM.doubts(raw))
        verdict.write_verdict(path, {**made, "parts": found} if found else made)
        return document.build(plan, "2026-11-01T10:05:00Z")

    return roll


def test_the_rollup_shows_each_part(rolled):
    rollup = rolled({"c1.json": paced(1, 50.0), "c4.json": paced(4, 160.0)})
    (point,) = rollup["results"]
    assert (rollup["valid"], point["state"], point["output_tps"]) == (True, "valid", None)
    assert [(one["result_file"], one["concurrency"], one["output_tps"], one["state"]) for one in point["parts"]] == [
        ("c1.json", 1, 50.0, "valid"), ("c4.json", 4, 160.0, "valid"),
    ]  # fmt: skip
    assert point["parts"][1]["output_tps_per_gpu"] == pytest.approx(160 / rollup["total_gpus"])
    assert rollup["max_output_tps"] == 160.0


def test_a_broken_part_is_marked_and_the_others_keep_their_verdict(rolled):
    rollup = rolled({"c1.json": vllm(1), "c4.json": vllm(4, completed=0, failed=20)})
    (point,) = rollup["results"]
    assert rollup["invalid_reasons"] == ["custom: c4.json: no request completed"]
    assert [(one["valid"], one["invalid_reasons"]) for one in point["parts"]] == [
        (True, []), (False, ["no request completed"])
    ]  # fmt: skip
    assert rollup["max_output_tps"] is None  # what is in a run that is not valid is nobody's best
    lines = tables.table_text(rollup).splitlines()
    assert [line.split()[-1 if "failed" not in line else -3] for line in lines[:4]] == ["valid", "NO", "yes", "NO"]
    assert "c1.json" in lines[2] and "c4.json" in lines[3]


def test_what_speaks_against_the_point_speaks_against_each_part(rolled):
    rollup = rolled({"c1.json": vllm(1), "c4.json": vllm(4)}, ["decode_0 ended during the measurement"])
    assert [one["invalid_reasons"] for one in rollup["results"][0]["parts"]] == [
        ["decode_0 ended during the measurement"]
    ] * 2


def test_the_table_of_rows_has_a_row_for_each_part(rolled):
    rollup = rolled({"c1.json": vllm(1), "c4.json": vllm(4)})
    head, *rows = [line.split(",") for line in tables.csv_text(rollup).splitlines()]
    place, level, valid = (head.index(name) for name in ("result_file", "concurrency", "valid"))
    assert [(row[place], row[level], row[valid]) for row in rows] == [
        ("", "", "True"), ("c1.json", "1", "True"), ("c4.json", "4", "True"),
    ]  # fmt: skip


def test_without_parts_nothing_mentions_them(rolled):
    rollup = rolled({"c1.json": vllm(1)})
    assert "parts" not in rollup["results"][0] and "result_file" not in tables.csv_text(rollup)


@pytest.mark.parametrize("value", [5, [5], [{}], [{"name": "a", "reasons": [], "doubts": []}],
                                   [{"name": 1, "reasons": [], "doubts": [], "metrics": {}}]])  # fmt: skip
def test_a_verdict_with_other_parts_is_none(rolled, run_dir, value):
    rolled({"c1.json": vllm(1), "c4.json": vllm(4)})
    path = run_dir / "results" / "custom" / "point.verdict.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "parts": value, "seal": None}))
    assert verdict.read_verdict(str(run_dir / "results" / "custom" / "point.json")) is None
