# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy with the real lm-eval, in an environment that setup.yml prepares."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import exams
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.accuracy import documents, tasks
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.stages import harness
from ansible_collections.srt.slurm.plugins.module_utils.supplies.harness import FOREIGN
from cluster import ROOT
from tokenizers import Tokenizer

pytestmark = pytest.mark.slow
HARNESSES = ROOT / ".cache" / "harness"


@pytest.fixture(scope="session")
def lm_eval():
    """harness_dir with lm-eval, made once for this checkout."""
    harness.run({"path": str(HARNESSES), "names": ["lm-eval"], "python": sys.executable}, Context())
    return HARNESSES


@pytest.fixture(scope="session")
def sgl_eval():
    """harness_dir with sgl-eval, made once for this checkout."""
    harness.run({"path": str(HARNESSES), "names": ["sgl-eval"], "python": sys.executable}, Context())
    return HARNESSES


@pytest.fixture(scope="session")
def aiperf():
    """harness_dir with AIPerf, made once for this checkout."""
    harness.run({"path": str(HARNESSES), "names": ["aiperf"], "python": sys.executable}, Context())
    return HARNESSES


@pytest.fixture
def exam(tmp_path):
    """``exam(benchmark, **server)`` runs the first point; returns (reasons, figures, log, requests).

    The test asks for the harness that it runs.
    """

    def take(benchmark, model="/models/tiny", number=0, **server):
        with exams.serving(**server) as (port, bodies):
            plan = exams.plan_of(port, tmp_path, HARNESSES, model, **benchmark)
            code, log, result = exams.run_point(plan, number)
        keep = os.environ.get("SRT_RECORD_EXAMS")
        if keep and code == 0:
            name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
            record(result, pathlib.Path(keep) / name)
        if code:
            return [f"exit code {code}"], None, log, bodies
        one = BENCHMARKS[benchmark["type"]]
        raw = one.read(str(result))
        reasons = one.evaluate(raw, plan["benchmark"]["points"][number]["expect"], 0.99)
        return reasons, one.figures(raw), log, bodies

    return take


def record(result, folder):
    """Copy what a point left, for unit tests."""
    shutil.copytree(result.with_suffix(".files"), folder / "point.files", dirs_exist_ok=True)
    shutil.copy(result, folder / "point.json")


# What lm-eval's own filters find in answers, and whether its own metric takes it for the right answer, and another one.
FILTERS = """
import json, sys, types
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters import build_filter_ensemble
found = []
for task, cases in json.load(sys.stdin):
    metric = {key: task["metric_list"][0].get(key) for key in ("regexes_to_ignore", "ignore_case")}
    for answer, right in cases:
        asked = types.SimpleNamespace(resps=[answer], doc={}, filtered_resps={})
        (only,) = task["filter_list"]
        steps = [(one["function"], {key: one[key] for key in one if key != "function"}) for one in only["filter"]]
        build_filter_ensemble(only["name"], steps).apply([asked])
        text = asked.filtered_resps[only["name"]]
        same = [exact_match_hf_evaluate([text], [target], **metric)["exact_match"] for target in (right or "x", "7x")]
        found.append([answer, None if text == "[invalid]" else text, *map(float, same)])
print(json.dumps(found))
"""


def test_the_filters_of_lm_eval_tell_right_answers_from_wrong_ones(lm_eval):
    choice = tasks.choice("mmlu")
    exam = [[tasks.gsm8k(), exams.NUMBERS], [choice, exams.LETTERS], [tasks.choice("gpqa"), exams.LETTERS],
            [tasks.choice("longbenchv2", tasks.LONG), exams.LONG_LETTERS]]  # fmt: skip
    (python,) = lm_eval.glob("lm-eval-*/bin/python")
    argv = ["env", *(word for name in FOREIGN for word in ("-u", name)), str(python), "-c", FILTERS]
    done = subprocess.run(argv, input=json.dumps(exam), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = [(answer, right) for _task, cases in exam for answer, right in cases]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == len(wanted)
    for (answer, right), (said, text, is_right, is_other) in zip(wanted, found):
        assert said == answer and (text is None) == (right is None), (answer, text)
        assert (is_right, is_other) == (0.0 if right is None else 1.0, 0.0), (answer, text)


def test_right_answers_score_one_and_the_examples_come_first(tmp_path, exam, lm_eval):
    data, shots = (
        exams.write(tmp_path / "test.jsonl", exams.SUMS),
        exams.write(tmp_path / "train.jsonl", exams.SUMS[:2]),
    )
    benchmark = {"type": "gsm8k", "data": data, "shots_data": shots, "num_shots": 2, "num_threads": 3, "max_tokens": 50}
    reasons, figures, log, bodies = exam({**benchmark, "min_score": 1.0})
    assert reasons == [], log
    assert (figures["score"], figures["samples"], figures["completed"], figures["failed"]) == (1.0, 4, 4, 0)
    assert figures["score_stderr"] == 0 and figures["scored_by"] == "srt_gsm8k exact_match,number"
    assert figures["harness"] == "lm-eval 0.4.13" and figures["task_version"] == "1" and figures["shots"] == 2
    assert "server applies its chat template" in figures["prompt_form"]
    assert len(bodies) == 4 and len(bodies[0]["messages"]) == 5
    assert {(body["max_tokens"], body["temperature"], body["seed"]) for body in bodies} == {(50, 0.0, 1234)}


def test_a_low_score_is_not_valid_by_min_score_alone(tmp_path, exam, lm_eval):
    data = exams.write(tmp_path / "test.jsonl", exams.SUMS)
    benchmark = {"type": "gsm8k", "data": data, "num_shots": 0, "min_score": 0.5}
    reasons, figures, _log, _bodies = exam(benchmark, answer=lambda _prompt: "It is 22.")
    assert figures["score"] == 0.25 and reasons == ["its score is 0.2500, and 0.5 is needed (min_score)"]


@pytest.mark.parametrize(
    "answer", [lambda _prompt: None, lambda _prompt: "", lambda _prompt: {"hello": 1}], ids=["null", "empty", "garbage"]
)
def test_answers_without_text_are_no_wrong_answers(tmp_path, exam, lm_eval, answer):
    data = exams.write(tmp_path / "test.jsonl", exams.SUMS)
    reasons, figures, _log, _bodies = exam({"type": "gsm8k", "data": data, "num_shots": 0}, answer=answer)
    assert figures["score"] == 0 and "4 of 4 answers are empty" in reasons[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [(lambda _number: 500, "500"), (lambda number: 500 if number > 2 else 200, "500"),
     (lambda number: None if number > 2 else 200, "disconnected")],
    ids=["all", "half", "gone midway"],
)  # fmt: skip
def test_requests_that_fail_end_the_harness(tmp_path, exam, lm_eval, status, said):
    data = exams.write(tmp_path / "test.jsonl", exams.SUMS)
    reasons, _figures, log, _bodies = exam({"type": "gsm8k", "data": data, "num_shots": 0}, status=status)
    assert reasons == ["exit code 1"] and said in log.lower(), log


def test_a_harness_that_is_killed_has_no_result(tmp_path, exam, lm_eval):
    data = exams.write(tmp_path / "test.jsonl", exams.SUMS)

    def kill(number):
        if number < 3:
            return 200
        assert exams.kill_below("lm_eval")
        return None

    reasons, _figures, log, _bodies = exam({"type": "gsm8k", "data": data, "num_shots": 0}, status=kill)
    assert reasons == ["exit code 137"], log
    assert list(tmp_path.glob("results/**/*.json")) == []


def test_a_replay_that_is_killed_has_no_result(tmp_path, exam, aiperf):
    lines = [{"timestamp": 100 * number, "input_length": 20, "output_length": 4, "hash_ids": [number]}
             for number in range(20)]  # fmt: skip
    trace = exams.write(tmp_path / "trace.jsonl", lines)

    def kill(number):
        if number < 8:
            return 200
        assert exams.kill_below("aiperf")
        return None

    model = tmp_path / "tiny"
    subprocess.run([sys.executable, str(ROOT / "bin" / "make-tiny-model"), str(model)], check=True)
    benchmark = {"type": "trace-replay", "trace_file": trace, "concurrencies": [2]}
    reasons, _figures, log, bodies = exam(benchmark, model=model, status=kill)
    assert reasons == ["exit code 137"] and len(bodies) >= 8, log
    assert list(tmp_path.glob("results/**/*.json")) == []


def test_mmlu_asks_as_many_as_it_is_told_and_each_repeat_has_its_seed(tmp_path, exam, lm_eval):
    data = exams.write(tmp_path / "mmlu.json", exams.CHOICES)
    benchmark = {"type": "mmlu", "data": data, "num_examples": 3, "repeat": 2}
    reasons, figures, log, bodies = exam(benchmark, number=1)
    assert reasons == [], log
    assert (figures["score"], figures["samples"], len(bodies)) == (1.0, 3, 3)
    assert {body["seed"] for body in bodies} == {1235} and "one of ABCD" in bodies[0]["messages"][0]["content"]


def test_gpqa_reads_a_table_and_mixes_the_answers(tmp_path, exam, lm_eval):
    lines = [",".join(f'"{name}"' for name in exams.GRADUATE[0])]
    lines += [",".join(f'"{value or ""}"' for value in row.values()) for row in exams.GRADUATE]
    (tmp_path / "gpqa.csv").write_text("\n".join(lines) + "\n")
    reasons, figures, log, bodies = exam({"type": "gpqa", "data": str(tmp_path / "gpqa.csv"), "repeat": 1})
    assert reasons == [], log
    assert (figures["score"], figures["samples"], len(bodies)) == (1.0, 3, 3)


def test_longbenchv2_shortens_texts_with_the_models_tokenizer(tmp_path, exam, lm_eval):
    model = tmp_path / "model"
    subprocess.run([sys.executable, str(ROOT / "bin" / "make-tiny-model"), str(model)], check=True)
    data = exams.write(tmp_path / "long.json", exams.LONG)
    benchmark = {"type": "longbenchv2", "data": data, "categories": ["Code"], "max_tokens": 100}
    reasons, figures, log, bodies = exam({**benchmark, "max_context_length": 800}, model)
    assert reasons == [], log
    assert (figures["score"], figures["samples"], len(bodies)) == (1.0, 2, 2)
    texts = [body["messages"][0]["content"] for body in bodies]
    assert all(len(text) < len(exams.LONG[0]["context"]) + 300 and "text of" not in text for text in texts)
    sizes = [len(Tokenizer.from_file(str(model / "tokenizer.json")).encode(text).ids) for text in texts]
    assert all(600 < size <= 705 for size in sizes), sizes


def test_a_task_of_lm_eval_is_asked_over_staged_data(tmp_path, exam, lm_eval):
    data = exams.write(tmp_path / "test.jsonl", exams.SUMS)
    reasons, figures, log, bodies = exam({"type": "lm-eval", "task": "gsm8k", "data": data})
    assert reasons == [], log
    assert (figures["score"], figures["samples"], figures["shots"], len(bodies)) == (1.0, 4, 0, 4)
    assert figures["scored_by"] == "gsm8k exact_match,strict-match"


def test_a_task_file_of_the_user_names_its_data(tmp_path, exam, lm_eval):
    folder = tmp_path / "tasks"
    folder.mkdir()
    task = {
        "task": "mine", "dataset_path": "json", "test_split": "test", "output_type": "generate_until",
        "dataset_kwargs": {"data_files": {"test": exams.write(folder / "mine.jsonl", exams.SUMS)}},
        "doc_to_text": "{{question}}", "doc_to_target": "{{answer.split('#### ')[-1]}}",
        "filter_list": [{"name": "end", "filter": [
            {"function": "regex", "regex_pattern": "#### (.*)"}, {"function": "take_first"},
        ]}],
        "metric_list": [{"metric": "exact_match"}], "metadata": {"version": 2.5},
    }  # fmt: skip
    (folder / "mine.yaml").write_text(json.dumps(task))
    reasons, figures, log, _bodies = exam({"type": "lm-eval", "task": "mine", "task_dir": str(folder)})
    assert reasons == [], log
    assert (figures["score"], figures["samples"], figures["task_version"]) == (1.0, 4, "2.5")


def test_a_task_that_needs_likelihoods_says_so(tmp_path, exam, lm_eval):
    data = exams.write(tmp_path / "test.jsonl", [{"question": "q", "choices": ["a", "b", "c", "d"], "answer": 1}])
    reasons, _figures, log, _bodies = exam({"type": "lm-eval", "task": "mmlu_anatomy", "data": data})
    assert reasons == ["exit code 1"] and "Loglikelihood is not supported" in log


# sgl-eval: the letter or the number of an answer as it finds it, in its own form of data.
PROBLEMS = {
    "gsm8k": [{"problem": row["question"], "expected_answer": row["answer"].split("#### ")[1].replace(",", "")}
              for row in exams.SUMS],
    "mmlu": [{"problem": documents.mmlu_row(row)["prompt"], "expected_answer": "B"} for row in exams.CHOICES],
    "gpqa": [{"problem": documents.gpqa_row(row)["prompt"], "expected_answer": documents.gpqa_row(row)["target"]}
             for row in exams.GRADUATE],
}  # fmt: skip


def boxed(prompt):
    """Return the right answer to a problem in the form that sgl-eval asks for."""
    rows = [row for one in PROBLEMS.values() for row in one if row["problem"].split("\n\nA)")[0] in prompt]
    return f"It is \\boxed{{{rows[0]['expected_answer']}}}.\nAnswer: {rows[0]['expected_answer']}"


def wrong_once(prompt):
    return boxed(prompt) if PROBLEMS["gsm8k"][0]["problem"] not in prompt else "It is \\boxed{77}."


@pytest.mark.parametrize("type_", PROBLEMS)
def test_sgl_eval_asks_and_checks(tmp_path, exam, sgl_eval, type_):
    data = exams.write(tmp_path / "data.jsonl", PROBLEMS[type_])
    benchmark = {"type": type_, "harness": "sgl-eval", "data": data, "max_tokens": 50, "num_threads": 2, "repeat": 1}
    reasons, figures, log, bodies = exam(benchmark, answer=boxed)
    assert reasons == [], log
    count = len(PROBLEMS[type_])
    assert (figures["score"], figures["samples"], figures["completed"], figures["failed"]) == (1.0, count, count, 0)
    assert figures["harness"] == "sgl-eval 0.1.3" and len(bodies) == count


def test_sgl_eval_tells_a_wrong_answer_from_a_fault(tmp_path, exam, sgl_eval):
    data = exams.write(tmp_path / "data.jsonl", PROBLEMS["gsm8k"])
    benchmark = {"type": "gsm8k", "harness": "sgl-eval", "data": data, "num_threads": 2, "min_score": 0.8}
    reasons, figures, _log, _bodies = exam(benchmark, answer=wrong_once)
    assert figures["score"] == 0.75 and reasons == ["its score is 0.7500, and 0.8 is needed (min_score)"]


@pytest.mark.parametrize(
    "server", [{"answer": lambda _prompt: ""}, {"answer": lambda _prompt: None}, {"status": lambda _number: 400},
               {"status": lambda number: 400 if number % 2 else 200}],
    ids=["empty", "null", "all", "half"],
)  # fmt: skip
def test_what_sgl_eval_got_no_answer_to_is_no_wrong_answer(tmp_path, exam, sgl_eval, server):
    data = exams.write(tmp_path / "data.jsonl", PROBLEMS["gsm8k"])
    benchmark = {"type": "gsm8k", "harness": "sgl-eval", "data": data, "num_threads": 2}
    reasons, _figures, log, _bodies = exam(benchmark, **{"answer": boxed, **server})
    assert any("exit code" in one or "failed" in one or "empty" in one for one in reasons), (reasons, log)


def test_the_service_of_a_job_is_examined_in_a_run(cluster, lm_eval):
    """The mocker answers at random: a score of 0 is a valid one, and min_score makes it a failure."""
    site = cluster.folder / "exams.yaml"
    site.write_text(json.dumps({"harness_dir": str(lm_eval), "use_segment_sbatch_directive": False}))
    data = exams.write(cluster.folder / "sums.jsonl", exams.SUMS)
    benchmark = {"type": "gsm8k", "data": data, "num_shots": 0, "max_tokens": 8, "num_threads": 2}
    job = cluster.job_file("exam", benchmark=benchmark)
    played = cluster.playbook(job, "-e", f"cluster_file={site}", "-e", "keep=true")
    assert played.rc == 0, played.text
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    (one,) = rollup["results"]
    assert (one["state"], one["score"], one["samples"], one["failed"]) == ("valid", 0.0, 4, 0)
    assert one["harness"] == "lm-eval 0.4.13"
    again = cluster.playbook(job, "-e", f"cluster_file={site}", "-e", "keep=true")
    assert again.rc == 0 and again.changed == 0, again.text
    ended = cluster.playbook(job, "-e", f"cluster_file={site}", "--tags", "teardown")
    assert ended.rc == 0, ended.text
    # What cannot be read is found before the job asks for nodes.
    pathlib.Path(data).write_text('{"question": "without an answer"}\n')
    refused = cluster.playbook(job, "-e", f"cluster_file={site}")
    assert refused.rc == 2 and "row 1 has no answer" in refused.text, refused.text
    lost = cluster.job_file("exam", benchmark={**benchmark, "data": f"{data}.gone"})
    refused = cluster.playbook(lost, "-e", f"cluster_file={site}")
    assert refused.rc == 2 and "benchmark.data" in refused.text and "does not exist" in refused.text, refused.text
