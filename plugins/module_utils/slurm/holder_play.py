# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""A playbook that runs inside the job: a child of the holder, which keeps the lease and ends the job after it.

This file lies beside holder.py in the run directory: standard library, Python 3.8.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading

FILE = "play.json"
GRACE_S = 10.0
SCRUBBED = re.compile("(SLURM|SRUN|SBATCH|PMI|PMIX)_(?!CONF$)")


class Play(threading.Thread):
    """The playbook of ``play.json``: ``{argv, env, cwd, log, keep}``, paths absolute.

    :param renew: called every second while it runs.
    :param over: called once with one sentence when it ended, unless the service is kept.
    :ivar code: its exit status as a shell tells it; None while it runs.
    :ivar stopped_it: whether it ran when it was told to stop.
    """

    def __init__(self, run_dir, renew, over):
        super().__init__(daemon=True)
        with open(os.path.join(run_dir, FILE), encoding="utf-8") as stream:
            self.spec = json.load(stream)
        self.renew, self.over = renew, over
        self.code = self.child = None
        self.stopped_it = False

    def run(self):
        """Start the playbook and see its end."""
        spec = self.spec
        env = {name: value for name, value in os.environ.items() if not SCRUBBED.match(name)}
        with open(spec["log"], "ab") as log:
            try:
                self.child = subprocess.Popen(
                    spec["argv"],
                    cwd=spec["cwd"],
                    env=dict(env, **spec["env"]),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                # A path that only the submit host has is the usual reason.
                text = f"{error}. It needs a Python with ansible-core that this node sees: see playbooks/setup.yml."
                log.write(f"{text}\n".encode())
                self.code = 127
                return self.over(f"its playbook could not be started: {text}")
        if self.stopped_it:
            self._signal(signal.SIGTERM)
        while True:
            self.renew()
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.child.wait(1.0)
                break
        self.code = 128 - code if code < 0 else code
        if not spec["keep"]:
            self.over(f"its playbook ended with exit code {self.code}")
        return None

    def stop(self):
        """End the playbook and its children if they still run."""
        if self.code is not None:
            return
        self.stopped_it = True
        self._signal(signal.SIGTERM)
        self.join(GRACE_S)
        if self.is_alive():
            self._signal(signal.SIGKILL)
            self.join(GRACE_S)

    def _signal(self, number):
        if self.child:
            with contextlib.suppress(OSError):
                os.killpg(self.child.pid, number)
