# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm commands that change something and hang: what may be said twice is said again. See docs/reliability.md."""

from __future__ import annotations

import re

import pytest
from faults import failed

ONCE = 'mkdir "{flag}" 2>/dev/null && '
HANG = "exec sleep 3600"
TIMED_OUT = "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1"


def known(cluster, name):
    """Return the ids of all jobs called *name* that Slurm remembers."""
    return cluster.run("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i").split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "script"),
    [
        pytest.param("scontrol", f'[ "$1" = release ] && {ONCE}{HANG}', id="release"),
        pytest.param("scontrol", f"{ONCE}{HANG}", id="scontrol"),
        pytest.param("sbatch", f"{ONCE}{HANG}", id="sbatch-not-heard"),
        pytest.param("sbatch", f'{ONCE}{{ {{real}} "$@"; {HANG}; }}', id="sbatch-heard"),
        pytest.param("sbatch", f'{ONCE}{{ {{real}} "$@"; {TIMED_OUT}; }}', id="sbatch-timed-out"),
    ],
)
def test_a_command_that_hangs_once_at_the_submission_leads_to_one_job(cluster, which, script, request):
    name = "hung-" + request.node.callspec.id
    flag = cluster.folder / name
    hang = cluster.commands(**{which: script.replace("{flag}", str(flag))})
    played = cluster.playbook(cluster.job_file(name), env=hang)
    assert played.rc == 0, played.text
    assert flag.exists()
    assert len(known(cluster, name)) == 1
    cluster.gone(name)


@pytest.mark.slow
def test_a_scancel_that_hangs_once_is_said_again(cluster):
    job_id, _run_dir = cluster.submit(cluster.job_file("hung-scancel", sbatch_directives={"begin": "now+1hour"}))
    flag = cluster.folder / "hung-scancel-once"
    hang = cluster.commands(scancel=ONCE.replace("{flag}", str(flag)) + HANG)
    words = ["ansible-playbook", "playbooks/stop.yml", "-e", f"output_dir={cluster.output}", "-e", f"job_id={job_id}"]
    played = cluster.play([*cluster.prefix(), *words], hang)
    assert played.rc == 0, played.text
    assert flag.exists()
    assert cluster.jobs("hung-scancel") == []


@pytest.mark.slow
@pytest.mark.parametrize("op", ["status", "start", "wait", "end"])
def test_an_srun_to_the_holder_that_hangs_once_is_run_again(cluster, op):
    name = f"hung-srun-{op}"
    flag = cluster.folder / name
    asks = f"""grep -q '"op": "{op}"' <<< "$text" && mkdir "{flag}" 2>/dev/null && {HANG}"""
    text = f"""case "$*" in *--job-name=srt_ctl*) text=$(cat); {asks}; exec {{real}} "$@" <<< "$text" ;; esac"""
    hang = dict(cluster.commands(srun=text), SRT_SLURM_TRANSPORT="srun")
    played = cluster.playbook(cluster.job_file(name), env=hang)
    assert played.rc == 0, played.text
    assert flag.exists()
    assert len(known(cluster, name)) == 1
    assert cluster.rollup()["valid"] is True
    cluster.gone(name)


@pytest.mark.slow
def test_a_job_that_can_neither_begin_nor_be_cancelled_is_named(cluster):
    hang = cluster.commands(scontrol=f'[ "$1" = release ] && {HANG}', scancel=HANG)
    job = cluster.job_file("hung-both")
    played = failed(cluster.playbook(job, env=hang), "was not started: scontrol did not answer")
    (job_id,) = cluster.jobs("hung-both")
    assert re.search(rf"could not be cancelled either .*run scancel {job_id}", " ".join(played.text.split()))
    cluster.run("scancel", job_id)
