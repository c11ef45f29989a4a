# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounts of the job's containers. Each path inside has one source, the last one in this order:

the run directory and its logs, the model, the directory it is staged to, configs_dir, the cluster file's
default_mounts, the job's extra_mount, and last its container_mounts.
"""

from __future__ import annotations

import os
import re

from ..failures import Error
from ..slurm.options import mount_fault
from ..topology.layout import Layout
from ..topology.placeholders import fill, values_of

# In Hugging Face's cache. Its files are links to ../../blobs, which /model resolves to /blobs.
SNAPSHOT = re.compile(r"(.*/models--[^/]+)/snapshots/[^/]+/*")


def mounts(layout: Layout) -> list[str]:
    """Return ``host:container[:options]`` of the job's containers."""
    return [text for text, _origin in mount_table(layout)]


def mount_table(layout: Layout) -> list[tuple[str, str]]:
    """Return ``[(mount, its key in the job)]`` in the order in which their paths first appear."""
    spec = layout.spec
    table: dict[str, tuple[str, str, str]] = {}

    values = values_of(layout)

    def mount(host: str, inside: str, origin: str) -> None:
        inside, _colon, options = inside.partition(":")
        if origin == "container_mounts":
            host, inside = fill(host, values), fill(inside, values)
        for text in (host, inside, options):
            # An imaginary node's address has a colon.
            fault = mount_fault(text.replace("<addr:", "<"), spec["cluster"]["container_runtime"])
            if fault and layout.contained:
                raise Error(f"has the mount {text}, which {fault[0]} {fault[1]}", key=origin)
        # Paths are compared without the final slash, except for "/".
        table[inside.rstrip("/") or "/"] = (host, options, origin)

    mount(layout.run_dir, layout.run_dir, "the run directory")
    mount(f"{layout.run_dir}/logs", "/logs", "the run directory")
    if not spec["model"]["path"].startswith("hf:"):
        mount(spec["model"]["path"], "/model", "model.path")
        snapshot = SNAPSHOT.fullmatch(spec["model"]["path"])
        if snapshot:
            mount(f"{snapshot[1]}/blobs", "/blobs", "model.path")
    if layout.staged_model:
        # The directory may not exist yet; its parent does, unless that is /.
        folder = spec["model"]["stage_dir"].rstrip("/")
        folder = os.path.dirname(folder) if os.path.dirname(folder) != "/" else folder
        mount(folder, folder, "model.stage_dir")
    if spec["cluster"]["configs_dir"]:
        mount(spec["cluster"]["configs_dir"], "/configs", "cluster.configs_dir")
    for host, inside in spec["cluster"]["default_mounts"].items():
        mount(host, inside, "cluster.default_mounts")
    for text in spec["extra_mount"]:
        host, _colon, inside = text.partition(":")
        mount(host, inside or host, "extra_mount")
    for host, inside in spec["container_mounts"].items():
        mount(host, inside, "container_mounts")
    return [
        (f"{host}:{inside}" + (f":{options}" if options else ""), origin)
        for inside, (host, options, origin) in table.items()
    ]


def listed(layout: Layout) -> str:
    """Return the mounts of the job's containers with their keys in the job, one per line; empty without mounts."""
    return "".join(f"{mount}  # {key}\n" for mount, key in mount_table(layout)) if layout.contained else ""
