# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cheap fingerprint of files: equal for equal files, on every host, and different for other weights.

It covers names, sizes and contents, and no times: a copy has the fingerprint of its original. Small files and
configurations are read whole. Of a large one the head (of weights: their names, types and shapes) and samples along
the whole file are read, so that a model of 700 GB takes a second or two.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

MIB = 1 << 20
WHOLE = 16 * MIB  # files up to this size are read whole
DATA = (".jsonl", ".csv")  # data sets are read whole: a line that differs would not be seen in samples
TEXTS = (".json", ".jinja", ".txt", ".py", ".model", ".tiktoken", ".yaml", ".yml")
WHOLE_TEXT = 64 * MIB  # and texts up to this size, such as a tokenizer.json
HEAD, SAMPLES, SAMPLE = MIB // 8, 16, 4096
MOST_FILES = 5_000
MOST_PARTS = 400  # of so many files each has a digest of its own, to name those that differ
LEFT_OUT = ("__pycache__",)  # and hidden files: caches and locks of downloads


class Unreadable(Exception):
    """A fingerprint is not possible; the text says why."""


def fingerprint(path: str, limit_s: float = 30.0) -> dict[str, Any]:
    """Return ``{digest, files, bytes, parts}`` of a file, or of a directory with all below it, or ``{why, missing}``.

    Symbolic links are followed, as in the snapshots of Hugging Face's cache. ``parts`` is ``{name: digest}``.
    """
    until = time.monotonic() + limit_s
    try:
        names = list(_files(path, until))  # all of them before one is read: a wrong directory costs little
        found = [(name, *content(one, until)) for name, one in names]
    except Unreadable as error:
        return {"why": str(error), "missing": False}
    except OSError as error:
        missing = not os.path.exists(path)
        text = f"{path} does not exist" if missing else f"{error.filename or path}: {error.strerror}"
        return {"why": text, "missing": missing}
    whole = hashlib.sha256()
    for name, size, sha in found:
        whole.update(f"{name}\0{size}\0{sha}\n".encode("utf-8", "surrogateescape"))
    return {
        "digest": whole.hexdigest()[:16],
        "files": len(found),
        "bytes": sum(size for _name, size, _sha in found),
        "parts": {name: f"{size}/{sha[:8]}" for name, size, sha in found} if len(found) <= MOST_PARTS else {},
    }


def _files(path: str, until: float) -> Iterator[tuple[str, str]]:
    """Yield (name relative to *path*, path) of the files, in the order of their names; "." is *path* itself."""
    if not os.path.isdir(path):
        yield ".", path
        return
    above: tuple[str, ...] = (os.path.realpath(path),)
    count, left = 0, [("", path, above)]
    while left:
        below, folder, above = left.pop()
        names = sorted(name for name in os.listdir(folder) if not name.startswith(".") and name not in LEFT_OUT)
        for name in names:
            one, relative = os.path.join(folder, name), f"{below}{name}"
            if os.path.isdir(one):
                real = os.path.realpath(one)
                if real not in above:  # a link to a directory above would never end
                    left.append((f"{relative}/", one, (*above, real)))
                continue
            if not stat.S_ISREG(os.stat(one).st_mode):  # reading a pipe or a device may never end
                continue
            count += 1
            if count > MOST_FILES:
                raise Unreadable(f"{path} has more than {MOST_FILES} files")
            _in_time(path, until)
            yield relative, one


def content(path: str, until: float) -> tuple[int, str]:
    """Return (size, SHA-256 in hex) of a file; of the head and of samples if it is large."""
    with open(path, "rb", buffering=0) as stream:
        size, sha = os.fstat(stream.fileno()).st_size, hashlib.sha256()
        whole = size if path.endswith(DATA) else WHOLE_TEXT if path.endswith(TEXTS) else WHOLE
        for begin, length in [(0, size)] if size <= whole else _pieces(size):
            stream.seek(begin)
            _feed(sha, stream, length, path, until)
    return size, sha.hexdigest()


def _feed(sha: Any, stream: BinaryIO, length: int, path: str, until: float) -> None:
    """Add *length* bytes of *stream* to *sha*; a file that became shorter is no error, it has another digest."""
    while length > 0:
        _in_time(path, until)
        data = stream.read(min(MIB, length))
        if not data:
            return
        sha.update(data)
        length -= len(data)


def _pieces(size: int) -> list[tuple[int, int]]:
    """Return [(begin, length)] of what is read of a large file: the head, and samples from there to the end."""
    step = (size - SAMPLE - HEAD) // (SAMPLES - 1)
    return [(0, HEAD), *((HEAD + number * step, SAMPLE) for number in range(SAMPLES - 1)), (size - SAMPLE, SAMPLE)]


def _in_time(path: str, until: float) -> None:
    if time.monotonic() > until:
        raise Unreadable(f"{path} took too long to read")
