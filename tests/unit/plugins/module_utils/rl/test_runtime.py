# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime side: the port of its server."""

from __future__ import annotations

import json
import sys
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.rl.side import coord, processes, runtime

# At first another program, in a session of its own, takes the port, and gives it back before the server has noticed.
SERVER = """
import os, socket, subprocess, sys
port, first = int(sys.argv[1]), sys.argv[2]
if not os.path.exists(first):
    open(first, "w").close()
    other = "import socket; s = socket.create_server(('0.0.0.0', %d)); s.accept()[0].close(); s.accept()" % port
    subprocess.Popen([sys.executable, "-c", other], start_new_session=True).wait()
    sys.exit(1)
with socket.create_server(("0.0.0.0", port)) as well:
    while True:
        link = well.accept()[0]
        link.recv(4096)
        link.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
        link.close()
"""


@pytest.fixture
def side(tmp_path):
    """Return a function that makes the side with a job of its own."""
    made = []

    def make(command, **more):
        folder = coord.Folder(str(tmp_path), coord.RUNTIME)
        folder.put(coord.JOBS, json.dumps({}))
        job = {"command": command, "port": processes.any_port(), "port_is_fixed": False, "start_timeout_s": 20}
        signals = types.SimpleNamespace(ends=False, warned=False)
        made.append(runtime.Runtime(folder, {**job, **more}, signals))
        return made[-1]

    yield make
    for one in made:
        if one.server:
            processes.stop(one.server, 5.0)


def test_a_port_that_another_server_took_for_a_moment_is_left_for_another(tmp_path, side):
    one = side([sys.executable, "-c", SERVER, "{port}", str(tmp_path / "first")])
    wanted = one.job["port"]
    one._start()
    assert one.port != wanted and processes.listens(one.server, one.port)


def test_a_server_that_cannot_start_is_not_tried_again(tmp_path, side):
    tries = tmp_path / "tries"
    one = side(["sh", "-c", f"echo x >>{tries}; exit 3"])
    with pytest.raises(runtime.Ended, match="exit code 3 before it was ready") as caught:
        one._start()
    assert caught.value.code == 3 and tries.read_text() == "x\n"
