# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  lines of logs are as long as they are
"""What workers say, in rollup.json and series.json: cut to points, from logs or from metrics pages; power and energy."""

from __future__ import annotations

import csv
import json
import os

import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.results import observed, power, run_logs, worker_logs
from ansible_collections.srt.slurm.plugins.module_utils.stages import rollup

T0 = 1795255200.0  # 2026-11-21T10:00:00Z, when the points of run_results begin
LINE = "[2026-11-21 {time} TP0] Decode batch, #running-req: {n}, #token: 7, token usage: 0.5, gen throughput (token/s): 9.0, #queue-req: 1\n"
GPU = 'DCGM_FI_DEV_POWER_USAGE{{gpu="{gpu}",Hostname="n"}}'


def run(tmp_path, plan):
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    made = rollup.run({"plan_path": str(tmp_path / "plan.json"), "plan": None, "failure": {}}, Context())
    return made, json.loads((tmp_path / "series.json").read_text())


def finished(tmp_path, backend, **scraped):
    plan = run_results.make_plan(tmp_path, (4,), backend)
    if scraped:
        plan["benchmark"]["scraped"] = {"paths": {k: f"logs/{k}/{{point}}.jsonl" for k in scraped}, "required": []}
    (tmp_path / "logs").mkdir()
    for purpose, lines in scraped.items():
        (tmp_path / "logs" / purpose).mkdir()
        (tmp_path / "logs" / purpose / "bench_c4.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    run_results.write_point(tmp_path, plan["benchmark"]["points"][0], run_results.raw_result())
    return plan


def begin(*names):
    targets = [{"name": name, "node": "node0001", "role": "x", "url": "u"} for name in names]
    return {"kind": "begin", "t": T0 - 3, "targets": targets}


def page(time, target, **numbers):
    return {"kind": "page", "t": T0 + time, "target": target, "v": numbers}


END = {"kind": "end", "t": T0 + 3, "pages": 1, "errors": 0, "cut": False}


def test_figures_of_logs_are_cut_to_the_points_and_shown_over_time(tmp_path):
    plan = finished(tmp_path, "sglang")
    for node, mode in (("node0001", "prefill_0"), ("node0002", "prefill_1"), ("node0003", "decode_0")):
        times = ("09:59:59", "10:00:01", "10:00:09")
        path = tmp_path / "logs" / f"{node}_{mode}.out"
        path.write_text("".join(LINE.format(time=time, n=n) for time, n in zip(times, (2, 4, 9))))
        os.utime(path, (T0 + 9, T0 + 9))
    made, series = run(tmp_path, plan)
    (record,) = made["rollup"]["results"]
    assert [one["name"] for one in record["workers"]] == ["prefill_0", "prefill_1", "decode_0"]
    assert record["workers"][2] | {"avg_running_requests": 4.0, "max_running_requests": 4, "total_decode_batches": 1,
                                   "avg_kv_usage": 0.5, "node": "node0003", "figures_from": "log"} == record["workers"][2]  # fmt: skip
    assert made["rollup"]["nodes_summary"]["nodes"][2]["max_running_requests"] == 9
    assert series["points"] == [{"name": "bench_c4", "label": "c=4", "begin": T0, "end": T0 + 2}]
    assert series["schema_version"] == 1 and "complete" not in series and "power" not in series
    worker = series["workers"][2]
    assert {key: worker[key] for key in ("name", "mode", "node", "rank")} == {
        "name": "decode_0", "mode": "decode", "node": "node0003", "rank": 0,
    }  # fmt: skip
    assert (worker["t"], worker["running"]) == ([T0 - 1, T0 + 1, T0 + 9], [2, 4, 9])
    assert worker["kv_usage"] == [0.5] * 3 and "input_throughput" not in worker


def test_a_second_rollup_reads_only_what_is_new_and_changes_nothing(tmp_path, monkeypatch):
    plan = finished(tmp_path, "sglang")
    path = tmp_path / "logs" / "node0003_decode_0.out"
    path.write_text(LINE.format(time="10:00:01", n=4))
    os.utime(path, (T0 + 1, T0 + 1))
    first, _series = run(tmp_path, plan)
    assert (tmp_path / run_logs.CACHE).exists()
    seen = []
    read = worker_logs.LineReader.read
    monkeypatch.setattr(worker_logs.LineReader, "read", lambda self, block: seen.append(block) or read(self, block))
    again, _series = run(tmp_path, plan)
    assert seen == [] and again["changed"] is False and again["rollup"] == first["rollup"]
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(LINE.format(time="10:00:02", n=6))
    more, _series = run(tmp_path, plan)
    assert b"".join(seen).count(b"\n") == 1
    assert more["rollup"]["results"][0]["workers"][0]["max_running_requests"] == 6


def test_a_line_of_an_unknown_version_is_named_in_the_notes(tmp_path):
    plan = finished(tmp_path, "sglang")
    (tmp_path / "logs" / "node0003_decode_0.out").write_text("[x] Extend batch, #new-token: 1\x1b[31m\n" * 2)
    made, series = run(tmp_path, plan)
    (note,) = [one for one in made["rollup"]["notes"] if "unknown version" in one]
    assert note.startswith("2 line(s)") and note.endswith("begins: [x] Extend batch, #new-token: 1")
    assert series["complete"] is False


INFLIGHT = 'dynamo_component_inflight_requests{dynamo_endpoint="generate"}'


def test_workers_whose_logs_say_nothing_have_the_figures_of_their_pages(tmp_path):
    other = 'dynamo_component_inflight_requests{dynamo_endpoint="clear"}'
    lines = [begin("decode_0"), page(-1, "decode_0", **{INFLIGHT: 7, other: 99}), page(0.5, "decode_0", **{INFLIGHT: 2}),
             page(1, "decode_0"), page(1.5, "decode_0", **{INFLIGHT: 5}), END]  # fmt: skip
    plan = finished(tmp_path, "mocker", metrics=lines)
    for node, mode in (("node0001", "prefill_0"), ("node0002", "prefill_1"), ("node0003", "decode_0")):
        (tmp_path / "logs" / f"{node}_{mode}.out").write_text("\n")
    made, series = run(tmp_path, plan)
    (worker,) = made["rollup"]["results"][0]["workers"]
    assert (worker["figures_from"], worker["avg_running_requests"], worker["max_running_requests"]) == (
        "metrics page",
        3.0,
        5,
    )
    nodes = made["rollup"]["nodes_summary"]["nodes"]
    assert [node["avg_running_requests"] for node in nodes] == [None, None, 3.0]
    assert not [note for note in made["rollup"]["notes"] if "no figures" in note or "not complete" in note]
    assert {one["metric"] for one in series["scraped"]} == {INFLIGHT, other}
    (one,) = [one for one in series["scraped"] if one["metric"] == INFLIGHT]
    assert (one["name"], one["node"], one["v"]) == ("decode_0", "node0001", [7, 2, 5])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([begin("decode_0"), page(-2, "decode_0"), {"kind": "x"}], None),
        ([begin("decode_0")], None),
        ([begin("decode_0"), page(1, "decode_0"), {**END, "cut": True}], "had reached its size"),
        ([begin("decode_0"), {"kind": "error", "t": T0 + 1, "target": "decode_0", "error": "refused"}, END], "refused"),
    ],
)
def test_what_the_scraper_lacks_is_told_and_changes_no_verdict(tmp_path, lines, words):
    made, series = run(tmp_path, finished(tmp_path, "mocker", metrics=lines))
    assert any((words or "the scraper ended") in note and "c=4: metrics" in note for note in made["rollup"]["notes"])
    assert made["valid"] is True and series["complete"] is False


@pytest.mark.parametrize(
    ("lasts_s", "interval_s", "last", "told"),
    [
        (8, 1, 3.5, True),  # half of a short point
        (8, 1, 4.5, False),
        (60, 1, 49, True),
        (60, 1, 51, False),
        (60, 30, 30, False),  # as often as asked for
        (60, 30, 14, True),
        (1, 1, -0.9, False),  # perhaps it had no time yet
    ],
)
def test_a_scraper_that_ended_early_is_told_however_short_the_point_is(tmp_path, lasts_s, interval_s, last, told):
    lines = [{**begin("decode_0"), "interval_s": interval_s}, page(-0.95, "decode_0"), page(last, "decode_0")]
    plan = finished(tmp_path, "mocker", metrics=lines)
    ended_at = f"2026-11-21T10:{lasts_s // 60:02d}:{lasts_s % 60:02d}.000Z"
    run_results.write_point(tmp_path, plan["benchmark"]["points"][0], run_results.raw_result(ended_at=ended_at))
    notes = run(tmp_path, plan)[0]["rollup"]["notes"]
    assert any("the scraper ended" in note for note in notes) is told


def test_a_point_without_a_file_says_so(tmp_path):
    plan = finished(tmp_path, "mocker", metrics=[])
    (tmp_path / "logs" / "metrics" / "bench_c4.jsonl").unlink()
    assert "No such file" in "".join(run(tmp_path, plan)[0]["rollup"]["notes"])


def readings(gpus=24, times=(-1, 0, 1, 2)):
    names = {GPU.format(gpu=gpu): 100.0 for gpu in range(gpus)}
    first, *rest = times
    return [begin("power_n"), page(first, "power_n", **names), *(page(time, "power_n") for time in rest), END]


def test_energy_of_a_token(tmp_path):
    lines = readings()
    lines.insert(3, page(0.5, "power_n", **{GPU.format(gpu=0): 300.0}))
    made, series = run(tmp_path, finished(tmp_path, "mocker", power=lines))
    energy = made["rollup"]["results"][0]["energy"]
    joules = 24 * 100 * 2 + 200 * 1.5
    assert (energy["gpu_joules"], energy["avg_gpu_watts"], energy["note"]) == (joules, joules / 2, None)
    assert energy["joules_per_output_token"] == pytest.approx(joules / 640, rel=1e-5)
    assert (energy["begin"], energy["end"], energy["gpus"]) == (T0, T0 + 2, 24)
    assert {one["gpu"] for one in series["power"]} == {str(gpu) for gpu in range(24)}
    assert next(one for one in series["power"] if one["gpu"] == "0")["watts"] == [100.0, 300.0]


CPU = 'node_rapl_joules_total{{zone="intel-rapl:{zone}",name="{name}",Hostname="n"}}'


def cpu_lines(*nodes, times=(-1, 0.5, 1.5, 3), watts=100.0, name="package-0"):
    """Return a scrape of GPUs and of CPU counters that grow by *watts*."""
    first, *rest = readings()[1:-1]
    targets = [{"name": "power_n", "node": "node0001", "role": "dcgm_exporter", "url": "u"}]
    targets += [{"name": f"cpu_{one}", "node": one, "role": "cpu_power_exporter", "url": "u"} for one in nodes]
    counter = CPU.format(zone=0, name=name)
    pages = [page(time, f"cpu_{one}", **{counter: 5000 + watts * time}) for one in nodes for time in times]
    return [{**begin(), "targets": targets}, first, *rest, *sorted(pages, key=lambda one: one["t"]), END]


@pytest.mark.parametrize(
    ("lines", "joules"),
    [
        (cpu_lines("node0001"), 200.0),  # two seconds, although no reading was at the begin or at the end
        (cpu_lines("node0001", "node0002"), None),  # the first node has a page of GPUs, and none of CPUs
        (cpu_lines("node0001", name="core"), None),  # a part of a package
        (cpu_lines("node0001", times=(-20, -10, -9)), None),
        (cpu_lines("node0001", watts=-100.0), None),  # it began anew
        (readings(), None),
    ],
)
def test_the_energy_of_the_cpus_is_that_of_the_window_and_of_all_nodes(tmp_path, lines, joules):
    if len(lines) > 5 and "node0002" in str(lines[0]):
        lines = [one for one in lines if one.get("target") != "cpu_node0001"]
    plan = finished(tmp_path, "mocker", power=lines)
    energy = power.of_point(plan, "bench_c4", (T0, T0 + 2), 640)
    assert energy["cpu_joules"] == (None if joules is None else pytest.approx(joules))
    assert energy["gpu_joules"] == 24 * 100 * 2  # whatever the CPUs say
    point, times = plan["benchmark"]["points"][0], ("2026-11-21T10:00:00Z", "2026-11-21T10:00:02Z")
    plan["benchmark"]["scraped"]["required"] = ["power", "cpu_power"]
    reasons = observed.lacking(plan, point, times)
    assert len(reasons) == (joules is None) and all("telemetry.cpu_power is required" in one for one in reasons)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (readings(gpus=23), "of 23 GPUs was read, and the workers have 24"),
        (readings(times=(-20, -19)), "was not read every 3 s"),
        ([begin(), END], "nothing was read"),
        ([begin("power_n"), {"kind": "error", "t": T0, "target": "power_n", "error": "refused"}, END], ": refused"),
    ],
)
def test_without_all_readings_there_is_no_energy_and_a_point_that_requires_it_is_not_valid(tmp_path, lines, words):
    plan = finished(tmp_path, "mocker", power=lines)
    energy = power.of_point(plan, "bench_c4", (T0, T0 + 2), 640)
    assert energy["joules_per_output_token"] is None and words in energy["note"]
    point, times = plan["benchmark"]["points"][0], ("2026-11-21T10:00:00Z", "2026-11-21T10:00:02Z")
    assert observed.lacking(plan, point, times) == []
    plan["benchmark"]["scraped"]["required"] = ["power"]
    (reason,) = observed.lacking(plan, point, times)
    assert words in reason
    assert observed.lacking(plan, point, (None, None)) == [
        "telemetry is required, and its power is not known: the point has no window"
    ]


def test_the_figures_of_workers_as_a_table_for_jobs_that_export_them(tmp_path):
    plan = finished(tmp_path, "sglang")
    plan["spec"]["benchmark"]["export_node_metrics"] = True
    path = tmp_path / "logs" / "node0003_decode_0.out"
    path.write_text(LINE.format(time="10:00:01", n=4) + LINE.format(time="10:00:09", n=8))
    os.utime(path, (T0 + 9, T0 + 9))
    run(tmp_path, plan)
    with open(tmp_path / "node_metrics.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = [(row["label"], row["name"], row["node"], row["max_running_requests"]) for row in rows]
    assert found == [("", "decode_0", "node0003", "8"), ("c=4", "decode_0", "node0003", "4")]


def decode_log(folder, node, mode, numbers, time="10:00:01"):
    path = folder / "logs" / f"{node}_{mode}.out"
    path.write_text("".join(LINE.format(time=time, n=n) for n in numbers))
    os.utime(path, (T0 + 9, T0 + 9))


def p90(folder):
    """Return the cell of srtctl's CSV."""
    with open(folder / "benchmark-rollup.csv", encoding="utf-8") as stream:
        return next(csv.DictReader(stream))["P90 Decode Running Requests"]


def test_nine_in_ten_of_the_samples_of_decode_workers_are_at_most_so_many_requests(tmp_path):
    plan = finished(tmp_path, "sglang")
    decode_log(tmp_path, "node0003", "decode_0", [*range(1, 11), *([500] * 3)])
    decode_log(tmp_path, "node0001", "prefill_0", [999] * 100)  # what prefill workers run counts not
    path = tmp_path / "logs" / "node0003_decode_0.out"
    path.write_text(path.read_text() + LINE.format(time="10:00:09", n=900) * 50)
    os.utime(path, (T0 + 9, T0 + 9))
    made, _series = run(tmp_path, plan)
    # Of 13 samples in the window the twelfth; the later ones are outside.
    assert made["rollup"]["results"][0]["p90_decode_running_requests"] == 500 and p90(tmp_path) == "500"
    decode_log(tmp_path, "node0003", "decode_0", range(1, 21))
    assert (run(tmp_path, plan)[0]["rollup"]["results"][0]["p90_decode_running_requests"], p90(tmp_path)) == (18, "18")


def test_without_samples_of_all_decode_workers_the_number_is_not_known(tmp_path):
    plan = finished(tmp_path, "sglang")
    plan["endpoints"].append({"name": "decode_1", "mode": "decode", "index": 1, "gpus": 8, "nodes": ["node0001"]})
    decode_log(tmp_path, "node0003", "decode_0", [4])
    made, _series = run(tmp_path, plan)
    assert made["rollup"]["results"][0]["p90_decode_running_requests"] is None and p90(tmp_path) == ""


def test_the_requests_of_decode_workers_whose_logs_say_nothing_are_those_of_their_pages(tmp_path):
    lines = [begin("decode_0"), page(-1, "decode_0", **{INFLIGHT: 70}), page(0.5, "decode_0", **{INFLIGHT: 2}),
             page(1, "decode_0"), page(1.5, "decode_0", **{INFLIGHT: 5}), END]  # fmt: skip
    run(tmp_path, finished(tmp_path, "mocker", metrics=lines))
    assert p90(tmp_path) == "5"


def test_a_rollup_without_the_logs_keeps_the_number(tmp_path):
    plan = finished(tmp_path, "sglang")
    decode_log(tmp_path, "node0003", "decode_0", [4] * 10)
    run(tmp_path, plan)
    (tmp_path / "logs").rename(tmp_path / "elsewhere")
    rollup.run({"plan_path": str(tmp_path / "plan.json"), "plan": None, "failure": {}, "force": False}, Context())
    assert p90(tmp_path) == "4"
