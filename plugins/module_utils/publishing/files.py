# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a run are copied elsewhere, and what is in them.

Only regular files inside the directory count, also through links that stay in it. Secrets never leave: neither the
files that hold them, nor another file in which the value of one turns up.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from typing import BinaryIO, Callable, NamedTuple

from ..failures import Error
from ..holder.secret_values import FOLDER, SHORTEST
from ..holder.tails import regular

MANIFEST = ".srt-sync.json"
# Files that hold secrets, and what is only there for a moment.
# The last is what a sync itself stores beside them: that of a run which was copied back is none of this one.
NEVER = (FOLDER, ".srt-key-*", "programs/frozen/vars.json", "__pycache__", ".tmp_*", ".lock-*", ".nfs*", MANIFEST)
BLOCK = 1 << 20  # bytes that are read at once


class Choice(NamedTuple):
    """What the user chose: globs of files that go, () for all, and of those that stay."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


class LocalFile(NamedTuple):
    """A file that goes: ``name`` is its path relative to the directory, with slashes."""

    name: str
    path: str


class Content(NamedTuple):
    """What is in a file: its size in bytes, and digests in hex, of the whole and of each part."""

    size: int
    sha256: str
    md5: str
    parts: tuple[str, ...]


class Exposing(Exception):
    """The file holds the value of a secret."""


def fits(name: str, pattern: str) -> bool:
    """Return whether a glob fits the relative path *name*.

    A pattern without a slash fits the name of a file, or of a directory above it; with one it fits the whole path, and
    ``*`` stands for slashes too. ``logs/`` is everything in ``logs``.
    """
    pattern = pattern[2:] if pattern.startswith("./") else pattern
    if "/" not in pattern:
        return any(fnmatch.fnmatchcase(part, pattern) for part in name.split("/"))
    return fnmatch.fnmatchcase(name, pattern + "*" if pattern.endswith("/") else pattern.lstrip("/"))


def chosen(root: str, choice: Choice, unread: dict[str, str]) -> list[LocalFile]:
    """Return the files below *root* that go, sorted; Error if ``include`` fits none.

    :param unread: gets the directories that cannot be read, with the reason.
    """
    top = os.path.realpath(root)

    def failed(error: OSError) -> None:
        unread[os.path.relpath(str(error.filename), top)] = f"it cannot be read: {error.strerror}"

    every = sorted(_regular(top, failed))
    found = [one for one in every if _goes(one.name, choice)]
    if every and not found and choice.include:
        raise Error(f"include ({', '.join(choice.include)}) fits no file of {root}. Change it, or leave it out.")
    return found


def _goes(name: str, choice: Choice) -> bool:
    wanted = not choice.include or any(fits(name, pattern) for pattern in choice.include)
    return wanted and not any(fits(name, pattern) for pattern in choice.exclude)


def _regular(top: str, failed: Callable[[OSError], None]) -> Iterator[LocalFile]:
    """Yield the regular files below *top*, a real path; a link counts if the file is inside and may go itself."""
    for folder, folders, names in os.walk(top, onerror=failed):
        below = os.path.relpath(folder, top)
        prefix = "" if below == os.curdir else below.replace(os.sep, "/") + "/"
        folders[:] = sorted(one for one in folders if not _never(f"{prefix}{one}"))
        for one in names:
            path = os.path.join(folder, one)
            real = os.path.realpath(path)
            inside = real.startswith(top + os.sep)
            if not inside or _never(f"{prefix}{one}") or _never(os.path.relpath(real, top).replace(os.sep, "/")):
                continue
            try:
                kind = os.stat(real).st_mode
            except OSError:  # it has just gone, or leads nowhere
                continue
            if stat.S_ISREG(kind):
                yield LocalFile(f"{prefix}{one}", real)


def _never(name: str) -> bool:
    return any(fits(name, pattern) for pattern in NEVER)


def content(stream: BinaryIO, part_size: int, secrets: Collection[bytes] = ()) -> Content:
    """Return what is in *stream* up to its present size; Exposing if one of *secrets* is in it.

    What a running job adds meanwhile does not count.
    """
    size = os.fstat(stream.fileno()).st_size
    whole, sha256, parts = hashlib.md5(usedforsecurity=False), hashlib.sha256(), []
    telling = [value for value in secrets if len(value) >= SHORTEST]
    overlap, before, left = max(map(len, telling), default=1) - 1, b"", size
    stream.seek(0)
    part, in_part = hashlib.md5(usedforsecurity=False), 0
    while left:
        data = stream.read(min(BLOCK, left, part_size - in_part))
        if not data:
            raise OSError(0, "it was cut meanwhile")
        if telling:
            seen = before + data
            if any(value in seen for value in telling):
                raise Exposing
            before = seen[len(seen) - overlap :] if overlap else b""
        for one in (whole, sha256, part):
            one.update(data)
        left, in_part = left - len(data), in_part + len(data)
        if in_part == part_size or not left:
            parts.append(part.hexdigest())
            part, in_part = hashlib.md5(usedforsecurity=False), 0
    return Content(size, sha256.hexdigest(), whole.hexdigest(), tuple(parts))


def opened(file: LocalFile) -> BinaryIO:
    """Open *file*; OSError if it is not a regular file any more."""
    return open(file.path, "rb", opener=regular)
