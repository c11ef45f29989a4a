# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the slurm room."""

from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A driver to the real holder over a fake Slurm, which the modules reach as well."""
    # Imported this late because pytest-ansible has to set up the import of collections before.
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import driver, holder_steps
    from fake_holder import FakeDriver

    monkeypatch.setattr(holder_steps, "RETRY_PAUSES_S", (0.01, 0.01))
    fake = FakeDriver(tmp_path)
    monkeypatch.setattr(driver, "connect_plan", lambda plan: fake)
    monkeypatch.setattr(driver, "connect", lambda *args, **options: fake)
    yield fake
    fake.holder.end("the test is over")
    for client in fake.slurm.clients.values():
        if not client.over.is_set():
            client.finish(0)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that puts a shell script on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name, text):
        (folder / name).write_text("#!/bin/sh\n" + text)
        (folder / name).chmod(0o755)

    return make
