# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of a node, and the one that its name stands for. Standard library, Python 3.8."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import sys
from typing import Any, TypedDict

SIOCGIFADDR = 0x8915


class Addresses(TypedDict, total=False):
    """``[interface, IPv4 address]`` of each that has one, and what the name of the node stands for."""

    addresses: list[list[str]]
    resolved: str | None
    python: str


def addresses_of(name: str) -> Any:
    """Return the Addresses of this node, whose name is *name*, and the version of its Python."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for _number, interface in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(one, SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
                found.append([interface, socket.inet_ntoa(answer[20:24])])
    resolved = None
    with contextlib.suppress(OSError):
        resolved = socket.gethostbyname(name)
    return {"addresses": found, "resolved": resolved, "python": ".".join(map(str, sys.version_info[:3]))}
