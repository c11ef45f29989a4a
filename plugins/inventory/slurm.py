# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory of the nodes of a planned Slurm job."""

from __future__ import annotations

DOCUMENTATION = r"""
name: slurm
short_description: The nodes of Slurm jobs as inventory
version_added: 0.1.0
author:
  - srt.slurm developers (@srt-slurm)
description:
  - Reads the plan in the run directory of a job and offers its nodes as hosts, in the groups C(srt_nodes),
    C(srt_head), C(srt_infra), C(srt_prefill), C(srt_decode), C(srt_agg), C(srt_frontend), C(srt_bench) and
    C(srt_job_ID), with the id of the job.
  - The nodes are reached through Slurm (P(srt.slurm.srun#connection)), so other playbooks and ad-hoc commands work on
    them without ssh.
  - "Variables of a host: C(ansible_host), its address; C(ansible_connection); C(ansible_srun_node) and
    C(ansible_srun_job_id), and in a heterogeneous job C(ansible_srun_het_group); C(srt_slurm_run) with the job id and
    the path of the plan, so that a stage of C(bench.yml) can be run against some of the nodes with C(--limit)."
  - Without any run below O(output_dir), and without a plan of the job O(job_id), the inventory is empty.
options:
  plugin:
    description: Must be V(srt.slurm.slurm).
    required: true
    choices: [srt.slurm.slurm]
  runs:
    description:
      - Several runs, each a job id, looked up as a directory below O(output_dir), or the path of a run directory.
        Then O(run_dir) and O(job_id) do not count.
      - A node that belongs to several of the runs is a host of each, called C(NODE_ID) with the id of the job.
      - C(bench.yml) needs the inventory of one run.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
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
  connection:
    description: The C(ansible_connection) of the nodes, such as V(ansible.builtin.ssh). If it is empty, none is set.
    type: str
    default: srt.slurm.srun
    version_added: 0.2.0
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
"""

EXAMPLES = r"""
# job.slurm.yml: the newest run below ./outputs, or the one that SRT_SLURM_RUN_DIR names
plugin: srt.slurm.slurm
output_dir: outputs
# Facts of all nodes, and a command on those that decode:
#   ansible -i job.slurm.yml srt_nodes -m ansible.builtin.setup
#   ansible -i job.slurm.yml srt_decode -m ansible.builtin.command -a nvidia-smi
# Restart the workers of one node:
#   ansible-playbook -i job.slurm.yml bench.yml -e job_file=job.yaml --tags worker --limit node003

---
# Two runs, a variable and groups of one's own
plugin: srt.slurm.slurm
output_dir: /shared/outputs
runs: [4711, 4712]
compose:
  ansible_python_interpreter: "'/shared/tools/bin/python3'"
groups:
  first_racks: inventory_hostname is match('node00[1-4]')
keyed_groups:
  - key: srt_slurm_run.job_id
    prefix: job
"""

import collections
import hashlib
import os

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.srt.slurm.plugins.module_utils.allocation.run_directory import latest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import PLAN, load_plan


def read_run(folder):
    """Return what the plan in the run directory *folder* says of its nodes; Error if it cannot be read.

    ``{"job_id", "nodes": [{"name", "address"}], "groups": {group: [node]}, "het_groups": {node: number},
    "run": {"job_id", "plan_path", "output_dir"}}``
    """
    path = os.path.join(folder, PLAN)
    plan = load_plan(path)
    parts = plan["parts"] if len(plan["parts"]) > 1 else []
    return {
        "job_id": plan["job_id"],
        "nodes": [{"name": node["name"], "address": node["address"]} for node in plan["nodes"]],
        "groups": plan["groups"],
        "het_groups": {node: str(number) for number, nodes in enumerate(parts) for node in nodes},
        "run": {
            "job_id": plan["job_id"],
            "plan_path": os.path.realpath(path),
            "output_dir": os.path.dirname(plan["run_dir"]),
        },
    }


def host_names(runs):
    """Return ``{(job id, node): name of the host}`` for what :func:`read_run` found."""
    pairs = [(run["job_id"], node["name"]) for run in runs for node in run["nodes"]]
    jobs = collections.Counter(name for _job_id, name in pairs)
    return {(job_id, name): name if jobs[name] == 1 else f"{name}_{job_id}" for job_id, name in pairs}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Hosts and groups from plan.json."""

    NAME = "srt.slurm.slurm"

    def verify_file(self, path):
        """Accept files whose name ends in slurm.yml or slurm.yaml."""
        return super().verify_file(path) and path.endswith(("slurm.yml", "slurm.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Fill *inventory* from the plans that the options name."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self.load_cache_plugin()
        try:
            folders = self._folders()
            runs = self._read(folders, f"{self.get_cache_key(path)}_{_digest(folders)}", cache)
        except Error as error:
            raise AnsibleParserError(str(error)) from error
        doubled = [job for job, count in collections.Counter(run["job_id"] for run in runs).items() if count > 1]
        if doubled:
            raise AnsibleParserError(f"runs: job {doubled[0]} is there twice. Name each run once.")
        names = host_names(runs)
        for run in runs:
            self._add(run, {node: name for (job_id, node), name in names.items() if job_id == run["job_id"]})
        for name in names.values():
            self._construct(name)

    def _folders(self):
        """Return the run directories; [] if there is no run yet. Error if one that is named has no plan."""
        output_dir = self.get_option("output_dir")
        named = [one if os.sep in one else os.path.join(output_dir, one) for one in map(str, self.get_option("runs"))]
        if not named and self.get_option("run_dir"):
            named = [self.get_option("run_dir")]
        for folder in named:
            if not os.path.exists(os.path.join(folder, PLAN)):
                raise Error(f"{folder} has no {PLAN}: it is not the directory of a run, or the run has no nodes yet.")
        if named:
            return [os.path.realpath(folder) for folder in named]
        job_id = self.get_option("job_id")
        folder = os.path.realpath(os.path.join(output_dir, job_id) if job_id else latest(output_dir))
        return [folder] if os.path.exists(os.path.join(folder, PLAN)) else []

    def _read(self, folders, key, cache):
        """Return what the plans say, from the cache if that is wanted and allowed."""
        if not self.get_option("cache"):
            return [read_run(folder) for folder in folders]
        if not cache or key not in self._cache:
            self._cache[key] = [read_run(folder) for folder in folders]
        return self._cache[key]

    def _add(self, run, names):
        """Add the hosts of a run, called *names*, ``{node: name}``, and its groups."""
        own_group = self.inventory.add_group(f"srt_job_{run['job_id']}")
        for node in run["nodes"]:
            host = names[node["name"]]
            self.inventory.add_host(host, group=own_group)
            variables = {
                "ansible_host": node["address"],
                "ansible_connection": self.get_option("connection"),
                "ansible_srun_node": node["name"],
                "ansible_srun_job_id": run["job_id"],
                "ansible_srun_het_group": run["het_groups"].get(node["name"]),
                "srt_slurm_address": node["address"],
                "srt_slurm_run": run["run"],
            }
            for name, value in variables.items():
                if value:
                    self.inventory.set_variable(host, name, value)
        for group, members in run["groups"].items():
            self.inventory.add_group(group)
            for member in members:
                self.inventory.add_child(group, names[member])

    def _construct(self, host):
        strict = self.get_option("strict")
        variables = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        variables = self.inventory.get_host(host).get_vars()  # groups may go by what was composed
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


def _digest(folders):
    return hashlib.sha256("\0".join(folders).encode("utf-8", "surrogateescape")).hexdigest()[:12]
