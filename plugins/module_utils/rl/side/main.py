# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``rl runtime DIR``, ``rl training DIR``, and ``rl ray DIR ADDRESS`` on further nodes of training."""

from __future__ import annotations

import sys

from .coord import RUNTIME, TRAINING, Folder
from .processes import Signals
from .ray_nodes import worker
from .runtime import Runtime
from .training import Training


def main(argv: list[str] | None = None) -> int:
    """Run one side; return the exit code of its job."""
    signals = Signals()
    word, path, *more = sys.argv[1:] if argv is None else argv
    if word == "ray":
        folder = Folder(path, TRAINING)
        return worker(folder, folder.record(f"{TRAINING}.json"), more[0], signals)
    folder = Folder(path, word)
    job = folder.record(f"{word}.json")
    return Runtime(folder, job, signals).run() if word == RUNTIME else Training(folder, job, signals).run()
