# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest behind a tag, from a registry that runs here."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.stages import registry

SHA = "sha256:" + "cd" * 32


@contextlib.contextmanager
def serving(answer):
    """Serve *answer* ``(path, authorization) -> (status, headers, body)``; yields host:port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value.replace("HERE", f"127.0.0.1:{server.server_port}"))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def for_everybody(path, authorization):
    """A registry that gives everybody a token."""
    if path.startswith("/token?"):
        return 200, {}, json.dumps({"token": "t" if "scope=repository" in path else ""}).encode()
    if authorization != "Bearer t":
        realm = 'Bearer realm="http://HERE/token",service="registry",scope="repository:team/engine:pull"'
        return 401, {"WWW-Authenticate": realm}, b""
    found = path == "/v2/team/engine/manifests/1.2"
    return (200, {"Docker-Content-Digest": SHA}, b"") if found else (404, {}, b"")


@pytest.mark.parametrize("form", ["docker://{}/team/engine:1.2", "{}#team/engine:1.2", "me@{}#team/engine:1.2"])
def test_the_digest_behind_a_tag(form):
    with serving(for_everybody) as host:
        assert registry.digests([form.format(host)]) == {form.format(host): SHA}
        assert registry.digests([f"{host}#team/engine:1.3"]) == {}


def test_a_registry_that_refuses_or_is_not_there_leaves_the_image_unknown():
    with serving(lambda *_: (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")) as host:
        assert registry.digests([f"{host}#a:1"]) == {}
    with serving(lambda *_: (200, {}, b"")) as host:
        assert registry.digests([f"{host}#a:1"]) == {}
    assert registry.digests(["127.0.0.1:1#a:1"]) == {}


def test_a_registry_that_hangs_costs_a_limited_time():
    begun, stop = time.monotonic(), threading.Event()
    with serving(lambda *_: (stop.wait(20), 200)[1:] + ({}, b"")) as host:
        assert registry.digests([f"{host}#a:1", f"{host}#b:1"], limit_s=0.3) == {}
        stop.set()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("image", "where"),
    [
        ("nginx", ("registry-1.docker.io", "library/nginx", "latest")),
        ("lmsysorg/sglang:v1", ("registry-1.docker.io", "lmsysorg/sglang", "v1")),
        ("docker://nvcr.io/nvidia/x:1", ("nvcr.io", "nvidia/x", "1")),
        ("nvcr.io#nvidia/x:1", ("nvcr.io", "nvidia/x", "1")),
        ("user@nvcr.io#nvidia/x:1", ("nvcr.io", "nvidia/x", "1")),
        ("host:5000/x", ("host:5000", "x", "latest")),
        ("oras://host/x:1", None),
    ],
)
def test_where_an_image_is(image, where):
    assert registry.address(image) == where
