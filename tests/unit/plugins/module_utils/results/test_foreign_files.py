# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a log or a result file may hold: a line or a file is lost, never the run, and what is lost is counted."""

from __future__ import annotations

import json
import math
import os
import re
import time
import tracemalloc

import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.backends.log_reader import LineReader
from ansible_collections.srt.slurm.plugins.module_utils.backends.worker_figures import MOST, Metrics, summarise
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import read_object
from ansible_collections.srt.slurm.plugins.module_utils.results import document, tables, verdict, worker_logs
from ansible_collections.srt.slurm.plugins.module_utils.results.outcome import in_words
from ansible_collections.srt.slurm.plugins.module_utils.results.rollup_file import read_rollup
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BENCHMARK = BENCHMARKS["sa-bench"]
ENGINES = [name for name in BACKENDS if worker_logs.has_figures(name)]
LINES = {
    "sglang": [
        "Prefill batch, #new-seq: 1, #new-token: 512, #cached-token: 5, #running-req: 4, #queue-req: 0, "
        "#inflight-req: 5, input throughput (token/s): 800.25",
        "Decode batch, #running-req: 7, #transfer-req: 4, gen throughput (token/s): 300.00, #queue-req: 0, ",
        "Load weight end. type=X, avail mem=70.5 GB, mem usage=8.5 GB.",
        "KV Cache is allocated. #tokens: 1000, K size: 1.5 GB, V size: 1.5 GB",
        "server_args=ServerArgs(tp_size=8, dp_size=2) --tp 4",
    ],
    "trtllm": [
        "[RANK 0] iter = 2, global_rank = 0, num_scheduled_requests: 3, num_unscheduled = 1, host_step_time = 4.08ms, "
        "states = {'num_ctx_tokens': 4, 'num_generation_tokens': 2, 'cached_kv_tokens': 1}",
        "Peak memory during memory usage profiling (torch + non-torch): 60.5 GiB, available KV cache memory when "
        "calculating max tokens: 20.5 GiB, device total memory 139.5 GiB",
        "[MemUsageChange] Allocated 12.5 GiB for max tokens in paged KV cache (1000)",
        "engine args: tensor_parallel_size=8, pipeline_parallel_size: 1",
        "tllm_mpi_size: 4",
    ],
    "vllm": [
        "Engine 000: Avg prompt throughput: 369.7 tokens/s, Avg generation throughput: 12.5 tokens/s, Running: 3 reqs, "
        "Waiting: 1 reqs, GPU KV cache usage: 1.0%, Prefix cache hit rate: 12.5%",
        "Available KV cache memory: 20.5 GiB",
        "GPU KV cache size: 1,000 tokens",
        "Model loading took 12.5 GiB",
        "tensor_parallel_size=8, data_parallel_size=2",
    ],
}
ODD = ["9" * 5000, "1e400", "nan", "inf", "-5", "1.2.3", "", "...", "None", "{" * 300, "\x1b[31m", "\0", "٣", "9" * 40]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=9) | st.just("inf"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def sound(figures):
    """Return whether all figures can be written as JSON and are possible."""
    numbers = [value for value in figures.values() if value is not None]
    json.dumps(figures, allow_nan=False)
    return all(math.isfinite(value) and 0 <= value < MOST**2 for value in numbers)


def parsed(tmp_path, engine, content):
    path = tmp_path / "log"
    path.write_bytes(content)
    return worker_logs.parse_log(engine, str(path))


def test_every_engine_with_figures_is_fuzzed():
    assert set(LINES) == set(ENGINES)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_odd_number_costs_its_line_at_most_and_as_a_whole(tmp_path, engine, odd):
    good = parsed(tmp_path, engine, "".join(f"{line}\n" for line in LINES[engine]).encode())
    assert good["lost_lines"] == 0 and sound(good)
    for line in LINES[engine]:
        for number in re.finditer(r"\d[\d.,]*", line):
            one = line[: number.start()] + odd + line[number.end() :]
            metrics, before = Metrics(), Metrics().record()
            LineReader(BACKENDS[engine].figures, metrics).read(f"{one}\n".encode("utf-8", "surrogatepass"))
            if metrics.lost_lines:
                assert {**metrics.record(), "lost_lines": 0} == before, one
            content = "".join(f"{line}\n" for line in [one, *LINES[engine]]).encode("utf-8", "surrogatepass")
            found = parsed(tmp_path, engine, content)
            assert found["lost_lines"] <= 1 and sound(found), one
            if found["lost_lines"]:
                assert {**found, "lost_lines": 0} == good


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
@FUZZ
def test_no_line_costs_the_log(tmp_path_factory, engine, data):
    folder = tmp_path_factory.mktemp("fuzz")
    words = st.sampled_from([*ODD, *LINES[engine], *(line[: len(line) // 2] for line in LINES[engine])])
    parts = data.draw(st.lists(words | st.text(max_size=40), max_size=6))
    found = parsed(folder, engine, "".join(parts).encode("utf-8", "surrogatepass") + data.draw(st.binary(max_size=50)))
    assert sound(found)
    summarise([{**found, "worker_type": "prefill"}])


ENDLESS = [b"x", b"\0", b"\x1b[31m", b"\xff", b"Prefill batch, #new-token: ", b"states = {'iter = ", b"#a#",
           b"Peak memory during memory usage profiling", b"parallel_size --tp ServerArgs("]  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "block", "size"),
    [(engine, block, 2 << 20) for engine in ENGINES for block in ENDLESS] + [("sglang", b"9", 100 << 20)],
)
def test_a_line_without_an_end_takes_little_memory_and_time(tmp_path, engine, block, size):
    path, begin = tmp_path / "log", "\n".join(LINES[engine]).encode() + b"\n"
    with open(path, "wb") as stream:
        stream.write(begin)
        for _number in range(size >> 20):
            stream.write(block * ((1 << 20) // len(block)))
        stream.write(b"\n" + begin)
    tracemalloc.start()
    began = time.process_time()
    found = worker_logs.parse_log(engine, str(path))
    spent, (_now, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["lost_lines"] == 1 and spent < 10 and peak < 8 << 20
    twice = parsed(tmp_path, engine, begin + begin)
    assert {**found, "lost_lines": 0} == twice


@pytest.mark.parametrize("engine", ENGINES)
def test_the_longest_line_that_is_read_is_read_quickly(tmp_path, engine):
    words = ["Prefill batch, #a: ", "iter = states = {", "Peak memory during memory usage profiling", "parallel_size=",
             "[MemUsageChange] Allocated 1 GiB for max tokens", "KV Cache is allocated", "Avg prompt throughput: ",
             "available KV cache memory", "tllm_mpi_size", "K size: ", "--tp ", "\x1b["]  # fmt: skip
    lines = b"".join((word * (worker_logs.LONGEST_LINE // len(word))).encode() + b"\n" for word in words)
    began = time.process_time()
    parsed(tmp_path, engine, lines * 3)
    assert time.process_time() - began < 10


def test_a_log_that_is_no_file_is_said(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(OSError):
            worker_logs.parse_log("sglang", str(path))


def test_what_a_rollup_says_of_logs_that_it_cannot_read(tmp_path):
    plan = run_results.make_plan(tmp_path, backend="sglang")
    (tmp_path / "logs").mkdir()
    for step in plan["steps"]:
        (tmp_path / step["log"].replace("%N", step["nodes"][0])).write_text(
            "Decode batch, #running-req: 1, gen throughput (token/s): 1.0, #queue-req: " + "9" * 5000 + "\n"
        )
    (tmp_path / "logs" / "node0003_decode_0.out").unlink()
    (tmp_path / "logs" / "node0003_decode_0.out").mkdir()
    made = document.build(plan, "now")
    text = "; ".join(made["notes"])
    assert "2 line(s) of worker logs cannot be read and do not count, the first in" in text
    assert "1 worker log(s) cannot be read, the first is" in text and "decode_0.out (it is not a regular file)" in text


# Result files.


def resulting(folder, content):
    """Return the reasons why the result with this *content* is not valid; None if it cannot be read."""
    path = folder / "result.json"
    path.write_bytes(content)
    try:
        raw = BENCHMARK.read(str(path))
    except Error as error:
        assert str(path) in error.msg
        return None
    json.dumps(BENCHMARK.figures(raw), allow_nan=False)
    return BENCHMARK.evaluate(raw, run_results.point()["expect"], 0.99) + BENCHMARK.disturbances(raw)


def test_a_truncated_result_is_not_read(tmp_path):
    whole = json.dumps(run_results.raw_result()).encode()
    assert resulting(tmp_path, whole) == []
    for size in range(0, len(whole) - 1, 37):
        assert resulting(tmp_path, whole[:size]) is None


@pytest.mark.parametrize(
    "content", [b"[" * 100000, b'{"a":' * 100000, b"\xff\xfe", b"[]", b"null", b"{}", b'{"max_concurrency": NaN}',
                b'{"max_concurrency": ' + b"9" * 5000 + b"}", b"\0" * 100],
)  # fmt: skip
def test_a_file_of_something_else_is_not_read(tmp_path, content):
    assert resulting(tmp_path, content) is None


HEALTH = {"cpu_share": 0.1, "gaps": 0, "gaps_s": 0, "max_gap_s": 0, "suspended_s": 0, "mean_lag_ms": 0.1}


@given(data=st.data())
@FUZZ
def test_a_result_with_any_values_is_read_or_refused(tmp_path_factory, data):
    whole = run_results.raw_result(client_health=dict(HEALTH), token_mismatches=0, reason="x")
    raw = dict(whole, **data.draw(st.dictionaries(st.sampled_from([*whole]), JSON, max_size=3)))
    if isinstance(raw["client_health"], dict) and data.draw(st.booleans()):
        raw["client_health"].update(data.draw(st.dictionaries(st.sampled_from([*HEALTH]), JSON, max_size=2)))
    resulting(tmp_path_factory.mktemp("fuzz"), json.dumps(raw).encode())
    BENCHMARK.progress(run_results.point(), raw)
    BENCHMARK.progress(run_results.point(), data.draw(st.dictionaries(
        st.sampled_from(["state", "done", "total", "errors", "output_tok_s", "left_s", "tokens"]), JSON)))  # fmt: skip


@given(data=st.data())
@FUZZ
def test_a_verdict_with_any_values_counts_only_if_it_is_one(tmp_path_factory, data):
    folder, point = tmp_path_factory.mktemp("fuzz"), run_results.point()
    path = run_results.write_point(folder, point, run_results.raw_result())
    whole = read_object(verdict.verdict_path(str(path)))
    changed = data.draw(st.dictionaries(st.sampled_from([*whole, "service_gaps"]), JSON, max_size=3))
    (folder / verdict.verdict_path(str(path))).write_text(json.dumps({**whole, **changed}))
    found = verdict.standing(point, str(path))
    if not found.reasons:
        assert found.verdict["valid"] is True and found.verdict["digest"] == point["digest"]
    plan = run_results.make_plan(folder, concurrencies=(4,))
    made = document.build({**plan, "steps": []}, "now")
    tables.table_text(made)
    tables.csv_text(made)


@given(data=st.data())
@FUZZ
def test_a_rollup_with_any_values_is_shown_or_ignored(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    plan = run_results.make_plan(folder, concurrencies=(4,))
    run_results.write_point(folder, plan["benchmark"]["points"][0], run_results.raw_result())
    whole = document.build({**plan, "steps": []}, "now")
    changed = {**whole, **data.draw(st.dictionaries(st.sampled_from([*whole]), JSON, max_size=2))}
    if data.draw(st.booleans()):
        record = whole["results"][0]
        changed["results"] = [{**record, **data.draw(st.dictionaries(st.sampled_from([*record]), JSON, max_size=2))}]
    (folder / "rollup.json").write_text(json.dumps(changed))
    found = read_rollup(str(folder / "rollup.json"))
    in_words(found)
    tables.table_text(found)
