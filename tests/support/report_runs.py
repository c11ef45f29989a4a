# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run directories for the report: results with single requests, a journal, series of workers."""

from __future__ import annotations

import json

import run_results

BEGAN = 1795600800.0  # 2026-11-25T10:00:00Z


def stamp(seconds):
    """Return a time of the journal, in seconds after the begin."""
    whole, milli = divmod(round(seconds * 1000), 1000)
    return f"2026-11-25T10:{whole // 60:02d}:{whole % 60:02d}.{milli:03d}Z"


def raw_result(concurrency, **other):
    """Return a result with single requests: each takes as many milliseconds as its number, times the concurrency."""
    count = concurrency * 10
    ttfts = [concurrency * number / 1000 for number in range(1, count + 1)]
    lists = {
        "ttfts": ttfts,
        "latencies": [ttft + 0.15 for ttft in ttfts],
        "itls": [[0.01] * 15 for _ttft in ttfts],
        "input_lens": [50 + number for number in range(count)],
        "output_lens": [16] * count,
    }
    figures = {
        "output_throughput": 400.0 * concurrency**0.5,
        "total_token_throughput": 2000.0 * concurrency**0.5,
        "median_itl_ms": 2.0 * concurrency,
    }
    return run_results.raw_result(concurrency, **{**lists, **figures, **other})


def journal(job_id="77", points=("bench_c4", "bench_c16"), fault=None):
    """Return the events of a run: preflight, a service, *points* one after the other, the end.

    :param fault: the name of a step that ends unexpectedly.
    """
    events = [{"t": stamp(0), "event": "holder", "phase": "begin", "restarts": 0}]

    def step(name, tier, begin, end=None, **more):
        about = {"name": name, "tier": tier, "step_id": f"{job_id}.1", "attempt": 1, "node": "node0001",
                 "started_at": stamp(begin), "running_at": stamp(begin + 0.2)}  # fmt: skip
        events.append({"t": stamp(begin), "event": "start", "state": "starting", **about})
        if end is not None:
            ended = {"state": "ended", "ended_at": stamp(end), "expected": True, "exit_code": 0, **more}
            events.append({"t": stamp(end), "event": "end", **about, **ended})

    step("preflight", "preflight", 1, 3, expected=False)
    step("nats", "head_infra", 3, 80)
    step("prefill_0", "worker", 4, 80)
    step("decode_0", "worker", 4, 80)
    step("frontend_0", "frontend", 10, 80)
    for number, name in enumerate(points):
        step(name, "benchmark", 20 + 20 * number, 35 + 20 * number, expected=False)
    if fault:
        step(fault, "worker", 5, 40, expected=False, exit_code=1, reason="exited with code 1 on node0003")
    events.append({"t": stamp(70), "event": "holder", "phase": "ending", "code": 0, "reason": "the run has finished"})
    events.append({"t": stamp(80), "event": "holder", "phase": "ended"})
    return sorted(events, key=lambda one: one["t"])


def series(points=("bench_c4", "bench_c16"), workers=("prefill_0", "decode_0")):
    """Return the content of series.json."""
    times = [BEGAN + second for second in range(60)]
    lines = [
        {"name": name, "mode": name.partition("_")[0], "node": "node0001", "rank": 0, "t": times,
         "running": [number % 7 for number in range(60)], "queue": [0] * 60,
         "kv_usage": [number / 60 for number in range(60)], "hit_rate": [None] * 30 + [0.5] * 30}
        for name in workers
    ]  # fmt: skip
    windows = [
        {
            "name": name,
            "label": name.removeprefix("bench_"),
            "begin": BEGAN + 20 * number,
            "end": BEGAN + 15 + 20 * number,
        }
        for number, name in enumerate(points)
    ]
    return {"schema_version": 1, "workers": lines, "points": windows}


def make_run(run_dir, concurrencies=(4, 16), invalid=(), raws=None, job_id="77", **changes):
    """Write a whole run directory with its rollup; return the plan.

    :param invalid: the concurrencies whose points are not valid.
    :param raws: {concurrency: what differs in its result}.
    :param changes: what differs in the plan.
    """
    # Not above: pytest-ansible wants to be the first to import the collection.
    from ansible_collections.srt.slurm.plugins.module_utils.results import document, tables

    run_dir.mkdir(parents=True, exist_ok=True)
    plan = {**run_results.make_plan(run_dir, concurrencies), "job_id": job_id, **changes}
    for endpoint in plan["endpoints"]:
        endpoint["gpu_indices"] = list(range(8))
    for point in plan["benchmark"]["points"]:
        level = point["key"]["concurrency"]
        reasons = ["the load client was stopped for 3 s"] if level in invalid else []
        run_results.write_point(run_dir, point, raw_result(level, **(raws or {}).get(level, {})), reasons)
    (run_dir / "plan.json").write_text(json.dumps(plan))
    rollup = document.build(plan, "2026-11-25T10:02:00Z")
    (run_dir / "rollup.json").write_text(json.dumps(rollup, indent=2))
    (run_dir / "rollup.csv").write_text(tables.csv_text(rollup))
    names = [point["name"] for point in plan["benchmark"]["points"]]
    lines = [json.dumps(event) for event in journal(job_id, names)]
    (run_dir / "steps.jsonl").write_text("\n".join(lines) + "\n")
    (run_dir / "config.yaml").write_text("name: job\n")
    return plan
