# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of a job's nodes: found once in one step over all nodes, validated, and kept in the run directory.

Slurm's address of a node is used if it is valid. Otherwise, or if the site names the interface for services, every
node reports its addresses.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
from collections.abc import Iterable

from ..failures import SlurmError
from ..files import read_object, write_text_atomic
from ..holder.places import NODES
from ..plan_file import AllocatedNode
from ..slurm import commands

FILE = "addresses.json"
ANSWER_S = 60.0  # time limit for the nodes' answers

# Prints "srt-address node address" lines, the best guess first. $1 is an interface, or empty.
SCRIPT = """\
name=${SLURMD_NODENAME:-$(hostname -s)}
say() { for one in "$@"; do echo "srt-address $name ${one%%/*}"; done; }
PATH=$PATH:/usr/sbin:/sbin
if [ -n "$1" ]; then
  say $(ip -o -4 addr show dev "$1" 2>/dev/null | while read -r _ _ _ cidr _; do echo "$cidr"; done)
  say $(ip -o -6 addr show dev "$1" scope global 2>/dev/null | while read -r _ _ _ cidr _; do echo "$cidr"; done)
else
  say $(ip -o route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \\([^ ]*\\).*/\\1/p')
  say $(hostname -I 2>/dev/null)
fi
exit 0"""
# A site's TaskProlog may print lines before them, the last one perhaps unterminated.
LINE = re.compile(r"srt-address (\S+) (\S+)$", re.MULTILINE)


def usable(text: str) -> bool:
    """Return whether *text* is an address that other nodes can reach."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def best(candidates: Iterable[str]) -> str | None:
    """Return the best of *candidates*: the first private IPv4 address, else the first usable one, else None."""
    good = [text for text in candidates if usable(text)]
    private = [text for text in good if ":" not in text and ipaddress.ip_address(text).is_private]
    return next(iter(private or good), None)


def node_addresses(
    job_id: str,
    names: list[str],
    interface: str | None = None,
    groups: list[int] | None = None,
    folder: str | None = None,
) -> list[AllocatedNode]:
    """Return ``[{name, address}]`` of the nodes *names*; SlurmError names those without an address.

    :param interface: the network interface whose address is used.
    :param groups: sizes of the components of a heterogeneous job, in order of *names*.
    :param folder: run directory, where answers are kept so that nodes are queried once.
    """
    if not names:
        return []
    found = {} if interface else _from_slurm(names)
    if all(name in found for name in names):
        return [{"name": name, "address": found[name]} for name in names]
    kept = _kept(folder, interface, names)
    if kept:
        return kept
    found.update(_from_nodes(job_id, names, interface, groups))
    missing = [name for name in names if name not in found]
    if missing:
        where = f"no usable address on interface {interface}" if interface else "no usable address"
        verb = "Correct" if interface else "Set"
        raise SlurmError(f"{', '.join(missing[:8])}: {where}. {verb} network_interface in srtslurm.yaml.")
    records: list[AllocatedNode] = [{"name": name, "address": found[name]} for name in names]
    if folder and os.path.isdir(folder):
        text = json.dumps({"interface": interface, "nodes": records}, indent=1) + "\n"
        write_text_atomic(os.path.join(folder, FILE), text)
    return records


def began_with(folder: str, started_at: str | None) -> list[AllocatedNode]:
    """Return the records of the nodes that a job began with, [] if they are not known.

    :param started_at: when it began, by Slurm: a requeued job begins again, with other nodes.
    """
    kept = read_object(os.path.join(folder, NODES)) or {}
    return kept.get("nodes") or [] if started_at and kept.get("started_at") == started_at else []


def remember(folder: str, started_at: str | None, records: list[AllocatedNode]) -> None:
    """Keep the nodes that a job began with in its run directory, if it has one."""
    if started_at and os.path.isdir(folder) and began_with(folder, started_at) != records:
        text = json.dumps({"started_at": started_at, "nodes": records}, indent=1) + "\n"
        with contextlib.suppress(OSError):  # a full disk is found later, with a remedy
            write_text_atomic(os.path.join(folder, NODES), text)


def _from_slurm(names: list[str]) -> dict[str, str]:
    """Return {name: address} of the nodes for which Slurm has an address."""
    shown = commands.patiently(["scontrol", "--oneliner", "show", "node", ",".join(names)], check=False).stdout
    pairs = re.findall(r"^NodeName=(\S+) .*?NodeAddr=(\S+)", shown, re.M)
    return {name: address for name, address in pairs if usable(address)}


def _from_nodes(job_id: str, names: list[str], interface: str | None, groups: list[int] | None) -> dict[str, str]:
    """Return {name: address} as the nodes answer, in one step over all of them, or over those of each component."""
    answers: dict[str, list[str]] = {}
    begin = 0
    for group, size in enumerate(groups or [len(names)]):
        component = names[begin : begin + size]
        begin += size
        argv = ["srun", f"--jobid={job_id}", "--overlap", f"--nodes={len(component)}", f"--ntasks={len(component)}"]
        argv += ["--ntasks-per-node=1", f"--nodelist={','.join(component)}", "--mpi=none", "--job-name=srt_resolve"]
        argv += ["--input=none", *([f"--het-group={group}"] if groups else [])]
        argv += ["/bin/sh", "-c", SCRIPT, "addresses", interface or ""]
        done = commands.patiently(
            argv, patience_s=ANSWER_S + 1.0, timeout_s=ANSWER_S, check=False
        )  # also if it hangs once
        for name, address in LINE.findall(done.stdout):
            if name in component:
                answers.setdefault(name, []).append(address)
    chosen = {name: best(candidates) for name, candidates in answers.items()}
    return {name: address for name, address in chosen.items() if address}


def _kept(folder: str | None, interface: str | None, names: list[str]) -> list[AllocatedNode] | None:
    """Return the records of an earlier call for the same nodes and interface, or None."""
    kept = read_object(os.path.join(folder or "", FILE)) or {}
    records = kept.get("nodes") or []
    same = kept.get("interface") == interface and [one.get("name") for one in records] == names
    return records if same and all(usable(one.get("address")) for one in records) else None
