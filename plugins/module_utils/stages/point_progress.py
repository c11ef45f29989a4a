# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a measurement: from the progress file of its program, or from its log."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..benchmarks.base import Benchmark, Progress
from ..files import read_object
from ..holder.tails import tail
from ..plain_text import shown
from ..plan_file import PlanPoint

MOST_BYTES = 1 << 20  # of a log that are read at once


def progress_of(benchmark: Benchmark, point: PlanPoint, run_dir: str) -> Progress | None:
    """Return the Progress of *point*, or None if there is no sign of any."""
    content = read_object(os.path.join(run_dir, point["progress"]))
    if content or not benchmark.progress_in_log:
        return benchmark.progress(point, content) if content else None
    path = log_path(point, run_dir)
    try:
        size = os.stat(path).st_size
    except OSError:
        return None
    return benchmark.logged(point, size, tail(path))


def log_path(point: PlanPoint, run_dir: str) -> str:
    """Return the path of the log of the step of *point*."""
    step = point["step"]
    return os.path.join(run_dir, step["log"].replace("%N", step["nodes"][0]))


class LogLines:
    """The lines that a program adds to its log while it runs."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0

    def new(self) -> Iterator[str]:
        """Yield the complete lines since the last call; a part of a log that is too long is left out."""
        try:
            with open(self._path, "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if size < self._at:  # the log of another attempt
                    self._at = 0
                if size - self._at > MOST_BYTES:
                    yield f"... {size - self._at - MOST_BYTES} bytes are only in {self._path}"
                    self._at = size - MOST_BYTES
                stream.seek(self._at)
                data = stream.read(size - self._at)
        except OSError:
            return
        end = data.rfind(b"\n") + 1
        self._at += end
        for line in data[:end].decode(errors="replace").splitlines():
            if line.strip():
                yield shown(line)
