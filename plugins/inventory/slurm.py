# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory of the nodes of a planned Slurm job."""

from __future__ import annotations

DOCUMENTATION = r"""
name: slurm
short_description: The nodes of a Slurm job as inventory
version_added: 0.1.0
author:
  - srt.slurm developers (@srt-slurm)
description:
  - Reads the plan in the run directory of a job and offers its nodes as hosts, in the groups C(srt_nodes),
    C(srt_head), C(srt_infra), C(srt_prefill), C(srt_decode), C(srt_agg), C(srt_frontend) and C(srt_bench).
  - Every host has the variable C(srt_slurm_run) with the job id and the path of the plan, so that a stage of
    C(bench.yml) can be run against some of the nodes with C(--limit).
  - Without a run directory the inventory is empty.
options:
  plugin:
    description: Must be V(srt.slurm.slurm).
    required: true
    choices: [srt.slurm.slurm]
  run_dir:
    description: The run directory of the job.
    type: path
    env:
      - name: SRT_SLURM_RUN_DIR
  job_id:
    description: The job, looked up as a directory below O(output_dir). Used when O(run_dir) is not given.
    type: str
    env:
      - name: SRT_SLURM_JOB_ID
      - name: SLURM_JOB_ID
  output_dir:
    description: Parent of the run directories. Without O(run_dir) and O(job_id), its newest run (C(latest)) is taken.
    type: path
    default: outputs
    env:
      - name: SRT_SLURM_OUTPUT_DIR
extends_documentation_fragment:
  - ansible.builtin.constructed
"""

EXAMPLES = r"""
# job.slurm.yml: the newest run below ./outputs, or the one that SRT_SLURM_RUN_DIR names
plugin: srt.slurm.slurm
output_dir: outputs
# Restart the workers of one node:
#   ansible-playbook -i job.slurm.yml bench.yml -e job_file=job.yaml --tags worker --limit node003
"""

import os

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.srt.slurm.plugins.module_utils.allocation.run_directory import latest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import PLAN, load_plan


class InventoryModule(BaseInventoryPlugin, Constructable):
    """Hosts and groups from plan.json."""

    NAME = "srt.slurm.slurm"

    def verify_file(self, path):
        """Accept files whose name ends in slurm.yml or slurm.yaml."""
        return super().verify_file(path) and path.endswith(("slurm.yml", "slurm.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Fill *inventory* from the plan that the options name."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        run_dir = self.get_option("run_dir")
        output_dir = self.get_option("output_dir")
        if not run_dir:
            job_id = self.get_option("job_id")
            run_dir = os.path.join(output_dir, job_id) if job_id else latest(output_dir)
        plan_path = os.path.join(run_dir, PLAN)
        if not os.path.exists(plan_path):
            return
        try:
            plan = load_plan(plan_path)
        except Error as error:
            raise AnsibleParserError(str(error)) from error
        run = {
            "job_id": plan["job_id"],
            "plan_path": os.path.realpath(plan_path),
            "output_dir": os.path.dirname(plan["run_dir"]),
        }
        for node in plan["nodes"]:
            self.inventory.add_host(node["name"])
            self.inventory.set_variable(node["name"], "srt_slurm_run", run)
            self.inventory.set_variable(node["name"], "srt_slurm_address", node["address"])
        for group, members in plan["groups"].items():
            self.inventory.add_group(group)
            for member in members:
                self.inventory.add_child(group, member)
        strict = self.get_option("strict")
        for node in plan["nodes"]:
            hostvars = inventory.get_host(node["name"]).get_vars()
            self._set_composite_vars(self.get_option("compose"), hostvars, node["name"], strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), hostvars, node["name"], strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), hostvars, node["name"], strict=strict)
