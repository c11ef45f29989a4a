# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run options: everything that is set beside the job (``-e job_id=N``, ``-e concurrencies=4,16``), in one table.

Values are parsed strictly: each parser takes the raw value, text or not, and raises :class:`Unusable` for anything
ambiguous.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Callable, NamedTuple

from ansible.module_utils.parsing.convert_bool import boolean as ansible_boolean

from .holder.lease import LEASE_S
from .json_types import Json

NUMBER = re.compile(r"[1-9][0-9]*")
UNSET = "is empty, as an unset variable of the shell is."
MOST_RETRIES = 1000
KEPT_S = 3600.0  # the lease of a job whose service stays up after its run
SHORTEST_LEASE_S = 15.0  # a working controller may send no request for some seconds


class Unusable(ValueError):
    """An invalid value: the problem and the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem, self.remedy = problem, remedy


def job_id(value: Json) -> str:
    """Return the job id as text."""
    text = _text(value, "Set the id of the job, or leave job_id out.")
    if NUMBER.fullmatch(text):
        return text
    component = re.fullmatch(r"([1-9][0-9]*)\+[0-9]+", text)
    if component:
        remedy = f"Use the whole job: job_id={component[1]}."
        raise Unusable(f"is {text}, one component of the heterogeneous job {component[1]}.", remedy)
    task = re.fullmatch(r"([1-9][0-9]*)_[0-9]+", text)
    if task:
        remedy = f"Use the task's own id, which squeue --jobs={text} --format=%A shows."
        raise Unusable(f"is {text}, a task of the job array {task[1]}.", remedy)
    raise Unusable(f"is {_shown(text)}, which is not a valid job id.", "Use the id that squeue shows, such as 4711.")


def concurrencies(value: Json) -> list[int]:
    """Return concurrencies, each once: of one number, "4,16", "4x16" or a list; [] of []."""
    remedy = "Use positive numbers, such as 4,16."
    if isinstance(value, (list, tuple)):
        items = [_text(item, remedy) for item in value]
    else:
        text = _text(value, "Set the concurrencies to measure, such as 4,16, or leave it out to measure all.")
        inner = re.fullmatch(r"\[(.*)\]", text)
        items = [item.strip() for item in re.split("[,x]", inner[1] if inner else text)]
    wrong = [item for item in items if not NUMBER.fullmatch(item)]
    if wrong:
        alone = len(items) == 1 and not isinstance(value, (list, tuple))
        problem = f"is {_shown(value)}" if alone else f"has {', '.join(map(_shown, wrong))} in it"
        raise Unusable(f"{problem}, which is not a concurrency.", remedy)
    return list(dict.fromkeys(map(int, items)))


def _number(least: int, what: str) -> Callable[[Json], int]:
    """Return the parser of a number of *what*, *least* or more."""

    def parse(value: Json) -> int:
        remedy = f"Use a whole number from {least} to {MOST_RETRIES}."
        text = _text(value, remedy)
        if not re.fullmatch("[0-9]{1,4}", text) or not least <= int(text) <= MOST_RETRIES:
            raise Unusable(f"is {_shown(text)}, which is not a number of {what}.", remedy)
        return int(text)

    return parse


retries, parallel = _number(0, "retries"), _number(1, "allocations")


def count(value: Json) -> int:
    """Return a whole number, 0 or more."""
    remedy = "Use a whole number, 0 or more."
    text = _text(value, remedy)
    if not re.fullmatch("[0-9]{1,9}", text):
        raise Unusable(f"is {_shown(text)}.", remedy)
    return int(text)


def boolean(value: Json) -> bool:
    """Return a truth value by Ansible's own rule."""
    remedy = "Use true or false."
    _text(value, remedy)
    try:
        return ansible_boolean(value)
    except TypeError:
        raise Unusable(f"is {_shown(value)}.", remedy) from None


def seconds(value: Json, least: str = "") -> float:
    """Return a time in seconds, 0 or more."""
    remedy = f"Use seconds{least}."
    text = _text(value, remedy)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise Unusable(f"is {_shown(text)}, not a time.", remedy)
    return number


def lease(value: Json) -> float:
    """Return the seconds for which a job continues without a controller."""
    number = seconds(value, f", {SHORTEST_LEASE_S:g} or more")
    if number < SHORTEST_LEASE_S:
        problem = f"is {value} seconds, so that a job could end while its playbook is running."
        raise Unusable(problem, f"Use {SHORTEST_LEASE_S:g} or more.")
    return number


def keep(value: Json) -> tuple[bool, float | None]:
    """Return whether the service stays up after the run, and the lease if the value is one, in seconds."""
    text = "" if value is None else str(value).strip().lower()
    if text in ("", "none"):
        return False, None
    try:
        return ansible_boolean(text), None
    except TypeError:
        pass
    if not re.search("[0-9]", text):
        remedy = f"Use true, false, or the seconds to keep the nodes, {SHORTEST_LEASE_S:g} or more."
        raise Unusable(f"is {_shown(text)}.", remedy)
    return True, lease(text)


def tags(value: Json) -> list[str]:
    """Return words: of a list, or of text with commas between them."""
    items = value if isinstance(value, (list, tuple)) else str(value or "").split(",")
    return [str(item).strip() for item in items if str(item).strip()]


def text_value(value: Json) -> str:
    """Return the text *value*, which must not be empty."""
    return _text(value, "Set a value, or leave it out.")


def output_dir(value: Json) -> str:
    """Return the parent of run directories; Slurm must accept it literally."""
    text = _text(value, "Set a directory, or leave output_dir out.")
    if any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in text):
        problem = f"is {text!r}, with a line break or control character, which Slurm does not accept."
        raise Unusable(problem, "Choose a directory without one.")
    if "\\" in text:
        problem = f"is {text}, with a backslash: Slurm would not replace %j in the path of the output."
        raise Unusable(problem, "Choose a directory without one.")
    if re.search(r"%.*%\d*[Nnts]", text):  # Slurm loses the second %% of such a pattern
        problem = f"is {text}, with % and later %N, %n, %t or %s: Slurm would not write the logs of steps there."
        raise Unusable(problem, "Choose a directory without them.")
    return text


def unchecked(value: Json) -> Json:
    """Return *value* unchanged: its reader validates it."""
    return value


def _text(value: Json, remedy: str) -> str:
    """Return *value* as text; Unusable if it is empty."""
    if value is None or isinstance(value, str) and not value.strip():
        raise Unusable(UNSET, remedy)
    return str(value)


def _shown(value: Json) -> str:
    """Return *value* for a message, on one line and not too long."""
    text = ascii(str(value)) if not str(value).isprintable() or value in ("", " ") else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


# The type of an option, by its parser, as the manual names it.
TYPES: dict[Callable[[Json], Json], str] = {
    job_id: "job id",
    concurrencies: "list of whole numbers",
    retries: f"whole number, {MOST_RETRIES} at most",
    count: "whole number",
    parallel: f"whole number from 1 to {MOST_RETRIES}",
    boolean: "true or false",
    seconds: "seconds",
    lease: f"seconds, {SHORTEST_LEASE_S:g} or more",
    keep: "true, false, or seconds",
    tags: "list of text",
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
RL = ("rl", "rl_status", "rl_logs", "rl_stop")  # have options of their own: plugin_utils/rl.py
PREFIX = "srt_slurm_"  # with it, any variable sets a run option, for example one of an inventory
SUBMIT_HOST, FROZEN, VARIANT_DIR = f"{PREFIX}submit_host", f"{PREFIX}frozen", f"{PREFIX}variant_dir"

OPTIONS: dict[str, Option] = {
    "job": Option(unchecked, JOBS + RUNS, "The job under one key, with the content of a job file."),
    "job_file": Option(
        text_value, JOBS + RUNS, "Job file, `FILE:SELECTOR`, or a directory of job files. No templates are filled in."
    ),
    "cluster_file": Option(text_value, JOBS + RUNS, "Cluster file instead of the usual one. It may be another user's."),
    "setup_script": Option(unchecked, JOBS, "Script in configs_dir that runs before each worker."),
    "check_paths": Option(boolean, JOBS, "false: the model and other paths exist on compute nodes only.", True),
    "job_tags": Option(tags, JOBS, "Tags that are stored with the run.", ()),
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
        output_dir, JOBS + RUNS, "Parent of run directories; the cluster file's, else `outputs`.", chooses=True
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
        BENCH,
        f"Time without a controller after which the job ends; {LEASE_S:g}, {KEPT_S:g} with `keep=true`.",
        travels=True,
    ),
    "job_retries": Option(
        retries, BENCH, "How often to retry on other nodes after a retryable fault.", 0, travels=True
    ),
    "wait_timeout_s": Option(seconds, BENCH, "Time to wait for the nodes; 0 waits without limit.", 0, travels=True),
    "health_timeout_s": Option(
        seconds,
        BENCH,
        "Time for the service to become healthy; 0 means the time in the job's health_check.",
        0,
        travels=True,
    ),
    "teardown_timeout_s": Option(
        seconds, (*BENCH, "stop"), "Time for the steps to end and the job to be gone.", 180, travels=True
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
        (*BENCH, *RUNS, "setup", "sandbox", *RL),
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
    "allocation", "benchmark", "frontend", "head_infra", "health", "preflight", "rl_runtime", "rl_training", "rollup",
    "slurm_sandbox", "teardown", "worker",
)  # fmt: skip
OUR_PREFIXES = ("srt_", "sandbox_", *(f"{role}_" for role in ROLES))
FOREIGN_PREFIXES = ("ansible_", "awx_", "tower_", "molecule_", "_")

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
