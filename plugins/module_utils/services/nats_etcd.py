# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NATS and etcd on the infra node, and the environment that connects the service to them."""

from __future__ import annotations

import shlex

from ..log_lines import PLAIN, LogLines
from ..topology.options import Option
from ..topology.step import http_check, in_private_dir, make_step, one_file, tcp_check

NATS_CONFIG = "nats.conf"
LINES = LogLines(
    fatal=(
        (PLAIN, "port", r"(?i:error listening on port)"),
        (PLAIN, "disk", r"mvcc: database space exceeded"),
    ),
    words=("exceeded",),
)

# Info, but without the lines that each request causes in frontends and workers.
QUIET_LOG = ",".join(
    [
        "info",
        "dynamo_llm::http::service=warn",
        "dynamo_kv_router::scheduling=warn",
        "dynamo_runtime::pipeline::network::ingress::push_handler=warn",
    ]
)


def wiring(layout):
    """Return the environment of every process that joins the dynamo runtime, with the origins of its values."""
    dynamo = layout.spec["dynamo"]
    env = {
        "ETCD_ENDPOINTS": f"http://{layout.infra_address}:{layout.ports['etcd']}",
        "NATS_SERVER": f"nats://{layout.infra_address}:{layout.ports['nats']}",
        "DYN_REQUEST_PLANE": Option("DYN_REQUEST_PLANE", dynamo["request_plane"], ("dynamo", "request_plane")),
        "DYN_SDK_DISABLE_ANSI_LOGGING": "1",
        "DYN_LOG": QUIET_LOG,
        "DYN_SKIP_SGLANG_LOG_FORMATTING": "1",
    }
    if dynamo["event_plane"]:
        env["DYN_EVENT_PLANE"] = Option("DYN_EVENT_PLANE", dynamo["event_plane"], ("dynamo", "event_plane"))
    return env


def infra_steps(layout):
    """Return the steps ``nats`` and ``etcd``.

    Their data is in a private directory on the node: it is not needed after the job, and a shared disk would slow
    down every etcd write.
    """
    address, node = layout.infra_address, layout.roles.infra
    preamble = _search_path(layout)
    ports = layout.ports
    nats = ["nats-server", "-js", "-sd", layout.private_dir("nats"), "-p", str(ports["nats"])]
    files = nats_files(layout)
    if files:
        nats += ["-c", f"{layout.run_dir}/{NATS_CONFIG}"]
    client, peer = f":{ports['etcd']}", f"http://127.0.0.1:{ports['etcd_peer']}"
    etcd = [
        "etcd",
        *("--data-dir", layout.private_dir("etcd")),
        *("--listen-client-urls", f"http://0.0.0.0{client}"),
        *("--advertise-client-urls", f"http://{address}{client}"),
        # A single member: it needs a peer port, but nothing connects to it.
        *("--listen-peer-urls", peer),
        *("--initial-advertise-peer-urls", peer),
        *("--initial-cluster", f"default={peer}"),
    ]
    return [
        make_step(
            "nats",
            "head_infra",
            [node],
            in_private_dir(layout.private_dir("nats"), nats),
            preamble=preamble,
            files=[one["path"] for one in files],
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


def nats_files(layout):
    """Return nats.conf if the job sets the largest message, for which there is no option."""
    megabytes = layout.spec["infra"]["nats_max_payload_mb"]
    if not megabytes:
        return []
    size = megabytes * 1024 * 1024
    text = f"max_payload: {size}\nmax_pending: {max(size, 64 * 1024 * 1024)}\n"
    return [one_file(NATS_CONFIG, text)]


def _search_path(layout):
    """Return the line that sets PATH: the site's programs first, Debian's directory last."""
    configs = layout.spec["cluster"]["configs_dir"]
    own = ("/configs" if layout.contained else configs) if configs else None
    first = shlex.quote(own) + ":" if own else ""
    return f'export PATH={first}"$PATH":/usr/sbin:/sbin'
