# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_wait with checks of one's own: real sockets, no plan and no job."""

from __future__ import annotations

import http.server
import json
import socket
import threading

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait


class Service(http.server.BaseHTTPRequestHandler):
    """Lists two models, to those who have the token; it answers from the third request on."""

    asked = 0

    def do_GET(self):
        type(self).asked += 1
        ready = self.asked >= 3 and self.headers.get("Authorization") == "Bearer t"
        body = json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words):
        pass


@pytest.fixture
def port():
    """The port of the service."""
    Service.asked = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def wait(check_mode=False, **given):
    """Run the entry with arguments as a task has them."""
    found = ArgumentSpecValidator(health_wait.ARGUMENT_SPEC, **health_wait.OPTIONS).validate(given)
    if found.error_messages:
        raise Error(found.error_messages[0])
    return health_wait.run(found.validated_parameters, Context(check_mode))


def test_services_are_waited_for_in_order(port):
    models = {
        "name": "models", "url": f"http://127.0.0.1:{port}/v1/models", "headers": {"Authorization": "Bearer t"},
        "expect": [{"path": "data", "min": 2}, {"path": "data.0.id", "equals": "a"}], "after": ["listens"],
    }  # fmt: skip
    result = wait(checks=[models, {"name": "listens", "host": "127.0.0.1", "port": port}], timeout_s=30)
    assert result["completed"] and not result["changed"]
    assert [(one["name"], one["done"]) for one in result["checks"]] == [("models", True), ("listens", True)]
    assert result["checks"][0]["attempts"] >= 3


def test_what_is_missing_is_named_at_the_timeout(port):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(Error, match=r"Not ready after \d s: 0/2 ready, waiting for http") as caught:
            wait(urls=[closed, f"http://127.0.0.1:{port}/health"], timeout_s=0.5)
    refused, unauthorised = caught.value.evidence["checks"]
    assert "refused" in refused["last_error"] and "HTTP 503" in unauthorised["last_error"]
    few = {
        "url": f"http://127.0.0.1:{port}/",
        "status": [503, 200],
        "expect": [{"path": "data", "label": "models", "min": 3}],
    }
    with pytest.raises(Error, match="models 2/3"):
        wait(checks=[few], timeout_s=0.5)


def test_check_mode_asks_nothing(port):
    result = wait(True, urls=[f"http://127.0.0.1:{port}/"])
    assert not result["completed"] and result["checks"][0]["attempts"] == 0 and Service.asked == 0


@pytest.mark.parametrize(
    "given, words",
    [
        ({"urls": ["https://h/"]}, "only http"),
        ({"urls": ["h:80/x"]}, "h:80/x is not a URL of a service. Write it as http://host:port/path"),
        ({"urls": ["http://h:port/"]}, "http://h:port/ is not a URL: .* Write it as"),
        ({"urls": ["http://me:pw@h/"]}, "credentials into headers"),
        ({"urls": ["http://h/", "http://h/"]}, "Two checks are called http://h/"),
        ({"urls": []}, "nothing to wait for"),
        ({"checks": [{"host": "h"}]}, "port"),
        ({"checks": [{"host": "h", "port": 70000}]}, "has the port 70000"),
        ({"checks": [{"name": "x"}]}, "url, host"),
        ({"checks": [{"url": "http://h/", "host": "h", "port": 1}]}, "mutually exclusive"),
        ({"checks": [{"host": "h", "port": 1, "expect": [{"path": "a"}]}]}, "h:1 expects an answer"),
        ({"checks": [{"name": "a", "host": "h", "port": 1, "after": ["b"]}]}, "comes after b, .* There are: none"),
        ({}, "plan_path, plan, checks, urls"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_told(given, words):
    with pytest.raises(Error, match=words):
        wait(**given)
