# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that several rooms share: a holder over a fake Slurm, a queue, programs on the PATH."""

from __future__ import annotations

import pytest
import run_results


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A driver to the real holder over a fake Slurm, which the modules reach as well."""
    # Imported this late because pytest-ansible has to set up the import of collections before.
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver, unfinished
    from ansible_collections.srt.slurm.plugins.module_utils.holder import steps
    from fake_holder import FakeDriver

    monkeypatch.setattr(steps, "RETRY_PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(unfinished, "AT_WORK_S", 0.1)
    fake = FakeDriver(tmp_path)
    monkeypatch.setattr(driver, "connect_plan", lambda plan, ctx: fake)
    monkeypatch.setattr(driver, "connect", lambda *args, **options: fake)
    yield fake
    fake.holder.end("requested", "the test is over")
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
    """Return a function that runs the entry of slurm_job for one request; its ``look`` runs that of slurm_job_info."""
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import slurm_job
    from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
    from ansible_collections.srt.slurm.plugins.module_utils.stages import slurm_job_info
    from fake_queue import ALLOCATION

    def look(ctx=None, **params):
        wanted = {"allocation": ALLOCATION, "output_dir": str(tmp_path / "out"), **params}
        return slurm_job_info.run(wanted, ctx or Context())

    def do(state="running", ctx=None, **params):
        defaults = {key: option.get("default") for key, option in slurm_job.ARGUMENT_SPEC.items()}
        wanted = {
            "allocation": ALLOCATION,
            "state": state,
            "output_dir": str(tmp_path / "out"),
            "config_text": "a: 1\n",
            "metadata": {"tags": ["x"]},
            "wait_timeout_s": 5.0,
            **params,
        }
        return slurm_job.run(dict(defaults, **wanted), ctx or Context())

    do.look = look
    return do


@pytest.fixture
def run_dir(tmp_path):
    """An empty run directory."""
    folder = tmp_path / "outputs" / "77"
    (folder / "logs").mkdir(parents=True)
    return folder


@pytest.fixture
def helpers():
    """Functions that make what a run leaves behind."""
    return run_results
