#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module slurm_job: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: slurm_job
short_description: Find, submit or end one Slurm allocation for a service
version_added: 0.1.0
description:
  - An allocation is identified by its user, its job name and the digest of its request, which is in the job's comment
    (C(srt.slurm:DIGEST), with the suffix C(:play) for a job that runs a O(playbook)). The module asks Slurm each time
    and trusts no file for this.
  - Submits a job held, writes its run directory, then releases it, so that it never starts without its files.
  - A job that is held after its release stays held. RV(notes) says how to release it.
  - The batch script runs the holder, which owns all processes of the job until the job ends.
  - Two concurrent controllers that submit the same request get one job. The younger job is withdrawn.
requirements:
  - The Slurm commands on the submit host, and Python 3.8 or newer as C(python3) on the first allocated node.
  - A O(output_dir) that the submit host and the allocated nodes see under the same path.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  allocation:
    description:
      - The allocation request, as in RV(srt.slurm.job_spec#module:jobs) - C(name), C(nodes), C(gpus_per_node),
        C(ntasks), C(ntasks_per_node), C(time_limit), C(partition), C(account), C(exclusive), C(segment),
        C(directives), C(environment) and C(digest), also C(exclude), the nodes that failed in an earlier job attempt.
      - A directive replaces an option of the module with the same name. RV(notes) says so.
    type: dict
  state:
    description:
      - V(present) submits the job unless it exists, and does not wait.
      - V(running) does the same and waits until the job runs and its holder answers.
      - V(absent) lets the holder end all steps in order, then the job, and waits until it is gone from the queue. It
        resumes a suspended job first, where Slurm allows it.
      - V(requeued) is for the playbook that runs inside the job (O(playbook)). When the playbook has ended, the job is
        requeued and starts again in the same run directory, without the nodes in C(exclude) of O(allocation). Nothing
        changes when O(playbook.retries) is used up.
    type: str
    choices: [present, running, absent, requeued]
    default: running
  job_id:
    description:
      - Use this job instead of looking for one. Nothing is submitted.
      - An allocation that something else submitted, such as C(salloc --no-shell), is adopted with O(state=running). Its
        holder becomes a step whose client runs on the submit host, and O(state=absent) ends that, not the allocation.
        If the holder was killed, O(state=absent) ends its remaining steps by their ids.
      - A task of a job array is given by its own job id, which it has as C(SLURM_JOB_ID).
    type: str
  output_dir:
    description:
      - Parent of the run directories. That of the job is C(OUTPUT_DIR/JOB_ID), C(latest) is the newest.
      - With V(running), a job of the same request that works below another output directory is an error that names that
        directory. V(present) leaves the job as it is, and V(absent) ends it where it works.
      - With O(job_id) and V(absent), a job that works elsewhere is left alone if C(OUTPUT_DIR/JOB_ID) exists. Slurm has
        reused its id, and the run of that directory has ended.
      - Such a directory is set aside (C(OUTPUT_DIR/JOB_ID.earlier1)) for a job that is submitted or adopted.
    type: path
    required: true
  config_text:
    description: Text of C(config.yaml) in the run directory, the configuration at submission.
    type: str
  metadata:
    description:
      - Content of C(JOB_ID.json) in the run directory. The id, the name, the cluster and the times are added.
    type: dict
    default: {}
  lease_s:
    description: Seconds without a heartbeat of a controller after which the holder ends the job.
    type: float
    default: 120.0
  wait_timeout_s:
    description:
      - Seconds that V(running) waits for the job to start. V(0) means no limit.
      - After that the job stays in the queue.
    type: float
    default: 0.0
  end_timeout_s:
    description:
      - Seconds that the holder has to end all steps with V(absent). After that the job is cancelled, and it is an error
        if it is still in the queue a minute later.
      - In an adopted allocation it is an error at once. Steps whose holder was killed are killed after that.
    type: float
    default: 180.0
  retries:
    description:
      - How often V(running) submits another job when Slurm takes a job away before it can be used - a node failed, its
        prolog failed, the job was preempted, or its first node never started it. Nodes that failed are left out.
      - A job that somebody cancelled is not replaced, nor is the job in O(job_id).
    type: int
    default: 0
  playbook:
    description:
      - A playbook of this collection that the holder runs inside the job, from a frozen copy of the collection and of
        the job in the run directory. Its output goes to RV(log), and its exit code becomes that of the job.
      - Only for a job that this call submits. An existing job with the same playbook and job is left as it is. An
        existing one without a playbook, or with another job, is an error.
    type: dict
    suboptions:
      name:
        description: Name of the playbook, a file of the collection's C(playbooks) without its extension.
        type: str
        default: bench
      job:
        description: The job, one of RV(srt.slurm.job_spec#module:jobs).
        type: dict
        required: true
      sweep:
        description:
          - The sweep, for the playbook C(sweep). C(name) is its name, C(jobs) are all its jobs, C(only) has the names
            of those that it runs.
        type: dict
      extra_vars:
        description:
          - Extra vars of the playbook. On the controller the module adds those extra vars of the running playbook that
            travel into the job.
        type: dict
        default: {}
      keep:
        description: Keep the service up after the playbook, until the lease ends.
        type: bool
        default: false
      retries:
        description:
          - How often the job may be requeued, in the same run directory. Slurm requeues it when it preempts the job
            (where the partition requeues) or a node fails, the playbook with O(state=requeued).
          - Without it the job is submitted with C(--no-requeue).
        type: int
        default: 0
      python:
        description: >-
          A Python with ansible-core, under a path that the nodes see. The default is the Python that runs the module.
        type: path
      collection:
        description: The collection's directory on the submit host. Needed when that is not the controller.
        type: path
  reason:
    description:
      - Why O(state=absent) ends the job, in a few words. The module adds the user and the host. The reason is in the
        output of the job, in RV(srt.slurm.run_info#module:ending), and in the error of a playbook that still works with
        the job.
    type: str
  secrets:
    description: Values of secrets by reference, written to a private file of the run directory.
    type: dict
  origins:
    description: >-
      The origins of the values of the job, as M(srt.slurm.job_spec) returns them. An error about what the site's Slurm
      does not have names the line that asks for it.
    type: dict
    default: {}
  secrets_path:
    description: The same as RV(srt.slurm.job_spec#module:secrets_path). Only the controller can read it.
    type: path
attributes:
  check_mode:
    details: Returns what it would do. A new job has the id V(JOBID) and nodes V(node0001) and so on.
    support: full
  diff_mode:
    details: Shows the sbatch script of a job that is submitted.
    support: full
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.job_spec
  - module: srt.slurm.slurm_job_info
  - module: srt.slurm.topology_plan
"""

EXAMPLES = r"""
- name: Get the allocation, new or found again, and wait until it runs
  srt.slurm.slurm_job:
    allocation: "{{ spec.jobs[0].allocation }}"
    output_dir: /shared/outputs
    state: running
  register: allocation

- name: Show its nodes
  ansible.builtin.debug:
    msg: "Job {{ allocation.job.id }} on {{ allocation.job.nodes | map(attribute='name') | join(', ') }}"

- name: Keep it for an hour without a controller
  srt.slurm.slurm_job:
    job_id: "{{ allocation.job.id }}"
    output_dir: /shared/outputs
    lease_s: 3600

- name: End it and verify that it is gone
  srt.slurm.slurm_job:
    allocation: "{{ spec.jobs[0].allocation }}"
    output_dir: /shared/outputs
    state: absent
    reason: the experiment is over
"""

RETURN = r"""
job:
  description: The allocation, null when there is none.
  returned: always
  type: dict
  contains:
    id:
      description: Job id.
      type: str
      sample: "4711"
    name:
      description: Job name.
      type: str
      sample: quickstart
    state:
      description: Slurm's state of the job, V(PLANNED) in check mode.
      type: str
      sample: RUNNING
    reason:
      description: Slurm's reason while the job is pending.
      type: str
      sample: Priority
    nodes:
      description:
        - The allocated nodes in Slurm's order. Empty while the job does not run.
        - When the job has lost some, and goes on without them, these are still the nodes that it began with.
      type: list
      elements: dict
      contains:
        name:
          description: Node name.
          type: str
          sample: node001
        address:
          description: Its address.
          type: str
          sample: 10.1.0.11
    lost:
      description: Names of the nodes that the job has lost.
      type: list
      elements: str
      sample: []
    run_dir:
      description: The job's run directory.
      type: str
      sample: /shared/outputs/4711
    submitted_at:
      description: Time of submission, UTC, ISO 8601.
      type: str
      sample: "2026-03-01T12:00:00Z"
    started_at:
      description: Start time, UTC.
      type: str
      sample: "2026-03-01T12:00:02Z"
    ends_at:
      description: When the time limit ends it, UTC.
      type: str
      sample: "2026-03-01T13:00:02Z"
actions:
  description: What was done - V(submitted), V(released), V(adopted), V(ended), V(cancelled), V(requeued).
  returned: always
  type: list
  elements: str
  sample: [submitted]
notes:
  description:
    - Notes to the user, such as directives that replace options of the module, a run directory that was set aside, or a
      job that is left running. They are shown, too.
  returned: always
  type: list
  elements: str
script:
  description: The sbatch script of the request, null without O(allocation).
  returned: always
  type: str
retried:
  description: How many jobs Slurm took away before they could be used. RV(notes) has the reasons.
  returned: always
  type: int
  sample: 0
excluded:
  description: Nodes that RV(job) excludes because they failed such a job.
  returned: always
  type: list
  elements: str
  sample: [node007]
log:
  description: Output of the playbook inside the job, null when there is none.
  returned: always
  type: str
  sample: /shared/outputs/4711/playbook.log
duration_s:
  description: Duration in seconds.
  returned: always
  type: float
  sample: 1.2
"""

from ansible_collections.srt.slurm.plugins.module_utils.allocation.slurm_job import ARGUMENT_SPEC, OPTIONS, run
from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
