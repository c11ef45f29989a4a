# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders in values of a job, such as ``{job_id}``, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .layout import Layout

NAMES = ("job_id", "run_name", "head_node_ip", "log_dir", "model_path", "container_image", "gpus_per_node")
PLACEHOLDER = re.compile(r"(?<!\$)\{([^{}]*)\}")  # ${NAME} is a variable


def values_of(layout: Layout) -> dict[str, str]:
    """Return the values of the placeholders, by name."""
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


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with its placeholders replaced; KeyError for an unknown one."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], text) if "{" in text else text


def fill_command(text: str, values: Mapping[str, str]) -> str:
    """Return the shell command *text* with the placeholders of *values* replaced; other braces are the shell's."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
