# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation of interactive.yml: what is typed, what is told, and what is submitted."""

from __future__ import annotations

import copy

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.plugin_utils.conversation import Conversation, Over


@pytest.fixture
def talk(tmp_path, monkeypatch):
    """Return a function: (what is told, what is played, what was submitted) of a conversation with these answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRTSLURM_CONFIG", raising=False)
    model = tmp_path / "model"
    model.mkdir()
    job = copy.deepcopy(jobs.JOB)
    job["model"]["path"] = str(model)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    (tmp_path / "broken.yaml").write_text("name: broken\nbenchmark: {type: nothing}\n")

    def talk(*answers, check_mode=False):
        left, told, played = list(answers), [], []

        def ask(prompt):
            told.append(prompt)
            if not left:
                raise Over
            return left.pop(0)

        def play(name, extra):
            played.append((name, extra))
            return 0

        done = Conversation(ask, told.append, play, lambda seconds: True, str(tmp_path / "outputs"), check_mode).run()
        return "\n".join(told), played, done

    return talk


def test_a_job_is_looked_at_changed_and_submitted(talk, tmp_path):
    told, played, done = talk("2", "job.yaml", "benchmark.concurrencies=[8]", "p", "s", "yes")
    path = tmp_path / "job.edited.yaml"
    assert "  1  broken.yaml" in told and "#SBATCH --nodes=" in told and "sa-bench 8" in told
    assert played == [("submit", {"job_file": str(path), "output_dir": str(tmp_path / "outputs")})]
    assert done == [str(path)]
    assert yaml.safe_load(path.read_text())["job"]["benchmark"]["concurrencies"] == [8]


def test_a_job_that_is_not_changed_is_submitted_as_its_file(talk, tmp_path):
    _told, played, _done = talk("2", "2", "s", "yes")
    assert played[0][1]["job_file"] == str(tmp_path / "job.yaml")
    assert not list(tmp_path.glob("*.edited.yaml"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("benchmark.concurrencys=[8]", "concurrencies"),
        ("resources.prefill_nodes=many", "prefill_nodes"),
        ("name.x=1", "name of name.x has no keys below it"),
        ("=1", "Type KEY=VALUE"),
        ("benchmark=[", "is not YAML"),
    ],
)
def test_a_change_that_would_not_be_valid_is_refused_as_it_is_typed(talk, tmp_path, change, words):
    told, played, _done = talk("2", "job.yaml", change, "w", "q")
    assert "not changed: " in told and words in told and played == []
    assert f"written: {tmp_path / 'job.yaml'}" in told


def test_a_job_that_is_not_valid_is_not_submitted(talk):
    told, played, done = talk("2", "broken.yaml", "s", "b", "q")
    assert "not valid: " in told and played == [] and done == []


def test_in_check_mode_nothing_is_submitted(talk):
    told, played, done = talk("2", "job.yaml", "s", "yes", check_mode=True)
    assert "nothing is submitted" in told and played == [] and done == []


def test_without_runs_and_with_nonsense_it_goes_on(talk):
    told, _played, _done = talk("1", "hello", "2", "99", "/no/such.yaml", "b", "q")
    assert "does not exist" in told and "Type 1, 2 or q." in told and "There are 1 to 2." in told
    assert "Cannot read /no/such.yaml" in told or "no such" in told.lower()
