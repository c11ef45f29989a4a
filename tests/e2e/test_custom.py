# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks of type custom: a command of the user's own against the real service."""

from __future__ import annotations

import json
import sys

import pytest
from cluster import ROOT

CLIENT = f"""set -e
[ "$SRT_CONCURRENCY" = {{concurrency}} ]
curl -sSf "http://$SRT_FRONTEND_HOST:$SRT_FRONTEND_PORT/v1/models" > /dev/null
for one in ${{AIPERF_SERVER_METRICS_URLS//,/ }}; do curl -sSf "$one" > /dev/null; done
echo "serving from $SRT_WORKER_NODES"
if [ -n "$SENDS" ]; then
  {sys.executable} {ROOT}/plugins/module_utils/benchmarks/load_client --base-url {{endpoint}} \\
    --endpoint /v1/completions --model "$SERVED" --tokenizer "$TOKENIZER" --isl 32 --osl 8 --seed 0 \\
    --concurrency "$SRT_CONCURRENCY" --num-prompts 12 --num-warmup 0 \\
    --result /tmp/srt-custom-$SLURM_JOB_ID/$SRT_CONCURRENCY/result.json
fi
"""


@pytest.fixture(scope="module")
def service(cluster):
    """The benchmark section of a job on a service that stays up, as a function: returns (played, rollup)."""

    def run(*args, **benchmark):
        job = cluster.job_file("custom", benchmark={"type": "custom", **benchmark})
        played = cluster.playbook(job, "-e", "keep=true", *args)
        return played, json.loads((cluster.latest / "rollup.json").read_text())

    yield run
    cluster.end(cluster.folder / "custom.yaml")


def states(rollup):
    return [one["state"] for one in rollup["results"]]


def test_a_command_without_a_known_result_passes_and_is_not_valid(service):
    played, rollup = service(command=CLIENT, concurrencies=[1, 2], stream_output=True)
    assert played.rc == 0 and "The run has passed. These points are not called valid:" in played.text, played.text
    assert "c=2 | serving from node" in played.text, played.text
    assert states(rollup) == ["passed", "passed"] and (rollup["valid"], rollup["passed"]) == (False, True)
    assert rollup["results"][0]["doubts"] == ["its command left no result file that is known"]
    again, _rollup = service(command=CLIENT, concurrencies=[1, 2], stream_output=True)
    assert again.rc == 0 and again.changed == 0, again.text


def test_a_known_result_makes_points_valid_and_a_failed_evaluation_fails_alone(cluster, service):
    benchmark = {
        "command": CLIENT,
        "concurrencies": [1, 2],
        "env": {"SENDS": "yes", "SERVED": cluster.model.name, "TOKENIZER": str(cluster.model)},
        "result_glob": "/tmp/srt-custom-{job_id}/{concurrency}/*.json",
    }
    failing = 'echo "$MODEL_NAME at $EVAL_CONC is bad" >&2; exit 3'
    played, rollup = service(**benchmark, post_eval=failing)
    assert played.rc == 2 and "post_eval: the command exited with code 3" in played.text, played.text
    assert f"{cluster.model.name} at 2 is bad" in played.text
    assert states(rollup) == ["valid", "valid", "invalid"], played.text
    assert [(one["completed"], one["failed"]) for one in rollup["results"][:2]] == [(12, 0), (12, 0)]
    assert rollup["results"][0]["measured_by"] == "the load client of srt.slurm"
    # The one that failed is run again, the others stand.
    again, rollup = service(**benchmark, post_eval="echo fine")
    assert again.rc == 0 and states(rollup) == ["valid", "valid", "passed"], again.text
    assert "c=1 kept" in again.text and "post_eval measured" in again.text, again.text


def test_results_that_are_older_or_of_another_load_do_not_count(cluster, service):
    left = cluster.folder / "left"
    left.mkdir()
    result = {
        "completed": 9, "failed": 0, "duration": 1.0, "request_throughput": 9.0, "output_throughput": 90.0,
        "total_token_throughput": 90.0, "mean_ttft_ms": 1.0, "max_concurrency": 4, "total_output_tokens": 90,
    }  # fmt: skip
    (left / "old.json").write_text(json.dumps(result))
    played, rollup = service(command="true", concurrencies=[4], result_glob=f"{left}/*.json")
    assert states(rollup) == ["passed"] and "1 files that result_glob names are older" in played.text, played.text
    played, rollup = service(command=f"touch {left}/old.json", concurrencies=[3], result_glob=f"{left}/*.json")
    assert played.rc == 2 and states(rollup) == ["invalid"], played.text
    assert "the result is of another point: concurrency 4" in played.text, played.text
    result["failed"] = 3
    (left / "old.json").write_text(json.dumps(result))
    played, rollup = service(command=f"touch {left}/old.json", concurrencies=[4], result_glob=f"{left}/*.json")
    assert played.rc == 2 and "3 of 12 requests did not complete" in played.text, played.text
