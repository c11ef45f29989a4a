# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the holder answers has the declared shape."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.holder.records import Answer
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from fake_holder import make_step
from shapes import faults


def test_answers_have_the_declared_shape(fake):
    steps = [srun.start_request(make_step(name), "42", fake.run_dir) for name in "ab"]
    answers = [fake.request("status"), fake.request("start", steps=steps, wait_s=10)]
    fake.slurm.end("a", 1)
    fake.until(lambda steps: steps["a"]["state"] == "ended")
    check = {"name": "never", "kind": "tcp", "host": "127.0.0.1", "port": 1, "timeout_s": 1}
    answers.append(fake.request("wait", checks=[check], slice_s=0.1))
    assert answers[-1]["ended"] and answers[-1]["checks"] and answers[-1]["steps"]
    answers.append(fake.request("stop", names=["b"]))
    answers.append(fake.request("requeue"))
    for answer in answers:
        assert not list(faults(answer, Answer))


def test_a_wrong_answer_is_seen(fake):
    answer = fake.request("start", steps=[srun.start_request(make_step("a"), "42", fake.run_dir)], wait_s=10)
    answer["steps"][0].update(attempt="first", surplus=1)
    del answer["lease"]["left_s"]
    assert len(list(faults(answer, Answer))) == 3
