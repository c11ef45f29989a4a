#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module health_wait: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: health_wait
short_description: Wait until a service answers, or fail at once when a critical step ended
version_added: 0.1.0
description:
  - The job's holder runs the checks of the plan (ports, models, one real request) inside the compute network, at
    short intervals first and at longer ones later.
  - Fails at once, with evidence, when a critical step of the plan has ended.
  - Changes nothing.
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  timeout_s:
    description: Seconds that the service may take. V(0) means the time in the job's C(health_check).
    type: float
    default: 0.0
  slice_s:
    description: >-
      The longest time in seconds that one request to the holder waits. After each request the module checks that its
      controller is still alive.
    type: float
    default: 5.0
attributes:
  check_mode:
    details: Returns at once, with no check done.
    support: full
  diff_mode:
    details: There is nothing to show.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.srun_worker
"""

EXAMPLES = r"""
- name: Wait until the service answers a request
  srt.slurm.health_wait:
    plan_path: "{{ plan.plan_path }}"
    timeout_s: 900
"""

RETURN = r"""
checks:
  description: One record per check, in the order of the plan.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
      sample: workers_registered
    done:
      description: Whether it passed.
      type: bool
    attempts:
      description: How often it was tried.
      type: int
      sample: 12
    elapsed_s:
      description: Seconds until it passed, or until now.
      type: float
      sample: 3.4
    last_error:
      description: Why it did not pass when it was last tried.
      type: str
      sample: "HTTP 503: no workers"
lost:
  description: Lost steps that the run can do without (the job's C(faults)).
  returned: always, also on failure
  type: list
  elements: str
  sample: []
completed:
  description: Whether all checks passed.
  returned: always, also on failure
  type: bool
elapsed_s:
  description: Duration of the wait in seconds.
  returned: always, also on failure
  type: float
  sample: 3.9
evidence:
  description: Evidence of the steps that ended, as in RV(srt.slurm.srun_worker#module:evidence).
  returned: when a critical step ended
  type: list
  elements: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.health_wait import ARGUMENT_SPEC, OPTIONS, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
