# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""A Ctrl-C that Ansible lost is seen in how its main process treats the signal."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.plugin_utils.interrupt import lost

CHILD = "import signal; signal.signal(signal.SIGINT, {0}); print('up', flush=True); signal.pause()"


@pytest.mark.parametrize(
    ("handler", "expected"),
    [("signal.default_int_handler", False), ("signal.SIG_IGN", False), ("signal.SIG_DFL", True)],
)
def test_only_a_process_that_no_longer_catches_it_lost_one(handler, expected):
    with subprocess.Popen([sys.executable, "-c", CHILD.format(handler)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "up\n"
            assert lost(child.pid) is expected
        finally:
            child.kill()
    assert lost(child.pid) is False  # it has ended
