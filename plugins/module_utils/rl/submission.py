# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Submitting the jobs of a run, finding them again, and ending them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator

from ..failures import Error, SlurmError
from ..files import read_object
from ..slurm import commands
from ..slurm.commands import QueueEntry
from . import checks, scripts
from .launch import CONFIG, Launch, files_of
from .settings import RUNTIME, SETTINGS, SIDES, TRAINING
from .side import pair
from .side.chain import PLAIN
from .side.coord import ENDED, ENVIRONMENT, JOBS, KEY, write

LOCK_S = 60.0
GONE_S = 60.0


@contextlib.contextmanager
def one_at_a_time(base: str, name: str) -> Iterator[None]:
    """Keep other launches of the run called *name* waiting; Error if one does not end."""
    os.makedirs(base, 0o700, exist_ok=True)
    with open(os.path.join(base, f".lock_{name}"), "w", encoding="utf-8") as stream:
        until = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Error(f"Another launch of {name} has not ended in {LOCK_S:g} s. Try again.") from None
                time.sleep(0.2)
        yield


def find(name: str) -> dict[str, QueueEntry]:
    """Return {side: the active job} of the run called *name*; Error if there are two of a side."""
    found: dict[str, QueueEntry] = {}
    for job in commands.jobs():
        side = job["comment"][len(scripts.TAG) :].partition(":")[0] if job["comment"].startswith(scripts.TAG) else ""
        if side not in SIDES or job["name"] != scripts.job_name(name, side) or job["state"] == "COMPLETING":
            continue
        # Of a chain the next pair waits while this one ends.
        staying = [one for one in (found.get(side), job) if one and (side not in found or not has_ended(one, side))]
        if len(staying) > 1:
            ids = " and ".join(one["id"] for one in staying)
            raise Error(f"There are two jobs {job['name']}: {ids}. End one with rl_stop.yml or scancel.")
        found[side] = staying[0] if staying else job
    return found


def has_ended(job: QueueEntry, side: str) -> bool:
    """Return whether a job that Slurm still lists has said that it has ended."""
    said = read_object(os.path.join(job["work_dir"], f"{side}_state.json")) or {}
    return said.get("job_id") == job["id"] and said.get("state") in ENDED


def digest_of(job: QueueEntry) -> str:
    """Return the digest of what a job was made from."""
    return job["comment"].split(" ")[0].rpartition(":")[2]


def changed_settings(folder: str, launch: Launch, side: str) -> list[str]:
    """Return the settings that differ from those of the launch in *folder* and reach a side, as text."""
    before = (read_object(os.path.join(folder, CONFIG)) or {}).get("settings")
    if not isinstance(before, dict):
        return []
    names = [name for name, one in SETTINGS.items() if side in one.jobs or not one.jobs]
    differ = [name for name in names if before.get(name) != launch.values[name] and name != "wandb_experiment"]
    return [f"{name}: {before.get(name)!r} -> {launch.values[name]!r}" for name in differ]


def new_folder(launch: Launch, stamp: str) -> str:
    """Return the path of a new coordination directory: ``<base>/<YYYYmmdd_HHMMSS>_<id>``, or the one that is set."""
    given = str(launch.values["skyrl_coord_dir"] or "")
    folder = given or os.path.join(launch.base, f"{stamp.replace('-', '_')}_{secrets.token_hex(3)}")
    if launch.values["chain"] and not PLAIN.fullmatch(folder):
        text = f"chain: the coordination directory {folder} has quotes, backslashes or percent signs in its path."
        raise Error(f"{text} Choose another skyrl_jobs_base or skyrl_coord_dir, or leave chain out.")
    return folder


def test_only(launch: Launch, folder: str) -> list[str]:
    """Return what Slurm says against the jobs, in words, without submitting them."""
    problems = []
    for side in launch.sides:
        # The directory is not there yet, and sbatch looks for the one that it is to change to.
        script = launch.script(side, folder)
        script = "".join(line for line in script.splitlines(True) if not line.startswith("#SBATCH --chdir="))
        done = commands.patiently(["sbatch", "--test-only"], check=False, stdin=script)
        if done.returncode:
            said = [line for line in done.stderr.strip().splitlines() if line.strip()]
            text = " ".join(line.replace("sbatch: error: ", "").replace("allocation failure: ", "") for line in said)
            problems.append(f"The {side} job would be refused by Slurm: {text}. {_remedy(launch, side)}")
    return problems


def _remedy(launch: Launch, side: str) -> str:
    if side == RUNTIME:
        names, limit = "cpu_partition, cpus_for_runtime, runtime_memory", scripts.runtime_limit_s(launch.values)
        more = f" Its time limit, {scripts.slurm_time(limit)}, is time_limit + runtime_ready_timeout + runtime_extra_s."
    else:
        names, more = (
            "gpu_partition, gpu_nodes, gpus_per_node, gpu_type, training_cpus, training_memory, time_limit",
            "",
        )
    partition = launch.values["cpu_partition" if side == RUNTIME else "gpu_partition"]
    return f"Check {names} against sinfo -p {partition}, and your account with sacctmgr show associations.{more}"


def make_folder(launch: Launch, folder: str, key: str) -> None:
    """Make the coordination directory with all its files; only its owner can read any of them."""
    os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if os.listdir(folder):
            text = f"The coordination directory {folder} exists and is not empty. Choose another skyrl_coord_dir."
            raise Error(text) from None
        os.chmod(folder, 0o700)
    for name, text in files_of(launch, folder).items():
        os.makedirs(os.path.dirname(os.path.join(folder, name)), 0o700, exist_ok=True)
        write(os.path.join(folder, name), text)
    if key:
        write(os.path.join(folder, KEY), key + "\n")
    if TRAINING in launch.sides:
        write(os.path.join(folder, ENVIRONMENT), checks.private_copy(str(launch.values["env_file"] or "")))


def submit(launch: Launch, folder: str) -> dict[str, str]:
    """Submit the jobs, both or neither; return {side: job id}. Neither starts before both are there."""
    jobs: dict[str, str] = {}
    try:
        pair.submit(folder, jobs, commands.submit_held, commands.release, joined=not launch.smoke)
    except BaseException as error:
        left = take_back(folder)
        if isinstance(error, SlurmError):
            text = f"{error.msg} No job of this launch is left." if not left else f"{error.msg} {left}"
            raise SlurmError(text, **error.evidence) from error
        raise
    return jobs


def take_back(folder: str) -> str:
    """Cancel all jobs of the coordination directory *folder*; return what may be left, "" if nothing is."""
    try:
        for job in commands.jobs():
            if job["comment"].startswith(scripts.TAG) and job["work_dir"] == folder:
                commands.cancel(job["id"])
    except SlurmError as error:
        return f"Jobs of {folder} may be left, as Slurm does not answer ({error.msg}); rl_stop.yml ends them."
    return ""


def unfinished(job: QueueEntry) -> bool:
    """Return whether a job is left of a launch that was interrupted before it could let its jobs start."""
    jobs = read_object(os.path.join(job["work_dir"], JOBS)) or {}
    return commands.held_by_user(job) and not jobs.get("released")


def end(found: dict[str, QueueEntry]) -> None:
    """Cancel jobs, training first, and wait until they have ended; Error if one does not."""
    for side in reversed(SIDES):
        if side in found:
            commands.cancel(found[side]["id"])
    until = time.monotonic() + GONE_S
    for job in found.values():
        while commands.jobs(job_id=job["id"]):
            if time.monotonic() > until:
                raise Error(f"Job {job['id']} has not ended in {GONE_S:g} s. squeue --jobs={job['id']} shows why.")
            time.sleep(0.5)


def active_in(folder: str) -> dict[str, QueueEntry]:
    """Return {side: job} of the active jobs of a coordination directory."""
    found: dict[str, QueueEntry] = {}
    for job in commands.jobs():
        if job["comment"].startswith(scripts.TAG) and os.path.realpath(job["work_dir"]) == os.path.realpath(folder):
            found[job["comment"][len(scripts.TAG) :].partition(":")[0]] = job
    return found
