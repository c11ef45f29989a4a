# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What srtslurm.yaml should say of a cluster, by what its commands said. Each value comes with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..failures import Error
from ..json_types import Json, JsonObject
from ..slurm.options import seconds
from ..slurm.site import Partition
from . import answers

USUAL_TIME = "04:00:00"
# The options of sbatch that a setting switches on, as Slurm is asked about them.
SWITCHES = {
    "use_gpus_per_node_directive": "gpus-per-node",
    "use_segment_sbatch_directive": "segment",
    "use_exclusive_sbatch_directive": "exclusive",
}
# What a person is asked, if nobody has given it, in this order.
QUESTIONS = {
    "default_account": "Slurm account of your jobs",
    "default_partition": "Partition of your jobs",
    "gpus_per_node": "GPUs of a node",
    "default_time_limit": "Time limit of a job that names none",
    "network_interface": "Network interface whose address the services use",
}


class Seen(NamedTuple):
    """What the cluster said.

    :ivar refused: ``{option of sbatch: what Slurm says against it, "" if it takes it}``; an option that could not be
        tried is absent.
    :ivar limits: records of ``scontrol show partition``.
    :ivar node: what a node says of itself, None if none was asked: ``arch``, ``addresses`` and ``resolved``.
    """

    config: Mapping[str, str]
    partitions: Mapping[str, Partition]
    states: Mapping[str, Mapping[str, int]]
    limits: list[dict[str, str]]
    nodes: list[dict[str, str]]
    accounts: list[str]
    default_account: str | None
    refused: Mapping[str, str]
    mpi: list[str]
    pyxis: bool
    apptainer: bool
    node: JsonObject | None = None


class Proposal(NamedTuple):
    """One setting: its key, its value (None: it is better not set), and why."""

    key: str
    value: Json
    why: str


def partition_of(seen: Seen, wanted: str | None = None) -> Partition | None:
    """Return the partition *wanted*, else the one to propose: Slurm's default unless only another one has GPUs.

    None if there is none; Error if there is no *wanted*.
    """
    if wanted:
        if seen.partitions and wanted not in seen.partitions:
            there = ", ".join(one.describe() for one in list(seen.partitions.values())[:20])
            raise Error(f"default_partition: there is no partition {wanted}. There are: {there}.")
        return seen.partitions.get(wanted)
    able = [one for one in seen.partitions.values() if _usable(seen, one)] or list(seen.partitions.values())
    if not able:
        return None

    def order(one: Partition) -> tuple[bool, bool, int]:
        return any(one.gpus), one.is_default, sum(count for gpus, count in one.gpus.items() if gpus)

    return max(able, key=order)


def _usable(seen: Seen, one: Partition) -> bool:
    row = seen.states.get(one.name)
    return row is None or answers.usable(row) > 0


def proposals(seen: Seen, wanted: str | None = None) -> list[Proposal]:
    """Return a proposal for each setting that the cluster says something about, for the partition *wanted*."""
    partition = partition_of(seen, wanted)
    name = seen.config.get("ClusterName")
    found = [Proposal("cluster", name, "Slurm's ClusterName")] if name else []
    found += [_account(seen), _partition(seen, partition, wanted), _gpus(partition), _time(seen, partition)]
    found += [_interface(seen), *_switches(seen, partition)]
    if seen.pyxis:
        found.append(Proposal("container_runtime", "pyxis", "srun has --container-image"))
    elif seen.apptainer:
        found.append(Proposal("container_runtime", "apptainer", "srun has no --container-image; apptainer is here"))
    return found


def _account(seen: Seen) -> Proposal:
    key = "default_account"
    if seen.default_account:
        return Proposal(key, seen.default_account, "your default account in sacctmgr")
    if len(seen.accounts) == 1:
        return Proposal(key, seen.accounts[0], "your only account in sacctmgr")
    if seen.accounts:
        return Proposal(key, None, f"you have several and no default: {', '.join(seen.accounts)}")
    return Proposal(key, None, "Slurm keeps no accounts here, or none for you")


def _partition(seen: Seen, partition: Partition | None, wanted: str | None) -> Proposal:
    key = "default_partition"
    if not partition:
        return Proposal(key, wanted, "as given" if wanted else "sinfo lists no partition")
    if wanted:
        return Proposal(key, wanted, "as given")
    if partition.is_default:
        return Proposal(key, partition.name, f"Slurm's default: {partition.describe()}")
    default = next((one for one in seen.partitions.values() if one.is_default), None)
    lacks = "has no GPUs" if default and not any(default.gpus) else "has no node that can run a job"
    why = f"{default.name}, Slurm's default, {lacks}" if default else "Slurm has no default partition"
    return Proposal(key, partition.name, f"{partition.describe()}; {why}")


def _gpus(partition: Partition | None) -> Proposal:
    counts = {gpus: nodes for gpus, nodes in (partition.gpus if partition else {}).items() if gpus}
    if not counts:
        return Proposal("gpus_per_node", None, "Slurm knows of no GPUs there (Gres)")
    most = max(sorted(counts), key=counts.__getitem__)  # of equal ones the smaller number
    rest = f", others have {', '.join(str(one) for one in sorted(counts) if one != most)}" if len(counts) > 1 else ""
    return Proposal("gpus_per_node", most, f"{counts[most]} nodes have as many (Gres){rest}")


def _time(seen: Seen, partition: Partition | None) -> Proposal:
    key = "default_time_limit"
    record = next((one for one in seen.limits if partition and one.get("PartitionName") == partition.name), {})
    own = record.get("DefaultTime", "")
    if own not in answers.NOTHING and seconds(own):
        return Proposal(key, own, "the partition's DefaultTime")
    longest = partition.longest_s if partition else None
    if partition and longest is not None and longest < (seconds(USUAL_TIME) or 0):
        return Proposal(key, partition.limit, "the partition allows no more")
    return Proposal(key, USUAL_TIME, "usual; the partition allows it" if partition else "usual")


def _interface(seen: Seen) -> Proposal:
    """Return the interface of the node that was asked that has the address by which others reach it."""
    key, node = "network_interface", seen.node
    if not node:
        return Proposal(key, None, "no node was asked; services use the address that a node's name stands for")
    record = next((one for one in seen.nodes if one.get("NodeName") == node.get("node")), {})
    known = {str(address): str(name) for name, address in node.get("addresses") or ()}
    for address in (record.get("NodeAddr"), node.get("resolved")):
        if address in known and not known[str(address)].startswith("lo"):
            return Proposal(key, known[str(address)], f"{node['node']} is reached at it ({address})")
    names = sorted({name for name in known.values() if not name.startswith("lo")})
    if len(names) == 1:
        return Proposal(key, names[0], f"the only one of {node['node']}")
    return Proposal(key, None, f"{node['node']} has {', '.join(names) or 'none'}, and its name stands for none of them")


def _switches(seen: Seen, partition: Partition | None) -> list[Proposal]:
    found, takes = [], {}
    for key, option in SWITCHES.items():
        said = seen.refused.get(option)
        takes[option] = said == ""
        if option == "exclusive":
            continue
        if said is None:
            found.append(Proposal(key, None, f"--{option} could not be tried"))
        else:
            why = f"sbatch takes --{option}" if takes[option] else f"sbatch refuses --{option}: {said}"
            found.append(Proposal(key, takes[option], why))
    record = next((one for one in seen.limits if partition and one.get("PartitionName") == partition.name), {})
    whole = record.get("OverSubscribe", "").upper().startswith("EXCLUSIVE")
    alone = takes["exclusive"] and seen.refused.get("gpus-per-node") not in ("", None) and not whole
    why = "the partition gives whole nodes anyway" if whole else "Slurm gives a job its GPUs"
    if alone:
        why = "without --gpus-per-node only whole nodes keep other jobs away from the GPUs"
    elif not takes["exclusive"]:
        why = f"sbatch refuses it: {seen.refused['exclusive']}" if "exclusive" in seen.refused else "it was not tried"
    found.append(Proposal("use_exclusive_sbatch_directive", alone, why))
    return found


def facts(seen: Seen, partition: Partition | None) -> JsonObject:
    """Return what the cluster supports, for the report: ``{name: text}``."""
    nodes = answers.in_partition(seen.nodes, partition.name) if partition else seen.nodes
    storage = seen.config.get("AccountingStorageType", "")
    pmix = [one for one in seen.mpi if one.startswith("pmix")]
    return {
        "slurm_version": seen.config.get("SLURM_VERSION"),
        "architecture": (seen.node or {}).get("arch") or answers.architecture(nodes),
        "accounting": storage if storage and not storage.endswith("/none") else None,
        "pmix": pmix[-1] if pmix else None,
        "pyxis": seen.pyxis,
        "partition": partition.describe() if partition else None,
        "usable_nodes": answers.usable(seen.states.get(partition.name, {})) if partition else 0,
    }
