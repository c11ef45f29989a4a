# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket directory of a holder on its node: owned by this user, and locked while the holder runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import stat
from collections.abc import Iterable

GAVE_WAY = 4  # exit status of a holder that yields an adopted allocation to one of another run directory


def socket_path(job_id: str | int, run_dir: str) -> str:
    """Return the socket directory of the holder of *job_id* on its node.

    The directory for the run directory "/TIME", the submission time of an adopted allocation, is for the whole job: it
    has no socket, but the only holder of the job locks it. Another cluster may have a job with this id on the same
    machine, for example in a second sandbox.
    """
    mark = hashlib.sha256(os.path.realpath(run_dir).encode()).hexdigest()[:8]
    return f"/tmp/srt-{os.getuid()}-{job_id}-{mark}/socket"


class SocketDir:
    """The directory of one holder. The directory is locked, and the kernel frees the lock when the holder ends.

    :ivar path: of the socket.
    """

    def __init__(self, path: str) -> None:
        self.path, self.folder, self.lock = path, os.path.dirname(path), -1

    def acquire(self, adopted: bool) -> bool:
        """Take over the directory, emptied; return False if the allocation is *adopted* and another holder has it.

        Several controllers may start a holder in an adopted allocation: one of these serves them all. A batch script
        is unique in its job, so it replaces the holder of an earlier job attempt.
        """
        while True:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)
            try:
                # Our children do not inherit it (PEP 446), so the lock ends with this process.
                self.lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except FileNotFoundError:  # its holder has just removed it
                continue
            except OSError:
                raise SystemExit(f"{self.folder} belongs to another user") from None
            if os.fstat(self.lock).st_uid != os.getuid():
                raise SystemExit(f"{self.folder} belongs to another user")
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self.lock)
                if adopted:
                    return False
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(self.folder)
                continue
            except OSError:  # a file system without locks
                pass
            if self._is_ours():
                break
            os.close(self.lock)  # removed between the two calls: this lock has no effect
        os.fchmod(self.lock, 0o700)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)  # of a killed holder
        return True

    def release(self) -> None:
        """Remove the folder, unless another holder owns it now."""
        if self._is_ours():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.lock), os.lstat(self.folder))
        except FileNotFoundError:
            return False


def acquire_dirs(job_id: str, run_dir: str, adopted: str) -> tuple[list[SocketDir], int]:
    """Return (socket directories of a holder that may serve, the first one for its socket; exit status if it may not).

    Two services would compete for GPUs and ports, so a job has one holder, whatever its run directory.

    :param adopted: the submission time of an adopted allocation; "" in a batch script.
    """
    acquired: list[SocketDir] = []
    for one, status in ((run_dir, 0), *([(f"/{adopted}", GAVE_WAY)] if adopted else [])):
        directory = SocketDir(socket_path(job_id, one))
        if not directory.acquire(bool(adopted)):
            release_dirs(acquired)
            return [], status
        acquired.append(directory)
    return acquired, 0


def release_dirs(dirs: Iterable[SocketDir]) -> None:
    """Remove socket directories."""
    for directory in dirs:
        directory.release()


def check_private(folder: str) -> None:
    """Raise ConnectionError unless *folder* is our directory, and no other user can write to it."""
    facts = os.lstat(folder)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise ConnectionError(f"{folder} is not a private directory of this user")


def exchange(path: str, text: str, timeout_s: float | None = None) -> str:
    """Send one request to the holder on this host and return its answer; OSError if there is none."""
    check_private(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            return stream.read().decode()
