# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server that speaks S3: rclone, with a directory as its storage and each directory in it as a bucket."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import boto3

KEY, SECRET = "test-key-id", "test-secret-key"
RCLONE = shutil.which("rclone", path=str(pathlib.Path(sys.executable).parent)) or "rclone"


class Server:
    """The server on *port* with the directory *root*."""

    def __init__(self, root, port):
        self.root, self.url, self.buckets = root, f"http://127.0.0.1:{port}", set()

    @functools.cached_property
    def client(self):
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        return boto3.session.Session(region_name="us-east-1", **keys).client("s3", endpoint_url=self.url)

    def settings(self, bucket="runs", **more):
        """Return settings of a storage with a bucket that exists."""
        if bucket not in self.buckets:  # not by mkdir: the server remembers what is in a directory
            self.client.create_bucket(Bucket=bucket)
            self.buckets.add(bucket)
        given = {"bucket": bucket, "endpoint_url": self.url, "access_key_id": KEY, "secret_access_key": SECRET}
        return {**given, **more}

    def objects(self, bucket="runs"):
        """Return ``{key: bytes}`` of the objects in a bucket."""
        top = self.root / bucket
        return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def serving(root, prefix=()):
    """Yield a Server with the directory *root*; *prefix* is what runs a command where it is to run."""
    port = free_port()
    command = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", str(root)]
    more = ["--config", ""]
    told = root.parent / "rclone.log"
    with told.open("w") as log:
        process = subprocess.Popen([*prefix, *command, *more], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 20
        while "Starting s3 server" not in told.read_text():
            assert process.poll() is None and time.monotonic() < until, told.read_text()
            time.sleep(0.02)
        yield Server(root, port)
    finally:
        process.terminate()
        process.wait()
