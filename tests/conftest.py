# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What all tests share: being told to end ends in order."""

from __future__ import annotations

import signal


def pytest_configure(config):
    """Let SIGTERM run the fixtures' clean-up, as Ctrl-C does: it may have a sandbox to stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
