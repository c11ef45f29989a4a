# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What surrounds a step's command: container, mounts, and the shell text that runs before it."""

from __future__ import annotations

import os
import shlex


def mounts(layout):
    """Return ``host:container[:options]`` of the job's container; a later mount of one container path wins."""
    spec = layout.spec
    table = {layout.run_dir: layout.run_dir, "/logs": f"{layout.run_dir}/logs"}
    if not spec["model"]["path"].startswith("hf:"):
        table["/model"] = spec["model"]["path"]
    if spec["cluster"]["configs_dir"]:
        table["/configs"] = spec["cluster"]["configs_dir"]
    for host, inside in spec["cluster"]["default_mounts"].items():
        table[inside] = host
    options = {}
    for text in spec["extra_mount"]:
        host, _colon, rest = text.partition(":")
        inside, _colon, mode = rest.partition(":")
        table[inside or host] = os.path.expanduser(host)
        if mode:
            options[inside or host] = mode
    for host, inside in spec["container_mounts"].items():
        table[inside] = host
    return [f"{host}:{inside}" + (f":{options[inside]}" if inside in options else "") for inside, host in table.items()]


def surround(step, layout, job_mounts):
    """Set ``container``, ``mounts`` and the whole ``preamble`` of *step*, in place."""
    spec = layout.spec
    if layout.contained:
        image = spec["model"]["container"]
        if step["name"] == "nginx":
            image = spec["frontend"]["nginx_container"]
        elif step["tier"] == "benchmark":
            image = spec["benchmark"]["container_image"] or image
        step["container"] = {"runtime": spec["cluster"]["container_runtime"], "image": image}
        step["mounts"] = list(job_mounts)
    lines = [spec["cluster"]["default_bash_preamble"]]
    if spec["setup_script"] and (step["tier"] == "worker" or step["name"].startswith("frontend_")):
        folder = "/configs" if layout.contained else spec["cluster"]["configs_dir"]
        lines.append(f"bash {shlex.quote(f'{folder}/{script_path(spec)}')} || exit 1")
    lines.append(step["preamble"])
    text = "\n".join(line.rstrip("\n") for line in lines if line)
    step["preamble"] = text or None


def script_path(spec):
    """Return the setup script's path below configs_dir."""
    return os.path.normpath(spec["setup_script"])
