#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module compare: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: compare
short_description: Compare two sides by their repeats
version_added: 0.1.0
description:
  - Compares measurements of a baseline and a candidate. The unit of evidence is one valid repeat of a point. Repeats
    that are not valid never count, and are named.
  - A primary metric is C(better) or C(worse) only when the interval of the ratio lies beyond O(threshold),
    C(equivalent) when it lies inside, and C(no evidence) otherwise. With fewer than three valid repeats on a side
    there is C(no verdict).
  - Points are compared under equal load only. Sides that have none in common, that mix services, or that share a
    measurement are an error.
  - The module fails when something in O(fail_on) is found. The files are written before that.
  - Needs the Python package scipy where it runs.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
attributes:
  check_mode:
    support: full
    details: Compares, and writes no files.
  diff_mode:
    support: none
options:
  baseline:
    description:
      - What is compared with. Each item is a run directory, a C(rollup.json), the directory or the name of a sweep, a
        job id, or a tag of runs below O(output_dir).
      - A number is a job id, and text with a slash is a path. C(tag:NAME) is a tag whatever else has the name.
    type: list
    elements: str
    required: true
  candidate:
    description: What is compared, in the same forms. Only O(plan_difference) can do without.
    type: list
    elements: str
    default: []
  output_dir:
    description:
      - Parent of the run directories.
      - On the controller the default is the C(output_dir) of the cluster file, if it has one.
    type: path
    default: outputs
  threshold:
    description: The smallest difference that matters, in percent.
    type: float
    default: 2.0
  primary_metrics:
    description:
      - The metrics that get verdicts. All others are exploratory.
      - By default those of C(output_tps), C(median_ttft_ms), C(median_tpot_ms) and C(score) that the benchmark has.
    type: list
    elements: str
    default: []
  fail_on:
    description:
      - What makes the module fail. C(worse) is a primary metric that is worse, C(invalid) a repeat that is not valid,
        C(no_verdict) a primary metric without a verdict, C(no_evidence) one that is neither different nor equivalent.
    type: list
    elements: str
    default: [worse, invalid, no_verdict]
  plan_difference:
    description:
      - Compares nothing, and returns how many repeats of each side find this difference, in percent, with a power of
        80 %. The spread is that of the repeats of the sides; the baseline alone is enough.
    type: float
  confidence:
    description: The probability, in percent, that none of the verdicts of the comparison is wrong.
    type: float
    default: 99.5
  compare_dir:
    description: Directory of the files. The default is C(comparisons/BASELINE-vs-CANDIDATE) in O(output_dir).
    type: path
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.rollup
  - module: srt.slurm.runs_info
"""

EXAMPLES = r"""
- name: Compare a run with another one
  srt.slurm.compare:
    baseline: ["4711"]
    candidate: ["4712"]
    output_dir: /shared/outputs

- name: Compare all runs of two tags, and accept what is not known
  srt.slurm.compare:
    baseline: ["tag:v1.2"]
    candidate: ["tag:nightly"]
    fail_on: [worse, invalid]

- name: Say how many repeats a difference of 5 % needs
  srt.slurm.compare:
    baseline: ["4711"]
    plan_difference: 5
"""

RETURN = r"""
ok:
  description: Whether nothing in O(fail_on) was found.
  returned: unless repeats are planned
  type: bool
verdict:
  description: The numbers of verdicts, and of repeats that are not valid, in one line.
  returned: unless repeats are planned
  type: str
  sample: 1 worse, 2 equivalent
failures:
  description: What was found of O(fail_on), one line each.
  returned: unless repeats are planned
  type: list
  elements: str
points:
  description:
    - The points of both sides, each with its C(method), V(paired) or V(welch), its numbers of repeats, and its
      C(metrics). A metric has C(ratio), its interval C(low) to C(high) with C(confidence), C(primary), C(verdict), the
      C(reason) why there is none, and C(detectable), the ratio that as many repeats would have shown.
  returned: unless repeats are planned
  type: list
  elements: dict
invalid:
  description: The repeats that are not valid, each with its C(side), C(run), C(label) and C(reasons).
  returned: unless repeats are planned
  type: list
  elements: dict
path:
  description: Path of compare.json, which has all this and the differences of the configuration.
  returned: unless repeats are planned
  type: str
html_path:
  description: Path of the same as a page.
  returned: unless repeats are planned
  type: str
plan:
  description: The repeats that O(plan_difference) needs, for each primary metric of each point, with their spread.
  returned: if repeats are planned
  type: dict
repeats:
  description: The repeats of each side that are enough for all of them.
  returned: if repeats are planned
  type: int
text:
  description: All this as text.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.compare import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
