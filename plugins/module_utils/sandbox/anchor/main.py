# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that holds a sandbox: it makes the namespaces, writes down what it made, and waits.

Runs as a program of its own (``python3 <sandbox>/lib/anchor SETUP.json``). Namespaces live as long as a process or an
open descriptor holds them: the control namespaces are the anchor's own, those of the nodes are its descriptors, so a
node keeps its address while its slurmd is down. Nothing is ever made in the namespaces of the host.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any, NoReturn, TypedDict

from .netlink import Netlink

CLONE = {"mnt": 0x00020000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000, "net": 0x40000000}
NODE_KINDS = ("net", "uts", "ipc", "mnt")
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19
PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
BRIDGE = "srt0"


class Namespace(TypedDict):
    """A namespace that the anchor holds open: its descriptor there, and its inode number."""

    fd: int
    id: int


class AnchorRecord(TypedDict):
    """What the anchor publishes once all is made: who it is, and the namespaces by node and kind.

    ``start_ticks`` is its start time in clock ticks since boot. ``user_namespace``: it needed one of its own.
    """

    token: str
    pid: int
    start_ticks: int
    user_namespace: bool
    control: dict[str, Namespace]
    nodes: dict[str, dict[str, Namespace]]


_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(*kinds: str) -> None:
    """Move this process into new namespaces of the kinds named."""
    flags = 0
    for kind in kinds:
        flags |= CLONE[kind]
    _call(f"unshare({', '.join(kinds)})", _libc.unshare(flags))


def setns(descriptor: int, kind: str) -> None:
    """Move this process into the namespace behind *descriptor*."""
    _call(f"setns({kind})", _libc.setns(descriptor, CLONE[kind]))


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    words = [None if text is None else text.encode() for text in (source, target, kind, data)]
    result = _libc.mount(*words[:3], ctypes.c_ulong(flags), words[3])
    _call(f"mount({source}, {target})", result)


def link_name(index: int) -> str:
    """Return the name of the bridge's end of the link of node *index* (from 0)."""
    return f"v{index + 1}"


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


def new_user_namespace() -> None:
    """Gain the right to make namespaces; the user stays who he is inside."""
    uid, gid = os.geteuid(), os.getegid()
    unshare("user")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def _open_all(kinds: Iterable[str]) -> dict[str, int]:
    return {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds}


def make_control(setup: dict[str, Any]) -> bool:
    """Enter the control namespaces and furnish them. Return True if that took a user namespace."""
    by_user_namespace = False
    try:
        unshare(*NODE_KINDS)
    except PermissionError:
        new_user_namespace()
        by_user_namespace = True
        unshare(*NODE_KINDS)
    mount("none", "/", None, MS_REC | MS_SLAVE)
    mount(setup["hosts_file"], "/etc/hosts", None, MS_BIND)
    for path in setup["gpu_files"]:
        mount("/dev/null", path, None, MS_BIND)
    disk = setup["small_disk"]
    if disk["mb"]:  # before the nodes' namespaces are made from this one: so it is one disk for all
        mount("tmpfs", disk["path"], "tmpfs", 0, f"mode=1777,size={disk['mb']}m")
    _libc.sethostname(setup["control"]["name"].encode(), len(setup["control"]["name"]))
    with Netlink() as links:
        links.set_link("lo")
        links.add_bridge(BRIDGE)
        links.add_address(BRIDGE, setup["control"]["address"], setup["prefix"])
        links.set_link(BRIDGE)
    return by_user_namespace


def make_node(node: dict[str, str], index: int, prefix: int, control: dict[str, int]) -> dict[str, int]:
    """Make one node's namespaces from the control namespaces, return to those, and return the descriptors."""
    unshare(*NODE_KINDS)
    opened = _open_all(NODE_KINDS)
    _libc.sethostname(node["name"].encode(), len(node["name"]))
    mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777")
    with Netlink() as links:
        links.set_link("lo")
        links.add_veth("eth0", link_name(index), control["net"])
        links.add_address("eth0", node["address"], prefix)
        links.set_link("eth0")
    for kind in NODE_KINDS:
        setns(control[kind], kind)
    with Netlink() as links:
        links.set_link(link_name(index), master=BRIDGE)
    return opened


def describe(opened: dict[str, int]) -> dict[str, Namespace]:
    """Return ``{kind: {fd, id}}`` of open namespaces; id is the inode number that /proc/PID/ns shows."""
    return {kind: {"fd": fd, "id": os.fstat(fd).st_ino} for kind, fd in opened.items()}


def start_ticks(pid: int | str = "self") -> int:
    """Return the start time of a process in clock ticks since boot: with the pid it names one process for good."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
        return int(stream.read().rpartition(")")[2].split()[19])


def _publish(path: str, record: AnchorRecord) -> None:
    with open(path + ".new", "w", encoding="ascii") as stream:
        json.dump(record, stream)
    os.replace(path + ".new", path)


def main(argv: list[str] | None = None) -> NoReturn:
    """Make everything, publish the record, wait for SIGTERM."""
    (path,) = sys.argv[1:] if argv is None else argv
    with open(path, encoding="utf-8") as stream:
        setup = json.load(stream)
    with open(setup["state_file"], encoding="utf-8") as stream:
        if json.load(stream)["token"] != setup["token"]:
            raise SystemExit("this sandbox was started anew meanwhile")
    signal.signal(signal.SIGTERM, lambda *_args: os._exit(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _libc.prctl(PR_SET_NAME, b"srt-sandbox", 0, 0, 0)
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.chdir("/")
    by_user_namespace = make_control(setup)
    control = _open_all(NODE_KINDS + (("user",) if by_user_namespace else ()))
    nodes = {}
    for index, node in enumerate(setup["nodes"]):
        nodes[node["name"]] = describe(make_node(node, index, setup["prefix"], control))
    _publish(
        setup["record_file"],
        {
            "token": setup["token"],
            "pid": os.getpid(),
            "start_ticks": start_ticks(),
            "user_namespace": by_user_namespace,
            "control": describe(control),
            "nodes": nodes,
        },
    )
    while True:
        signal.pause()
