# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private file of a run directory that holds the values of secrets, and references to them.

References in a step's environment become values when its client is started, not before. secrets/references.py writes
the file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping

PREFIX = "srt-secret:"
FOLDER, FILE = ".secrets", "env.json"


def resolve(env: dict[str, str], run_dir: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return *env* with the values of its references: from the run directory, else from the batch job's environment.

    ValueError names the first one that has no value.
    """
    if not any(value.startswith(PREFIX) for value in env.values()):
        return env
    try:
        with open(os.path.join(run_dir, FOLDER, FILE), encoding="utf-8") as stream:
            known = json.load(stream)
    except (OSError, ValueError):
        known = {}
    environ = os.environ if environ is None else environ
    found = {}
    for name, value in env.items():
        if value.startswith(PREFIX):
            wanted = value[len(PREFIX) :].split(":")[0]
            value = known.get(value, environ.get(wanted))
            if value is None:
                raise ValueError(
                    f"the secret {wanted} has no value: neither {FOLDER}/{FILE} of the run directory nor the "
                    f"environment of the batch job has it"
                )
        found[name] = value
    return found


def forget(run_dir: str) -> None:
    """Remove the values: no further step will start."""
    shutil.rmtree(os.path.join(run_dir, FOLDER), ignore_errors=True)
