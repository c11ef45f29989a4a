# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers that measure in one job, while holders or other controllers go away. See docs/reliability.md."""

from __future__ import annotations

import signal

import pytest
from cluster import interrupt, wait_for
from faults import BENCHMARK, LONG, failed

UP = ("-e", "keep=600", "--skip-tags", "benchmark,rollup")
# What a controller asks of a holder that was killed fails late: who sees that there is none gives up.
LATE = """case "$*" in *--job-name=srt_ctl*)
    {{real}} "$@"; rc=$?
    while [ -e {folder}/held ]; do sleep 0.1; done
    exit $rc ;;
esac"""


def test_a_controller_hears_from_a_second_holder_that_its_measurement_is_over(cluster):
    cluster.run("salloc", "--no-shell", "--job-name=mine", "--nodes=3", "--ntasks=3", "--exclusive", "--time=10")
    (job_id,) = cluster.jobs("mine")
    job, adopt = cluster.job_file("followed", benchmark=dict(LONG, num_prompts_mult=60000)), ("-e", f"job_id={job_id}")
    played = cluster.playbook(job, *adopt, *UP)
    assert played.rc == 0, played.text
    env = cluster.commands(srun=LATE.format(folder=cluster.traps))
    process = cluster.start_playbook(job, *adopt, "-e", "keep=600", env=env)
    seen = cluster.until(process, "srt.slurm.benchmark :")
    wait_for(lambda: cluster.progress() > 0, "the load client to have completed requests")
    steps = cluster.steps(job_id)
    (cluster.traps / "held").touch()
    cluster.kill_holder()
    wait_for(lambda: steps["srt_holder"] not in cluster.steps(job_id).values(), "the holder to be gone")
    if "bench_c2" in cluster.steps(job_id):
        cluster.kill(job_id, "bench_c2")
        wait_for(lambda: "bench_c2" not in cluster.steps(job_id), "the load client to be gone")
    second = cluster.playbook(job, *adopt, "-e", "keep=600", "--tags", "allocation")
    assert second.rc == 0, second.text
    cluster.clear()
    failed(cluster.rest(process, seen), "c=2 measured, NOT valid: the load client ended before this holder started")


@pytest.mark.slow
def test_a_measurement_that_hangs_without_a_controller_is_ended_by_who_waits_for_its_turn(cluster):
    points = dict(BENCHMARK, osl=64, num_prompts_mult=2000, point_timeout_s=30, concurrencies=[2])
    process, _job_id, _seen = cluster.measuring(cluster.job_file("turns", benchmark=points), "-e", "keep=600")
    assert cluster.freeze("/load_client")
    interrupt(process, signal.SIGKILL)
    process.communicate(timeout=60)
    job = cluster.job_file("turns", benchmark=dict(points, num_prompts_mult=5, concurrencies=[3]))
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    assert "c=3 waits for bench_c2, which is being measured" in played.text
    assert "bench_c2 was ended: it was not complete after " in played.text
    assert "c=3 measured, valid" in played.text
    cluster.end(job)
