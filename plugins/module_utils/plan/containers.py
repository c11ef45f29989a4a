# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The surroundings of a step's command: container, mounts, and the shell text that runs before it."""

from __future__ import annotations

from ..job.preparation import installs
from . import preambles


def surround(step, layout, job_mounts):
    """Set ``container``, ``mounts`` and the whole ``preamble`` of *step*, in place.

    A step may already have ``container`` set to another image.
    """
    spec = layout.spec
    if layout.contained:
        image = step["container"] or spec["model"]["container"]
        if step["kind"] == "nginx":
            image = spec["frontend"]["nginx_container"]
        elif step["tier"] == "benchmark":
            image = spec["benchmark"]["container_image"] or image
        step["container"] = {"runtime": spec["cluster"]["container_runtime"], "image": image}
        if spec["resources"]["gpu_type"].lower().startswith("mi"):
            step["container"]["gpus"] = "rocm"
        # Installing packages and binding low ports needs root in the container.
        if step["kind"] == "nginx" or installs(spec) and step["tier"] in ("worker", "frontend"):
            step["container"]["remap_root"] = True
        step["mounts"] = list(job_mounts)
    else:
        step["container"] = None
    if spec["resources"]["het_jobs"]:
        step["srun_options"] = {**step["srun_options"], "het-group": layout.het_groups[step["nodes"][0]]}
    lines = [spec["cluster"]["default_bash_preamble"], *preambles.lines(step, layout), step["preamble"]]
    text = "\n".join(line.rstrip("\n") for line in lines if line)
    step["preamble"] = text or None
