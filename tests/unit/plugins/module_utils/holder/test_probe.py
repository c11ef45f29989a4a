# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the holder makes of a service's answers, against a small real server."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
import time
import tracemalloc

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import probe as holder_probe

HEALTH = {
    "endpoints": ["generate"],
    "instances": [
        {"component": "prefill", "endpoint": "generate"},
        {"component": "decode", "endpoint": "generate"},
        {"component": "decode", "endpoint": "load"},
    ],
}


class Service(http.server.ThreadingHTTPServer):
    """Answers with what ``answers`` holds for a path: (status, bytes)."""

    def __init__(self):
        self.answers, self.seen = {}, []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, body, self.headers.get("X-Test")))
        status, text = self.server.answers.get(self.path, (404, b"nothing here"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def service():
    server = Service()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def check(service, **fields):
    return dict(
        {"name": "c", "kind": "http", "host": "127.0.0.1", "port": service.server_address[1], "timeout_s": 2}, **fields
    )


def unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_tcp(service):
    assert holder_probe.probe(check(service, kind="tcp")) is None
    assert "refused" in holder_probe.probe({"kind": "tcp", "host": "127.0.0.1", "port": unused_port()})


def test_a_server_that_greets_must_say_something():
    """The kernel accepts connections for a process that was stopped."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = {"kind": "tcp", "host": "127.0.0.1", "port": listener.getsockname()[1], "timeout_s": 0.2}
        assert holder_probe.probe(one) is None
        assert holder_probe.probe(dict(one, greets=True)) == "it accepts connections, but sends nothing"
        sender = threading.Thread(target=lambda: [listener.accept()[0].sendall(b"INFO") for _time in range(3)])
        sender.start()
        assert holder_probe.probe(dict(one, greets=True, timeout_s=5)) is None
        sender.join()


def test_an_open_port_must_answer_where_there_was_an_answer(service, monkeypatch):
    """A worker that was stopped still has its port open. Another process may have the port: it never answers."""
    monkeypatch.setattr(holder_probe, "LIVE_S", 0.2)
    prober, worker = holder_probe.Prober(), check(service, kind="tcp", live="/live")
    assert prober.probe(worker) is None  # with whatever status
    with socket.create_server(("127.0.0.1", 0)) as mute:
        foreign = dict(worker, port=mute.getsockname()[1])
        assert prober.probe(foreign) is None
        prober._answered.add((foreign["name"], foreign["host"], foreign["port"], 0))
        assert prober.probe(foreign) == "timed out"
        assert prober.probe(foreign, life=2) is None  # it was started anew, and the port is another's
    assert "refused" in prober.probe(foreign)


def test_status(service):
    service.answers["/health"] = (503, b'{"status": "no workers"}')
    assert holder_probe.probe(check(service, path="/health")) == 'HTTP 503: {"status": "no workers"}'
    assert holder_probe.probe(check(service, path="/health", status=[200, 503])) is None


def test_body_and_headers_are_sent(service):
    service.answers["/v1"] = (200, b"{}")
    probe = check(service, path="/v1", method="POST", body={"a": 1}, headers={"X-Test": "y"})
    assert holder_probe.probe(probe) is None
    assert service.seen == [("POST", "/v1", b'{"a": 1}', "y")]


def test_not_json(service):
    service.answers["/x"] = (200, b"<html>")
    assert (
        holder_probe.probe(check(service, path="/x", expect=[{"nonempty": True}])) == "the answer is not JSON: <html>"
    )


def test_an_answer_without_an_end_is_given_up(service):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert "timed out" in holder_probe.probe(check(service, port=server.getsockname()[1], timeout_s=0.05))


@contextlib.contextmanager
def raw_server(begin, again=b""):
    """Answer each connection with the bytes *begin*, then with *again* for as long as somebody reads."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(begin)
                        while again:
                            connection.sendall(again)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a body": (OK + b"\r\n", b"x" * 65536),
    "chunks": (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "a chunk": (CHUNKED + b"ffffffffffffff\r\n", b"x" * 65536),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 8192),
    "a length": (OK + b"Content-Length: 999999999999999\r\n\r\n", b"x" * 65536),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2048),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_answer_is_given_up_with_bounded_memory(service, kind):
    with raw_server(*ENDLESS[kind]) as port:
        tracemalloc.start()
        said = holder_probe.probe(check(service, port=port, timeout_s=1))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert said in ("the answer has more than 16 MiB", "the answer did not end in 1 s")
    assert most < 6 * holder_probe.MOST_BYTES


def test_an_answer_that_comes_in_drops_is_given_up_in_time(service):
    with raw_server(OK, b"a: b\r\n") as port:
        began = time.monotonic()
        said = holder_probe.probe(check(service, port=port, timeout_s=0.3))
        assert time.monotonic() - began < 5
    assert said


@pytest.mark.parametrize(
    "text",
    [b"[" * 100000, b'{"n": ' + b"9" * 5000 + b"}", b"\xff\x00", b"", b"1", b"null"],
    ids=["deep", "long number", "no text", "empty", "number", "null"],
)
def test_whatever_is_answered_is_a_reason_to_ask_again(service, text):
    service.answers["/x"] = (200, text)
    assert holder_probe.probe(check(service, path="/x", expect=[{"path": "a.0", "nonempty": True}]))


@pytest.mark.parametrize("begin", [b"", b"\r\n", b"HTTP/9.9 abc\r\n\r\n", CHUNKED + b"zz\r\n", OK + b"a" * 99999])
def test_an_answer_that_is_not_http_is_a_reason_to_ask_again(service, begin):
    with raw_server(begin) as port:
        assert holder_probe.probe(check(service, port=port))


def test_expectations_over_http(service):
    service.answers["/health"] = (200, json.dumps(HEALTH).encode())
    where = {"component": "decode", "endpoint": "generate"}
    expect = [
        {"label": "decode", "path": "instances", "where": where, "min": 2},
        {"label": "prefill", "path": "instances", "where": {"component": "prefill"}, "min": 2},
        {"path": "endpoints", "nonempty": True},
    ]
    assert holder_probe.probe(check(service, path="/health", expect=expect)) == "decode 1/2, prefill 1/2"


@pytest.mark.parametrize(
    ("expect", "body", "said"),
    [
        ({"path": "a.b.0.c", "equals": 5}, {"a": {"b": [{"c": 5}]}}, None),
        ({"path": "a.b.1.c", "equals": 5}, {"a": {"b": [{"c": 5}]}}, "a.b.1.c is null, not 5"),
        ({"label": "n", "path": "n", "min": 3}, {"n": 4}, None),
        ({"label": "n", "path": "n", "min": 3}, {"n": 2}, "n 2/3"),
        ({"label": "n", "path": "n", "min": 3}, {"n": True}, "n 0/3"),
        ({"label": "n", "path": "n", "min": 1}, {}, "n 0/1"),
        (
            {"label": "two", "path": "", "where": {"k": ["x", "y"]}, "min": 2},
            [{"k": "x"}, {"k": "y"}, {"k": "z"}],
            None,
        ),
        ({"label": "text", "path": "choices.0.text", "nonempty": True}, {"choices": [{"text": ""}]}, "text is empty"),
        ({"label": "text", "path": "choices.0.text", "nonempty": True}, {"choices": [{"text": "hi"}]}, None),
        ({"path": "a"}, "not even an object", None),
    ],
)
def test_one_expectation(expect, body, said):
    assert holder_probe.evaluate(expect, body) == said


def test_checks_wait_for_the_ones_before_and_slow_down():
    wait = holder_probe.Wait([{"name": "port"}, {"name": "request", "after": ["port"]}])
    now = wait.began
    (port,), _pause = wait.due(now)
    port["busy"] = True
    assert wait.due(now)[0] == []
    pauses = []
    for _turn in range(20):
        wait.take(port, "refused")
        pauses.append(port["pause"])
    assert pauses == sorted(pauses) and pauses[0] < 0.1 and pauses[-1] == holder_probe.LONGEST_PAUSE_S
    assert wait.left() == 2 and wait.records()[1]["attempts"] == 0
    wait.take(port, None)
    assert [c["name"] for c in wait.due(now)[0]] == ["request"]
    record = wait.records()[0]
    assert (record["name"], record["done"], record["attempts"], record["last_error"]) == ("port", True, 21, None)
