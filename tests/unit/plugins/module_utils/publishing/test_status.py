# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Status reports: what a real server gets, in what order, and that one that never answers costs next to nothing."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.publishing.status import Reporter, endpoints

SPEC = {"cluster": {"cluster": "c1"}, "backend": {"type": "mocker"}, "frontend": {"type": "dynamo"}}


def job(**status):
    return {"name": "quick", "spec": {**SPEC, "reporting": {"status": status}}, "metadata": {}}


class Api(http.server.ThreadingHTTPServer):
    """A status API that records what it gets; *redirect* is where it sends clients."""

    def __init__(self, redirect=None):
        self.got, self.redirect = [], redirect
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait(self, count, limit_s=15):
        until = time.monotonic() + limit_s
        while len(self.got) < count and time.monotonic() < until:
            time.sleep(0.01)
        return self.got


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.command, self.path, body, self.headers.get("Authorization")))
        self.send_response(307 if self.server.redirect else 200)
        if self.server.redirect:
            self.send_header("Location", self.server.redirect + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = answer

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def api():
    one = Api()
    yield one
    one.shutdown()
    one.server_close()


def whole_run(folder, exit_code=0, **end):
    reporter = Reporter(str(folder))
    reporter.job("7", "/out/7")
    reporter.job("7", "/out/7")  # it is known
    reporter.started("node001")
    for stage in ("preflight", "head_infra", "worker", "frontend", "health", "benchmark", "benchmark", "rollup"):
        reporter.stage(stage)
    reporter.end(exit_code, **end)


def test_a_run_is_reported_stage_by_stage_in_order(tmp_path, api):
    Reporter(str(tmp_path)).begin(job(endpoint=api.url + "/", endpoints=[api.url]))
    whole_run(tmp_path, logs_url="s3://b/quick/7")
    got = api.wait(8)
    assert [(method, path) for method, path, _body, _token in got] == [
        ("POST", "/api/jobs"),
        *[("PUT", "/api/jobs/7")] * 7,
    ]
    assert [(body["status"], body["stage"]) for _method, _path, body, _token in got[1:]] == [
        ("starting", "starting"),
        ("starting", "head_infrastructure"),
        ("workers", "workers"),
        ("frontend", "frontend"),
        ("benchmark", "benchmark"),
        ("benchmark", "cleanup"),
        ("completed", "cleanup"),
    ]
    first, start, last = got[0][2], got[1][2], got[-1][2]
    assert set(first) == {"job_id", "job_name", "submitted_at", "cluster", "recipe", "metadata"}
    assert (first["job_id"], first["job_name"], first["cluster"]) == ("7", "quick", "c1")
    about = {"backend_type": "mocker", "frontend_type": "dynamo", "log_dir": "/out/7/logs", "head_node": "node001"}
    assert start["metadata"] == about and start["started_at"] and start["updated_at"].endswith("Z")
    assert last["exit_code"] == 0 and last["completed_at"] and last["logs_url"] == "s3://b/quick/7"
    assert {token for *_rest, token in got} == {None}


def test_a_failure_in_the_benchmark_is_reported_there_and_at_the_end(tmp_path, api):
    Reporter(str(tmp_path)).begin(job(endpoint=api.url))
    whole_run(tmp_path, 2, message="decode_0 exited")
    last = [body for _method, _path, body, _token in api.wait(8)[-2:]]
    assert [(body["status"], body["stage"]) for body in last] == [("failed", "benchmark"), ("failed", "cleanup")]
    assert last[1]["exit_code"] == 2 and last[1]["message"] == "decode_0 exited"


def test_it_is_off_by_default(tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    Reporter(str(tmp_path)).begin({"name": "quick", "spec": {**SPEC, "reporting": {"s3": {}}}, "metadata": {}})
    Reporter(str(tmp_path)).begin({"name": "quick", "spec": SPEC, "metadata": {}})
    whole_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_token_comes_from_the_environment_and_is_in_no_file(tmp_path, api, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hunter22")
    Reporter(str(tmp_path)).begin(job(endpoint=api.url, token_env="MY_TOKEN"))
    whole_run(tmp_path)
    assert {token for *_rest, token in api.wait(7)} == {"Bearer hunter22"}
    assert not any("hunter22" in path.read_text() for path in tmp_path.iterdir())


def test_no_redirect_is_followed(tmp_path, api, monkeypatch):
    monkeypatch.setenv("SRTCTL_STATUS_TOKEN", "hunter22")
    other = Api(redirect=api.url)
    Reporter(str(tmp_path)).begin(job(endpoint=other.url))
    whole_run(tmp_path)
    assert len(other.wait(7)) == 7 and api.got == []
    other.shutdown()
    other.server_close()


def test_a_server_that_never_answers_costs_a_second_at_most(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        Reporter(str(tmp_path)).begin(job(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        begun, work = time.monotonic(), time.process_time()
        whole_run(tmp_path)
        assert time.monotonic() - begun < 1.6 and time.process_time() - work < 1.0


def test_one_that_never_answers_keeps_nothing_from_another(tmp_path, api):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        hangs = f"http://127.0.0.1:{silent.getsockname()[1]}"
        Reporter(str(tmp_path)).begin(job(endpoints=[hangs, api.url]))
        whole_run(tmp_path)
        assert [body.get("stage") for _method, _path, body, _token in api.wait(7)][-1] == "cleanup"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no.such.host.invalid", "http://127.0.0.1:9/\x7f"])
def test_no_server_is_no_error(tmp_path, url):
    Reporter(str(tmp_path)).begin(job(endpoint=url))
    whole_run(tmp_path)


def test_endpoints_count_once():
    assert endpoints({"endpoint": "http://a/", "endpoints": ["http://a", "http://b"]}) == ["http://a", "http://b"]
    assert endpoints(None) == endpoints({"endpoint": None, "endpoints": None}) == []
