# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log that is followed while its step is started again."""

from __future__ import annotations

import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.stages import step_log_info


@pytest.fixture
def followed(tmp_path, monkeypatch):
    """Follow a log: each of ``looks`` changes it, the last one ends the step. ``run(lines)`` gives what is shown."""
    made = types.SimpleNamespace(path=tmp_path / "node001_decode_0.out", looks=[], shown=[])
    ctx = types.SimpleNamespace(controller_alive=lambda: True, show=made.shown.append)
    monkeypatch.setattr(step_log_info, "CHECK_S", 0.0)

    def over(found, name):
        made.looks.pop(0)()
        return not made.looks

    monkeypatch.setattr(step_log_info, "_over", over)

    def run(lines):
        params = {"lines": lines, "timeout_s": 20.0}
        step_log_info._follow(types.SimpleNamespace(), "decode_0", [str(made.path)], params, ctx)
        return made.shown

    made.run = run
    return made


def begin_again(made, text):
    """Set the log aside, as the holder does, and begin a new one."""
    made.path.rename(made.path.with_suffix(".out.1"))
    made.path.write_text(text)


@pytest.mark.parametrize("second", ["new\n", "a new log that is longer than the old one\nand goes on\n"])
def test_the_log_of_a_new_attempt_is_shown_from_its_begin(followed, second):
    followed.path.write_text("one\ntwo\nthree\n")
    followed.looks = [lambda: begin_again(followed, second), lambda: None]
    assert followed.run(2) == ["two", "three", *second.splitlines()]


def test_what_is_added_is_shown_once(followed):
    followed.path.write_text("one\n")

    def add(text):
        with followed.path.open("a") as stream:
            stream.write(text)

    followed.looks = [lambda: add("two\nthr"), lambda: add("ee"), lambda: None]
    assert followed.run(0) == ["two", "three"]


def test_a_log_that_is_not_there_yet_is_waited_for(followed):
    followed.looks = [lambda: followed.path.write_text("first\n"), lambda: None]
    assert followed.run(5) == ["first"]
