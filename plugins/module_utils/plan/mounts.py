# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounts of the job's containers. Each path inside has one source, the last one in this order:

the run directory and its logs, the model, the directory it is staged to, configs_dir, the cluster file's
default_mounts, the job's extra_mount, and last its container_mounts.
"""

from __future__ import annotations

import os

from ..job.paths import PLACEHOLDER


def mounts(layout):
    """Return ``host:container[:options]`` of the job's containers."""
    return [text for text, _origin in mount_table(layout)]


def mount_table(layout):
    """Return ``[(mount, its key in the job)]`` in the order in which their paths first appear."""
    spec, table = layout.spec, {}

    def mount(host, inside, origin):
        inside, _colon, options = inside.partition(":")
        # Paths are compared without the final slash, except for "/".
        table[inside.rstrip("/") or "/"] = (host, options, origin)

    mount(layout.run_dir, layout.run_dir, "the run directory")
    mount(f"{layout.run_dir}/logs", "/logs", "the run directory")
    if not spec["model"]["path"].startswith("hf:"):
        mount(spec["model"]["path"], "/model", "model.path")
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
    values = placeholders(layout) if spec["container_mounts"] else {}
    for host, inside in spec["container_mounts"].items():
        mount(fill(host, values), fill(inside, values), "container_mounts")
    return [
        (f"{host}:{inside}" + (f":{options}" if options else ""), origin)
        for inside, (host, options, origin) in table.items()
    ]


def listed(layout):
    """Return the mounts of the job's containers with their keys in the job, one per line; empty without mounts."""
    return "".join(f"{mount}  # {key}\n" for mount, key in mount_table(layout)) if layout.contained else ""


def placeholders(layout):
    """Return the values of the placeholders of container_mounts."""
    spec = layout.spec
    return {
        "job_id": layout.job_id,
        "run_name": f"{spec['name']}_{layout.job_id}",
        "head_node_ip": layout.head_address,
        "log_dir": f"{layout.run_dir}/logs",
        "model_path": spec["model"]["path"],
        "container_image": spec["model"]["container"],
        "gpus_per_node": str(spec["resources"]["gpus_per_node"]),
    }


def fill(text, values):
    """Return *text* with its placeholders replaced."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], text) if "{" in text else text
