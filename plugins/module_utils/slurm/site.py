# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the site's Slurm has, asked before a job is submitted: its partitions with their nodes and limits, and accounts.

sbatch accepts a job that no partition can ever run, and the job waits for ever. What Slurm does not say is not checked.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..failures import SlurmError
from ..holder.slurm_calls import account
from ..json_types import JsonObject
from . import commands
from .options import Fault, gpu_count, seconds

SEPARATOR = "|"
# Partition (* marks the default), nodes, Gres, time limit, availability, and the sizes of jobs.
FORMAT = SEPARATOR.join(("%P", "%D", "%G", "%l", "%a", "%s"))
GPU = re.compile(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)")


class Partition(NamedTuple):
    """A partition of the site.

    :ivar gpus: ``{number of GPUs: number of nodes that have them}``.
    :ivar most_nodes: the largest job; None: no limit.
    :ivar longest_s: its time limit in seconds; None: no limit.
    """

    name: str
    is_default: bool
    nodes: int
    gpus: dict[int, int]
    most_nodes: int | None
    longest_s: int | None
    limit: str

    def describe(self) -> str:
        """Return a few words such as ``batch (4 nodes, 8 GPUs each, up to 1-00:00:00)``."""
        facts = [f"{self.nodes} node{'' if self.nodes == 1 else 's'}"]
        if any(self.gpus):
            facts.append(f"{max(self.gpus)} GPUs each" if len(self.gpus) == 1 else f"up to {max(self.gpus)} GPUs each")
        if self.longest_s is not None:
            facts.append(f"up to {self.limit}")
        return f"{self.name} ({', '.join(facts)})"


def partitions() -> dict[str, Partition]:
    """Return the partitions by name; {} if Slurm does not tell."""
    try:
        done = commands.run(["sinfo", "--all", "--noheader", f"--format={FORMAT}"], check=False)
    except SlurmError:
        return {}
    return partitions_of(done.stdout) if not done.returncode else {}


def partitions_of(text: str) -> dict[str, Partition]:
    """Return the partitions in what sinfo prints in FORMAT."""
    found: dict[str, Partition] = {}
    for row in text.splitlines():
        parts = [part.strip() for part in row.split(SEPARATOR)]
        if len(parts) != 6 or not parts[1].isdecimal():
            continue
        name, nodes, cards = parts[0].rstrip("*"), int(parts[1]), sum(map(int, GPU.findall(parts[2])))
        before = found.get(name)
        gpus = dict(before.gpus if before else {})
        gpus[cards] = gpus.get(cards, 0) + nodes
        most = parts[5].rpartition("-")[2]
        found[name] = Partition(
            name,
            parts[0].endswith("*"),
            nodes + (before.nodes if before else 0),
            gpus,
            int(most) if most.isdecimal() else None,
            seconds(parts[3]),
            parts[3],
        )
    return found


def accounts() -> list[str]:
    """Return the accounts of this user; [] if the site does not keep any, or does not tell."""
    who = account()
    argv = ["sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={who}", "format=account"]
    try:
        done = commands.run(argv, check=False)
    except SlurmError:
        return []
    return sorted(set(done.stdout.split())) if not done.returncode else []


def faults(options: JsonObject, nodes: int) -> list[Fault]:
    """Return [(option, problem, remedy)]: what a job with the merged sbatch *options* on *nodes* asks for in vain."""
    found: list[Fault] = []
    account = options.get("account")
    known = accounts() if account else []
    if known and account not in known:
        found.append(("account", f"is {account}, which is no account of yours.", _there(str(account), known)))
    table = partitions()
    if not table:
        return found
    wanted = str(options.get("partition") or "")
    names = [name for name in wanted.split(",") if name]
    chosen = [table[name] for name in names if name in table]
    lost = [name for name in names if name not in table]
    listed = "; ".join(one.describe() for one in list(table.values())[:20])
    if lost:
        near = difflib.get_close_matches(lost[0], table, 1, 0.6)
        remedy = (f"Did you mean {near[0]}? " if near else "") + f"There are: {listed}."
        return [*found, ("partition", f"is {wanted}, and there is no partition {lost[0]}.", remedy)]
    if not names:
        chosen = [one for one in table.values() if one.is_default]
        if not chosen:
            remedy = f"Set it: {listed}."
            return [*found, ("partition", "is not set, and no partition is Slurm's default.", remedy)]
    # A qos may allow more than the partition.
    limits = _limits(options, nodes, chosen) if options.get("qos") is None else []
    return found + limits + ([] if any(name == "nodes" for name, *_why in limits) else _gpus(options, nodes, chosen))


def _there(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.6)
    return (f"Did you mean {near[0]}? " if near else "") + f"Yours: {', '.join(known[:20])}."


def _limits(options: JsonObject, nodes: int, chosen: Sequence[Partition]) -> list[Fault]:
    """Return the faults of the number of nodes and of the time, if none of the partitions *chosen* allows them."""
    time_s = seconds(str(options.get("time-min") or options.get("time") or ""))
    there = ", ".join(one.describe() for one in chosen)
    found: list[Fault] = []
    if all(nodes > min(one.nodes, one.most_nodes or one.nodes) for one in chosen):
        small = [f"; a job in {one.name} may have {one.most_nodes}" for one in chosen if one.most_nodes]
        problem = f"asks for {nodes} nodes; the partition has fewer: {there}{''.join(small)}."
        found.append(("nodes", problem, "Use fewer nodes, or another partition."))
    limits = [one.longest_s for one in chosen]
    if time_s is not None and all(limit is not None and time_s > limit for limit in limits):
        problem = f"is {options['time']}, more than the partition allows: {there}."
        found.append(("time", problem, "Shorten it, or use another partition."))
    return found


def _gpus(options: JsonObject, nodes: int, chosen: Sequence[Partition]) -> list[Fault]:
    """Return the fault of the GPUs of a node, if the partitions *chosen* have too few nodes with so many."""
    key, wanted = gpu_count(options)
    able = [sum(count for gpus, count in one.gpus.items() if gpus >= wanted) for one in chosen]
    if not wanted or any(count >= nodes for count in able):
        return []
    there = "; ".join(one.describe() for one in chosen)
    if not any(max(one.gpus) for one in chosen):
        remedy = "Set use_gpus_per_node_directive: false in srtslurm.yaml if Slurm does not manage the GPUs here."
        return [(key, f"asks for {wanted} GPUs of a node; Slurm knows of none (Gres): {there}.", remedy)]
    problem = f"asks for {nodes} nodes with {wanted} GPUs; the partition has {max(able) or 'none'}: {there}."
    return [(key, problem, "Use fewer GPUs of a node, fewer nodes, or another partition.")]
