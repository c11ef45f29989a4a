# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of type custom: their plan, the script that runs them, and the reading of what they leave."""

from __future__ import annotations

import json
import os
import subprocess

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS, point_script
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from result_files import LM_EVAL, SGLANG, VLLM

CUSTOM = BENCHMARKS["custom"]


def plan_of(**benchmark):
    benchmark = {"type": "custom", "isl": None, "osl": None, "concurrencies": None, **benchmark}
    return jobs.plan_of(benchmark=benchmark)


def test_each_concurrency_is_a_point_and_the_evaluation_is_the_last(tmp_path):
    plan = plan_of(
        command="go {concurrency} {endpoint} ${concurrency} {job_id} {x}", concurrencies="2x8x2", post_eval="eval"
    )
    points = plan["benchmark"]["points"]
    assert [(one["label"], one["key"]) for one in points] == [
        ("c=2", {"concurrency": 2}), ("c=8", {"concurrency": 8}), ("post_eval", {"part": "post_eval"}),
    ]  # fmt: skip
    argv, env = points[1]["step"]["argv"], points[1]["step"]["env"]
    assert argv[-3:] == ["bash", "-lc", f"go 8 {plan['frontend_url']} ${{concurrency}} {plan['job_id']} {{x}}"]
    assert env["SRT_CONCURRENCY"] == "8" and points[2]["step"]["env"]["EVAL_CONC"] == "8"
    assert "SRT_CONCURRENCY" not in points[2]["step"]["env"]
    assert len(plan_of(command="go")["benchmark"]["points"]) == 1


def test_the_environment_describes_the_service():
    plan = plan_of(command="go", env={"SRT_FRONTEND_PORT": "1", "MINE": "a"})
    env = plan["benchmark"]["points"][0]["step"]["env"]
    leaders = {mode: [one for one in plan["processes"] if one["leader"] and one["mode"] == mode] for mode in
               ("prefill", "decode", "agg")}  # fmt: skip
    address = {node["name"]: node["address"] for node in plan["nodes"]}
    for mode, processes in leaders.items():
        if not processes:
            assert f"SRT_{mode.upper()}_IPS" not in env
            continue
        assert env[f"SRT_{mode.upper()}_IPS"].split(",") == [address[one["node"]] for one in processes]
        wanted = [f"{address[one['node']]}:{one['ports']['system']}" for one in processes]
        assert env[f"SRT_{mode.upper()}_ENDPOINTS"].split(",") == wanted
        assert all(f"http://{one}/metrics" in env["AIPERF_SERVER_METRICS_URLS"].split(",") for one in wanted)
    assert env["SRT_FRONTEND_PORT"] == "1" and env["MINE"] == "a"  # the job's own values come last
    assert env["SRT_FRONTEND_HOST"] in plan["frontend_url"]


@pytest.mark.parametrize(
    ("benchmark", "where"),
    [({}, "command"), ({"command": " "}, "command"), ({"command": "x", "post_eval": ""}, "post_eval"),
     ({"command": "x", "result_glob": "*.json"}, "result_glob"),
     ({"command": "x", "result_glob": ["/a/*.json", "b"]}, "result_glob")],
)  # fmt: skip
def test_what_cannot_run_is_refused_with_its_key(benchmark, where):
    with pytest.raises(SpecError) as error:
        plan_of(**benchmark)
    assert f"benchmark.{where}" in str(error.value)


def test_the_digest_is_that_of_what_the_job_says():
    def digest(**benchmark):
        return plan_of(**benchmark)["benchmark"]["points"][0]["digest"]

    base = digest(command="go {job_id}")
    assert base == digest(command="go {job_id}", stream_output=True, point_timeout_s=5)
    others = [digest(command="go"), digest(command="go {job_id}", env={"A": "1"}),
              digest(command="go {job_id}", result_glob="/a/*")]  # fmt: skip
    assert len({base, *others}) == 4


def run_script(tmp_path, *patterns, program, env=None):
    script, result = tmp_path / "run_point.sh", tmp_path / "results" / "point.json"
    script.write_text(point_script.TEXT)
    done = subprocess.run(
        ["bash", str(script), str(result), *patterns, "--", "bash", "-c", program],
        env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, result


def test_the_script_keeps_new_files_with_odd_names_and_leaves_old_ones(tmp_path):
    left = tmp_path / "left over" / "deep"
    left.mkdir(parents=True)
    (left / "old.json").write_text("{}")
    os.utime(left / "old.json", (1, 1))
    program = f"cd '{left}'; echo '{{}}' > 'a $b \"c\".json'; echo x > \"$SRT_RESULT_DIR/own.json\"; echo said"
    rc, result = run_script(tmp_path, f"{tmp_path}/left over/**/*.json", program=program, env={"SRT_CONCURRENCY": "4"})
    raw = json.loads(result.read_text())
    assert rc == 0 and (raw["copied"], raw["too_old"], raw["concurrency"]) == (1, 1, 4)
    files = tmp_path / "results" / "point.files"
    assert (files / "own.json").exists() and files.stat().st_mode & 0o77 == 0
    assert [one.name for one in files.rglob("*.json")].count('a $b "c".json') == 1


def test_a_program_that_is_stopped_may_write_what_it_has_and_has_not_succeeded(tmp_path):
    # It signals its own group, as the end of a step does, and ends well.
    program = "trap 'echo kept > \"$SRT_RESULT_DIR/kept\"; exit 0' TERM; kill -TERM $PPID $$; wait; exit 0"
    rc, result = run_script(tmp_path, program=program)
    assert rc == 143 and not result.exists()
    assert (tmp_path / "results" / "point.files" / "kept").read_text() == "kept\n"


def test_the_script_passes_the_exit_code_on_and_writes_no_result_then(tmp_path):
    rc, result = run_script(tmp_path, program="exit 7")
    assert rc == 7 and not result.exists()


def read(tmp_path, *contents, **facts):
    path = tmp_path / "point.json"
    path.write_text(json.dumps({"exit_code": 0, "duration_s": 3, "concurrency": None, **facts}))
    (tmp_path / "point.files").mkdir()
    for number, content in enumerate(contents):
        (tmp_path / "point.files" / f"{number}.json").write_text(json.dumps(content))
    raw = CUSTOM.read(str(path))
    return CUSTOM.figures(raw), CUSTOM.evaluate(raw, {}, 0.99), CUSTOM.doubts(raw)


def test_without_a_known_result_there_is_a_doubt(tmp_path):
    figures, reasons, doubts = read(tmp_path, {"a": 1})
    assert figures["duration"] == 3 and reasons == []
    assert doubts == ["its command left no result file that is known; not known: 0.json"]


@pytest.mark.parametrize(
    ("content", "reasons", "doubts"),
    [
        (VLLM, [], []),
        ({**VLLM, "failed": 1}, ["1 of 21 requests did not complete (95.2 % completed, 99 % are needed)"], []),
        ({**VLLM, "duration": 30.0}, ["it is of another run"], []),
        ({**VLLM, "completed": 0}, ["no request completed"], []),
        ({**SGLANG, "request_rate": 1}, [], ["its result does not say how many requests failed"]),
        (LM_EVAL, [], []),
    ],
)
def test_a_result_is_valid_only_if_everything_in_it_is(tmp_path, content, reasons, doubts):
    _figures, found, unsure = read(tmp_path, content)
    assert len(found) == len(reasons) and all(part in text for part, text in zip(reasons, found)), found
    assert unsure == doubts


def test_of_several_results_that_of_the_concurrency_counts(tmp_path):
    figures, _reasons, doubts = read(tmp_path, VLLM, {**VLLM, "max_concurrency": 16}, concurrency=16)
    assert (figures["concurrency"], doubts) == (16, [])


@pytest.mark.parametrize("content", ["{}", "[]", "x", '{"exit_code": "0", "duration_s": 1}'])
def test_a_broken_result_of_the_script_is_an_error(tmp_path, content):
    (tmp_path / "point.json").write_text(content)
    with pytest.raises(Error):
        CUSTOM.read(str(tmp_path / "point.json"))


def test_progress_is_the_last_line_of_the_log():
    point = plan_of(command="go")["benchmark"]["points"][0]
    shown = CUSTOM.logged(point, 100, "a\nfirst\r 45%|##   | 9/20 [00:01<00:01]\n")
    assert (shown.done, shown.total, shown.seen) == (9, 20, 100) and "9/20" in shown.line
