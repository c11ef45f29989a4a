#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module rollup: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollup
short_description: Consolidate the results of a run into rollup.json and rollup.csv
version_added: 0.1.0
description:
  - Reads the plan, the results with their verdicts, the worker logs and the configuration of a run. Writes one file
    that says what was measured, on what hardware, with what settings, and whether it is valid.
  - Writes what workers said over time to C(series.json), and remembers in C(worker_logs.cache.json) what it read of
    their logs, so that the next rollup reads only what is new.
  - Maxima are over valid points only. Secret values are redacted. Times are in UTC.
  - Does not write a rollup whose content equals that of the existing one.
  - Into C(llm-d-benchmark) it writes a benchmark report of llm-d-benchmark (schema 0.2.1) for each valid point.
  - Beside them it writes C(benchmark-rollup.json) and C(benchmark-rollup.csv) in the shape of srtctl's, with the points
    that are valid or have passed.
  - With O(run_dir) it also reads run directories of srtctl, of any age. Nothing proves that such a point is valid, so
    it has passed at best, and C(doubts) says why. Files of several runs in one directory are an error.
  - An invalid run does not fail the task. See RV(valid).
requirements:
  - pandas, for C(rollup.csv). Without it the file is written with the standard library and has the same content.
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  run_dir:
    description:
      - A run directory, instead of the plan. It may have been moved or copied, and it may be one of srtctl.
      - The files are written into it.
    type: path
  failure:
    description:
      - A stage that failed before, with the keys C(task) (or C(stage)) and C(msg). It becomes the first of the reasons
        why the run is not valid.
      - An empty value means that none failed. Left out, the failure in the existing C(rollup.json) stays, as for a
        rollup without any other stage.
    type: dict
  force:
    description:
      - All points are measured again (O(srt.slurm.bench_run#module:force)). In check mode none then counts as taken
        over from an earlier run.
    type: bool
    default: false
  concurrencies:
    description:
      - The points that this run measures (O(srt.slurm.bench_run#module:concurrencies)). Empty means all.
      - RV(chosen_ok) covers these. RV(valid) and C(rollup.json) still cover the whole job.
    type: list
    elements: int
    default: []
  variant_dir:
    description:
      - The run directory of the job in a sweep. The results of the run, its plan and its rollup are copied there, as
        the run directory of the allocation goes on to the next job of the sweep.
      - Nothing there is overwritten. An earlier measurement of a point is set aside.
    type: path
attributes:
  check_mode:
    details: Returns the rollup and writes nothing.
    support: full
  diff_mode:
    details: Shows the table of the points before and after.
    support: full
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.bench_run
"""

EXAMPLES = r"""
- name: Write the rollup
  srt.slurm.rollup:
    plan_path: "{{ plan.plan_path }}"
  register: rollup

- name: Write the rollup of a run of srtctl
  srt.slurm.rollup:
    run_dir: /shared/srtctl/outputs/4711

- name: Show the points
  ansible.builtin.debug:
    msg: "{{ rollup.table.splitlines() }}"

- name: Fail when the results are not valid
  ansible.builtin.assert:
    that: rollup.valid
    fail_msg: "{{ rollup.reasons | join('; ') }}"
"""

RETURN = r"""
rollup:
  description: The content of C(rollup.json).
  returned: success
  type: dict
  sample: {"schema_version": 1, "job_id": "12345", "valid": true, "concurrencies": [4, 16], "max_output_tps": 812.4}
path:
  description: Path of C(rollup.json).
  returned: success
  type: str
csv_path:
  description: Path of C(rollup.csv), one line per point.
  returned: success
  type: str
text_path:
  description: Path of C(rollup.txt), the table as text.
  returned: success
  type: str
valid:
  description:
    - Whether every planned point is valid and no stage failed. Null in check mode while points are unmeasured.
    - A point that has only passed (C(benchmark.type custom) without a result that is known) is not valid.
      C(rollup.passed) says that nothing else is missing.
  returned: success
  type: bool
reasons:
  description: Why the run is not valid.
  returned: success
  type: list
  elements: str
  sample: ["c=16: none of 160 requests completed; 160 x HTTP 503: no workers"]
chosen_ok:
  description:
    - Whether nothing speaks against the points in O(concurrencies), or all points without it, and no stage failed.
      They are valid, or have passed where the benchmark proves no more. Null in check mode while such points are
      unmeasured.
  returned: success
  type: bool
chosen_reasons:
  description: The RV(reasons) that apply to RV(chosen_ok).
  returned: success
  type: list
  elements: str
left_out:
  description:
    - The labels of planned points that O(concurrencies) does not name and that have no valid result. They are in
      C(rollup.json) as well.
  returned: success
  type: list
  elements: str
  sample: ["c=16"]
table:
  description: The points as a table, the verdict, and where the rollup and the logs are.
  returned: success
  type: str
ansible_stats:
  description:
    - The verdict and the key figures as C(srt_slurm), in the form of M(ansible.builtin.set_stats), so that AWX and
      ansible-runner have them as artifacts.
  returned: success, not in check mode
  type: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.rollup import ARGUMENT_SPEC, OPTIONS, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
