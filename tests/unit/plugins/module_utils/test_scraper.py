# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scraper: real pages over HTTP, its file, its bounds and its end; our own exporter of power."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils import programs
from ansible_collections.srt.slurm.plugins.module_utils.scraper import __main__ as scraper
from ansible_collections.srt.slurm.plugins.module_utils.scraper import page, power
from ansible_collections.srt.slurm.plugins.module_utils.scraper.scrape import Output

SMI = """#!/bin/sh
case "$1" in --query-gpu=index,uuid,power.draw*) ;; *) exit 3;; esac
echo '0, GPU-a, 250.50, 1980, 2619, 41, 97'
echo '1, GPU-b, [N/A], 1980, 2619, 41, 97'
"""


@contextlib.contextmanager
def server(texts):
    """Serve *texts*, one after the other and the last one again and again, at /metrics; yield the URL."""
    left = list(texts)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(200 if text else 500)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_what):
            pass

    one = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{one.server_port}/metrics"
    one.shutdown()
    one.server_close()


@pytest.fixture
def program(tmp_path):
    """The program as it lies in a run directory."""
    folder = tmp_path / "programs" / "scraper"
    folder.mkdir(parents=True)
    for name, text in programs.program_files(scraper).items():
        (folder / name).write_text(text)
    return folder


def start(program, tmp_path, targets, **other):
    group = {"out": str(tmp_path / "logs" / "{point}.jsonl"), "interval_s": 0.05, "timeout_s": 2, "most_bytes": 1 << 20,
             "wanted": "", "unwanted": "_bucket$", "targets": targets, **other}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps([group]))
    # As in a step: a shell starts it and becomes the program that measures.
    words = f'"{program}" scrape --config "{tmp_path}/config.json" --point p1 --parent $$'
    script = f'"{sys.executable}" -E {words} & exec sleep 60'
    return subprocess.Popen(["bash", "-c", script], start_new_session=True), tmp_path / "logs" / "p1.jsonl"


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_pages_are_written_as_long_as_the_measuring_program_runs(program, tmp_path):
    first, second = 'a{x="1"} 1\nb 2\nc_bucket{le="1"} 3\n', 'a{x="1"} 5\nb 2\n'
    with server([first, second]) as url, server([""]) as broken:
        targets = [{"name": "w", "node": "n1", "role": "agg", "url": url}, {"name": "x", "node": "n2", "url": broken}]
        process, out = start(program, tmp_path, targets)
        wait_for(lambda: sum(one["kind"] == "page" for one in read(out)) > 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: read(out)[-1]["kind"] == "end")
    begin, *rest, end = read(out)
    assert (begin["kind"], begin["targets"]) == ("begin", targets)
    pages = [one for one in rest if one["kind"] == "page"]
    assert [one["v"] for one in pages[:3]] == [{'a{x="1"}': 1.0, "b": 2.0}, {'a{x="1"}': 5.0}, {}]
    # A page that cannot be read is told once, and counted.
    assert [one["target"] for one in rest if one["kind"] == "error"] == ["x"]
    assert end["pages"] == len(pages) and end["errors"] > 1 and end["cut"] is False


def test_a_file_is_not_larger_than_it_may_be(tmp_path):
    output = Output(str(tmp_path / "logs" / "x.jsonl"), 2000)
    written = [output.write("page", target="w", v={"a": number}) for number in range(200)]
    output.write("end", last=True, pages=1, errors=0, cut=output.cut)
    size = os.path.getsize(tmp_path / "logs" / "x.jsonl")
    assert written[0] and not written[-1] and size <= 2000 and read(tmp_path / "logs" / "x.jsonl")[-1]["cut"] is True


@pytest.mark.parametrize(
    "text", ["", "{", "a{", "a NaN", "a +Inf", "a x", 'a{b="} 1', "é 1", "# a 1", "a{" + "x" * 900 + "} 1"]
)
def test_what_is_no_number_is_no_number(text):
    found = page.numbers(f"{text}\nok 1", re.compile(""), re.compile("_created$"))
    assert {key: value for key, value in found.items() if key != 'a{b="}'} == {"ok": 1.0}


def test_power_of_this_node_as_a_page(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    text, trouble = power.page()
    node = power.socket.gethostname().split(".")[0]
    assert trouble == "" and f'DCGM_FI_DEV_POWER_USAGE{{gpu="0",UUID="GPU-a",Hostname="{node}"}} 250.5\n' in text
    assert 'POWER_USAGE{gpu="1"' not in text and 'DCGM_FI_DEV_SM_CLOCK{gpu="1"' in text


def test_without_nvidia_smi_it_says_so():
    _text, trouble = power.page("no-such-program")
    assert trouble.startswith("no-such-program: ")


def test_cpu_energy_from_the_kernel(tmp_path):
    for number, energy in enumerate(("1500000", "x")):
        zone = tmp_path / f"intel-rapl:{number}"
        zone.mkdir()
        (zone / "name").write_text(f"package-{number}\n")
        (zone / "energy_uj").write_text(energy)
    (line,) = power.cpu_lines("n1", str(tmp_path / "intel-rapl:*"))
    assert line == 'node_rapl_joules_total{zone="intel-rapl:0",name="package-0",Hostname="n1"} 1.500000'


def test_the_cpus_alone_are_a_page_too(tmp_path):
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text("1500000")
    text, trouble = power.page(None, str(tmp_path / "intel-rapl:*"))
    assert trouble == "" and text.startswith("node_rapl_joules_total{") and "DCGM" not in text
    text, trouble = power.page(None, str(tmp_path / "none:*"))
    assert text == "" and trouble == f"no counter {tmp_path}/none:*/energy_uj can be read"


def test_the_exporter_answers_over_http(program, tmp_path):
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    one = power.serve(0)  # a free port
    port = one.server_port
    one.server_close()
    process = subprocess.Popen([sys.executable, "-E", str(program), "power", "--port", str(port)], env=environment)
    try:
        scrape, out = start(program, tmp_path, [{"name": "g", "url": f"http://127.0.0.1:{port}/metrics"}])
        wait_for(lambda: any(one["kind"] == "page" for one in read(out)))
        os.killpg(scrape.pid, signal.SIGTERM)
        scrape.wait()
        assert any("DCGM_FI_DEV_POWER_USAGE" in key for one in read(out) for key in one.get("v") or ())
    finally:
        process.kill()
        process.wait()


def test_the_program_imports_nothing_but_the_standard_library(program):
    assert {one.name for one in pathlib.Path(program).iterdir()} == {
        "__init__.py", "__main__.py", "main.py", "page.py", "power.py", "scrape.py",
    }  # fmt: skip
