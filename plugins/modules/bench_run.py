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
  - The type of the benchmark says what a point is. For sa-bench it is one concurrency. Its load client runs as a Slurm
    step on the bench node, started and watched through the job's holder.
  - A point is kept when this run has a valid result with the digest of the point (the service and the parameters of
    the benchmark), also one that was set aside for another setting meanwhile, which then is the current result again.
    A valid result with the same digest in another run directory beside this one is taken over, with its origin.
  - A measurement that runs already (its controller went away, or another one is at work) is attached to, never started
    twice. One that ended unseen is evaluated. While another point is measured, this one waits for its turn.
  - Every result is evaluated. The verdict with its reasons is kept beside the result, as C(*.verdict.json). Results of
    earlier measurement attempts are renamed, never written over.
  - A point is valid when enough requests completed, tokens came, the counts of client and server agree, the load
    client ended by itself and no worker, frontend or infrastructure step was lost meanwhile, not even one that was
    started again since.
  - A point that nobody watched, and during which a part of the service was lost that runs again now, is measured once
    more.
  - An invalid point does not fail the task, so that the next points are measured. M(srt.slurm.rollup) returns whether
    the whole run is valid. The task fails when the service died, with the finished points in the result.
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  force:
    description: Measure points that have a valid result already.
    type: bool
    default: false
  concurrencies:
    description: Measure only the points with these concurrencies. Empty means all. An error if the points have none.
    type: list
    elements: int
    default: []
  stall_timeout_s:
    description:
      - A measurement without a new token or answer for so many seconds is stopped, and its point is not valid.
      - V(0) waits until the deadline of the point.
      - By default it is the job's C(benchmark.stall_timeout_s), which the plan knows.
      - A load client that has not begun to send may take as long, and never less than 600 seconds.
    type: float
  min_completed:
    description: Share of the requests of a point that must complete for it to be valid.
    type: float
    default: 0.99
attributes:
  check_mode:
    details: Returns which points would be measured, kept or taken over. Asks nobody.
    support: full
  diff_mode:
    details:
      - In check mode, the srun line and the environment of each point that would be measured.
      - A run that measures shows progress lines instead.
    support: partial
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.health_wait
  - module: srt.slurm.rollup
"""

EXAMPLES = r"""
- name: Measure what has no valid result yet
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
      description: Whether the result may be believed. Null in check mode for a point that would be measured.
      type: bool
    reasons:
      description: Why it is not valid.
      type: list
      elements: str
      sample: ["3 of 160 requests did not complete (98.1 % completed, 99 % are needed); 3 x HTTP 503: no workers"]
    metrics:
      description: Figures of the result, with the keys of C(results[]) in C(rollup.json). Empty when there are none.
      type: dict
      sample: {"output_tps": 812.4, "mean_ttft_ms": 41.2, "completed": 160}
    path:
      description: The result file.
      type: str
    service_gaps:
      description: What of the service was lost or missing meanwhile, which the job's C(faults) allow.
      type: list
      elements: str
      sample: ["decode_1 ended during the measurement: killed by signal 9 on node003"]
    origin:
      description: Job and path of the run that measured the point. Null when this run did.
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
        - The number (C(.attemptN)) under which a C(kept) result had been set aside. It is the current one again, and
          what was current is set aside. Null when it was current.
      type: int
    changed:
      description: Whether there is a new result, or an earlier one is the current one again.
      type: bool
valid:
  description: Whether all chosen points are valid. Null in check mode when one would be measured.
  returned: always, also when the service died
  type: bool
evidence:
  description: Of steps that ended, as in RV(srt.slurm.srun_worker#module:evidence).
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
