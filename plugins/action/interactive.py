# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk about runs and jobs: the action of the module interactive."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys

from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import find_cluster_file, load_cluster
from ansible_collections.srt.slurm.plugins.plugin_utils.conversation import Conversation, Over
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction, show

ARGUMENT_SPEC = {
    "playbooks": {"type": "path", "required": True},
    "output_dir": {"type": "path"},
}


class ActionModule(StageAction):
    """See the documentation of the module interactive."""

    argument_spec = ARGUMENT_SPEC
    always_here = True

    def entry(self, params, ctx):
        """Talk until the other side has had enough."""
        path = find_cluster_file()
        output_dir = params["output_dir"] or (load_cluster(path).settings["output_dir"] if path else None) or "outputs"
        typed = Typed()
        talk = Conversation(
            typed.ask, lambda line: show(f"  {line}"), Player(params["playbooks"]), typed.within,
            os.path.abspath(output_dir), ctx.check_mode,
        )  # fmt: skip
        try:
            submitted = talk.run()
        finally:
            typed.close()
        return {"changed": bool(submitted), "submitted": submitted}


class Typed:
    """What is typed at the terminal of ansible-playbook, or comes from a pipe: a worker has no input of its own."""

    def __init__(self):
        try:
            self._input = os.open(f"/proc/{os.getppid()}/fd/0", os.O_RDONLY)
        except OSError as error:
            raise Error(f"The input of ansible-playbook cannot be read: {error.strerror}. Use a terminal.") from None
        self._left = b""

    def close(self):
        """Read no more."""
        os.close(self._input)

    def ask(self, prompt):
        """Return the next line after *prompt*; Over at the end of the input."""
        show(f"{prompt}:")
        return self._line()

    def _line(self):
        while b"\n" not in self._left:
            piece = os.read(self._input, 4096)
            if not piece:
                raise Over
            self._left += piece
        line, _end, self._left = self._left.partition(b"\n")
        return line.decode("utf-8", "replace")

    def within(self, seconds):
        """Return whether a line is typed within *seconds*; it is read."""
        if not self._left and not select.select([self._input], [], [], seconds)[0]:
            return False
        self._line()
        return True


class Player:
    """Runs our playbooks in *folder* and shows what they print."""

    def __init__(self, folder):
        self._folder = folder

    def __call__(self, name, extra):
        """Run the playbook *name*; return its exit code."""
        playbook = os.path.join(self._folder, f"{name}.yml")
        argv = [sys.executable, "-m", "ansible", "playbook", playbook, "--extra-vars", json.dumps(extra)]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout:
                show(f"  {line.rstrip()}")
        return process.returncode
