# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network links by netlink, without the ``ip`` program.

An ordinary user's anchor has its capabilities only until it runs another program, so links are made
in the process itself. Stdlib only: this file is also copied beside the anchor.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

RTM_NEWLINK, RTM_SETLINK, RTM_NEWADDR, NLMSG_ERROR = 16, 19, 20, 2
REQUEST_ACK, CREATE_EXCL = 0x1 | 0x4, 0x400 | 0x200
IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD = 3, 10, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFF_UP = 1


def attribute(kind: int, data: bytes) -> bytes:
    """Return one netlink attribute, padded to four bytes."""
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def _name(name: str) -> bytes:
    return attribute(IFLA_IFNAME, name.encode() + b"\0")


def _interface(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


class Netlink:
    """Links of the network namespace in which the object was made; each call raises OSError on failure."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def _request(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(struct.pack("=IHHII", len(body) + 16, kind, REQUEST_ACK | flags, self._sequence, 0) + body)
        answer = self._socket.recv(65536)
        _length, kind, _flags, _sequence, _pid, code = struct.unpack_from("=IHHIIi", answer)
        if kind == NLMSG_ERROR and code:
            raise OSError(-code, f"netlink: {os.strerror(-code)} ({errno.errorcode.get(-code)})")

    def add_bridge(self, name: str) -> None:
        """Make a bridge."""
        info = attribute(IFLA_INFO_KIND, b"bridge")
        self._request(RTM_NEWLINK, CREATE_EXCL, _interface() + _name(name) + attribute(IFLA_LINKINFO, info))

    def add_veth(self, name: str, peer: str, peer_namespace_fd: int) -> None:
        """Make a pair: *name* here, *peer* in the network namespace behind the descriptor."""
        other = _interface() + _name(peer) + attribute(IFLA_NET_NS_FD, struct.pack("=i", peer_namespace_fd))
        info = attribute(IFLA_INFO_KIND, b"veth") + attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, other))
        self._request(RTM_NEWLINK, CREATE_EXCL, _interface() + _name(name) + attribute(IFLA_LINKINFO, info))

    def set_link(self, name: str, up: bool = True, master: str | None = None) -> None:
        """Set a link up or down; with *master*, make it a port of that bridge."""
        body = _interface(socket.if_nametoindex(name), IFF_UP if up else 0, IFF_UP)
        if master:
            body += attribute(IFLA_MASTER, struct.pack("=i", socket.if_nametoindex(master)))
        self._request(RTM_SETLINK, 0, body)

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give the link an IPv4 address."""
        raw = socket.inet_aton(address)
        body = struct.pack("=BBBBi", socket.AF_INET, prefix, 0, 0, socket.if_nametoindex(name))
        self._request(RTM_NEWADDR, CREATE_EXCL, body + attribute(IFA_LOCAL, raw) + attribute(IFA_ADDRESS, raw))
