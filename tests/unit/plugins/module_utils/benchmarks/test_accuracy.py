# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy: how an answer is found, and which results are valid. The results are recorded ones of real runs."""

from __future__ import annotations

import json
import re
import shutil

import exams
import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.accuracy import documents, tasks
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError

RECORDED = jobs.ROOT / "tests" / "data" / "accuracy"
PLAIN = {"isl": None, "osl": None, "concurrencies": None}


# How an answer is found.


def found_in(task, answer):
    """Return what the filters of *task* find in *answer*, as lm-eval's regex filter does, and how it is compared."""
    (only,) = task["filter_list"]
    pattern, first = only["filter"]
    assert (pattern["function"], pattern["group_select"], first) == ("regex", -1, {"function": "take_first"})
    matches = re.findall(pattern["regex_pattern"], answer)
    if not matches:
        return "[invalid]"
    last = matches[-1]
    text = (next((one for one in last if one), "[invalid]") if isinstance(last, tuple) else last).strip()
    return compared(task, text)


def compared(task, text):
    for one in task["metric_list"][0].get("regexes_to_ignore", ()):
        text = re.sub(one, "", text)
    return text.lower()


@pytest.mark.parametrize(("answer", "number"), exams.NUMBERS)
def test_the_last_number_is_the_answer_of_gsm8k(answer, number):
    assert found_in(tasks.gsm8k(), answer) == (number or "[invalid]")


@pytest.mark.parametrize(
    ("target", "number"), [("a text with 5\n#### 1,998", "1998"), ("#### 7", "7"), ("12.0", "12"), ("-3", "-3")]
)
def test_the_right_answer_of_gsm8k_is_compared_in_the_same_form(target, number):
    assert compared(tasks.gsm8k(), target) == number


@pytest.mark.parametrize(("answer", "letter"), exams.LETTERS)
def test_the_letter_after_answer_is_that_of_mmlu_and_gpqa(answer, letter):
    wanted = letter or "[invalid]"
    assert found_in(tasks.choice("mmlu"), answer) == found_in(tasks.choice("gpqa"), answer) == wanted


@pytest.mark.parametrize(("answer", "letter"), exams.LONG_LETTERS)
def test_longbenchv2_says_the_correct_answer(answer, letter):
    assert found_in(tasks.choice("longbenchv2", tasks.LONG), answer) == (letter or "[invalid]")


# From rows to questions.


@pytest.mark.parametrize(("answer", "letter"), [(1, "B"), ("1", "B"), ("b", "B"), ("(D)", "D"), (0, "A")])
def test_an_answer_may_be_a_letter_or_a_number(answer, letter):
    assert documents.letter(answer) == letter


@pytest.mark.parametrize("answer", [4, "E", "", None, "AB", True])
def test_any_other_answer_is_an_error_and_no_wrong_answer(answer):
    with pytest.raises(ValueError, match="not one of A to D"):
        documents.letter(answer)


def test_choices_come_from_a_list_or_from_columns():
    row = exams.CHOICES[0]
    flat = {"question": row["question"], "answer": "B", **dict(zip("ABCD", row["choices"]))}
    assert documents.mmlu_row(row) == documents.mmlu_row(flat)
    assert "A) 5\nB) 6\nC) 0\nD) -1" in documents.mmlu_row(row)["prompt"]


def test_the_answers_of_gpqa_are_mixed_the_same_way_each_time():
    rows = [{**exams.GRADUATE[0], "Question": f"Question {number}?"} for number in range(40)]
    found = [documents.gpqa_row(row) for row in rows]
    assert found == [documents.gpqa_row(row) for row in rows]
    assert {one["target"] for one in found} == set("ABCD")
    for one in found:
        assert f"{one['target']}) 10" in one["prompt"]


def test_a_long_text_loses_its_middle():
    class Letters:
        def encode(self, text, add_special_tokens):
            assert not add_special_tokens
            size = len(text)
            return type("Found", (), {"ids": [0] * size, "offsets": [(one, one + 1) for one in range(size)]})

    shorten = documents.middle_out(Letters(), 15)
    assert shorten("abcdefghij", "12345") == "abcdefghij" and shorten("abcdefghijkl", "12345") == "abcdehijkl"
    with pytest.raises(ValueError, match="max_context_length"):
        shorten("abc", "1" * 15)


def test_rows_keep_their_text(tmp_path):
    (tmp_path / "a.csv").write_text('Question,Correct Answer\n"two\nlines",0.10\nNA,\n')
    assert documents.rows_of(str(tmp_path / "a.csv")) == [
        {"Question": "two\nlines", "Correct Answer": "0.10"}, {"Question": "NA", "Correct Answer": ""},
    ]  # fmt: skip


# What is planned.


def points_of(**benchmark):
    spec = {"python": "/venv/bin/python", "benchmark": {**PLAIN, **benchmark}}
    return jobs.plan_of(**spec)["benchmark"]["points"]


@pytest.mark.parametrize(
    ("type_", "count", "words"),
    [("gsm8k", 1, ["--limit 1319", "max_gen_toks=16384", "num_concurrent=512", "--num_fewshot 5"]),
     ("mmlu", 8, ["--limit 200", "max_gen_toks=2048", "num_concurrent=512"]),
     ("gpqa", 8, ["--limit 198", "max_gen_toks=32768", "num_concurrent=128"]),
     ("longbenchv2", 1, ["max_gen_toks=16384", "num_concurrent=16"])],
)  # fmt: skip
def test_the_defaults_are_those_of_srtctl(type_, count, words):
    more = {"shots_data": "/d/train.jsonl"} if type_ == "gsm8k" else {}
    points = points_of(type=type_, data="/d/test.jsonl", **more)
    text = " ".join(points[0]["step"]["argv"])
    assert len(points) == count and all(one in text for one in words)
    assert len({one["digest"] for one in points}) == count


def test_the_network_of_a_job_is_not_used_for_data():
    env = points_of(type="gsm8k", data="/d/test.jsonl", num_shots=0)[0]["step"]["env"]
    assert {env[one] for one in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")} == {"1"}


def test_the_digest_is_that_of_what_is_asked_and_not_of_its_place():
    def digest(**more):
        return points_of(**{"type": "gsm8k", "data": "/d/test.jsonl", "num_shots": 0, **more})[0]["parameters"]

    base = digest()
    assert base == digest(data="/elsewhere/other.jsonl") == digest(point_timeout_s=5)
    for more in ({"min_score": 0.5}, {"max_tokens": 5}, {"num_examples": 3}, {"temperature": 0.7}, {"num_threads": 2}):
        assert digest(**more) != base


@pytest.mark.parametrize(
    ("benchmark", "said"),
    [({"type": "gsm8k"}, "benchmark.data: is missing"),
     ({"type": "gsm8k", "data": "/d/a.jsonl"}, "benchmark.shots_data: is missing: num_shots is 5"),
     ({"type": "gsm8k", "data": "/d/a.parquet", "num_shots": 0}, "benchmark.data: is /d/a.parquet"),
     ({"type": "mmlu", "data": "http://host/a.jsonl"}, "no data_dir is set"),
     ({"type": "longbenchv2", "data": "/d/a.json", "harness": "sgl-eval"}, "sgl-eval, which has no longbenchv2"),
     ({"type": "longbenchv2", "data": "/d/a.json", "max_context_length": 9}, "leaves no prompt"),
     ({"type": "gsm8k", "data": "/d/a.jsonl", "harness": "sgl-eval", "top_k": 5}, "nothing that sgl-eval knows"),
     ({"type": "mmlu", "data": "/d/a.json", "repeat": 2, "repeats": 2}, "beside repeats"),
     ({"type": "lm-eval"}, "benchmark.task: is missing"),
     ({"type": "lm-eval", "task": "a,b", "data": "/d/a.json"}, "name of one task"),
     ({"type": "lm-eval", "task": "a", "task_dir": "/d", "data": "/d/a.json"}, "beside task_dir")],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_its_key(benchmark, said):
    with pytest.raises(SpecError) as error:
        points_of(**benchmark)
    assert said in str(error.value)


def test_a_container_gets_the_environment_and_the_data_at_their_places(tmp_path):
    (tmp_path / "srtslurm.yaml").write_text(json.dumps({"harness_dir": "/shared/harness"}))
    job = jobs.raw(
        model={"container": "image.sqsh"}, benchmark={**PLAIN, "type": "mmlu", "data": "/d/a.json", "repeat": 1}
    )
    spec = jobs.spec_of(job, cluster=jobs.load_cluster(str(tmp_path / "srtslurm.yaml")))
    plan = jobs.plan_of(spec)
    step = plan["benchmark"]["points"][0]["step"]
    place = "/shared/harness/lm-eval-0.4.13-x86_64"
    assert {f"{place}:{place}", "/d/a.json:/d/a.json"} <= set(step["mounts"])
    assert f"{place}/bin/python" in step["argv"]
    assert not any(place in mount for one in plan["steps"] for mount in one["mounts"])


# Which results are valid.

EXPECT = {"task": "srt_gsm8k", "model": "tiny", "limit": 1319, "min_score": None}


@pytest.fixture
def result(tmp_path):
    """``result(name, change)`` returns the path of a recorded result, with *change* applied to its file."""

    def copy(name, change=None):
        shutil.copytree(RECORDED / name, tmp_path / name)
        (path,) = (tmp_path / name / "point.files").glob("results_*.json")
        raw = json.loads(path.read_text())
        if change:
            change(raw)
        path.write_text(json.dumps(raw))
        return str(tmp_path / name / "point.json")

    return copy


def reasons_of(path, expect=None, type_="gsm8k"):
    one = BENCHMARKS[type_]
    raw = one.read(path)
    return one.evaluate(raw, expect or EXPECT, 0.99), one.figures(raw)


def test_a_recorded_result_is_valid(result):
    reasons, figures = reasons_of(result("right"), {**EXPECT, "min_score": 1.0})
    assert reasons == []
    assert (figures["score"], figures["score_stderr"], figures["samples"], figures["failed"]) == (1.0, 0.0, 4, 0)
    assert (figures["harness"], figures["task_version"], figures["shots"]) == ("lm-eval 0.4.13", "1", 2)
    assert figures["measured_by"] == "lm-eval" and figures["duration"] > 0


def test_min_score_is_part_of_the_verdict(result):
    path = result("low")
    assert reasons_of(path)[0] == [] and reasons_of(path)[1]["score"] == 0.25
    assert reasons_of(path, {**EXPECT, "min_score": 0.25})[0] == []
    assert reasons_of(path, {**EXPECT, "min_score": 0.26})[0] == ["its score is 0.2500, and 0.26 is needed (min_score)"]


def test_answers_without_text_are_no_answers(result):
    reasons, figures = reasons_of(result("empty"))
    assert "4 of 4 answers are empty" in reasons[0] and (figures["completed"], figures["failed"]) == (0, 4)


def test_a_group_that_only_names_its_task_has_no_score_of_its_own(result):
    reasons, figures = reasons_of(result("group"), {**EXPECT, "task": "gsm8k", "limit": None}, "lm-eval")
    assert reasons == [] and figures["scored_by"] == "gsm8k exact_match,strict-match"


def _less(raw):
    raw["n-samples"]["srt_gsm8k"]["effective"] = 3


def _none(raw):
    raw["n-samples"]["srt_gsm8k"]["effective"] = 0


def _unscored(raw):
    raw["results"]["srt_gsm8k"] = {"alias": "srt_gsm8k"}


@pytest.mark.parametrize(
    ("change", "expect", "said"),
    [(None, {"model": "other"}, "of another model: 'tiny'"), (None, {"task": "srt_mmlu"}, "of another task"),
     (None, {"limit": 3}, "4 answers were checked, and 3 were planned"), (_less, {}, "3 answers were checked"),
     (_none, {}, "nothing was checked"), (_unscored, {}, "has no score"),
     (lambda raw: raw.pop("n-samples"), {}, "does not say how many"),
     (lambda raw: raw.clear(), {}, "0 results that are known")],
)  # fmt: skip
def test_a_result_that_is_not_the_wanted_one_is_not_valid(result, change, expect, said):
    reasons, _figures = reasons_of(result("right", change), {**EXPECT, **expect})
    assert any(said in reason for reason in reasons), reasons


def test_lost_and_broken_answers_are_named(result, tmp_path):
    path = result("right")
    (samples,) = (tmp_path / "right" / "point.files").glob("samples_*")
    lines = samples.read_text().splitlines()
    samples.write_text("\n".join(lines[:3]) + "\n")
    assert "its file of answers has 3, but 4 were checked" in reasons_of(path)[0]
    samples.write_text("\n".join([*lines[:3], "{broken"]))
    with pytest.raises(Error, match="answers in .* cannot be read"):
        reasons_of(path)
    samples.unlink()
    assert "its file of answers has 0, but 4 were checked" in reasons_of(path)[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [({}, None), ({"aggregate": {"score": 0.5, "error_rate": 0.25}}, "25.0 % of its requests failed"),
     ({"partial": True}, "ended before all"), ({"model": "other"}, "of another model"),
     ({"num_examples": 0}, "nothing was checked"),
     ({"num_examples": 3}, "3 answers were checked, and 4 were planned"),
     ({"num_examples": 5}, "its file of answers has 4, but 5 were checked"), ({"name": "mmlu"}, "of another task"),
     ({"aggregate": {}}, "it has no score"), ({"aggregate": {"score": "high"}}, "result file is broken: metrics.json")],
)  # fmt: skip
def test_results_of_sgl_eval(tmp_path, change, said):
    """The recorded result has one wrong answer of four (tests/e2e/test_accuracy.py)."""
    shutil.copytree(RECORDED / "sgl-eval", tmp_path / "exam")
    (path,) = (tmp_path / "exam").glob("point.files/*/metrics.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    reasons, figures = reasons_of(str(tmp_path / "exam" / "point.json"), {**EXPECT, "task": "gsm8k", "limit": 4})
    assert any(said in reason for reason in reasons) if said else reasons == [], reasons
    if not said:
        assert (figures["score"], figures["samples"], figures["harness"]) == (0.75, 4, "sgl-eval 0.1.3")
        assert (figures["completed"], figures["failed"]) == (4, 0)


@pytest.mark.parametrize(("empty", "said"), [(0, None), (1, "1 of 4 answers are empty"), (4, "4 of 4 answers")])
def test_empty_answers_of_sgl_eval_are_no_answers(tmp_path, empty, said):
    shutil.copytree(RECORDED / "sgl-eval", tmp_path / "exam")
    (path,) = (tmp_path / "exam").glob("point.files/*/output-rs0.jsonl")
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    for number in range(empty):
        answers[number]["generation"] = [None, "", "  ", "\n"][number]
    path.write_text("".join(json.dumps(one) + "\n" for one in answers))
    reasons, _figures = reasons_of(str(tmp_path / "exam" / "point.json"), {**EXPECT, "task": "gsm8k", "limit": None})
    assert any(said in reason for reason in reasons) if said else reasons == [], reasons


def test_fewer_questions_than_usual_are_no_fault_of_sgl_eval_but_fewer_than_the_job_says_are():
    def limit(**more):
        return points_of(type="gsm8k", harness="sgl-eval", data="/d/test.jsonl", **more)[0]

    assert limit()["expect"]["limit"] is None and limit()["parameters"]["limit"] == 1319
    assert limit(num_examples=20)["expect"]["limit"] == 20
    assert points_of(type="gsm8k", data="/d/test.jsonl", num_shots=0)[0]["expect"]["limit"] == 1319
