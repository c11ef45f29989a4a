# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders that the holder sends once, to a small real server."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder.calls import Calls

NEW, OLD = "/engine/control/start_profile", "/engine/start_profile"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body))
        self.server.gate.wait(10)
        status, text = self.server.answers.get(self.path, (404, "nothing here"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answers, made.seen, made.gate = {}, [], threading.Event()
    made.gate.set()
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def order(server, name="agg_0", body=None):
    host, port = server.server_address
    return {"name": name, "host": host, "port": port, "paths": [NEW, OLD], "body": body, "timeout_s": 5}


@pytest.mark.parametrize(
    "answers, seen, answer",
    [
        ({NEW: (200, '{"status": "ok"}')}, [NEW], (True, NEW, 200, None)),
        ({OLD: (200, "")}, [NEW, OLD], (True, OLD, 200, None)),
        ({NEW: (405, ""), OLD: (200, "Start profiling.\n")}, [NEW, OLD], (True, OLD, 200, None)),
        ({}, [NEW, OLD], (False, OLD, 404, "HTTP 404: nothing here")),
        # A server that knows the path, and fails there, is not asked elsewhere.
        ({NEW: (500, "oops"), OLD: (200, "")}, [NEW], (False, NEW, 500, "HTTP 500: oops")),
        # Dynamo's handlers say so in a page that is all right.
        ({NEW: (200, '{"status": "error", "message": "no"}')}, [NEW], (False, NEW, 200, '{"status": "error", "mes')),
        ({NEW: (200, '{"success": false}')}, [NEW], (False, NEW, 200, '{"success": false}')),
        ({NEW: (307, "elsewhere")}, [NEW], (False, NEW, 307, "HTTP 307: elsewhere")),
    ],
)
def test_paths_are_tried_in_order_and_pages_are_read(server, answers, seen, answer):
    server.answers.update(answers)
    (found,) = Calls().call("a", [order(server, body={"num_steps": 3})], 10)["calls"]
    assert [path for path, _body in server.seen] == seen and server.seen[0][1] == {"num_steps": 3}
    assert (found["name"], found["ok"], found["path"], found["status"]) == ("agg_0", *answer[:3])
    assert found["error"] is answer[3] or found["error"].startswith(answer[3])


def test_nobody_there(server):
    away = {**order(server), "port": 1}
    (found,) = Calls().call("a", [away], 10)["calls"]
    assert (found["ok"], found["status"]) == (False, None) and "refused" in found["error"]


def test_an_order_is_sent_once_for_its_id_whoever_asks(server):
    server.answers[NEW] = (200, "")
    calls, orders = Calls(), [order(server), order(server, "agg_1")]
    server.gate.clear()
    first = calls.call("a", orders, 0.05)
    assert first == {"calls": [], "called": False}
    server.gate.set()
    second = calls.call("a", orders, 10)
    assert second["called"] and [one["name"] for one in second["calls"]] == ["agg_0", "agg_1"]
    assert calls.call("a", None, 10) == second and len(server.seen) == 2
    calls.call("b", orders, 10)
    assert len(server.seen) == 4


def test_what_failed_may_be_sent_again_but_not_by_asking_for_it(server):
    calls = Calls()
    assert calls.call("a", None, 10) == {"calls": None, "called": True}
    failed = calls.call("a", [order(server)], 10)
    assert calls.call("a", None, 10) == failed and len(server.seen) == 2
    server.answers[NEW] = (200, "")
    assert calls.call("a", [order(server)], 10)["calls"][0]["ok"]
