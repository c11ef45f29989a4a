# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the namespaces of a sandbox could not be made."""

from __future__ import annotations

import ctypes
import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.sandbox.anchor import main as anchor
from ansible_collections.srt.slurm.plugins.module_utils.sandbox.making import explain


def words(monkeypatch, number):
    """Return the anchor's last words if its first mount fails with this error."""

    class Failing:
        @staticmethod
        def mount(*_args):
            ctypes.set_errno(number)
            return -1

    monkeypatch.setattr(anchor, "_libc", Failing)
    with pytest.raises(OSError) as error:
        anchor.mount("none", "/", None, anchor.MS_REC | anchor.MS_SLAVE)
    return f"Traceback\nOSError: {error.value}"


def test_a_plain_chroot_is_named(monkeypatch):
    text = explain(words(monkeypatch, 22))
    assert "plain chroot" in text and "pivot_root" in text and "ordinary user" not in text


def test_a_user_who_may_not_make_namespaces_is_told_what_to_change(monkeypatch):
    text = explain(words(monkeypatch, 1))
    assert os.strerror(1) in text and "ordinary user" in text and "chroot" not in text
