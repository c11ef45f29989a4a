# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run directories below an output directory: one of an earlier job is kept aside, ``latest`` points at the newest."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import tempfile
from collections.abc import Iterator

from ..failures import Error
from ..files import write_text_atomic
from ..slurm.commands import QueueEntry
from . import job_end, ownership

LATEST = "latest"  # the link to the newest run directory


def make_room(folder: str, job: QueueEntry) -> list[str]:
    """Keep *folder* aside if it is of an earlier job that had the id of *job* (its queue entry); see set_aside.

    Return sentences about it. Error when that job is one of another cluster and may still run.
    """
    if job.get("submitted_at") and ownership.record(folder).get(ownership.SUBMITTED) == job["submitted_at"]:
        return []
    there = None if job_end.holder_ended(folder) else ownership.elsewhere(folder)
    if there:
        raise Error(
            f"{folder} is the run directory of the job {job['id']} of the cluster {there}, which may still run. "
            "Use a separate output_dir for each cluster (-e output_dir=...), or end that run there first."
        )
    with writing(folder, job["id"]), contextlib.suppress(FileNotFoundError):  # another controller was faster
        aside = set_aside(folder)
        return [aside] if aside else []
    return []


def set_aside(folder: str) -> str | None:
    """Keep the directory of an earlier job of this id: a Slurm that was set up anew counts from 1 again.

    Return a note about it, or None.
    """
    if not os.path.exists(os.path.join(folder, "steps.jsonl")):  # what a holder writes first
        return None
    number = 1
    while os.path.exists(f"{folder}.earlier{number}"):
        number += 1
    aside = f"{folder}.earlier{number}"
    os.rename(folder, aside)
    report = pathlib.Path(aside, "rollup.txt")  # it names paths, which are another job's now
    with contextlib.suppress(OSError):
        write_text_atomic(str(report), report.read_text(encoding="utf-8").replace(f"{folder}/", f"{aside}/"))
    return f"{folder} was of an earlier job with this id; it is {aside} now."


def check_writable(output_dir: str) -> None:
    """Create *output_dir* and check, before submission, that run directories can be created in it; Error if not."""
    what = "made"
    try:
        os.makedirs(output_dir, exist_ok=True)
        what = "written"
        with tempfile.TemporaryDirectory(dir=output_dir, prefix=".srt-probe-") as probe:
            # About the size of the files that a job needs to start: a full disk still has room for a directory.
            pathlib.Path(probe, "file").write_bytes(bytes(1 << 18))
    except OSError as error:
        raise Error(f"output_dir {output_dir} cannot be {what}: {error.strerror}. {_remedy(error)} one.") from None


@contextlib.contextmanager
def writing(folder: str, job_id: str) -> Iterator[None]:
    """Turn an OSError while writing to the run directory *folder* into an Error with a remedy."""
    try:
        yield
    except OSError as error:
        raise Error(
            f"The run directory of job {job_id} cannot be written: {error.filename or folder}: {error.strerror}. "
            f"{_remedy(error)} output_dir."
        ) from None


def _remedy(error: OSError) -> str:
    return "Free some space, or choose another" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Choose another"


def point_latest(output_dir: str, job_id: str) -> None:
    """Point LATEST at the newest run directory; only a link is ever replaced, and not one that another user keeps."""
    link = os.path.join(output_dir, LATEST)
    if os.path.lexists(link) and not os.path.islink(link):
        return
    # In a directory to which nobody else can write.
    temporary = os.path.join(output_dir, str(job_id), f".{LATEST}-{os.getpid()}")
    os.symlink(str(job_id), temporary)
    try:
        os.replace(temporary, link)
    except PermissionError:  # another user's, in a directory for all
        os.unlink(temporary)


def latest(output_dir: str) -> str:
    """Return the path of the newest run directory, where several users have their runs preferably of this user."""
    link = os.path.join(output_dir, LATEST)
    if is_own(link):
        return link
    return max(filter(is_own, numbered(output_dir)), key=age, default=link)


def numbered(output_dir: str) -> list[str]:
    """Return the paths below *output_dir* whose names are job ids."""
    try:
        return [os.path.join(output_dir, name) for name in os.listdir(output_dir) if name.isdigit()]
    except OSError:
        return []


def is_own(path: str) -> bool:
    """Return whether *path*, a link too, belongs to this user."""
    try:
        return os.lstat(path).st_uid == os.getuid()
    except OSError:
        return False


def age(run_dir: str) -> tuple[str, int]:
    """Return the sort key of a run, greater for newer ones: when its job was submitted by Slurm's clock, its number."""
    about = ownership.record(run_dir)
    when = about.get(ownership.SUBMITTED) or about.get("generated_at") or ""
    return str(when), int(os.path.basename(run_dir))
