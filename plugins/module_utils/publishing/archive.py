# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All files of a run in one archive: tar with zstd where Python has it, else with gzip."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, BinaryIO, cast

from . import files
from .files import Content, LocalFile


def suffix() -> str:
    """Return how the name of an archive ends."""
    return ".tar.zst" if importlib.util.find_spec("zstandard") else ".tar.gz"


@contextlib.contextmanager
def packed(found: list[LocalFile], contents: Mapping[str, Content], left_out: dict[str, str]) -> Iterator[BinaryIO]:
    """Yield an archive of the files *found*, each with its content, as a temporary file.

    One that is no longer as it was looked at is not in it, and *left_out* gets the reason. Equal files give equal
    bytes: no owner, no time of packing.
    """
    with tempfile.TemporaryFile() as temporary:
        with (
            _compressed(temporary) as target,
            tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            for one in found:
                _add(tar, one, contents[one.name], left_out)
        temporary.flush()
        yield cast("BinaryIO", temporary)


def _compressed(target: IO[bytes]) -> contextlib.AbstractContextManager[Any]:
    if suffix() == ".tar.zst":
        import zstandard

        writer: contextlib.AbstractContextManager[Any] = zstandard.ZstdCompressor(level=6).stream_writer(
            target, closefd=False
        )
        return writer
    return gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=6, mtime=0)


def _add(tar: tarfile.TarFile, file: LocalFile, content: Content, left_out: dict[str, str]) -> None:
    try:
        with files.opened(file) as stream, tempfile.SpooledTemporaryFile(max_size=64 << 20) as copy:
            facts, seen, left = os.fstat(stream.fileno()), hashlib.sha256(), content.size
            while left:
                data = stream.read(min(files.BLOCK, left))
                if not data:
                    break
                seen.update(data)
                copy.write(data)
                left -= len(data)
            if seen.hexdigest() != content.sha256:
                left_out[file.name] = "it changed meanwhile"
                return
            copy.seek(0)
            entry = tarfile.TarInfo(file.name)
            entry.size, entry.mode, entry.mtime = content.size, facts.st_mode & 0o777, int(facts.st_mtime)
            tar.addfile(entry, cast("IO[bytes]", copy))
    except OSError as error:
        left_out[file.name] = f"it cannot be read: {error.strerror or error}"
