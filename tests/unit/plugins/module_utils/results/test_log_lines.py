# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  lines of logs are as long as they are
"""Lines of worker logs: many of a shape at once, cut and unknown ones, their times, and what is read again."""

from __future__ import annotations

import calendar
import os
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.results import run_logs, worker_logs

NAMES = ("avg_running_requests", "max_running_requests", "max_queue_requests", "avg_kv_usage")
T0 = calendar.timegm((2026, 11, 21, 10, 0, 0))
# A generation of lines: the engine, the line with %(time)s and %(n)d running requests, its time, and how it is written.
SPACE, ISO, SLASH, SHORT = "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.123456Z", "%m/%d/%Y-%H:%M:%S", "%m-%d %H:%M:%S"
GENERATIONS = {
    "sglang period": ("sglang", SPACE, "[{t} TP0] Decode batch. #running-req: {n}, #token: 123, token usage: 0.25, gen "
                      "throughput (token/s): 100.50, #queue-req: 3"),
    "sglang graph": ("sglang", SPACE, "[{t} DP0 TP0 EP0] Decode batch, #running-req: {n}, #token: 12, token usage: 0.25, "
                     "cuda graph: True, gen throughput (token/s): 1.0, #queue-req: 3, "),
    "sglang hybrid": ("sglang", SPACE, "[{t}.123 TP0] Decode batch [77], #running-req: {n}, #full token: 7, full token usage: "
                      "0.25, #swa token: 9, swa token usage: 0.90, npu graph: True, gen throughput (token/s): 1.0, "
                      "#queue-req: 3"),
    "sglang disaggregated": ("sglang", SPACE, "[{t} TP0] Decode batch, #running-req: {n}, #token: 7, token usage: 0.25, "
                             "accept len: 2.10, accept rate: 0.70, pre-allocated usage: 0.50, #prealloc-req: 8, "
                             "#transfer-req: 9, #retracted-req: 7, cuda graph: True, gen throughput (token/s): 1.0, "
                             "#queue-req: 3, est. decode TFLOPS/s (per GPU): 9.00"),
    "sglang named logger": ("sglang", SPACE, "[{t}][scheduler_metrics_mixin.py:424][INFO]: Decode batch, #running-req: {n}, "
                            "#token: 7, token usage: 0.25, cuda graph: True, gen throughput (token/s): 1.0, #queue-req: 3"),
    "sglang ray": ("sglang", SPACE, "(SGLangEngine pid=35555, ip=10.0.0.1) [{t}] Decode batch, #running-req: {n}, #token: 7, "
                   "token usage: 0.25, gen throughput (token/s): 1.0, #queue-req: 3"),
    "sglang dynamo": ("sglang", ISO, "0: \x1b[2m{t}\x1b[0m \x1b[32m INFO\x1b[0m worker: Decode batch, #running-req: {n}, "
                      "#token: 7, token usage: 0.25, gen throughput (token/s): 1.0, #queue-req: 3"),
    "sglang jsonl": ("sglang", ISO, '{{"time":"{t}","level":"INFO","message":"Decode batch, #running-req: {n}, #token: 7, '
                     'token usage: 0.25, gen throughput (token/s): 1.0, #queue-req: 3","target":"sglang"}}'),
    "sglang prefill early": ("sglang", SPACE, "[{t} TP0] Prefill batch. #new-seq: 1, #new-token: 7, #cached-token: 0, cache "
                             "hit rate: 0.00%, token usage: 0.25, #running-req: {n}, #queue-req: 3"),
    "sglang prefill": ("sglang", SPACE, "[{t} TP0] Prefill batch, #new-seq: 1, #new-token: 7, #cached-token: 1, full token "
                       "usage: 0.25, mamba usage: 0.90, #running-req: {n}, #queue-req: 3, #pending-token: 0, #bootstrap-req: 0, "
                       "#inflight-req: 5, #optimistic-req: 0, cuda graph: False, input throughput (token/s): 8.25"),
    "sglang prefill swapped": ("sglang", SPACE, "[{t} PP0] Prefill batch, #new-seq: 1, #new-token: 7, #cached-token: 1, token "
                               "usage: 0.25, #running-req: {n}, #queue-req: 3, input throughput (token/s): 8.25, cuda graph: "
                               "False"),
    "trtllm elapsed": ("trtllm", SPACE, "[04/28/2025-09:56:44] [TRT-LLM] [I] iter = 198, global_rank = 0, rank = 0, "
                       "currank_total_requests = 0/0, elapsed_time = 0.00506s, timestamp = {t}, num_scheduled_requests: {n}, "
                       "states = {{'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': 16}}"),
    "trtllm stamp in front": ("trtllm", SLASH, "[{t}] [TRT-LLM] [RANK 0] [I] iter = 5559, host_step_time = 62.5ms, "
                              "num_scheduled_requests: {n}, states = {{'num_ctx_requests': 5, 'num_ctx_tokens': 40960, "
                              "'num_generation_tokens': 0}}"),
    "trtllm colon": ("trtllm", SPACE, "1: [TRT-LLM] [I] iter = 7, global_rank = 0, rank = 0, currank_total_requests = 0/1, "
                     "host_step_time = 7.4ms, prev_device_step_time = N/A, timestamp = {t}, num_scheduled_requests: {n}, "
                     "states = {{'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': 16}}"),
    "trtllm equals": ("trtllm", SPACE, "[TRT-LLM] [I] [_torch][RANK 0] iter = 2, global_rank = 0, rank = 0, "
                      "num_scheduled_requests = {n}, kv_cache_util = 0.250, currank_total_requests = 0/1, host_step_time = "
                      "4.08ms, prev_device_step_time = 243.13ms, timestamp = {t}, states = {{'num_ctx_requests': 1, "
                      "'num_ctx_tokens': 4, 'num_generation_tokens': 0, 'cached_kv_tokens': 0}}"),
    "trtllm active": ("trtllm", SPACE, "[TRT-LLM] [I] iter = 2, global_rank = 0, rank = 0, num_scheduled_requests = {n}, "
                      "kv_cache_util = 0.250, host_step_time = 4.08ms, prev_device_step_time = 2.1ms, timestamp = {t}, states "
                      "= {{'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': 4, 'cached_kv_tokens': 0}}, "
                      "num_active = 14, num_fetched = 3, num_dummy = 1, num_unscheduled = 3"),
    "vllm v1": ("vllm", SHORT, "INFO {t} [loggers.py:116] Engine 000: Avg prompt throughput: 369.7 tokens/s, Avg generation "
                "throughput: 568.7 tokens/s, Running: {n} reqs, Waiting: 3 reqs, GPU KV cache usage: 25.0%, Prefix cache hit "
                "rate: 92.5%"),
    "vllm process": ("vllm", SHORT, "\x1b[0;36m(APIServer pid=13294)\x1b[0;0m INFO {t} [loggers.py:335] Engine 000: Avg prompt "
                     "throughput: 3.7 tokens/s, Avg generation throughput: 5.7 tokens/s, Running: {n} reqs, Waiting: 3 reqs, "
                     "Deferred: 4 reqs, Preemptions: 9, CPU KV cache usage: 25.0%, Prefix cache hit rate: 92.5%, External "
                     "prefix cache hit rate: 1.0%, MM cache hit rate: 2.0%"),
    "vllm v0": ("vllm", SHORT, "INFO {t} [metrics.py:486] Avg prompt throughput: 13.2 tokens/s, Avg generation throughput: 13.0 "
                "tokens/s, Running: {n} reqs, Swapped: 0 reqs, Pending: 3 reqs, GPU KV cache usage: 25.0%, CPU KV cache usage: "
                "0.0%."),
}  # fmt: skip
CUT_AT = {"sglang": "throughput (token/s)", "trtllm": "}", "vllm": "Running: "}


def lines(name, numbers=(5, 7, 12), begin=T0):
    """Return the lines of a generation, ten seconds apart from *begin*, with these numbers of running requests."""
    _engine, form, text = GENERATIONS[name]
    times = [time.strftime(form, time.gmtime(begin + 10 * place)) for place in range(len(numbers))]
    return [text.format(t=one, n=number) for one, number in zip(times, numbers)]


def write(path, content, mtime=T0 + 20):
    path.write_bytes("".join(f"{line}\n" for line in content).encode())
    os.utime(path, (mtime, mtime))
    return str(path)


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_generation_is_read_key_by_key_and_in_its_window(tmp_path, name):
    engine = GENERATIONS[name][0]
    path = write(tmp_path / "log", ["noise 12.5 batch iter throughput: x", *lines(name), "\xff\xfe"])
    state = worker_logs.read_log(engine, path, [(T0 + 5, T0 + 15), (T0 + 100, T0 + 200)])
    metrics = state.metrics([(T0 + 5, T0 + 15), (T0 + 100, T0 + 200)])
    whole, (inside, outside) = metrics.record(), [one.record() for one in metrics.windows.values()]
    assert [whole[key] for key in ("lost_lines", "unknown_lines")] == [0, 0] and not metrics.undated_lines
    assert (whole["avg_running_requests"], whole["max_running_requests"]) == (8.0, 12)
    assert (inside["avg_running_requests"], outside["avg_running_requests"]) == (7.0, None)
    assert whole["max_queue_requests"] in (3, None) and whole["avg_kv_usage"] in (0.25, None)
    series = metrics.series.record()
    assert series["running"] == [5, 7, 12] and [int(one) for one in series["t"]] == [T0, T0 + 10, T0 + 20]


@pytest.mark.parametrize("name", [name for name in GENERATIONS if "early" not in name])
def test_a_line_that_was_cut_is_counted_and_adds_nothing(tmp_path, name):
    engine, whole = GENERATIONS[name][0], lines(name)[0]
    cut = whole[: whole.index("#new-token" if "prefill" in name else CUT_AT[engine])]
    found = worker_logs.parse_log(engine, write(tmp_path / "log", [cut + "#### Traceback", *lines(name)]))
    assert (found["unknown_lines"], found["avg_running_requests"]) == (1, 8.0)


def test_the_last_line_counts_only_when_it_is_whole(tmp_path):
    path = tmp_path / "log"
    path.write_text("Decode batch, #running-req: 5, gen throughput (token/s): 6.0, #queue-req: 1")
    assert worker_logs.parse_log("sglang", str(path))["total_decode_batches"] == 0


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ("sglang", "[2027-01-16 06:20:17 TP0] Extend batch, #new-seq: 18, #new-token: 16384"),
        ("sglang", "[2027-01-16 06:20:17 TP0] Decode batch, #running-requests: 18, gen throughput (token/s): 5.0"),
        ("trtllm", "[TRT-LLM] [I] iter = 2, host_step_time = 4ms, state = {'context': 4}"),
        ("vllm", "INFO 11-21 21:27:05 [x.py:1] Avg prefill throughput: 369.7 tokens/s, Running: 5 reqs"),
    ],
)
def test_lines_of_an_unknown_version_are_counted_and_one_is_shown(tmp_path, engine, line):
    metrics = worker_logs.read_log(engine, write(tmp_path / "log", [line] * 3 + ["noise"])).metrics()
    assert (metrics.unknown_lines, metrics.example, metrics.totals.counts["all"]) == (3, line, 0)


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ("sglang", "[2027-01-16 06:20:17 TP0] Capture cuda graph begin. Capturing batches (bs=256 avail_mem=6.32 GB)"),
        ("vllm", "INFO 11-21 21:27:05 [metrics.py:101] SpecDecoding metrics: Accepted throughput: 1.0 tokens/s"),
        ("trtllm", "[TRT-LLM] [I] max_iter = 5, warm-up"),
    ],
)
def test_lines_about_something_else_are_neither_read_nor_counted(tmp_path, engine, line):
    metrics = worker_logs.read_log(engine, write(tmp_path / "log", [line])).metrics()
    assert (metrics.unknown_lines, metrics.lost_lines, metrics.totals.means) == (0, 0, {})


def test_an_odd_number_does_not_spoil_the_other_lines_of_its_shape(tmp_path):
    good = lines("sglang graph")
    odd = good[0].replace("#running-req: 5", "#running-req: 1.2.3")
    found = worker_logs.parse_log("sglang", write(tmp_path / "log", [odd, *good]))
    assert (found["lost_lines"], found["unknown_lines"], found["avg_running_requests"]) == (1, 0, 8.0)


# ---- times


def ahead(tmp_path, engine, content, mtime):
    return worker_logs.read_log(engine, write(tmp_path / "log", content, mtime)).ahead_s


@pytest.mark.parametrize("hours", [-9.5, -7, 0, 1, 5.75, 9])
@pytest.mark.parametrize("name", ["sglang graph", "trtllm active", "vllm v1"])
def test_the_zone_of_local_stamps_follows_from_when_the_log_was_written(tmp_path, name, hours):
    content = lines(name, begin=T0 + hours * 3600)
    for lag in (0, 45):
        assert ahead(tmp_path, GENERATIONS[name][0], content, T0 + 20 + lag) == hours * 3600


def test_without_evidence_the_zone_is_unknown_and_nothing_is_cut(tmp_path):
    path = write(tmp_path / "log", lines("trtllm active"), T0 + 500)
    state = worker_logs.read_log("trtllm", path, [(T0, T0 + 20)])
    metrics = state.metrics([(T0, T0 + 20)])
    assert (state.ahead_s, metrics.undated_lines) == (None, 3)
    assert metrics.record()["avg_running_requests"] == 8.0
    assert metrics.series.record() == {"t": []} and not metrics.windows[(T0, T0 + 20)].means


def test_a_line_in_utc_beside_them_is_better_evidence(tmp_path):
    local = lines("trtllm active", begin=T0 + 7200)
    utc = [time.strftime(f"{ISO}  INFO dynamo: working", time.gmtime(T0 + 10 * place)) for place in range(3)]
    mixed = [line for pair in zip(utc, local) for line in pair]
    assert ahead(tmp_path, "trtllm", mixed, T0 + 500) == 7200


def test_a_log_over_the_turn_of_a_year_without_years(tmp_path):
    begin = calendar.timegm((2026, 12, 31, 23, 59, 55))
    state = worker_logs.read_log("vllm", write(tmp_path / "log", lines("vllm v1", (5,), begin), begin + 1))
    assert state.metrics().last_time == begin


@pytest.mark.parametrize(
    "stamp", ["2026-13-40 10:00:00", "0000-01-01 10:00:00", "2026-11-21 10:00:99", "99999999-1-1 1:1:1"]
)
def test_a_stamp_of_no_time_costs_its_line(tmp_path, stamp):
    odd = lines("sglang graph")[0].replace("2026-11-21 10:00:00", stamp)
    found = worker_logs.parse_log("sglang", write(tmp_path / "log", [odd, *lines("sglang graph")]))
    assert (found["lost_lines"], found["avg_running_requests"]) == (1, 8.0)


# ---- once


def test_what_was_read_once_is_not_read_again(tmp_path):
    windows = [(T0, T0 + 15)]
    more = lines("sglang graph", (20, 30), T0 + 30)
    first = worker_logs.read_log("sglang", write(tmp_path / "log", lines("sglang graph")), windows)
    path = write(tmp_path / "log", [*lines("sglang graph"), *more], T0 + 40)
    again = worker_logs.read_log("sglang", path, [*windows, (T0 + 25, T0 + 50)], first)
    whole = worker_logs.read_log("sglang", path, [*windows, (T0 + 25, T0 + 50)])
    assert again == whole and first.offset < again.offset
    # The figures are those that were remembered: nobody looks at these bytes again.
    forged = first._replace(figures={**first.figures, "lost_lines": 7})
    assert worker_logs.read_log("sglang", path, windows, forged).figures["lost_lines"] == 7


@pytest.mark.parametrize("change", ["other log", "shorter", "other lines are read", "a window in the past"])
def test_what_does_not_fit_is_read_again(tmp_path, change):
    path = write(tmp_path / "log", lines("sglang graph"))
    known = worker_logs.read_log("sglang", path, [])
    known = known._replace(figures={**known.figures, "lost_lines": 7})
    windows = []
    if change == "other log":
        write(tmp_path / "log", [*lines("sglang hybrid"), "x" * 900], T0 + 21)
    elif change == "shorter":
        write(tmp_path / "log", lines("sglang graph")[:1], T0)
    elif change == "other lines are read":
        known = known._replace(engine="0")
    else:
        windows = [(T0, T0 + 5)]
    found = worker_logs.read_log("sglang", path, windows, known)
    assert found.figures["lost_lines"] == 0 and found == worker_logs.read_log("sglang", path, windows)


def test_logs_are_read_by_several_processes_with_the_same_result(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"log{number}", lines("sglang graph", range(number + 2))) for number in range(5)]
    paths.append(str(tmp_path / "missing"))
    (tmp_path / "folder").mkdir()
    paths.append(str(tmp_path / "folder"))
    alone = run_logs.read_logs("sglang", paths, [(T0, T0 + 15)], {})
    monkeypatch.setattr(run_logs, "LARGE", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2})
    pids = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: pids.append(1) or fork())
    together = run_logs.read_logs("sglang", paths, [(T0, T0 + 15)], {})
    assert len(pids) == 3 and {k: v for k, v in together.items() if k != paths[-1]} == {
        k: v for k, v in alone.items() if k != paths[-1]
    }
    assert isinstance(together[paths[-1]], OSError) and paths[-2] not in together


def test_a_cache_of_something_else_is_ignored(tmp_path):
    path = write(tmp_path / "log", lines("sglang graph"))
    states = run_logs.read_logs("sglang", [path], [], {})
    for text in ("[]", "{", '{"x": 1}', '{"x": {"engine": 1}}'):
        (tmp_path / run_logs.CACHE).write_text(text)
        assert run_logs.load_cache(str(tmp_path)) == {}
    (tmp_path / run_logs.CACHE).write_text(run_logs.cache_text(states))
    assert run_logs.load_cache(str(tmp_path)) == states
    broken = {path: states[path]._replace(figures={"windows": 5, "last_time": "x"})}
    assert (
        run_logs.read_logs("sglang", [path], [(1.0, 2.0)], broken)[path].figures["totals"]
        == states[path].figures["totals"]
    )


def test_a_series_stays_small_and_keeps_its_extremes(tmp_path):
    numbers = [500 if place == 3333 else 1 if place == 4444 else 50 + place % 7 for place in range(9000)]
    content = lines("sglang graph", numbers)
    series = worker_logs.read_log("sglang", write(tmp_path / "log", content, T0 + 89990)).metrics().series
    record = series.record()
    assert len(series.kept()["buckets"]) <= 1200 and len(record["t"]) <= 2400
    assert record["t"] == sorted(record["t"]) and record["t"][0] == T0 and record["t"][-1] <= T0 + 89990
    assert (max(record["running"]), min(record["running"])) == (500, 1)
    assert {len(values) for values in record.values()} == {len(record["t"])}
    place = record["running"].index(500)
    assert abs(record["t"][place] - (T0 + 33330)) <= 2 * series.width


def test_every_engine_with_figures_has_generations():
    assert {engine for engine, _form, _text in GENERATIONS.values()} == {
        name for name, one in BACKENDS.items() if one.figures
    }


VLLM = (
    "INFO 11-21 10:00:{s:02d} [loggers.py:335] Engine 000: Avg prompt throughput: 1.0 tokens/s, Avg generation "
    "throughput: 2.0 tokens/s, Running: 3 reqs, Waiting: 0 reqs, GPU KV cache usage: 1.0%, {more}Prefix cache hit "
    "rate: {hit}.0%"
)


@pytest.mark.parametrize("block", [64, 1 << 18])
@pytest.mark.parametrize("shifted", [False, True])
def test_the_share_of_the_prefix_cache_is_that_of_the_last_line_whatever_the_others_look_like(
    tmp_path, monkeypatch, block, shifted
):
    """Lines are read by their form; two forms take turns, and the order of reading them must not matter."""
    forms = ("", "External prefix cache hit rate: 9.0%, ")
    text = [VLLM.format(s=second, hit=second, more=forms[(second + shifted) % 2]) for second in range(1, 8)]
    path = write(tmp_path / "log", text, T0 + 8)
    monkeypatch.setattr(worker_logs, "BLOCK", block)
    state = worker_logs.read_log("vllm", path, [(T0 + 2, T0 + 5)])
    metrics = state.metrics([(T0 + 2, T0 + 5)])
    assert metrics.record()["cache_hit_rate"] == 7.0
    assert metrics.windows[T0 + 2, T0 + 5].record()["cache_hit_rate"] == 5.0
