# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing run directories: verdicts, what never counts, and what the files say."""

from __future__ import annotations

import json

import pytest
from compared_runs import make_run, roll_up
from comparing import DEFAULTS, EVEN, ODD, both, failed, run, verdicts


def test_a_slower_service_is_worse_and_fails(tmp_path):
    both(tmp_path, slower=1.1, serving="other")
    error = failed(tmp_path)
    assert set(verdicts(error.evidence).values()) == {"worse"} and not error.evidence["ok"]
    assert "does not pass: c=4: out tok/s worse" in error.msg
    (point,) = error.evidence["points"]
    assert point["method"] == "paired"
    for one in point["metrics"][:3]:
        assert one["low"] < one["ratio"] < one["high"] and one["confidence"] >= 0.995


def test_a_faster_service_is_better_and_passes(tmp_path):
    both(tmp_path, slower=0.85, serving="other")
    assert set(verdicts(run(tmp_path)).values()) == {"better"}


def test_an_equal_service_with_little_spread_is_equivalent(tmp_path):
    for name, minutes in (("7", ODD), ("8", EVEN)):
        make_run(tmp_path / name, seed=int(name), minutes=minutes, spread=0.001)
    result = run(tmp_path)
    assert set(verdicts(result).values()) == {"equivalent"} and result["verdict"] == "3 equivalent"


def test_noise_is_no_evidence_and_what_it_would_have_shown_is_beside_it(tmp_path):
    make_run(tmp_path / "7", seed=1, spread=0.1)
    make_run(tmp_path / "8", seed=2, spread=0.1)
    result = run(tmp_path)
    assert set(verdicts(result).values()) == {"no evidence"}
    assert all(one["detectable"] > 1.1 for one in result["points"][0]["metrics"][:3])
    assert "would have been found" in result["text"]
    assert "no_evidence" not in DEFAULTS["fail_on"]
    assert "out tok/s no evidence" in failed(tmp_path, fail_on=["no_evidence"]).msg


def test_other_allocations_are_independent_and_warned_about(tmp_path):
    make_run(tmp_path / "7", seed=1)
    make_run(tmp_path / "8", seed=2)
    result = run(tmp_path)
    assert result["points"][0]["method"] == "welch" and "their nodes may differ" in result["text"]


def test_metrics_that_are_not_primary_have_no_verdict(tmp_path):
    both(tmp_path, slower=1.3)
    error = failed(tmp_path, primary_metrics=["mean_e2el_ms"])
    assert verdicts(error.evidence) == {"mean_e2el_ms": "worse"}
    others = [one for one in error.evidence["points"][0]["metrics"] if not one["primary"]]
    assert {one["verdict"] for one in others} == {None}
    assert {one["confidence"] for one in others if one["low"] is not None} == {0.95}


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_repeats_have_no_verdict(tmp_path, count):
    make_run(tmp_path / "7", seed=1)
    make_run(tmp_path / "8", seed=2, repeats=count, slower=2.0)
    error = failed(tmp_path)
    assert set(verdicts(error.evidence).values()) == {"no verdict"}
    assert f"{count} valid repeats of the candidate, 3 are needed" in error.msg
    assert run(tmp_path, fail_on=["worse"])["ok"]


# What never counts.


def pages(error):
    """Return what each form of the result says."""
    folder = error.evidence["path"].rpartition("/")[0]
    texts = {"text": error.evidence["text"]}
    for kind in ("json", "html", "txt"):
        with open(f"{folder}/compare.{kind}", encoding="utf-8") as stream:
            texts[kind] = stream.read()
    return texts


def is_named(error, reason):
    """Return whether each form names a repeat of the candidate that is not valid."""
    (one,) = error.evidence["invalid"]
    assert one["side"] == "candidate" and one["label"] == "c=4 #2" and reason in "; ".join(one["reasons"])
    assert reason in error.msg and "1 invalid repeat" in error.evidence["verdict"]
    for text in pages(error).values():
        assert "c=4 #2" in text and reason in text.replace("&#x27;", "'")
    assert error.evidence["points"][0]["candidate"] == {"planned": 5, "measured": 5, "valid": 4}
    assert all(one["n"] == [4, 4] or one["n"][1] == 4 for one in error.evidence["points"][0]["metrics"])
    return "INVALID candidate" in error.evidence["text"] and 'class="invalid">NOT valid' in pages(error)["html"]


def test_an_invalid_repeat_is_named_everywhere_and_does_not_count(tmp_path):
    # It is ten times as fast: if it counted, the candidate would look better.
    both(tmp_path, invalid={2: "12 requests failed"}, raw_of={2: {"output_throughput": 1e5, "median_tpot_ms": 0.1}})
    assert is_named(failed(tmp_path, fail_on=["invalid"]), "12 requests failed")
    assert "12 requests failed" in failed(tmp_path).msg


def second(folder):
    return next(folder.glob("results/*/*_r2.json"))


def test_a_result_that_was_changed_after_its_verdict_does_not_count(tmp_path):
    both(tmp_path)
    path = second(tmp_path / "8")
    path.write_text(path.read_text().replace("1000", "2000") + "\n")
    assert is_named(failed(tmp_path), "has changed since it was evaluated")


def test_a_verdict_that_was_changed_does_not_count(tmp_path):
    both(tmp_path, invalid={2: "bad"})
    path = second(tmp_path / "8").with_suffix(".verdict.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "valid": True, "reasons": []}))
    assert is_named(failed(tmp_path), "its verdict cannot be read, or was changed")


def test_a_verdict_of_another_service_does_not_count(tmp_path):
    plan = both(tmp_path)
    plan["benchmark"]["points"][1]["digest"] = "another"
    (tmp_path / "8" / "plan.json").write_text(json.dumps(plan))
    assert is_named(failed(tmp_path), "with other parameters or another service")


@pytest.mark.parametrize("beside", [True, False])
def test_what_a_rollup_calls_invalid_does_not_count(tmp_path, beside):
    """With the plan and the results beside it, and as a file alone."""
    both(tmp_path)
    rollup = roll_up(tmp_path / "8")
    rollup["results"][1].update(valid=False, state="invalid", invalid_reasons=["injected"])
    path = tmp_path / "8" / "rollup.json"
    path.write_text(json.dumps(rollup))
    if not beside:
        (tmp_path / "alone").mkdir()
        path = path.rename(tmp_path / "alone" / "rollup.json")
    assert is_named(failed(tmp_path, candidate=str(path)), "injected")


@pytest.mark.parametrize("injected", [{"state": "invalid"}, {"invalid_reasons": ["bad"]}, {"doubts": ["who knows"]}])
def test_a_rollup_that_contradicts_itself_does_not_count(tmp_path, injected):
    both(tmp_path)
    rollup = roll_up(tmp_path / "8")
    rollup["results"][1].update(injected)
    (tmp_path / "alone.json").write_text(json.dumps(rollup))
    error = failed(tmp_path, candidate=str(tmp_path / "alone.json"))
    assert is_named(error, error.evidence["invalid"][0]["reasons"][0])
    assert "result files could not be checked" in error.evidence["text"]


def test_too_many_failed_requests_never_count(tmp_path):
    """A run may have been allowed to accept them."""
    both(tmp_path, raw_of={2: {"completed": 30, "failed": 10, "output_throughput": 1e5}})
    assert is_named(failed(tmp_path), "30 of 40 requests completed, fewer than 99 %")


def test_what_may_have_disturbed_a_valid_repeat_is_said(tmp_path):
    both(tmp_path)
    rollup = roll_up(tmp_path / "8")
    rollup["results"][0].update(service_gaps=["decode_1 was lost"], profiled="nsys")
    (tmp_path / "alone.json").write_text(json.dumps(rollup))
    text = run(tmp_path, candidate=str(tmp_path / "alone.json"), fail_on=[])["text"]
    assert "incomplete (decode_1 was lost)" in text and "profiler nsys ran" in text


def test_sides_that_count_tokens_differently_are_warned_about(tmp_path):
    make_run(tmp_path / "7", seed=1)
    make_run(tmp_path / "8", seed=2, raw={"usage_source": "chunks"})
    assert "tokens counted by: server on the baseline, chunks on the candidate" in run(tmp_path, fail_on=[])["text"]


def test_an_absurd_spread_is_no_evidence_and_no_error(tmp_path):
    make_run(tmp_path / "7", seed=1, repeats=3, spread=40.0)
    make_run(tmp_path / "8", seed=2, repeats=3, spread=40.0)
    assert set(verdicts(run(tmp_path)).values()) == {"no evidence"}


def test_all_repeats_of_a_side_may_be_invalid(tmp_path):
    make_run(tmp_path / "7", seed=1)
    make_run(tmp_path / "8", seed=2, invalid=dict.fromkeys(range(1, 6), "no"))
    error = failed(tmp_path)
    assert len(error.evidence["invalid"]) == 5 and set(verdicts(error.evidence).values()) == {"no verdict"}


@pytest.mark.parametrize(("value", "words"), [(None, "no value"), (0.0, "the value 0.0"), (-1.0, "the value -1.0")])
def test_a_metric_without_a_ratio_is_not_averaged_away(tmp_path, value, words):
    both(tmp_path, raw_of={3: {"median_ttft_ms": value}})
    error = failed(tmp_path)
    found = verdicts(error.evidence)
    assert found["median_ttft_ms"] == "no verdict" and found["output_tps"] != "no verdict"
    assert f"1 of 5 valid repeats of the candidate have {words}" in error.msg


def test_a_primary_metric_that_neither_side_has_is_said(tmp_path):
    raw = {"median_ttft_ms": None}
    make_run(tmp_path / "7", seed=1, raw=raw)
    make_run(tmp_path / "8", seed=2, raw=raw)
    result = run(tmp_path)
    assert result["points"][0]["unmeasured"] == ["median_ttft_ms"] and "neither side has it" not in result["verdict"]
    assert "TTFT median ms: no repeat of either side has it" in result["text"]


def test_repeats_that_are_equal_to_the_last_digit_have_no_verdict(tmp_path):
    make_run(tmp_path / "7", seed=1, spread=0.0)
    make_run(tmp_path / "8", seed=2, spread=0.0, slower=1.5)
    assert "no spread at all" in failed(tmp_path).msg


# What is named, and what is written.


def test_all_runs_with_a_tag_are_a_side(tmp_path):
    for name in ("7", "8", "9"):
        make_run(tmp_path / name, seed=int(name), repeats=2, tags=["old" if name == "9" else "new"])
    make_run(tmp_path / "10", seed=10, repeats=4, tags=["new", "x"])
    result = run(tmp_path, baseline="tag:old,9", candidate="new", fail_on=[])
    point = result["points"][0]
    assert (point["baseline"]["valid"], point["candidate"]["valid"]) == (2, 8)


def test_jobs_of_two_sweeps_are_matched_by_their_parameters(tmp_path):
    for seed, sweep in enumerate(("one", "two")):
        jobs = []
        for decode, slower in ((1, 1.0), (2, 1.0 + 0.3 * seed)):
            name = f"{sweep}_{decode}"
            folder = tmp_path / "sweeps" / sweep / "variants" / name
            make_run(folder, seed=10 * seed + decode, slower=slower, serving=name, job_id="5")
            jobs.append({"name": name, "parameters": {"decode": decode}, "rows": []})
        record = {"schema_version": 1, "name": sweep, "state": "finished", "output_dir": str(tmp_path), "points": {},
                  "left": [], "allocation_names": [], "best": [], "jobs": jobs}  # fmt: skip
        (tmp_path / "sweeps" / sweep / "sweep.json").write_text(json.dumps(record))
    error = failed(tmp_path, baseline="one", candidate=str(tmp_path / "sweeps" / "two"), fail_on=["worse"])
    worse = {point["parameters"]["decode"]: point["metrics"][0]["verdict"] == "worse" for point in
             error.evidence["points"]}  # fmt: skip
    assert worse == {1: False, 2: True} and "decode=2 c=4: out tok/s worse" in error.msg


def test_the_configuration_and_the_nodes_that_differ_are_beside_it(tmp_path):
    make_run(tmp_path / "7", seed=1)
    plan = make_run(tmp_path / "8", seed=2, serving="other", inputs={"model.path": {"path": "/m", "fingerprint": "f2"}})
    plan["spec"]["backend"].update(speedup_ratio=50.0, decode_environment={"HF_TOKEN": "hf_secret"})
    plan["nodes"][0]["name"] = "node0099"
    (tmp_path / "8" / "plan.json").write_text(json.dumps(plan))
    result = run(tmp_path)
    with open(result["path"], encoding="utf-8") as stream:
        found = {one["key"]: one for one in json.load(stream)["differences"]}
    assert (found["backend.speedup_ratio"]["baseline"], found["backend.speedup_ratio"]["candidate"]) == (
        "100.0",
        "50.0",
    )
    assert "node0099" in found["nodes"]["candidate"] and "f2" in found["inputs.model.path"]["candidate"]
    assert "benchmark.repeats" not in found and "hf_secret" not in json.dumps(found)
    assert "other files" in result["text"]


def test_the_page_needs_nothing_else_and_hides_nothing(tmp_path):
    make_run(tmp_path / "7", seed=1)
    make_run(tmp_path / "8", seed=2, invalid={1: "<script>alert(1)</script>"})
    page = pages(failed(tmp_path))["html"]
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
    assert "http://" not in page and "https://" not in page and "prefers-color-scheme: dark" in page
    assert page.count("<svg") >= 3 and "NOT passed" in page


def test_a_second_comparison_changes_nothing_and_check_mode_writes_nothing(tmp_path):
    both(tmp_path)
    assert not (run(tmp_path, check_mode=True)["changed"] or (tmp_path / "comparisons").exists())
    first = run(tmp_path, fail_on=[])
    assert first["changed"] and first["html_path"] == str(tmp_path / "comparisons" / "7-vs-8" / "compare.html")
    assert not run(tmp_path, fail_on=[])["changed"]
    assert run(tmp_path, fail_on=[], compare_dir=str(tmp_path / "mine"))["path"] == str(tmp_path / "mine/compare.json")


def test_the_repeats_for_a_difference_are_planned_from_one_side_or_both(tmp_path):
    both(tmp_path)
    alone = run(tmp_path, candidate="", plan_difference=5.0)
    pairs = run(tmp_path, plan_difference=5.0)
    assert alone["repeats"] > 3 and pairs["repeats"] > 3
    assert all(one["values"] == 5 and one["spread"] > 0 for one in pairs["plan"]["needs"])
    assert {one["paired"] for one in pairs["plan"]["needs"]} == {True}
    assert "To find a difference of 5 % with a power of 80 %" in alone["text"]
    make_run(tmp_path / "9", repeats=1)
    assert "not known for all" in failed(tmp_path, baseline="9", candidate="", plan_difference=5.0).msg


def test_versions_that_logs_said_and_the_expected_ones_are_among_the_differences(tmp_path):
    for name, version in (("7", "0.26.0"), ("8", "0.27.0")):
        plan = make_run(tmp_path / name, seed=int(name))
        plan["spec"]["identity"] = {"frameworks": {"vllm": version}}
        (tmp_path / name / "plan.json").write_text(json.dumps(plan))
        made = roll_up(tmp_path / name)
        made["provenance"]["engines"] = {"vllm": [version], "nats": ["2.12.0"]}
        (tmp_path / name / "rollup.json").write_text(json.dumps(made))
    with open(run(tmp_path)["path"], encoding="utf-8") as stream:
        found = {one["key"]: (one["baseline"], one["candidate"]) for one in json.load(stream)["differences"]}
    assert found["versions.vllm"] == found["identity.frameworks.vllm"] == ("0.26.0", "0.27.0")
    assert "versions.nats" not in found
