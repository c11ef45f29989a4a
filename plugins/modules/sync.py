#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module sync: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sync
short_description: Copy runs to object storage
version_added: 0.1.0
description:
  - Copies the files of a run, of a sweep, or of all runs below a directory to a bucket that speaks S3. Only files that
    are new or have changed go, known by their size and SHA-256. What a sync has sent before it was killed is not sent
    again, parts of large files included. Nothing is deleted in the bucket.
  - Objects are C(PREFIX/NAME OF THE JOB/JOB ID/FILE), those of a sweep C(PREFIX/sweeps/NAME/FILE). C(.srt-sync.json)
    among them lists the files with their SHA-256. If the objects of a job are of another run with the same name and id
    (another cluster, or a Slurm that was set up anew), this one gets a name of its own.
  - Secrets never go - neither the files that hold them, nor a file in which the value of one turns up. Links that leave
    the directory, sockets and other special files do not go either.
  - The files of a run that has not finished go as they are now, and the result says so.
requirements:
  - boto3, on the submit host
extends_documentation_fragment:
  - srt.slurm.found_run
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  all_runs:
    description: Copy all runs and sweeps below O(output_dir) that belong to the user.
    type: bool
    default: false
  storage:
    description:
      - Where they go. On the controller the default is C(cloud) of the cluster file, else its C(reporting.s3).
      - Credentials come from the usual places of AWS - the environment, a profile, the machine - unless they are here.
        A value C(srt-secret:NAME) is that of the environment variable NAME.
    type: dict
    suboptions:
      bucket:
        description: The bucket. It must exist.
        type: str
        required: true
      prefix:
        description: What the names of all objects begin with.
        type: str
      region:
        description: The region.
        type: str
      endpoint_url:
        description: The URL of the server. Without it, that of AWS.
        type: str
      path_style:
        description: Whether URLs have the bucket in their path. Without it, they have with O(storage.endpoint_url).
        type: bool
      profile:
        description: A profile of C(~/.aws) with the credentials.
        type: str
      access_key_id:
        description: The key id.
        type: str
      secret_access_key:
        description: The secret key.
        type: str
      session_token:
        description: The token of temporary credentials.
        type: str
      include:
        description:
          - Globs of the files that go; all, if there are none. A glob without a slash fits the name of a file, or of a
            directory above it. One with a slash fits the path in the run directory, and C(logs/) all that is in it.
        type: list
        elements: str
        default: []
      exclude:
        description: Globs of files that stay.
        type: list
        elements: str
        default: []
      archive:
        description: Copy one archive for each run, C(.tar.zst) if Python has C(zstandard), else C(.tar.gz).
        type: bool
        default: false
  places:
    description: Where each key of O(storage) is, for messages. On the controller the default is the cluster file's.
    type: dict
    default: {}
  access_key_id:
    description: The key id, instead of that in O(storage).
    type: str
  secret_access_key:
    description: The secret key, instead of that in O(storage). It may come from a vault or a lookup.
    type: str
attributes:
  check_mode:
    details: Looks what is there, and copies nothing.
    support: full
  diff_mode:
    details: Lists the files that go, or would go in check mode.
    support: full
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.publish
"""

EXAMPLES = r"""
- name: Copy the newest run
  srt.slurm.sync:
    output_dir: /shared/outputs
    storage:
      endpoint_url: https://s3.example.com
      bucket: benchmark-results
      prefix: my-team/

- name: Copy the results of all runs, with a key from a vault
  srt.slurm.sync:
    output_dir: /shared/outputs
    all_runs: true
    storage:
      bucket: benchmark-results
      include: [rollup.*, results]
    access_key_id: "{{ s3_key_id }}"
    secret_access_key: "{{ vaulted_s3_key }}"
"""

RETURN = r"""
runs:
  description:
    - What was copied, one entry for each run or sweep - its C(run_dir), the C(url) that its objects begin with, whether
      it had C(finished), the numbers of C(new), C(changed) and C(same) files, the C(bytes) that went, and the
      files that were C(kept_back), with the reason.
  returned: success
  type: list
  elements: dict
  sample: [{"run_dir": "/out/7", "url": "s3://runs/quickstart/7", "finished": true, "new": 3, "same": 40}]
text:
  description: The same for people.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.sync import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
