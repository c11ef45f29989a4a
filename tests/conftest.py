# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: SIGTERM ends them in order, and the programs that they start find bytecode."""

from __future__ import annotations

import os
import signal
import sys


def pytest_configure(config):
    """Let SIGTERM run the fixtures' clean-up, as Ctrl-C does: it may have a sandbox to stop.

    A shell lets what it starts in the background ignore SIGINT, and so would every program that the tests start.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    # Compiling anew costs each playbook that is started, and each worker of pytest-xdist, half its time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
