# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the site has what a job asks for, before it is submitted; errors name the key that asks, and its line."""

from __future__ import annotations

import re

from ..failures import Problem, SlurmError, SpecError, format_problem
from ..slurm import script, site
from ..slurm.options import sbatch_name
from .call import Call

# The keys of a job that an option of sbatch follows from; the first one that is set is the one to change.
NODES = tuple(f"resources.{mode}_{what}" for what in ("nodes", "workers") for mode in ("agg", "prefill", "decode"))
KEYS = {
    "partition": ("slurm.partition",),
    "account": ("slurm.account",),
    "time": ("slurm.time_limit",),
    "nodes": NODES,
    "gpus-per-node": ("resources.gpus_per_node",),
}
PLACE = re.compile(r"(.+?):(\d+)(.*)")
# What sbatch says of an option that it refuses.
REFUSED = (
    ("account", "account"),
    ("partition", "partition"),
    ("qos", "qos"),
    ("time limit", "time"),
    ("reservation", "reservation"),
    ("feature|constraint", "constraint"),
    ("gres|generic resource", "gpus-per-node"),
    ("node configuration|node count", "nodes"),
)


def check(call: Call) -> None:
    """Raise SpecError if no partition of the site can run the job of *call*.

    In check mode it becomes a note: a job may be looked at where it cannot run.
    """
    options = script.directives(call.allocation, call.output_dir)[0]
    found = [_problem(call, *fault) for fault in site.faults(options, int(call.allocation["nodes"]))]
    if call.ctx.check_mode:
        call.notes += [f"It cannot be submitted here: {format_problem(problem)}" for problem in found]
    elif found:
        raise SpecError(found)


def refusal(call: Call, error: SlurmError) -> SlurmError:
    """Return *error*, which sbatch reports, with the keys of the job that it is about."""
    options = script.directives(call.allocation, call.output_dir)[0]
    about = [name for words, name in REFUSED if name in options and re.search(words, error.msg, re.IGNORECASE)]
    places = [_place(call, name) for name in about]
    said = [f"{key} is {options[name]} ({place})" for name, (key, place) in zip(about, places)]
    return SlurmError(f"{error.msg.rstrip('.')}. {'; '.join(said)}.", **error.evidence) if said else error


def _place(call: Call, option: str) -> tuple[str, str]:
    """Return (the key of the job that *option* follows from, where it is set)."""
    own = [key for key in call.allocation.get("directives") or {} if sbatch_name(key) == option]
    keys = [f"sbatch_directives.{key}" for key in own] or list(KEYS.get(option, (option,)))
    key = next((key for key in keys if key in call.origins), keys[0])
    return key, call.origins.get(key, "by default")


def _problem(call: Call, option: str, problem: str, remedy: str) -> Problem:
    key, place = _place(call, option)
    match = PLACE.fullmatch(place)
    file, line = (match[1], int(match[2])) if match else (place if place != "by default" else None, None)
    via = match[3].strip() if match else ""  # a key of the cluster file
    path = f"{key} {via}" if via else key
    return {"file": file, "line": line, "path": path, "code": "not_a_choice", "problem": problem, "remedy": remedy}
