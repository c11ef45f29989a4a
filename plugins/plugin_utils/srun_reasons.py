# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a node of a job cannot be reached, as Slurm knows it."""

from __future__ import annotations

import re

from ansible_collections.srt.slurm.plugins.module_utils.failures import SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.holder.slurm_calls import (
    FINAL,
    LEAVING,
    SUSPENDED_STATES,
    UNANSWERED,
)
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

NOT_THERE = re.compile("Requested node configuration is not available|Invalid node name specified")
NO_CONTAINERS = re.compile("unrecognized option '--container-")


def reason(place, text):
    """Return *text* with what Slurm says of the job and the node of *place*, and with what to do."""
    found = f"{place.node} (job {place.job_id}): {text.rstrip('. ')}."
    if NO_CONTAINERS.search(text):
        return f"{found} This Slurm lacks pyxis: leave ansible_srun_container_image out."
    if UNANSWERED.search(text):
        return f"{found} Is slurmctld up? (scontrol ping)"
    try:
        fields = commands.show_job(place.job_id)
        nodes = commands.hostnames(fields["NodeList"]) if fields.get("NodeList", "(null)") != "(null)" else []
    except SlurmError as error:
        return f"{found} {error.msg}"
    state = fields.get("JobState")
    if state is None:
        return f"{found} Slurm does not know job {place.job_id}: it ended some time ago, or is of another cluster."
    if state in FINAL or state in LEAVING:
        return f"{found} The job is over: {commands.end_text(fields)}."
    if state in SUSPENDED_STATES:
        return f"{found} The job is {state.lower()}; it goes on when Slurm resumes it."
    if place.node not in nodes and not place.het_group:
        there = f"Its nodes are {fields['NodeList']}" if nodes else "It has no nodes"
        return f"{found} The job is {state}. {there}: set ansible_srun_node to one of them."
    if NOT_THERE.search(text):
        how = commands.node_states([place.node]).get(place.node, ("unknown", ""))[0]
        return f"{found} The job is {state}, and the node is {how}."
    return f"{found} The job is {state}."
