#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small program with the command line of Ray's ``ray start`` and ``ray status``.

The head listens on its port. Each node joins it, and has a worker: a process of its own, which says what it has
inherited, and not what it was handed. ``ray status`` lists the nodes as Ray does.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import socket
import socketserver
import subprocess
import sys
import threading
import time

NAMES = ("SANDBOX_REMOTE_RUNTIME_API_URL", "RAY_TMPDIR", "CUDA_VISIBLE_DEVICES", "MODEL")
WORKER = (
    f"import json,os;e=os.environ;d={{n:e.get(n) for n in {NAMES}}};d['has_key']=bool(e.get('ALLHANDS_API_KEY'));"
    "print(json.dumps(d))"
)
NODES = {}


class Head(socketserver.StreamRequestHandler):
    def handle(self):
        said = json.loads(self.rfile.readline())
        if "join" not in said:
            self.wfile.write(json.dumps(NODES).encode() + b"\n")
            return
        NODES[said["join"]] = said["worker"]
        self.rfile.readline()  # as long as the node is there
        NODES.pop(said["join"], None)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def ask(address, **said):
    """Say something to the head; return the connection."""
    host, _colon, port = address.rpartition(":")
    link = socket.create_connection((host, int(port)), 10)
    link.sendall(json.dumps(said).encode() + b"\n")
    return link


def nodes(address):
    """Return {node: what its worker has inherited}."""
    with ask(address) as link:
        return json.loads(link.makefile().readline())


def start(words):
    parser = argparse.ArgumentParser(prog="ray start", allow_abbrev=False)
    for name in ("--head", "--block"):
        parser.add_argument(name, action="store_true", required=name == "--block")
    parser.add_argument("--include-dashboard", choices=["true", "false"])
    for name in ("address", "node-ip-address", "temp-dir"):
        parser.add_argument(f"--{name}")
    for name in ("port", "ray-client-server-port", "min-worker-port", "max-worker-port",
                 "dashboard-agent-listen-port", "num-cpus", "num-gpus"):  # fmt: skip
        parser.add_argument(f"--{name}", type=int)
    args = parser.parse_args(words)
    taken = []
    for port in (args.ray_client_server_port, args.dashboard_agent_listen_port):
        if port:
            taken.append(socket.create_server(("0.0.0.0", port)))
    if args.head:
        server = Server((args.node_ip_address, args.port), Head)
        pathlib.Path(args.temp_dir, "ray_current_cluster").write_text(f"{args.node_ip_address}:{args.port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
    worker = json.loads(subprocess.run([sys.executable, "-c", WORKER], capture_output=True, check=True).stdout)
    worker["arguments"] = words
    until = time.monotonic() + 30
    while True:
        try:
            link = ask(args.address or f"{args.node_ip_address}:{args.port}", join=socket.gethostname(), worker=worker)
            break
        except OSError:  # a node waits for its head
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
    link.settimeout(None)
    link.recv(1)  # until the head ends


def status(words):
    found = nodes(dict(word.split("=", 1) for word in words)["--address"])
    print("======== Autoscaler status ========\nNode status\n---\nActive:")
    for number, _name in enumerate(found):
        print(f" 1 node_{number:08x}")
    print("Pending:\n (no pending nodes)")


if __name__ == "__main__":
    {"start": start, "status": status}[sys.argv[1]](sys.argv[2:])
