#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module bench_run: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bench_run
short_description: Measure the points of a plan, one after the other
version_added: 0.1.0
description:
  - The type of the benchmark defines what a point is. For sa-bench it is one concurrency. The load client runs as a
    Slurm step on the bench node. The job's holder starts and watches it.
  - A point is kept when this run has a valid result with the digest of the point (the service and the parameters of
    the benchmark). This includes a result that was set aside for another setting; it becomes the current one again.
    A valid result with the same digest in another run directory beside this one is taken over, with its origin.
  - The module attaches to a measurement that already runs (its controller is gone, or a concurrent controller started
    it) and never starts it twice. It evaluates a measurement that ended without a controller. While another point is
    measured, it waits.
  - Every result is evaluated. The verdict with its reasons is kept beside the result, as C(*.verdict.json). Results of
    earlier measurement attempts are renamed, never overwritten.
  - A point is valid when enough requests completed, tokens arrived, the counts of client and server agree, the load
    client ended on its own, and no worker, frontend or infrastructure step was lost during the measurement, even if it
    has been restarted since.
  - A point that was measured without a controller is measured once more if a step of the service was lost during the
    measurement and runs again now.
  - After the last measurement the nodes with GPUs are asked for their clocks and errors once more, for C(provenance) in
    C(rollup.json).
  - With C(benchmark.repeat_redeploy), workers and frontends end and start anew before a point of another repeat than
    those that they have measured, and the module waits until the service is healthy. A repeat that was measured by the
    deployment of an earlier one is measured again.
  - An invalid point does not fail the task, so that the next points are measured. M(srt.slurm.rollup) returns whether
    the whole run is valid. The task fails when the service died; the result has the finished points.
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  force:
    description: Measure points again that already have a valid result.
    type: bool
    default: false
  concurrencies:
    description: >-
      Measure only the points with these concurrencies. Empty means all. It is an error if the points of the benchmark
      have no concurrency.
    type: list
    elements: int
    default: []
  stall_timeout_s:
    description:
      - A measurement without a new token or answer for this many seconds is stopped, and its point is not valid.
      - V(0) waits until the deadline of the point.
      - The default is the job's C(benchmark.stall_timeout_s), from the plan.
      - A load client may take as long, and at least 600 seconds, before it sends its first request.
    type: float
  min_completed:
    description:
      - Share of the requests of a point that must complete for it to be valid.
      - A point that is valid with a smaller share than the default is valid for this run, and is measured again by the
        next one.
    type: float
    default: 0.99
attributes:
  check_mode:
    details: Returns which points would be measured, kept or taken over. Asks neither Slurm nor the holder.
    support: full
  diff_mode:
    details:
      - In check mode, shows the srun line and the environment of each point that would be measured.
      - A run that measures shows progress lines instead.
    support: partial
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.health_wait
  - module: srt.slurm.rollup
"""

EXAMPLES = r"""
- name: Measure the points that have no valid result yet
  srt.slurm.bench_run:
    plan_path: "{{ plan.plan_path }}"
  register: bench

- name: Measure one concurrency again
  srt.slurm.bench_run:
    plan_path: "{{ plan.plan_path }}"
    concurrencies: [16]
    force: true
"""

RETURN = r"""
points:
  description: One record per chosen point, in the order of the plan.
  returned: always, also when the service died
  type: list
  elements: dict
  contains:
    name:
      description: Name of the point and of its step.
      type: str
      sample: bench_c16
    label:
      description: What identifies the point, for messages.
      type: str
      sample: c=16
    concurrency:
      description: Requests in flight. Points of other benchmarks than sa-bench have the fields that identify them.
      returned: for sa-bench
      type: int
      sample: 16
    valid:
      description: Whether the result is valid. Null in check mode for a point that would be measured.
      type: bool
    reasons:
      description: Why it is not valid.
      type: list
      elements: str
      sample: ["3 of 160 requests did not complete (98.1 % completed, 99 % are needed); 3 x HTTP 503: no workers"]
    doubts:
      description: Why a point that has passed is not valid. Empty for any other.
      type: list
      elements: str
      sample: ["its command left no result file that is known"]
    metrics:
      description: Figures of the result, with the keys of C(results[]) in C(rollup.json). Empty when there are none.
      type: dict
      sample: {"output_tps": 812.4, "mean_ttft_ms": 41.2, "completed": 160}
    path:
      description: The result file.
      type: str
    service_gaps:
      description: Steps of the service that were lost or missing during the measurement, as the job's C(faults) allow.
      type: list
      elements: str
      sample: ["decode_1 ended during the measurement: killed by signal 9 on node003"]
    origin:
      description:
        - The run that measured the point - C(job_id), the C(path) that its result has now (null if it is gone), and
          C(measured_at) in UTC. Null when this run did.
      type: dict
    digest:
      description: Digest of the point.
      type: str
    action:
      description:
        - C(measured), C(attached), C(evaluated), C(kept), C(taken_over) or C(not_measured).
        - In check mode C(measure), C(keep) or C(take_over).
      type: str
    attempt:
      description:
        - The number (C(.attemptN)) under which a C(kept) result had been set aside. That result is the current one
          again, and the other one is set aside. Null when it was the current one.
      type: int
    changed:
      description: Whether there is a new result, or an earlier one is the current one again.
      type: bool
valid:
  description: Whether all chosen points are valid. Null in check mode when one would be measured.
  returned: always, also when the service died
  type: bool
evidence:
  description: Evidence of the steps that ended, as in RV(srt.slurm.srun_worker#module:evidence).
  returned: when a critical step ended
  type: list
  elements: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.bench_run import ARGUMENT_SPEC, OPTIONS, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
