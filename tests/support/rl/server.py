#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small runtime: sandboxes over HTTP, each a real container of podman (or a shell in namespaces of its own).

GET /health, and with the header Authorization: Bearer KEY (the key is in ALLHANDS_API_KEY): GET /slots;
POST /start -> {"id"}; POST /run {"id", "command"} -> {"code", "output"}; GET /alive?id=ID; POST /stop {"id"}.
"No available worker slots" (503) if all are taken.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import uuid

LOCK = threading.Lock()
SANDBOXES = {}


class Containers:
    """Containers of podman, through the command that the job has on its PATH."""

    def __init__(self, image, cpus, memory):
        self.image = image

    def start(self, name):
        argv = ["podman", "run", "--detach", "--name", name, self.image, "sleep", "3600"]
        subprocess.run(argv, check=True, capture_output=True)

    def run(self, name, command):
        return subprocess.run(
            ["podman", "exec", name, "sh", "-c", command], capture_output=True, text=True, check=False
        )

    def alive(self, name):
        argv = ["podman", "inspect", "--format={{.State.Running}}", name]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip() == "true"

    def stop(self, name):
        subprocess.run(["podman", "rm", "--force", "--time=0", name], check=False, capture_output=True)


class Namespaces:
    """Processes in namespaces of their own."""

    def __init__(self, image, cpus, memory):
        self.running = {}

    def start(self, name):
        argv = ["unshare", "--pid", "--fork", "--kill-child", "sleep", "3600"]
        self.running[name] = subprocess.Popen(argv)

    def run(self, name, command):
        argv = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def alive(self, name):
        return name in self.running and self.running[name].poll() is None

    def stop(self, name):
        process = self.running.pop(name, None)
        if process:
            process.kill()
            process.wait()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, reply, **value):
        body = json.dumps(value).encode()
        self.send_response(reply)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, status="ok")
        return self.guarded(None)

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        return self.guarded(json.loads(self.rfile.read(size) or b"{}"))

    def guarded(self, body):
        if self.headers.get("Authorization") != f"Bearer {os.environ['ALLHANDS_API_KEY']}":
            return self.answer(401, error="the key is wrong")
        word, _mark, query = self.path.partition("?id=")
        return getattr(self, word.strip("/"), self.unknown)(body or {"id": query})

    def unknown(self, _body):
        self.answer(404, error="there is no such call")

    def slots(self, _body):
        self.answer(200, slots=self.server.slots, taken=len(SANDBOXES))

    def start(self, _body):
        name = f"sandbox-{uuid.uuid4().hex[:12]}"
        with LOCK:
            if len(SANDBOXES) >= self.server.slots:
                return self.answer(503, error="No available worker slots")
            SANDBOXES[name] = time.time()
        self.server.engine.start(name)
        return self.answer(200, id=name)

    def run(self, body):
        done = self.server.engine.run(body["id"], body["command"])
        self.answer(200, code=done.returncode, output=done.stdout)

    def alive(self, body):
        self.answer(200, alive=self.server.engine.alive(body["id"]))

    def stop(self, body):
        self.server.engine.stop(body["id"])
        SANDBOXES.pop(body["id"], None)
        self.answer(200)


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--image", "--container-image", default="")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--worker-startup-timeout", type=int)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--cpus-per-worker", type=int, default=1)
    parser.add_argument("--memory-per-worker", default="1G")
    parser.add_argument("--engine", choices=["podman", "namespaces"], default="namespaces")
    parser.add_argument("--dies-after", type=float, default=0)
    parser.add_argument("--never-well", action="store_true")
    parser.add_argument("--deaf", action="store_true", help="ignore SIGTERM, as with an episode that hangs")
    args = parser.parse_args()
    if args.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "SERVER_SEEN" in os.environ:
        seen = {name: value for name, value in os.environ.items() if name != "ALLHANDS_API_KEY"}
        pathlib.Path(os.environ["SERVER_SEEN"]).write_text(json.dumps({"environment": seen, "arguments": sys.argv[1:]}))
    if args.never_well:
        time.sleep(3600)
    if args.dies_after:
        threading.Timer(args.dies_after, os._exit, (9,)).start()
    server = http.server.ThreadingHTTPServer((args.host, args.port), Handler)
    engine = Containers if args.engine == "podman" else Namespaces
    server.engine = engine(args.image, args.cpus_per_worker, args.memory_per_worker)
    server.slots = max(1, (int(os.environ["CPUS_FOR_RUNTIME"]) - 4) // args.cpus_per_worker)
    sys.stdout.write(f"serving on {args.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
