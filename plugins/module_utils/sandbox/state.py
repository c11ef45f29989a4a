# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a sandbox and the file that says what was made there.

The state file is written before anything it names is made, so whoever comes later, also after a
``kill -9`` in the middle, can remove all of it and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from typing import TypedDict

from ..failures import Error
from ..files import write_text_atomic
from .anchor.main import AnchorRecord
from .settings import Settings

STATE_VERSION = 1
#: All that a sandbox ever makes in its directory. The state file goes last, the lock file after it.
ENTRIES = ("etc", "lib", "dev", "run", "log", "spool", "state", "tmp", "disk", "exec")
#: What is made in the run folder when that is another directory.
SHORT_ENTRIES = ("run", "spool", "tmp")
STATE_FILE, LOCK_FILE = "sandbox.json", ".lock"
#: PMIx and munge put Unix sockets into the run folder; a socket's path has at most 107 bytes.
LONGEST_FOLDER = 60


class State(TypedDict):
    """The content of sandbox.json: the settings, the state (making, up, stopping, stopped), and what else was made.

    ``cut`` names the nodes without a network, ``run_folder`` is the directory of the sockets, and ``boot_id`` the boot
    of this machine in which it runs.
    """

    version: int
    token: str
    phase: str
    settings: Settings
    cut: list[str]
    boot_id: str
    run_folder: str


class Folder:
    """One sandbox directory."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        if any(c.isspace() or c in "#\"'\\%[]," for c in self.path):
            raise Error(f"The sandbox directory must have no space and none of #\"'\\%[], in its path: {self.path}")

    def __call__(self, *parts: str) -> str:
        return os.path.join(self.path, *parts)

    def run_folder(self, token: str) -> str:
        """Return the directory for sockets: the sandbox directory, or a short one in /tmp where that is too long."""
        if len(self.path) <= LONGEST_FOLDER:
            return self.path
        return f"/tmp/srt-sandbox-{token[:8]}"

    def read(self) -> State | None:
        """Return the state, or None without a sandbox; Error if the file is not ours."""
        try:
            with open(self(STATE_FILE), encoding="utf-8") as stream:
                if os.fstat(stream.fileno()).st_uid != os.geteuid():
                    raise PermissionError
                state: State = json.load(stream)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise Error(f"The sandbox in {self.path} is another user's.") from None
        except ValueError as error:
            raise Error(f"{self(STATE_FILE)} is not a sandbox's state: {error}.") from None
        if state.get("version") != STATE_VERSION:
            raise Error(
                f"{self(STATE_FILE)} has version {state.get('version')}, this collection reads {STATE_VERSION}. "
                "Stop that sandbox with the collection that started it."
            )
        return state

    def state(self) -> State:
        """Return the state; Error without a sandbox."""
        state = self.read()
        if state is None:
            raise Error(f"There is no sandbox in {self.path}.")
        return state

    def write(self, state: State) -> None:
        """Store the state."""
        write_text_atomic(self(STATE_FILE), json.dumps(state, indent=1, sort_keys=True) + "\n", 0o600)

    def record(self, state: State) -> AnchorRecord | None:
        """Return what the anchor of this very state published, or None."""
        try:
            with open(self("run", "anchor.json"), encoding="ascii") as stream:
                record: AnchorRecord = json.load(stream)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return record if record["token"] == state["token"] else None

    def _foreign(self) -> list[str]:
        """Return the names of what is in the directory, without the traces of an interrupted first moment."""
        return sorted(
            name
            for name in os.listdir(self.path)
            if name != LOCK_FILE and not (name.startswith(".tmp_") and name.endswith("_" + STATE_FILE))
        )

    def is_bare(self) -> bool:
        """True for a directory that holds nothing (a start that was interrupted at once leaves one)."""
        return os.path.isdir(self.path) and not self._foreign()

    def check_new(self) -> None:
        """Error unless the directory can become a sandbox: absent or empty."""
        found = self._foreign() if os.path.isdir(self.path) else []
        if found:
            raise Error(
                f"{self.path} is not a sandbox and not empty (it contains {found[0]}). Use another "
                "directory, or remove this one."
            )

    def remove(self, run_folder: str, keep_log: bool = False) -> None:
        """Remove what a sandbox makes here; the directory itself when nothing else is in it.

        With *keep_log* the log folder stays, and with it the state file, which says whose it is.
        """
        for name in ENTRIES:
            if keep_log and name == "log":
                continue
            _remove(self(name))
        if run_folder != self.path:
            _remove(run_folder)
        if not keep_log:
            _remove(self(STATE_FILE))
            self.remove_if_empty()

    def remove_if_empty(self) -> None:
        """Remove the lock file and the directory if nothing else is there."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.path):
                if name not in (LOCK_FILE, *self._foreign()):
                    _remove(self(name))
            if not self._foreign():
                _remove(self(LOCK_FILE))
                with contextlib.suppress(OSError):
                    os.rmdir(self.path)

    @contextlib.contextmanager
    def lock(self, timeout_s: float, make: bool = False) -> Iterator[bool]:
        """Hold the directory for one start or stop; yields False where there is no directory and *make* is not set."""
        parent = os.path.dirname(self.path)
        if not os.path.isdir(parent):
            raise Error(f"There is no directory {parent} for the sandbox directory.")
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if make:
                    os.makedirs(self.path, mode=0o755, exist_ok=True)
                handle = os.open(self(LOCK_FILE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except FileNotFoundError:
                if make:
                    continue
                yield False
                return
            except OSError as error:
                raise Error(f"Cannot use {self.path} as a sandbox directory: {error.strerror}.") from None
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(handle), os.stat(self(LOCK_FILE))):
                        break
                os.close(handle)
            except BlockingIOError:
                os.close(handle)
                if time.monotonic() > deadline:
                    raise Error(
                        f"Another start or stop of the sandbox in {self.path} has run for over {timeout_s:g} s."
                    ) from None
                time.sleep(0.05)
        try:
            yield True
        finally:
            os.close(handle)


def _remove(path: str) -> None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Error(f"Cannot remove {path}: {error.strerror}.") from None
