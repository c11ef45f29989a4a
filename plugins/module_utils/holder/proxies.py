# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a service talk to each other directly, whatever proxy the user's shell or the job names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from .places import NODES
from .tails import TAIL_BYTES, tail

MOST = 100_000  # characters; Linux takes 128 KiB for a variable
PROXY = re.compile("(https?|ftp|all)_proxy", re.IGNORECASE)
# A step in a container also has a copy of each variable.
DIRECT = re.compile("(SRT_ENV_)?no_proxy", re.IGNORECASE)


def without_proxy(env: Mapping[str, str], run_dir: str, shell: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return *env* of a step, with the nodes of the job among the hosts that no proxy is asked for.

    :param shell: the environment to which *env* is added; default: ours.
    """
    shell = os.environ if shell is None else shell
    if not any(value and PROXY.fullmatch(name) for name, value in (*shell.items(), *env.items())):
        return dict(env)
    given = [value for name, value in env.items() if DIRECT.fullmatch(name)]
    given = given or [value for name, value in shell.items() if DIRECT.fullmatch(name)]
    hosts = [host.strip() for value in given for host in value.split(",")] + [
        "localhost",
        "127.0.0.1",
        *_nodes(run_dir),
    ]
    text = ",".join(dict.fromkeys(filter(None, hosts)))
    if len(text) > MOST:
        text = text[:MOST].rpartition(",")[0]
    names = ["no_proxy", "NO_PROXY", *filter(DIRECT.fullmatch, env)]
    return {**env, **dict.fromkeys(names, text)}


def _nodes(run_dir: str) -> list[str]:
    """Return the addresses of the job's nodes, and their names; [] if they are not known (yet)."""
    try:
        nodes = json.loads(tail(os.path.join(run_dir, NODES), TAIL_BYTES))["nodes"]
        return [str(node[key]) for key in ("address", "name") for node in nodes]
    except (ValueError, KeyError, TypeError):
        return []
