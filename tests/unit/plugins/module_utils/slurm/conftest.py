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
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import driver, holder_steps, leftover
    from fake_holder import FakeDriver

    monkeypatch.setattr(holder_steps, "RETRY_PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(leftover, "AT_WORK_S", 0.1)
    fake = FakeDriver(tmp_path)
    monkeypatch.setattr(driver, "connect_plan", lambda plan, ctx: fake)
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


@pytest.fixture
def queue(fake, monkeypatch):
    """A queue in the place of Slurm's, and the holder of its jobs."""
    from fake_queue import Queue

    return Queue(monkeypatch, fake)


@pytest.fixture
def do(tmp_path):
    """Return a function that runs the entry of slurm_job for one request."""
    from ansible_collections.srt.slurm.plugins.module_utils.runner import Context
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import job
    from fake_queue import ALLOCATION

    def do(state="running", ctx=None, **params):
        defaults = {key: option.get("default") for key, option in job.ARGUMENT_SPEC.items()}
        wanted = {
            "allocation": ALLOCATION,
            "state": state,
            "output_dir": str(tmp_path / "out"),
            "config_text": "a: 1\n",
            "metadata": {"tags": ["x"]},
            "wait_timeout_s": 5.0,
            **params,
        }
        return job.run(dict(defaults, **wanted), ctx or Context())

    return do
