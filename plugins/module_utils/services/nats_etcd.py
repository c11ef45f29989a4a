# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NATS and etcd on the infra node.

Both listen on the address that the job uses, and on no other. NATS wants the job's password; who may reach etcd may use
it, see docs/security.md.
"""

from __future__ import annotations

import shlex

from ..log_lines import PLAIN, LogLines
from ..plan_file import PlanFile
from ..schema.section import Field, port
from ..schema.types import Bool, Int
from ..secrets.references import JOB_PASSWORD
from ..topology.layout import Layout
from ..topology.step import DraftStep, http_check, in_private_dir, make_step, one_file, tcp_check
from .base import Service

NATS_CONFIG = "nats.conf"
ETCD_URL, NATS_URL = "ETCD_ENDPOINTS", "NATS_SERVER"  # the variables in which Dynamo's processes get the addresses
# Dynamo's clients read these variables; the server reads the password in its configuration from one of them.
NATS_LOGIN = {"NATS_AUTH_USERNAME": "srt", "NATS_AUTH_PASSWORD": JOB_PASSWORD}
ETCD_HEARTBEAT_MS = 10  # etcd wants at least five of them for an election, which is the wait before its first answer
NATS_AUTHORIZATION = "authorization {\n  user: srt\n  password: $NATS_AUTH_PASSWORD\n}\n"


class NatsEtcd(Service):
    fields = {
        "etcd_nats_dedicated_node": Field(Bool(), False, "A node for NATS and etcd alone."),
        "nats_max_payload_mb": Field(Int(1), None, "Largest NATS message in MiB."),
    }
    ports = {
        "nats": port(4222, "NATS."),
        "etcd": port(2379, "etcd."),
        "etcd_peer": port(2380, "etcd peers; on the loopback only."),
    }
    reached_by = frozenset((ETCD_URL, NATS_URL))
    log_lines = LogLines(
        fatal=(
            (PLAIN, "port", r"(?i:error listening on port)"),
            (PLAIN, "disk", r"mvcc: database space exceeded"),
        ),
        words=("exceeded", " c | ", " e | "),
        levels=(r"^[\d :.-]+ ([TDINWEC]) \| ",),  # of older versions of etcd
    )

    def steps(self, layout: Layout) -> list[DraftStep]:
        """Return the steps ``nats`` and ``etcd``.

        Their data is in a private directory on the node: it is not needed after the job, and a shared disk would slow
        down every etcd write.
        """
        address, node = layout.infra_address, layout.roles.infra
        preamble = _search_path(layout)
        ports = layout.ports
        nats = ["nats-server", "-js", "-sd", layout.private_dir("nats"), "-a", address, "-p", str(ports["nats"])]
        nats += ["-c", f"{layout.run_dir}/{NATS_CONFIG}"]
        client, peer = f"http://{address}:{ports['etcd']}", f"http://127.0.0.1:{ports['etcd_peer']}"
        etcd = [
            "etcd",
            *("--data-dir", layout.private_dir("etcd")),
            *("--listen-client-urls", client),
            *("--advertise-client-urls", client),
            # A single member: it needs a peer port, but nothing connects to it.
            *("--listen-peer-urls", peer),
            *("--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
            # It elects itself after the shortest wait that etcd permits: nobody competes with it.
            *("--heartbeat-interval", str(ETCD_HEARTBEAT_MS), "--election-timeout", str(5 * ETCD_HEARTBEAT_MS)),
        ]
        return [
            make_step(
                "nats",
                "head_infra",
                [node],
                in_private_dir(layout.private_dir("nats"), nats),
                dict(NATS_LOGIN),
                preamble=preamble,
                files=[NATS_CONFIG],
                ready=[tcp_check("nats", address, ports["nats"], ["nats"])],
            ),
            make_step(
                "etcd",
                "head_infra",
                [node],
                in_private_dir(layout.private_dir("etcd"), etcd),
                preamble=preamble,
                ready=[
                    http_check(
                        "etcd",
                        address,
                        ports["etcd"],
                        "/health",
                        ["etcd"],
                        expect=[{"label": "healthy", "path": "health", "equals": "true"}],
                    )
                ],
            ),
        ]

    def files(self, layout: Layout) -> list[PlanFile]:
        """Return nats.conf: the password, and the largest message if the job sets it. There are no options for them."""
        text, megabytes = NATS_AUTHORIZATION, layout.spec["infra"]["nats_max_payload_mb"]
        if megabytes:
            size = megabytes * 1024 * 1024
            text += f"max_payload: {size}\nmax_pending: {max(size, 64 * 1024 * 1024)}\n"
        return [one_file(NATS_CONFIG, text)]


def _search_path(layout: Layout) -> str:
    """Return the line that sets PATH: the site's programs first, Debian's directory last."""
    configs = layout.spec["cluster"]["configs_dir"]
    own = ("/configs" if layout.contained else configs) if configs else None
    first = shlex.quote(own) + ":" if own else ""
    return f'export PATH={first}"$PATH":/usr/sbin:/sbin'
