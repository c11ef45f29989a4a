# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of a Ctrl-C that Ansible lost is seen in how its main process treats the signal."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import types

import pytest
from ansible.errors import AnsibleError
from ansible_collections.srt.slurm.plugins.plugin_utils import interrupt
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


@pytest.mark.parametrize(("forked_by", "told"), [(0, True), (1, False), (None, False)])
def test_only_the_process_that_forked_a_worker_is_ever_told(monkeypatch, tmp_path, forked_by, told):
    """The parent of an orphan is init or the user's systemd: one that never catches SIGINT, as after a lost Ctrl-C."""
    sent, lines = [], []
    parent = forked_by if forked_by is None else types.SimpleNamespace(pid=os.getppid() + forked_by)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    monkeypatch.setattr(interrupt, "lost", lambda pid: True)
    monkeypatch.setattr(interrupt, "SHOWN_S", 0)
    monkeypatch.setattr(interrupt.constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "gone"))
    monkeypatch.setattr(os, "kill", lambda *signalled: sent.append(signalled))
    if told:
        with pytest.raises(AnsibleError, match="Ctrl-C"):
            interrupt.obey(lines.append)
    else:
        interrupt.obey(lines.append)
    assert sent == ([(os.getppid(), signal.SIGINT)] if told else [])
    assert len(lines) == len(sent)
