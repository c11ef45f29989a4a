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
  - With O(checks) or O(urls) the module waits for services of your own instead. It needs no plan and no job then, and
    checks from the host of the task.
  - Changes nothing.
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  urls:
    description:
      - URLs that have to answer with status 200, such as V(http://node1:8000/health).
      - Each is short for an item of O(checks). With O(checks) or O(urls) the plan is not used.
    type: list
    elements: str
  checks:
    description: What has to be true of services of your own.
    type: list
    elements: dict
    suboptions:
      name:
        description: What the check is called. The default is its URL, or C(host:port).
        type: str
      url:
        description: This URL has to answer, C(http://host:port/path).
        type: str
      host:
        description: This host has to accept a connection, at O(checks[].port). Instead of O(checks[].url).
        type: str
      port:
        description: The port of O(checks[].host).
        type: int
      method:
        description: Method of the request.
        type: str
        default: GET
      headers:
        description: Headers of the request, which no message shows.
        type: dict
        default: {}
      body:
        description: Body of the request, sent as JSON.
        type: raw
      status:
        description: The HTTP codes that count as an answer.
        type: list
        elements: int
        default: [200]
      expect:
        description: Conditions on the answer, which is then JSON. All of them have to be true.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Where the value is, such as V(data.0.id). The default is the whole answer.
            type: str
            default: ""
          label:
            description: What messages call it. The default is the path.
            type: str
          where:
            description: Keep those items of a list that have these values.
            type: dict
          min:
            description: The value is this number or more, or has so many items.
            type: float
          equals:
            description: The value is this.
            type: raw
          nonempty:
            description: The value is not empty.
            type: bool
      timeout_s:
        description: Seconds that one try may take.
        type: float
        default: 5.0
      after:
        description: Names of checks that have to be true before this one is tried.
        type: list
        elements: str
        default: []
  timeout_s:
    description: >-
      Seconds that the service may take. V(0) means the time in the job's C(health_check), and 300 seconds with
      O(checks) or O(urls).
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

- name: Wait for services of another kind
  srt.slurm.health_wait:
    urls:
      - http://node1:8000/health
      - http://node2:9090/-/ready
    timeout_s: 120

- name: Wait for a database, then for an API that lists two models
  srt.slurm.health_wait:
    checks:
      - name: database
        host: db.example.org
        port: 5432
      - name: models
        url: http://api.example.org:8000/v1/models
        headers:
          Authorization: "Bearer {{ token }}"
        expect:
          - path: data
            label: models
            min: 2
        after: [database]
"""

RETURN = r"""
checks:
  description: One record per check, in the order of the plan, or of O(checks) and O(urls).
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
