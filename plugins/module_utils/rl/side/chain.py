# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new pair of jobs that goes on from the checkpoint, submitted by a training that has to end before its end."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess

from . import pair
from .coord import ENVIRONMENT, JOBS, KEY, RUNTIME, TRAINING, Folder, write

CALL_S = 60.0
PLAIN = re.compile(r"[^'\"\\%\x00-\x1f]+")  # written in scripts as it is, at most in quotes
FOREIGN = re.compile(r"(?:SLURM|SBATCH|SRUN)_(?!CONF$)|(?:CUDA|ROCR)_VISIBLE_DEVICES$")


class Refused(Exception):
    """The next pair could not be submitted, and nothing of it is left."""


def resume(folder: Folder, left: int) -> tuple[str, str]:
    """Submit the next pair, of which *left* may still come, this one included; return (its directory, what to say).

    Its jobs start when those of this pair have ended.
    """
    try:
        path = _folder(folder, left)
        jobs = _submit(path, folder)
    except (OSError, Refused) as error:
        return "", f"the next pair could not be submitted: {error}"
    return path, f"{', '.join(f'{side} job {job_id}' for side, job_id in jobs.items())} go on in {path}"


def _folder(folder: Folder, left: int) -> str:
    """Make the coordination directory of the next pair."""
    number = re.search(r"_r(\d+)$", folder.path)
    path = f"{folder.path[: number.start()] if number else folder.path}_r{int(number.group(1)) + 1 if number else 1}"
    os.mkdir(path, 0o700)
    shutil.copytree(folder("programs"), os.path.join(path, "programs"))
    for name in (f"{RUNTIME}.sbatch", f"{TRAINING}.sbatch", f"{RUNTIME}.json", "settings.json", ENVIRONMENT):
        if folder.has(name):
            write(os.path.join(path, name), folder.text(name).replace(folder.path, path) + "\n")
    record = dict(folder.record(f"{TRAINING}.json"), chain=left - 1)
    write(os.path.join(path, f"{TRAINING}.json"), json.dumps(record, indent=1) + "\n")
    key = secrets.token_urlsafe(32) if folder.has(f"{RUNTIME}.sbatch") else folder.text(KEY)
    if key:
        write(os.path.join(path, KEY), key + "\n")
    return path


def _submit(path: str, folder: Folder) -> pair.Jobs:
    """Submit both jobs, or neither."""
    jobs: pair.Jobs = {}
    earlier = {side: str(job_id) for side, job_id in folder.record(JOBS).items() if side in (RUNTIME, TRAINING)}
    try:
        pair.submit(path, jobs, _hold, _release, earlier)
    except BaseException:
        if jobs:
            _call(["scancel", *jobs.values()])
        raise
    return jobs


def _hold(script: str) -> str:
    return _job_id(_call(["sbatch", "--parsable", "--hold"], script))


def _release(job_id: str) -> None:
    _call(["scontrol", "release", job_id])


def _job_id(output: str) -> str:
    found = re.findall(r"^(\d+)(?:;\S+)?\s*$", output, re.MULTILINE)
    if not found:
        raise Refused(f"sbatch printed no job id: {output.strip()!r}")
    return str(found[-1])


def _call(argv: list[str], text: str = "") -> str:
    env = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, encoding="utf-8", timeout=CALL_S, check=False, env=env, cwd="/"
        )
    except subprocess.SubprocessError as error:
        raise Refused(str(error)) from None
    if done.returncode:
        raise Refused(f"{argv[0]}: {done.stderr.strip()}")
    return done.stdout
