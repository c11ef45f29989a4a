#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry of one image: ``registry.py DIR`` serves an OCI layout (podman save --format oci-dir) for pulls.

It prints HOST:PORT. Whatever name is asked for, it is this image.
"""

from __future__ import annotations

import http.server
import json
import pathlib
import sys

FOLDER = pathlib.Path(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        word, digest, kind = self.path.split("/")[-2], self.path.rpartition("/")[2], "application/octet-stream"
        if self.path == "/v2/":
            return self.answer(b"{}", "application/json", "")
        if word == "manifests":
            about = json.loads((FOLDER / "index.json").read_text())["manifests"][0]
            digest, kind = about["digest"], about["mediaType"]
        path = FOLDER / "blobs" / digest.replace(":", "/")
        return self.answer(path.read_bytes(), kind, digest) if path.is_file() else self.send_error(404)

    def answer(self, body, kind, digest):
        self.send_response(200)
        for name, value in (("Content-Type", kind), ("Content-Length", len(body)), ("Docker-Content-Digest", digest)):
            if value:
                self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
