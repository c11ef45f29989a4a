# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trouble on purpose: daemons of a sandbox that end, and nodes that are cut off."""

from __future__ import annotations

import os
import signal
import time

from ..failures import Error
from . import processes, render
from .cluster import Sandbox
from .state import State


class Trouble:
    """Causes it in *sandbox*, which runs, and ends it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def _node(self, name: str, state: State) -> None:
        if name not in self.sandbox.names(state):
            raise Error(f"There is no node {name}; the sandbox has {render.node_range(state['settings']['nodes'])}.")

    def stop_daemon(self, name: str, how: int = signal.SIGTERM, timeout_s: float = 10.0) -> bool:
        """Stop slurmctld or a node's slurmd; True if it ran. Steps of a node go on."""
        state, _record = self.sandbox.running()
        if name != "slurmctld":
            self._node(name, state)
        pid = self.sandbox.daemon(name, state)
        if not pid:
            return False
        os.kill(pid, how)
        deadline = time.monotonic() + timeout_s
        while processes.is_alive(pid):
            if time.monotonic() > deadline:
                raise Error(f"{name} (pid {pid}) did not end in {timeout_s:g} s.")
            time.sleep(0.01)
        return True

    def start_daemon(self, name: str) -> bool:
        """Start slurmctld or a node's slurmd; True if it did not run."""
        state, _record = self.sandbox.running()
        if name != "slurmctld":
            self._node(name, state)
        if self.sandbox.daemon(name, state):
            return False
        if name == "slurmctld":
            self.sandbox.start_control(state)
        else:
            self.sandbox.start_slurmds(state, [name])
        return True

    def set_link(self, name: str, up: bool) -> bool:
        """Connect a node to the network or cut it off; True if that changed something."""
        state, _record = self.sandbox.running()
        self._node(name, state)
        if (name not in state["cut"]) == up:
            return False
        self.sandbox.set_link(name, up)
        return True
