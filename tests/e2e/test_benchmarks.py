# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks beside sa-bench against one real service that stays up: custom commands, sglang-bench, repeats, search."""

from __future__ import annotations

import json
import sys

import pytest
from cluster import ROOT

CLIENT = f"""set -e
[ "$SRT_CONCURRENCY" = {{concurrency}} ]
curl -sSf "http://$SRT_FRONTEND_HOST:$SRT_FRONTEND_PORT/v1/models" > /dev/null
for one in ${{AIPERF_SERVER_METRICS_URLS//,/ }}; do curl -sSf "$one" > /dev/null; done
curl -sSf "http://$SRT_SERVICE_TOOLS_IPS:9900/" > /dev/null
echo "serving from $SRT_WORKER_NODES"
if [ -n "$SENDS" ]; then
  {sys.executable} {ROOT}/plugins/module_utils/load_client --base-url {{endpoint}} \\
    --endpoint /v1/completions --model "$SERVED" --tokenizer "$TOKENIZER" --isl 32 --osl 8 --seed 0 \\
    --concurrency "$SRT_CONCURRENCY" --num-prompts 12 --num-warmup 0 \\
    --result /tmp/srt-custom-$SLURM_JOB_ID/$SRT_CONCURRENCY/result.json
fi
"""


# Programs of the job's own beside the service.
OWN = [
    {
        "name": "tools",
        "command": [sys.executable, "-m", "http.server", "9900", "--bind", "{node_ip}", "--directory", "/mnt"],
        "start": "before_workers",
        "readiness": {"http": {"port": 9900, "path": "/"}},
    },
    {
        "name": "watcher",
        "command": ["sh", "-c", 'echo "watching {node}"; exec sleep 10000'],
        "placement": {"node": "workers"},
        "start": "with_workers",
        "readiness": {"log": {"pattern": "watching node\\d+"}},
    },
]


@pytest.fixture(scope="module")
def service(cluster):
    """The benchmark section of a job on a service that stays up, as a function: returns (played, rollup)."""

    def run(*args, **benchmark):
        job = cluster.job_file("benchmarks", services=OWN, benchmark={"type": "custom", **benchmark})
        played = cluster.playbook(job, "-e", "keep=true", *args)
        return played, json.loads((cluster.latest / "rollup.json").read_text())

    yield run
    cluster.end(cluster.folder / "benchmarks.yaml")


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


def test_a_command_that_measures_twice_leaves_parts_with_verdicts_of_their_own(cluster, service):
    sweep = f"""set -e
for level in 1 2; do
  {sys.executable} {ROOT}/plugins/module_utils/load_client --base-url {{endpoint}} --endpoint /v1/completions \\
    --model "$SERVED" --tokenizer "$TOKENIZER" --isl 32 --osl 8 --seed $level --concurrency $level --num-prompts 12 \\
    --num-warmup 0 --result "$SRT_RESULT_DIR/c$level.json"
done
"""
    env = {"SERVED": cluster.model.name, "TOKENIZER": str(cluster.model)}
    played, rollup = service(command=sweep, env=env)
    (point,) = rollup["results"]
    assert (played.rc, point["state"], point["output_tps"]) == (0, "valid", None), played.text
    parts = point["parts"]
    assert [(one["result_file"], one["concurrency"], one["state"]) for one in parts] == [
        ("c1.json", 1, "valid"), ("c2.json", 2, "valid"),
    ]  # fmt: skip
    assert all(one["completed"] == 12 and one["output_tps"] > 0 for one in parts) and "c2.json" in played.text
    assert rollup["max_output_tps"] == max(one["output_tps"] for one in parts)
    # The same, but the second file was cut.
    cut = sweep + 'echo "$(head -c 100 "$SRT_RESULT_DIR/c2.json")" > "$SRT_RESULT_DIR/c2.json"'
    played, rollup = service(command=cut, env=env)
    (point,) = rollup["results"]
    assert played.rc == 2 and point["state"] == "invalid", played.text
    assert "its result file is broken: c2.json" in point["invalid_reasons"][0] and rollup["max_output_tps"] is None


def test_results_that_are_older_than_the_command_do_not_count(cluster, service):
    left = cluster.folder / "left"
    left.mkdir()
    result = {
        "completed": 9, "failed": 0, "duration": 1.0, "request_throughput": 9.0, "output_throughput": 90.0,
        "total_token_throughput": 90.0, "mean_ttft_ms": 1.0, "max_concurrency": 4, "total_output_tokens": 90,
    }  # fmt: skip
    (left / "old.json").write_text(json.dumps(result))
    played, rollup = service(command="true", concurrencies=[4], result_glob=f"{left}/*.json")
    assert states(rollup) == ["passed"] and "1 files that result_glob names are older" in played.text, played.text


LOAD = {"isl": 32, "osl": 4, "num_prompts_mult": 4, "num_warmup_mult": 0}


def test_sglang_bench_sends_the_load_of_sglangs_client(service):
    played, rollup = service(type="sglang-bench", isl=32, osl=4, concurrencies=[4], num_prompts=24)
    assert played.rc == 0 and states(rollup) == ["valid"], played.text
    (point,) = rollup["results"]
    assert (point["completed"], point["total_input_tokens"], point["total_output_tokens"]) == (24, 24 * 32, 24 * 4)
    assert point["measured_by"] == "the load client of srt.slurm"


def test_three_processes_measure_a_point_together(cluster, service):
    asked = {"type": "sa-bench", "concurrencies": [3], "clients": 3, "save_requests": True, "req_rate": 10, **LOAD}
    played, rollup = service(**asked)
    assert played.rc == 0 and states(rollup) == ["valid"], played.text
    (point,) = rollup["results"]
    path = cluster.latest / point["path"]
    result = json.loads(path.read_text())
    assert (point["completed"], point["failed"], point["total_output_tokens"]) == (12, 0, sum(result["output_lens"]))
    assert (result["clients"], len(result["clients_health"]), result["max_concurrency"]) == (3, 3, 3)
    lines = path.with_suffix(".requests.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["number"] for line in lines) == list(range(12))
    again, _rollup = service(**asked)
    assert again.rc == 0 and again.changed == 0, again.text


@pytest.mark.slow
def test_load_clients_on_two_nodes_measure_a_point_together(cluster, service):
    asked = {"type": "sa-bench", "concurrencies": [4], "clients": 4, "client_nodes": 2, "save_requests": True, **LOAD}
    played, rollup = service(**asked)
    assert played.rc == 0 and states(rollup) == ["valid"], played.text
    (point,) = rollup["results"]
    path = cluster.latest / point["path"]
    result = json.loads(path.read_text())
    first, second = result["client_nodes"]
    assert (first["clients"], second["clients"], result["clients"], result["completed"]) == (2, 2, 4, 16)
    assert first["node"] != second["node"] and 0 < second["clock_uncertainty_s"] < 0.1
    assert abs(second["clock_offset_s"]) <= second["clock_uncertainty_s"]  # the nodes share a machine here
    assert [one["node"] for one in result["clients_health"]] == [first["node"]] * 2 + [second["node"]] * 2
    lines = path.with_suffix(".requests.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["number"] for line in lines) == list(range(16))
    assert not (path.parent / ".secrets").exists() and not list(path.parent.glob("*.requests.jsonl.*"))
    again, _rollup = service(**asked)
    assert again.rc == 0 and again.changed == 0, again.text


def test_a_trace_is_replayed_at_its_times_with_the_lengths_that_it_tells(cluster, service):
    trace = cluster.folder / "trace.jsonl"
    sizes = [(600 + number, 3 + number % 3) for number in range(12)]
    rows = [
        {"timestamp": 50 * at, "input_length": into, "output_length": out, "hash_ids": [0, at]}
        for at, (into, out) in enumerate(sizes)
    ]
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = {"dataset_name": "trace", "dataset_path": str(trace), "num_prompts": 12, "isl": None, "osl": None}
    played, rollup = service(type="sa-bench", concurrencies=[12], trace_times=True, num_warmup_mult=0, **asked)
    assert played.rc == 0 and states(rollup) == ["valid"], played.text
    (point,) = rollup["results"]
    totals = [sum(one) for one in zip(*sizes)]
    assert [point["total_input_tokens"], point["total_output_tokens"]] == totals and point["duration"] > 0.5
    trace.write_text(trace.read_text().replace('"input_length": 600', '"input_length": 601'))
    again, rollup = service(type="sa-bench", concurrencies=[12], trace_times=True, num_warmup_mult=0, **asked)
    assert again.rc == 0 and rollup["results"][0]["total_input_tokens"] == totals[0] + 1, again.text
    trace.write_text('{"input_length": 1}\n')
    refused = cluster.playbook(cluster.folder / "benchmarks.yaml", "-e", "keep=true")
    assert refused.rc == 2 and "line 1 has no output_length" in refused.text, refused.text


@pytest.mark.slow
def test_sessions_show_their_turns_and_a_second_run_has_nothing_to_do(cluster, service):
    asked = {
        "dataset_name": "sessions", "endpoint": "chat", "turns": 3, "isl": 64, "osl": 8, "turn_isl": 16, "turn_osl": 6,
        "think_time_s": 0.2, "session_header": "X-Session-ID", "num_prompts": 6, "clients": 2, "save_requests": True,
    }  # fmt: skip
    played, rollup = service(type="sa-bench", concurrencies=[3], random_range_ratio=1, **asked)
    assert played.rc == 0 and states(rollup) == ["valid"], played.text
    (point,) = rollup["results"]
    assert (point["completed"], point["num_sessions"], point["completed_sessions"]) == (18, 6, 6)
    assert point["total_output_tokens"] == 6 * (8 + 6 + 6) and rollup["turns"] == 3
    assert point["concurrency_of"] == "sessions, thinking ones included"
    assert point["mean_first_turn_ttft_ms"] > 0 and point["mean_later_turns_ttft_ms"] > 0
    assert "TTFT first turn mean ms" in played.text, played.text
    result = json.loads((cluster.latest / point["path"]).read_text())
    first, second, third = (one["mean_input_tokens"] for one in result["turn_figures"])
    assert first >= 64 and first + 16 < second and second + 16 < third  # the answers are there as well
    again, _rollup = service(type="sa-bench", concurrencies=[3], random_range_ratio=1, **asked)
    assert again.rc == 0 and again.changed == 0, again.text
    other = {**asked, "think_time_s": 0.1}
    again, rollup = service(type="sa-bench", concurrencies=[3], random_range_ratio=1, **other)
    assert again.rc == 0 and states(rollup) == ["valid"] and again.changed > 0, again.text


def test_repeats_are_measured_in_turns_and_what_was_measured_before_is_the_first(service):
    played, _rollup = service(type="sa-bench", concurrencies=[1, 2], **LOAD)
    assert played.rc == 0, played.text
    played, rollup = service(type="sa-bench", concurrencies=[1, 2], repeats=2, **LOAD)
    assert played.rc == 0 and states(rollup) == ["valid"] * 4, played.text
    lines = [line.split(":")[1].split(",")[0].strip() for line in played.text.splitlines() if ", valid: out" in line]
    assert lines == ["c=1 #1 kept", "c=2 #1 kept", "c=2 #2 measured", "c=1 #2 measured"], played.text
    assert [(one["valid"], one["metrics"]["output_tps"]["n"]) for one in rollup["repeats"]] == [(2, 2), (2, 2)]


def test_a_search_ends_with_an_answer_and_is_not_repeated(service):
    search = {"to": 3, "objectives": {"mean_e2el_ms": 60_000}, "resolution": 0.5, "replicates": 1}
    played, rollup = service(type="sa-bench", search=search, **LOAD)
    answer = rollup["search"]["answer"]
    assert played.rc == 0 and (answer["largest"], answer["above"], answer["bracketed"]) == (3, None, False), played.text
    assert "Not bracketed: concurrency 3, the largest tried, keeps E2EL mean ms <= 60000" in played.text
    search["objectives"] = {"mean_e2el_ms": 0.001}
    played, rollup = service(type="sa-bench", search=search, **LOAD)
    assert played.rc == 0 and rollup["search"]["answer"]["above"] == 1, played.text
    assert "c=1 kept" in played.text  # the measurement stands, only the question is another


SMI = """#!/bin/sh
for gpu in 0 1 2 3 4 5 6 7; do echo "$gpu, GPU-$gpu, 100.5, 1980, 2619, 41, 97"; done
"""


def test_workers_without_figures_in_their_logs_and_their_power_are_scraped(cluster):
    (cluster.folder / "smi").mkdir()
    (cluster.folder / "smi" / "nvidia-smi").write_text(SMI)
    (cluster.folder / "smi" / "nvidia-smi").chmod(0o755)
    exporter = f"env PATH={cluster.folder}/smi:/usr/bin:/bin {sys.executable} {ROOT}/plugins/module_utils/scraper power"
    job = cluster.job_file(
        "scraped",
        backend={"type": "mocker", "speedup_ratio": 1},
        benchmark={"type": "sa-bench", "isl": 64, "osl": 64, "concurrencies": [2], "num_prompts_mult": 10,
                   "export_node_metrics": True},
        telemetry={"enabled": True, "required": True, "default_frequency": 0.5,
                   "dcgm_exporter": {"container_image": "none", "port": 9405, "command": exporter + " --port {port}"}},
    )  # fmt: skip
    played = cluster.playbook(job)
    assert played.rc == 0, played.text
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    (record,) = rollup["results"]
    assert rollup["valid"], rollup["invalid_reasons"]
    nodes = rollup["nodes_summary"]["nodes"]
    assert len(nodes) == 3 and {node["figures_from"] for node in nodes} == {"metrics page"}
    assert sum(node["avg_running_requests"] for node in nodes) > 0, nodes
    assert {worker["name"] for worker in record["workers"]} == {"prefill_0", "decode_0", "decode_1"}
    # 3 nodes with 8 GPUs of 100.5 W.
    energy, lasted = record["energy"], record["energy"]["end"] - record["energy"]["begin"]
    assert (energy["gpus"], energy["note"]) == (24, None)
    assert energy["gpu_joules"] == pytest.approx(24 * 100.5 * lasted, rel=1e-3)
    assert energy["joules_per_output_token"] == pytest.approx(
        energy["gpu_joules"] / record["total_output_tokens"], rel=1e-3
    )
    series = json.loads((cluster.latest / "series.json").read_text())
    assert [point["name"] for point in series["points"]] == ["bench_c2"] and len(series["power"]) == 24
    assert any("inflight_requests" in one["metric"] for one in series["scraped"])
    assert len((cluster.latest / "node_metrics.csv").read_text().splitlines()) == 1 + 3 + 3
