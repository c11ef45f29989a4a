# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run options: everything that is set beside the job (``-e job_id=N``, ``-e concurrencies=4,16``), in one table.

Their values are parsed by run_option_values.py.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Callable, NamedTuple

from . import run_option_values
from .holder.lease import LEASE_S
from .json_types import Json
from .run_option_values import (
    MOST_RETRIES,
    SHORTEST_LEASE_S,
    assignments,
    boolean,
    concurrencies,
    count,
    hours,
    job_id,
    keep,
    key_paths,
    lease,
    moment,
    output_dir,
    parallel,
    percent,
    repeats,
    retries,
    seconds,
    tags,
    text_value,
    unchecked,
)

Unusable = run_option_values.Unusable  # what a parser raises
KEPT_S = 3600.0  # the lease of a job whose service stays up after its run

# The type of an option, by its parser, as the manual names it.
TYPES: dict[Callable[[Json], Json], str] = {
    job_id: "job id",
    concurrencies: "list of whole numbers",
    retries: f"whole number, {MOST_RETRIES} at most",
    count: "whole number",
    parallel: f"whole number from 1 to {MOST_RETRIES}",
    repeats: f"whole number from 3 to {MOST_RETRIES}",
    boolean: "true or false",
    seconds: "seconds",
    lease: f"seconds, {SHORTEST_LEASE_S:g} or more",
    keep: "true, false, or seconds",
    percent: "percent",
    hours: "hours",
    moment: "day, time, or how long ago",
    tags: "list of text",
    assignments: "PATH=VALUE, a list of these, or a mapping",
    key_paths: "list of paths of keys",
    text_value: "text",
    output_dir: "directory",
    unchecked: "anything",
}


class Option(NamedTuple):
    """One run option.

    :ivar parse: ``parse(value)`` returns the value in its own type; Unusable if it is invalid.
    :ivar playbooks: the playbooks that read it, themselves or through their roles and modules.
    :ivar doc: one line for the manual.
    :ivar default: its default; a mapping by playbook if they differ; None: see *doc*.
    :ivar travels: whether the playbook inside a submitted job gets it. All others take effect at submission.
    :ivar chooses: whether it selects a run. A typo in it could end another run.
    :ivar measures: whether it changes what is measured.
    :ivar internal: whether only our programs set it.
    :ivar early: whether a play needs it to choose its hosts, before any inventory counts: only -e sets it.
    """

    parse: Callable[[Json], Json]
    playbooks: tuple[str, ...]
    doc: str
    default: Json = None
    travels: bool = False
    chooses: bool = False
    measures: bool = False
    internal: bool = False
    early: bool = False


BENCH = ("bench", "submit", "sweep")  # run jobs
JOBS = (*BENCH, "plan")  # read jobs
RUNS = ("status", "logs", "stop", "report", "sync")  # look for a run
SIDES = ("compare", "ab")  # compare two sides
BELOW = (*SIDES, "runs")  # look at the runs below an output directory
LAYOUTS = ("migrate", "diff")  # compare plans of job files
NEW = ("setup", "doctor")  # look at a cluster before any job
RL = ("rl", "rl_status", "rl_logs", "rl_stop")  # have options of their own: plugin_utils/rl.py
PREFIX = "srt_slurm_"  # with it, any variable sets a run option, for example one of an inventory
SUBMIT_HOST, FROZEN, VARIANT_DIR = f"{PREFIX}submit_host", f"{PREFIX}frozen", f"{PREFIX}variant_dir"

OPTIONS: dict[str, Option] = {
    "job": Option(unchecked, JOBS + RUNS, "The job under one key, with the content of a job file."),
    "job_file": Option(
        text_value,
        (*JOBS, *RUNS, *NEW, "migrate"),
        "Job file, `FILE:SELECTOR`, or a directory of job files. No templates are filled in.",
    ),
    "a": Option(text_value, ("diff",), "A job file with one job, or `FILE:SELECTOR`."),
    "b": Option(text_value, ("diff",), "The job file that it is compared with."),
    "cluster_file": Option(
        text_value,
        (*JOBS, *RUNS, *BELOW, *LAYOUTS, *NEW),
        "Cluster file instead of the usual one. It may be another user's.",
    ),
    "setup_script": Option(unchecked, (*JOBS, "ab"), "Script in configs_dir that runs before each worker."),
    "set": Option(
        assignments,
        JOBS,
        "Values in the job, by their paths: `-e set=benchmark.isl=1024`. A value is read as YAML, but a mapping stays "
        "text.",
    ),
    "unset": Option(key_paths, JOBS, "Keys that are removed from the job, by their paths: `-e unset=slurm.account`."),
    "check_paths": Option(
        boolean, (*JOBS, "ab"), "false: the model and other paths exist on compute nodes only.", True
    ),
    "job_tags": Option(tags, (*JOBS, "ab"), "Tags that are stored with the run.", ()),
    "concurrencies": Option(
        concurrencies,
        JOBS,
        "Measure only these points and evaluate the run by them; `rollup.json` names the others as `left_out`.",
        travels=True,
        measures=True,
    ),
    "force": Option(boolean, BENCH, "Measure points again that are valid already.", False, travels=True, measures=True),
    "job_id": Option(job_id, ("bench", "sweep", *RUNS), "Work in this allocation, or find its run.", chooses=True),
    "run_dir": Option(text_value, RUNS, "Find the run in this directory.", chooses=True),
    "output_dir": Option(
        output_dir,
        (*JOBS, *RUNS, *BELOW, "interactive"),
        "Parent of run directories; the cluster file's, else `outputs`.",
        chooses=True,
    ),
    "keep": Option(
        keep,
        BENCH,
        "Leave the service up: for an hour, or this many seconds without a controller.",
        False,
        travels=True,
    ),
    "lease_s": Option(
        lease,
        (*BENCH, "ab"),
        f"Time without a controller after which the job ends; {LEASE_S:g}, {KEPT_S:g} with `keep=true`.",
        travels=True,
    ),
    "job_retries": Option(
        retries, BENCH, "How often to retry on other nodes after a retryable fault.", 0, travels=True
    ),
    "wait_timeout_s": Option(
        seconds, (*BENCH, "ab"), "Time to wait for the nodes; 0 waits without limit.", 0, travels=True
    ),
    "health_timeout_s": Option(
        seconds,
        (*BENCH, "ab"),
        "Time for the service to become healthy; 0 means the time in the job's health_check.",
        0,
        travels=True,
    ),
    "teardown_timeout_s": Option(
        seconds, (*BENCH, "ab", "stop"), "Time for the steps to end and the job to be gone.", 180, travels=True
    ),
    "stop_on_failure": Option(boolean, ("sweep",), "Skip the jobs after one that failed.", False),
    "max_parallel": Option(parallel, ("sweep", "submit"), "How many allocations of a sweep may run side by side.", 1),
    "dry_run_dir": Option(text_value, ("plan",), "Where the dry runs are written.", "dry-runs"),
    "all_runs": Option(boolean, ("sync",), "Copy all runs and sweeps below `output_dir`.", False),
    "s3_access_key_id": Option(text_value, ("sync",), "Key id, instead of that of the cluster file or environment."),
    "s3_secret_access_key": Option(text_value, ("sync",), "Secret key, from a vault or a lookup."),
    "step": Option(text_value, ("logs",), "The step whose log is shown; the playbook's own log if not given."),
    "node": Option(text_value, ("logs",), "The node whose log is shown, for a step on several nodes."),
    "lines": Option(count, ("status", "logs"), "Last lines of a log to show.", {"status": 5, "logs": 20}),
    "follow": Option(boolean, ("logs",), "Follow the log until the step ends.", True),
    "baseline": Option(
        tags, SIDES, "What is compared with: run directories, files, sweeps, job ids or tags; in `ab.yml` a job file."
    ),
    "candidate": Option(
        tags, SIDES, "What is compared: run directories, files, sweeps, job ids or tags; in `ab.yml` a job file."
    ),
    "threshold": Option(percent, SIDES, "The smallest difference that matters, in percent.", 2),
    "primary_metrics": Option(
        tags,
        SIDES,
        "Metrics with verdicts; by default those of output_tps, median_ttft_ms, median_tpot_ms and score that "
        "the benchmark has.",
        (),
    ),
    "fail_on": Option(
        tags,
        SIDES,
        "What fails the comparison: worse, invalid, no_verdict, no_evidence.",
        ("worse", "invalid", "no_verdict"),
    ),
    "anew": Option(boolean, ("ab",), "Begin again, although the same comparison was interrupted before.", False),
    "plan_difference": Option(
        percent, ("compare",), "Compare nothing, and say how many repeats it takes to find this difference, in percent."
    ),
    "compare_dir": Option(
        text_value, ("compare",), "Directory of compare.json and compare.html; default: comparisons/ in output_dir."
    ),
    "budget_gpu_hours": Option(hours, ("ab",), "GPU hours after which no other repeat starts."),
    "most_repeats": Option(repeats, ("ab",), "Repeats of each side after which no other starts.", 20),
    "tags": Option(tags, ("runs", "status"), "Only runs with all these tags; `status.yml` shows each of them.", ()),
    "name": Option(text_value, ("runs",), "Only runs of jobs with this name; `*` stands for any text."),
    "model": Option(text_value, ("runs",), "Only runs of this model; `*` stands for any text."),
    "valid": Option(boolean, ("runs",), "true: only valid runs, false: only runs that are not valid."),
    "since": Option(moment, ("runs",), "Only runs since this day or time (UTC), or since so long ago, such as `7d`."),
    "shared_dir": Option(
        text_value, NEW, "Directory that this host and the nodes see; the directory of the cluster file."
    ),
    "doctor_nodes": Option(count, ("doctor",), "Idle nodes to ask, at most; 0 asks none.", 8),
    "doctor_wait_s": Option(seconds, ("doctor",), "Time to wait for idle nodes.", 30),
    "setup_ask": Option(boolean, ("setup",), "Ask for what is not given; else the proposals count.", False),
    "setup_account": Option(text_value, ("setup",), "Account of jobs, instead of the one that is proposed."),
    "setup_partition": Option(text_value, ("setup",), "Partition of jobs, instead of the one that is proposed."),
    "setup_gpus_per_node": Option(count, ("setup",), "GPUs of a node, instead of as many as Slurm knows of."),
    "setup_time_limit": Option(text_value, ("setup",), "Time limit of jobs that name none."),
    "setup_network_interface": Option(text_value, ("setup",), "Network interface whose address the services use."),
    "setup_settings": Option(unchecked, ("setup",), "Further settings of the cluster file, as a mapping."),
    "setup_ask_node": Option(boolean, ("setup",), "Ask an idle node what only a node knows, by a small job.", True),
    "setup_arch": Option(text_value, ("setup",), "Architecture of the nodes, x86_64 or aarch64."),
    "setup_source": Option(text_value, ("setup",), "Directory or address that has the programs and wheels."),
    "setup_checksums": Option(unchecked, ("setup",), "SHA-256 by the name of a file or program, as a mapping."),
    "setup_wheels": Option(text_value, ("setup",), "Version of Dynamo whose wheels are needed."),
    "setup_images": Option(unchecked, ("setup",), "Container images to import, by short name, as a mapping."),
    "setup_images_dir": Option(text_value, ("setup",), "Directory of the images; `images` in shared_dir."),
    "runtime_dir": Option(text_value, ("submit", "setup"), "Python environment on shared disk for submitted jobs."),
    "configs_dir": Option(text_value, ("setup",), "Directory for nats-server and etcd."),
    "harness_dir": Option(text_value, ("setup",), "Directory for the environments of programs that measure."),
    "harnesses": Option(tags, ("setup",), "Programs to prepare in harness_dir: lm-eval, aiperf, sgl-eval.", ()),
    "setup_python": Option(text_value, ("setup",), "Python to create the environments with."),
    "setup_requirements": Option(text_value, ("setup",), "Requirements file of the environment."),
    "setup_debian": Option(boolean, ("setup",), "Always take the programs from Debian's packages.", False),
    "sandbox_state": Option(text_value, ("sandbox",), "`started` or `absent`.", "started"),
    "sandbox_dir": Option(
        text_value,
        ("sandbox",),
        "Directory of the sandbox; `$SRT_SANDBOX_DIR`, else `.sandbox` in the working directory.",
    ),
    "sandbox_nodes": Option(count, ("sandbox",), "Number of nodes.", 4),
    "sandbox_gpus_per_node": Option(count, ("sandbox",), "Simulated GPUs of each node.", 8),
    "sandbox_slurm_conf": Option(unchecked, ("sandbox",), "More lines for slurm.conf.", ()),
    "sandbox_plugstack": Option(unchecked, ("sandbox",), "Lines of plugstack.conf.", ()),
    "sandbox_keep_log": Option(boolean, ("sandbox",), "Keep the logs when it is removed.", False),
    SUBMIT_HOST: Option(
        text_value,
        (*BENCH, *RUNS, *BELOW, *NEW, "sandbox", *RL),
        "Host of the inventory where sbatch and squeue are. Only `-e` sets it, as it selects the hosts of the plays.",
        "localhost",
        early=True,
    ),
    "srt_slurm_collection_dir": Option(
        text_value, ("submit",), "Where the collection is on a submit host that is another machine."
    ),
    FROZEN: Option(text_value, ("bench", "sweep"), "The jobs as they were read before.", internal=True),
    VARIANT_DIR: Option(text_value, ("bench",), "Directory of the job in its sweep.", internal=True),
}

# Families of variables that are ours (including those of the roles), or certainly not ours.
ROLES = (
    "allocation", "benchmark", "cluster_setup", "frontend", "head_infra", "health", "preflight", "rl_runtime",
    "rl_training", "rollup", "slurm_sandbox", "teardown", "worker",
)  # fmt: skip
OUR_PREFIXES = ("srt_", "sandbox_", *(f"{role}_" for role in ROLES))
AWX_PREFIXES = ("awx_", "tower_")  # of what AWX adds to the extra vars
FOREIGN_PREFIXES = ("ansible_", *AWX_PREFIXES, "molecule_", "_")

# Common mistakes for an option that are not near misses of it.
MISTAKEN = {"id": "Did you mean job_id?", "job_name": "Use -e job_file=job.yaml, the file of the job, or -e job_id=N."}


def names(*playbooks: str) -> tuple[str, ...]:
    """Return the names of the options that one of *playbooks* reads."""
    return tuple(name for name, option in OPTIONS.items() if set(playbooks) & set(option.playbooks))


OF_JOBS = names(*JOBS)
# The options of the playbooks that only look at runs.
OF_RUNS_ALONE = tuple(name for name in names(*RUNS) if name not in OF_JOBS)
CHOOSING = tuple(name for name, option in OPTIONS.items() if option.chooses)


def full_name(name: str) -> str:
    """Return the name of the variable that sets the option *name* wherever it is defined."""
    return name if name.startswith(PREFIX) else PREFIX + name


def option_of(variable: str) -> Option | None:
    """Return the option that the extra var *variable* sets, by either of its names; None if it sets none."""
    return OPTIONS.get(variable) or OPTIONS.get(variable.removeprefix(PREFIX))


def set_by(extra: Collection[str], variables: Collection[str]) -> dict[str, str]:
    """Return ``{option: the variable that sets it}`` of the options that are set.

    A name without PREFIX counts among the extra vars only: that in an inventory may mean something else.

    :param extra: names of the extra vars, which come first.
    :param variables: names of all variables.
    """
    found = {}
    for name, option in OPTIONS.items():
        full = full_name(name)
        if name in extra or full in extra or full in variables and not option.early:
            found[name] = name if name in extra else full
    return found


def disregarded(extra: Collection[str], variables: Collection[str], playbooks: Collection[str]) -> list[str]:
    """Return the names of *variables* that would set an option of one of *playbooks* if they were extra vars."""
    found = []
    for name in names(*playbooks):
        full = full_name(name)
        bare = name in variables and name not in extra and (name != full or OPTIONS[name].early)
        found += [name] if bare else []
    return found


def travels(name: str) -> bool:
    """Return whether the playbook inside a submitted job gets the extra var *name*."""
    option = option_of(name)
    return option.travels if option else name.startswith(OUR_PREFIXES)


def measures(name: str) -> bool:
    """Return whether the extra var *name* changes what is measured."""
    option = option_of(name)
    return option.measures if option else name.startswith("benchmark_")
