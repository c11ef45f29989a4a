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
import re
import shutil
from collections.abc import Iterable, Mapping

PREFIX = "srt-secret:"
FOLDER, FILE = ".secrets", "env.json"
REDACTED = "[redacted]"
SHORTEST = 6  # characters of a value that is hidden; shorter ones are in many words by chance
PASSWORD = re.compile(r"://[^/@\s:]{0,256}:([^/@\s]{1,1024})@")


def resolve(env: dict[str, str], run_dir: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return *env* with the values of its references: from the run directory, else from the batch job's environment.

    ValueError names the first one that has no value.
    """
    if not any(value.startswith(PREFIX) for value in env.values()):
        return env
    known = stored(run_dir)
    environ = os.environ if environ is None else environ
    found = {}
    for name, value in env.items():
        found[name] = value
        if value.startswith(PREFIX):
            wanted = value[len(PREFIX) :].split(":")[0]
            secret = known.get(value, environ.get(wanted))
            if secret is None:
                raise ValueError(
                    f"the secret {wanted} has no value: neither {FOLDER}/{FILE} of the run directory nor the "
                    f"environment of the batch job has it"
                )
            found[name] = secret
    return found


def hide(lines: Iterable[str], run_dir: str) -> list[str]:
    """Return *lines* of a log without the values of secrets: the last words of a program are shown, and kept for all.

    A value of several lines is hidden line by line, and the password of a URL also alone.
    """
    values = [value for text in stored(run_dir).values() for value in (*text.splitlines(), *PASSWORD.findall(text))]
    telling = sorted({value.strip() for value in values if len(value.strip()) >= SHORTEST}, key=len, reverse=True)
    if not telling:
        return list(lines)
    pattern = re.compile("|".join(map(re.escape, telling)))
    return [pattern.sub(REDACTED, line) for line in lines]


def stored(run_dir: str) -> dict[str, str]:
    """Return ``{reference: value}`` of the private file, {} if there is none."""
    try:
        with open(os.path.join(run_dir, FOLDER, FILE), encoding="utf-8") as stream:
            known: dict[str, str] = json.load(stream)
    except (OSError, ValueError):
        return {}
    return known


def forget(run_dir: str) -> None:
    """Remove the values: no further step will start."""
    shutil.rmtree(os.path.join(run_dir, FOLDER), ignore_errors=True)
