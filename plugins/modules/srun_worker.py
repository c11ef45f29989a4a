#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module srun_worker: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: srun_worker
short_description: Start, stop or restart the steps of one stage of a job
version_added: 0.1.0
description:
  - Takes all steps of a stage at once and starts those that do not run as planned. A step that runs with the same
    digest is kept, one with another digest is replaced, one that has ended is started again.
  - The processes live inside the job under its holder. They continue when this module, or the controller, ends.
  - Ends running steps of the stage that are no longer in the plan, unless O(names) is given.
  - V(started) and V(restarted) wait until Slurm runs the steps, and until their own readiness checks (such as the ports
    of NATS and etcd) pass. See M(srt.slurm.health_wait) for the service as a whole.
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  tier:
    description: The stage. The default is all steps of the plan.
    type: str
    choices: [head_infra, worker, frontend, benchmark]
  hosts:
    description: Only steps that run on one of these nodes. Empty means all.
    type: list
    elements: str
    default: []
  names:
    description: Only steps with these names. Empty means all.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(started) starts what does not run as planned.
      - V(stopped) ends the steps. Their processes get SIGTERM, and SIGKILL after their grace period.
      - V(restarted) replaces the steps even if they run as planned.
    type: str
    choices: [started, stopped, restarted]
    default: started
  job_id:
    description: The job of the plan. It is an error if the plan is for another job.
    type: str
  wait_timeout_s:
    description: Seconds that the steps may take to run and to be ready. Not used with O(state=stopped).
    type: float
    default: 120.0
attributes:
  check_mode:
    details: >-
      Compares the plan with the running steps and returns V(start), V(keep), V(replace), V(adopt) or V(stop) for each.
    support: full
  diff_mode:
    details: Shows the srun line and the environment of each step that is started.
    support: full
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.topology_plan
  - module: srt.slurm.health_wait
"""

EXAMPLES = r"""
- name: Start the workers
  srt.slurm.srun_worker:
    plan_path: "{{ plan.plan_path }}"
    tier: worker
  register: workers

- name: Replace the workers of one node
  srt.slurm.srun_worker:
    plan_path: "{{ plan.plan_path }}"
    tier: worker
    hosts: [node003]
    state: restarted

- name: Stop the frontends
  srt.slurm.srun_worker:
    plan_path: "{{ plan.plan_path }}"
    tier: frontend
    state: stopped
"""

RETURN = r"""
steps:
  description: One record per chosen step, in the order of the plan, then the steps that were removed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the step.
      type: str
      sample: decode_0
    tier:
      description: Its stage.
      type: str
      sample: worker
    node:
      description: Its first node.
      type: str
      sample: node003
    nodes:
      description: All its nodes.
      type: list
      elements: str
    step_id:
      description: Slurm's id of the step, null until it runs.
      type: str
      sample: "4711.5"
    state:
      description: V(absent), V(starting), V(running), V(unowned) or V(ended).
      type: str
      sample: running
    attempt:
      description: Number of the step attempt in this job, from 1.
      type: int
      sample: 1
    log:
      description: Path of its log on its first node.
      type: str
      sample: /shared/outputs/4711/logs/node003_decode_0.out
    changed:
      description: Whether the module changed the step.
      type: bool
    action:
      description: >-
        V(started), V(replaced), V(kept), V(adopted), V(stopped), V(absent) or V(removed); in check mode V(start),
        V(replace), V(keep), V(adopt), V(stop), V(absent).
      type: str
      sample: kept
evidence:
  description: Evidence of the critical steps that ended.
  returned: when a critical step ended
  type: list
  elements: dict
  contains:
    step:
      description: Name of the step.
      type: str
    node:
      description: The node where it failed.
      type: str
    exit_code:
      description: Its exit code, null when a signal ended it.
      type: int
    signal:
      description: The signal that ended it.
      type: int
    reason:
      description: How it ended, in words.
      type: str
    attempt:
      description: Number of the step attempt.
      type: int
    end_code:
      description: How it ended, as in RV(srt.slurm.run_info#module:steps).
      type: str
    kind:
      description: Kind of fault according to the log, such as V(gpu), V(nccl), V(port), V(usage) or V(node).
      type: str
    retryable:
      description: Whether the same step may succeed on another node.
      type: bool
    permanent:
      description: Whether it would end in the same way again, so that the holder does not restart it.
      type: bool
    fatal:
      description: The line of the log that explains the fault best, null if none does.
      type: str
    tail:
      description: The last 20 lines of the log.
      type: list
      elements: str
    srun:
      description: The last lines of the output of srun itself.
      type: list
      elements: str
    log:
      description: Path of the log.
      type: str
    kept:
      description: Path of the file in which the holder keeps this evidence, null if there is none.
      type: str
retryable:
  description: Whether a retry in another allocation, without RV(bad_nodes), may succeed.
  returned: when a critical step ended
  type: bool
bad_nodes:
  description: The nodes that made steps fail.
  returned: when a critical step ended
  type: list
  elements: str
checks:
  description: The readiness checks of the stage, as in RV(srt.slurm.health_wait#module:checks).
  returned: when the steps ran but were not ready in time
  type: list
  elements: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.srun_worker import ARGUMENT_SPEC, OPTIONS, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
