#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cluster_programs: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster_programs
short_description: Install nats-server, etcd and Dynamo's wheels for the nodes of a cluster
version_added: 0.1.0
description:
  - Puts C(nats-server) and C(etcd) into O(path), and Dynamo's wheels below it, for the architecture of the nodes. That
    of this host may be another one.
  - Without O(source) a program is that of this machine, else that of Debian's package (without root), else that of its
    release.
  - What is downloaded needs a checksum, from O(checksums) or from the file C(SHA256SUMS) beside it. The SHA-256 of what
    is installed is recorded in C(programs.json). A program that no longer has it is an error.
  - A program for another architecture is refused, wherever it comes from.
requirements:
  - C(pip) of O(python), for wheels that are not in a directory.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  path:
    description: The directory on shared disk, C(configs_dir) of the cluster file.
    type: path
    required: true
  architecture:
    description: The architecture of the nodes, V(x86_64) or V(aarch64). The default is that of this host.
    type: str
  source:
    description:
      - A directory with the programs, with archives of their releases or with wheels; nothing is downloaded then.
      - Or the address of a directory with the archives and C(SHA256SUMS); for wheels, of a package index.
    type: str
  checksums:
    description: SHA-256 by the name of a file of O(source), or of a program.
    type: dict
    default: {}
  debian:
    description: Whether the programs are those of Debian's packages, although this machine has some.
    type: bool
    default: false
  wheels:
    description: The version of Dynamo whose wheels are needed, C(dynamo.wheel) of jobs. The default is none.
    type: str
  python:
    description: The Python whose C(pip) downloads wheels.
    type: path
    default: python3
  python_version:
    description: The Python of the images that install the wheels.
    type: str
    default: "3.12"
attributes:
  check_mode:
    details: Nothing is installed.
    support: full
  diff_mode:
    details: There is no diff.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.harness
"""

EXAMPLES = r"""
- name: Install the programs for nodes with Grace CPUs
  srt.slurm.cluster_programs:
    path: /shared/srt/configs
    architecture: aarch64
    source: /shared/downloads
"""

RETURN = r"""
architecture:
  description: The architecture.
  returned: success
  type: str
programs:
  description: The path of each program.
  returned: success
  type: dict
installed:
  description: The programs that were installed.
  returned: success
  type: list
  elements: str
wheels:
  description: The files of the wheels.
  returned: success
  type: list
  elements: str
record:
  description: Where each program is from, with its SHA-256 and its version.
  returned: success
  type: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.cluster_programs import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
