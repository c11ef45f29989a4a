#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module publish: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: publish
short_description: Tell others of a finished run
version_added: 0.1.0
description:
  - Runs the publishers of the job (C(reporting.publishers)), and copies the run to object storage (C(reporting.s3)).
    Then it reports the end of the run (C(reporting.status)), if the job was read by the same playbook run.
  - A publisher hears of a run once, and again when its results or its exit code are others. What came of it is in
    C(logs/publishers/NAME.json).
  - What fails is a warning. It changes neither the verdict of the run nor the exit code of the playbook.
requirements:
  - boto3, on the submit host, for C(reporting.s3)
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  failed:
    description: Whether the run has failed, or its results are not valid.
    type: bool
    default: false
  reason:
    description: Why it failed, for the status report.
    type: str
  variant_dir:
    description: The run directory of the job in a sweep (O(srt.slurm.rollup#module:variant_dir)). It is published then.
    type: path
  secrets:
    description: Values of the references in the job, added by the action from O(secrets_path).
    type: dict
  secrets_path:
    description: The file with the values of the secrets of the job, as M(srt.slurm.job_spec) returns it.
    type: path
attributes:
  check_mode:
    details: Does nothing.
    support: full
  diff_mode:
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.rollup
  - module: srt.slurm.sync
"""

EXAMPLES = r"""
- name: Tell others of the run
  srt.slurm.publish:
    plan_path: "{{ plan.plan_path }}"
    failed: "{{ not rollup.chosen_ok }}"
"""

RETURN = r"""
exit_code:
  description: The exit code that publishers and status reports get.
  returned: success
  type: int
publishers:
  description: The publishers that were run, each with its C(name), C(status), C(links), and C(problem) if it failed.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "wiki", "status": "published", "links": ["https://wiki.example.com/7"], "problem": null}]
copy:
  description: What was copied, as an entry of C(runs) of M(srt.slurm.sync). Null without a copy.
  returned: success
  type: dict
logs_url:
  description: The URL of the copy, null without one.
  returned: success
  type: str
text:
  description: What was done, for people.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.publish import ARGUMENT_SPEC, OPTIONS, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
