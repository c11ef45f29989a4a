# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The surroundings of a step's command: container, mounts, and the shell text that runs before it."""

from __future__ import annotations

from ..plan_file import Container
from ..services.dynamo_install import installs
from ..topology.layout import Layout
from ..topology.step import DraftStep
from . import preambles


def surround(step: DraftStep, layout: Layout, job_mounts: list[str]) -> None:
    """Set ``container``, ``mounts`` and the whole ``preamble`` of *step*, in place."""
    spec = layout.spec
    own_image, binds = step.pop("image", None), step.pop("binds", [])
    if layout.contained:
        image = own_image or spec["model"]["container"]
        if step["kind"] == "nginx":
            image = spec["frontend"]["nginx_container"]
        elif step["tier"] == "benchmark":
            image = spec["benchmark"]["container_image"] or image
        # Engines, frontends and installers write to their home and caches.
        container: Container = {"runtime": spec["cluster"]["container_runtime"], "image": image, "writable": True}
        if spec["resources"]["gpu_type"].lower().startswith("mi"):
            container["gpus"] = "rocm"
        # Installing packages and binding low ports needs root in the container.
        if step["kind"] == "nginx" or installs(spec) and step["tier"] in ("worker", "frontend"):
            container["remap_root"] = True
        if step["kind"] == "nginx":
            container["bash"] = False
        step["container"], step["mounts"] = container, list(dict.fromkeys([*job_mounts, *binds]))
    if spec["resources"]["het_jobs"]:
        step["srun_options"] = {**step["srun_options"], "het-group": layout.het_groups[step["nodes"][0]]}
    lines = [spec["cluster"]["default_bash_preamble"], *preambles.lines(step, layout), step["preamble"]]
    text = "\n".join(line.rstrip("\n") for line in lines if line)
    step["preamble"] = text or None
