#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module run_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: run_info
short_description: Show the progress of a run
version_added: 0.1.0
description:
  - Reads the run directory, Slurm and, while the job runs, the job's holder. Works on every machine that sees the run
    directory, and also for runs that are over.
  - Does not renew the lease of the job.
extends_documentation_fragment:
  - srt.slurm.found_run
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  lines:
    description: How many of the last lines of the most informative log are returned.
    type: int
    default: 5
  report:
    description:
      - What is shown. V(status) shows everything that is returned.
      - V(service) shows only the service that stays up after a run (its address, how long, and the command that ends
        it), and nothing when the job ends.
    type: str
    choices: [status, service]
    default: status
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.step_log_info
  - module: srt.slurm.slurm_job
"""

EXAMPLES = r"""
- name: Get the progress of the newest run
  srt.slurm.run_info:
    output_dir: /shared/outputs
  register: status

- name: Show it
  ansible.builtin.debug:
    msg: "{{ status.text.splitlines() }}"
"""

RETURN = r"""
run_dir:
  description: The run directory.
  returned: success
  type: str
job:
  description: >-
    The job - its id and name, Slurm's state and reason, C(started_at), C(ends_at) and C(time_left_s), which are null
    while it waits for nodes, and C(waits_s), the seconds that it has waited for them, null when it does not wait.
  returned: success
  type: dict
  sample: {"id": "4711", "name": "quickstart", "state": "RUNNING", "time_left_s": 3240}
live:
  description: Whether the job waits or runs.
  returned: success
  type: bool
stage:
  description:
    - V(allocation) while the job waits, then the current stage, V(kept) when everything is measured and the service is
      still up, V(ended) when the job is gone, V(unknown) when Slurm does not answer.
  returned: success
  type: str
  sample: benchmark
ending:
  description: Why the holder ends or ended the job, null when it does not, or could not record it.
  returned: success
  type: dict
  contains:
    code:
      description:
        - V(requested) by a controller, V(lease_expired), V(playbook_ended) for the playbook inside the job, or what
          Slurm did - V(time_limit), V(preempted), V(node_failed), V(requeued), V(cancelled), V(over) when the job had
          ended before its holder could know why, V(signal) while Slurm may still report why, V(unexplained).
      type: str
      sample: time_limit
    reason:
      description: The same in words.
      type: str
      sample: "signal 15: its time limit of 01:00:00 is reached"
requeue:
  description: >-
    What a requeued job waits for, null for any other job. RV(ending) is then about the previous job attempt; RV(valid),
    RV(verdict) and the reasons of RV(points) are null until this job attempt has its own.
  returned: success
  type: str
  sample: "requeued: attempt 2 of 3 starts when it gets nodes"
workers:
  description: Number of workers, C(planned) and C(running).
  returned: success
  type: dict
  sample: {"planned": 4, "running": 4}
service:
  description:
    - The service of the job, null when its holder does not answer or ends it.
    - C(url) as the nodes see it, null unless all critical steps of the plan run; the number of C(planned) and
      C(running) steps; C(left_s), the seconds until the job ends if no run renews its lease; and what ends it then,
      C(ends_by), V(lease) or V(time_limit).
  returned: success
  type: dict
  sample: {"url": "http://10.1.0.1:8000", "planned": 7, "running": 7, "left_s": 3600.0, "ends_by": "lease"}
steps:
  description:
    - The latest record of every step - C(name), C(tier), C(state), C(step_id), C(node), C(nodes), C(attempt),
      C(expected), and its times C(started_at), C(running_at) and C(ended_at).
    - C(end_code) says how it ended - V(exited) with C(exit_code), V(killed) by C(signal), V(node_failed),
      V(srun_failed), V(client_killed), V(stopped_early) before it started, V(unknown) for one without a client,
      V(unreported) by its client, V(unseen) while there was no holder, V(with_job). C(reason) is the same in words.
  returned: success
  type: list
  elements: dict
points:
  description:
    - The points, each with the number of completed requests, reasons, and its C(state) - V(waiting), V(running),
      V(done), V(invalid), or V(not_measured) when the job is gone without a verdict on the point.
  returned: success
  type: list
  elements: dict
valid:
  description: >-
    Whether the results are valid. Null before the rollup, and when points that it called valid have gone or are
    measured again.
  returned: success
  type: bool
verdict:
  description: >-
    The same in words; C(chosen points valid) with the others' names when a run measured chosen points only. Null before
    the rollup.
  returned: success
  type: str
lease_left_s:
  description: Seconds until the job ends unless a controller renews its lease. Null when no holder answers.
  returned: success
  type: float
trouble:
  description: Problem of the holder, such as a full disk.
  returned: success
  type: str
log:
  description: Path of the most informative log.
  returned: success
  type: str
last_lines:
  description: Its last lines.
  returned: success
  type: list
  elements: str
text:
  description: All this as readable text.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.run_info import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
