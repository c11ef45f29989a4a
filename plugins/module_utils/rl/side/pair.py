# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Submitting the jobs of a coordination directory, so that none starts before all are there."""

from __future__ import annotations

import json
import os
import re
from typing import Callable, Dict, Mapping

from .coord import JOBS, RUNTIME, TRAINING, write

DEPENDENCY = re.compile(r"^#SBATCH --dependency=.*\n", re.MULTILINE)
Jobs = Dict[str, str]  # {side: job id}


def submit(
    path: str,
    jobs: Jobs,
    hold: Callable[[str], str],
    release: Callable[[str], None],
    earlier: Mapping[str, str] | None = None,
    joined: bool = True,
) -> None:
    """Submit the jobs whose scripts are in *path*; *jobs* has those that were submitted, also after an error.

    :param hold: submits a script held; returns the job id.
    :param release: lets a held job start.
    :param earlier: the jobs of the pair before. Each must have ended before its follower starts.
    :param joined: training starts after the runtime.
    """
    for side in (RUNTIME, TRAINING):
        script = os.path.join(path, f"{side}.sbatch")
        if not os.path.exists(script):
            continue
        with open(script, encoding="utf-8") as stream:
            text = stream.read()
        after = [f"after:{jobs[RUNTIME]}"] if joined and RUNTIME in jobs else []
        after += [f"afterany:{earlier[side]}"] if earlier and side in earlier else []
        wanted = depending(text, after)
        if wanted != text:
            write(script, wanted)
        jobs[side] = hold(wanted)
    write(os.path.join(path, JOBS), json.dumps(jobs) + "\n")
    for job_id in reversed(list(jobs.values())):
        release(job_id)
    write(os.path.join(path, JOBS), json.dumps({**jobs, "released": True}) + "\n")


def depending(script: str, after: list[str]) -> str:
    """Return a script with these dependencies, and no others."""
    script = DEPENDENCY.sub("", script)
    line = f"#SBATCH --dependency={','.join(after)}\n" if after else ""
    return script.replace("\n#SBATCH", f"\n{line}#SBATCH", 1)
