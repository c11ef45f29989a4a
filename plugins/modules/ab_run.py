#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ab_run: two jobs in turns. The action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ab_run
short_description: Measure two jobs in turns, and compare them
version_added: 0.1.0
description:
  - Measures each point of both jobs once in each repeat, in the order ABBA, until each primary metric has its answer,
    the budget is used up, or O(most_repeats) is reached. Then it compares both sides as M(srt.slurm.compare) does.
  - Jobs whose allocation requests differ in the number of nodes alone share the larger allocation. Others get one each,
    and are compared as independent sides.
  - The results are looked at several times. The confidence of each look is raised so that all looks together have that
    of one comparison.
  - Results of earlier runs are not used. Each comparison has a directory of its own below C(sweeps) in O(output_dir),
    with the run directory of each repeat in C(variants).
  - A comparison that was interrupted goes on in its directory, if it is the latest one of these jobs and nothing of
    what was asked for has changed but the budget. Its repeats are not measured again. On another submit host than the
    controller it begins anew.
  - Fails when the comparison does, see O(fail_on). The allocations end with it. After Ctrl-C they stay up for their
    lease, so that the same command goes on in them; a line says how to end them.
  - Always runs on the controller.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
attributes:
  check_mode:
    support: full
    details: Says what would be asked for.
  diff_mode:
    support: none
options:
  baseline:
    description: The job that is compared with, as M(srt.slurm.job_spec) returns it with the option C(single).
    type: dict
    required: true
  candidate:
    description: The job that is compared, in the same form.
    type: dict
    required: true
  playbook:
    description: The playbook that measures one repeat of one side.
    type: path
    required: true
  output_dir:
    description: Parent of the run directories, by default that of the baseline.
    type: path
  threshold:
    description: The smallest difference that matters, in percent.
    type: float
    default: 2.0
  primary_metrics:
    description: The metrics that get verdicts, see M(srt.slurm.compare).
    type: list
    elements: str
    default: []
  fail_on:
    description: What makes the module fail, see M(srt.slurm.compare).
    type: list
    elements: str
    default: [worse, invalid, no_verdict]
  budget_gpu_hours:
    description:
      - No other repeat starts when it would cost more GPU hours than this, if it costs as much as the costliest so far.
        The hours are those of all GPUs of the allocations since they began.
    type: float
  most_repeats:
    description: The number of repeats of each side after which no other starts.
    type: int
    default: 20
  anew:
    description: Begin in a new directory, although the same comparison was interrupted before.
    type: bool
    default: false
  lease_s:
    description: Seconds without a controller after which an allocation ends.
    type: float
    default: 120.0
  teardown_timeout_s:
    description: Seconds for an allocation to end.
    type: float
    default: 180.0
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.compare
  - module: srt.slurm.sweep_run
"""

EXAMPLES = r"""
- name: Read the baseline
  srt.slurm.job_spec:
    job_file: baseline.yaml
    single: true
  register: baseline

- name: Read the candidate
  srt.slurm.job_spec:
    job_file: candidate.yaml
    single: true
  register: candidate

- name: Compare them
  srt.slurm.ab_run:
    baseline: "{{ baseline }}"
    candidate: "{{ candidate }}"
    playbook: "{{ playbook_dir }}/bench.yml"
    budget_gpu_hours: 8
"""

RETURN = r"""
folder:
  description: The directory of the comparison, with compare.json and compare.html.
  returned: success
  type: str
repeats:
  description: How many repeats of each side were measured.
  returned: success
  type: int
gpu_hours:
  description: The GPU hours of the allocations, up to the end of the last measurement.
  returned: success
  type: float
ended_by:
  description: What ended it, such as V(the answer) or V(the budget). Null in check mode.
  returned: success
  type: str
ok:
  description: Whether the comparison passes; this and more as M(srt.slurm.compare) returns it.
  returned: unless in check mode
  type: bool
text:
  description: The comparison as text.
  returned: success
  type: str
"""
