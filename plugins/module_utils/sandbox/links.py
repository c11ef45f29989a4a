# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network links of the nodes, as a process inside the sandbox's own namespaces sees them."""

from __future__ import annotations

import os

from .anchor import main as anchor
from .anchor import netlink
from .anchor.main import AnchorRecord


def changed(record: AnchorRecord, link: str, up: bool) -> bool:
    """Set *link* up or down; return whether that was possible. A child does it, which enters the namespaces."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            control = record["control"]
            for kind in ("user", "net"):
                if kind in control:
                    handle = os.open(f"/proc/{record['pid']}/fd/{control[kind]['fd']}", os.O_RDONLY)
                    anchor.setns(handle, kind)
            with netlink.Netlink() as links:
                links.set_link(link, up)
            code = 0
        except OSError as error:
            os.write(2, f"sandbox: {error}\n".encode())
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0
