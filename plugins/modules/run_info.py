#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module run_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: run_info
short_description: Say how far a run is
version_added: 0.1.0
description:
  - Reads the run directory, Slurm and, while the job runs, the job's holder. Works on every machine that sees the run
    directory, and also for runs that are over.
  - The lease of the job is not renewed by looking.
extends_documentation_fragment:
  - srt.slurm.found_run
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  lines:
    description: How many last lines of the log that tells most are returned.
    type: int
    default: 5
  report:
    description:
      - What is shown. V(status) shows all that is returned.
      - V(service) shows only what stays up when a run is over - its address, how long, and the command that ends it -
        and nothing when the job ends.
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
- name: Look at the newest run
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
    The job - id, name, state and reason in Slurm's words, C(started_at), C(ends_at), C(time_left_s), which are null as
    long as it waits for nodes, and C(waits_s), how long it has waited for them, null when it does not.
  returned: success
  type: dict
  sample: {"id": "4711", "name": "quickstart", "state": "RUNNING", "time_left_s": 3240}
live:
  description: Whether the job waits or runs.
  returned: success
  type: bool
stage:
  description:
    - V(allocation) while the job waits, then the stage that is going on, V(kept) when all is measured and the
      service is still up, V(ended) when the job is gone, V(unknown) when Slurm does not answer.
  returned: success
  type: str
  sample: benchmark
ending:
  description: Why the holder ends or ended the job, null when it does not, or could not write it down.
  returned: success
  type: dict
  contains:
    code:
      description:
        - V(requested) by a controller, V(lease_expired), V(playbook_ended) for the playbook inside the job, or what
          Slurm did - V(time_limit), V(preempted), V(node_failed), V(requeued), V(cancelled), V(over) when the job had
          ended before its holder could know, V(signal) as long as Slurm may still say why, V(unexplained).
      type: str
      sample: time_limit
    reason:
      description: The same in words.
      type: str
      sample: "signal 15: its time limit of 01:00:00 is reached"
requeue:
  description: >-
    What a job waits for that was requeued, null for any other one. RV(ending) is then of the job attempt before;
    RV(valid), RV(verdict) and the reasons of RV(points) are null until this one has its own.
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
    - The service that a job keeps up, null when its holder does not answer or ends it.
    - C(url) as the nodes see it, null unless all critical steps of the plan run; the number of C(planned) and
      C(running) steps; C(left_s), the seconds until the job ends if no run renews its lease, by C(ends_by), V(lease) or
      V(time limit).
  returned: success
  type: dict
  sample: {"url": "http://10.1.0.1:8000", "planned": 7, "running": 7, "left_s": 3600.0, "ends_by": "lease"}
steps:
  description:
    - The latest record of every step - C(name), C(tier), C(state), C(step_id), C(node), C(nodes), C(attempt),
      C(expected), and its times C(started_at), C(running_at) and C(ended_at).
    - How it ended is C(end_code) - V(exited) with C(exit_code), V(killed) by C(signal), V(node_failed), V(srun_failed),
      V(client_killed), V(stopped_early) before it started, V(unknown) for one without a client, V(unseen) while there
      was no holder, V(with_job). C(reason) is the same in words.
  returned: success
  type: list
  elements: dict
points:
  description:
    - The points, each with C(state) V(waiting), V(running), V(done), V(invalid) or, when the job is gone without a
      verdict on it, V(not_measured), with reasons, and requests done.
  returned: success
  type: list
  elements: dict
valid:
  description: Whether the results are valid, null before the rollup.
  returned: success
  type: bool
verdict:
  description: >-
    The same in words; C(chosen points valid) with the others' names when a run measured chosen points only. Null before
    the rollup.
  returned: success
  type: str
lease_left_s:
  description: Seconds until the job ends unless a controller is heard of. Null when there is no holder to ask.
  returned: success
  type: float
trouble:
  description: What troubles the holder, such as a full disk.
  returned: success
  type: str
log:
  description: Path of the log that tells most.
  returned: success
  type: str
last_lines:
  description: Its last lines.
  returned: success
  type: list
  elements: str
text:
  description: All this as a few lines for people.
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
