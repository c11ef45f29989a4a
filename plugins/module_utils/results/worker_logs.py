# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One worker log to figures; the backend says where in its lines they are. What was read once is not read again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, cast

from ..backends import BACKENDS
from ..backends.log_figures import LogFigures
from ..backends.log_reader import Clock, LineReader
from ..backends.worker_figures import Metrics, Window, summarise
from ..files import digest, regular
from ..json_types import JsonObject
from .log_clock import clock_of

__all__ = ["has_figures", "parse_log", "read_log", "summarise"]

_COLOURS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
BLOCK = 1 << 18
LONGEST_LINE = 1 << 16  # bytes; no line with figures is as long
MOST = 1 << 33  # bytes of a log that are read
HEAD, TAIL = 4096, 512  # bytes that tell whether a log is still the same


class LogState(NamedTuple):
    """What is known of a log, for JSON: what was read of it, and what it said."""

    engine: str  # digest of how its lines were read
    offset: int  # of the first byte that was not read
    size: int
    mtime_ns: int
    edges: str  # digest of its begin, and of what is just before the offset
    ahead_s: float | None
    year: int | None
    figures: JsonObject

    def metrics(self, windows: Sequence[Window] = ()) -> Metrics:
        """Return the figures, also those of *windows*."""
        return Metrics(windows, self.figures)

    def has(self, windows: Sequence[Window]) -> bool:
        """Return whether it has the figures of *windows*, or these begin after what was read."""
        known = {(begin, end) for begin, end, _totals in self.figures["windows"]}
        last = self.figures["last_time"]
        return all(one in known or last is None or one[0] > last for one in windows)


def has_figures(backend: str) -> bool:
    """Return whether logs of this backend have lines with figures."""
    return BACKENDS[backend].figures is not None


def parse_log(backend: str, path: str) -> JsonObject | None:
    """Return the figures of one worker log, or None if it does not exist; OSError if it cannot be read.

    A line that cannot be read is lost, and ``lost_lines`` counts it; what is beyond MOST bytes counts as one line. The
    last line counts when it has an end.

    :param backend: type of the engine; if its log has no figures, all are None.
    """
    if not has_figures(backend):
        return dict.fromkeys(Metrics().record()) if os.path.exists(path) else None
    try:
        return read_log(backend, path).metrics().record()
    except FileNotFoundError:
        return None


def read_log(backend: str, path: str, windows: Sequence[Window] = (), known: LogState | None = None) -> LogState:
    """Return what a worker log says, over all and in *windows*; OSError if it cannot be read.

    :param known: what was read of it before; of no use if the log is another one now.
    """
    engine = cast("LogFigures", BACKENDS[backend].figures)
    signature = _signature(engine)
    with open(path, "rb", opener=regular) as stream:
        status = os.fstat(stream.fileno())
        if known and not _goes_on(known, stream, status, signature):
            known = None
        clock, lasts_s = Clock(known.ahead_s, known.year) if known else Clock(), 0.0
        if clock.ahead_s is None:
            clock, lasts_s = clock_of(stream, status.st_size, status.st_mtime, engine.stamps)
            known = known if known and (known.ahead_s, known.year) == clock else None
        if known and not known.has(windows):
            known = None
        metrics = Metrics(windows, known.figures if known else None, lasts_s)
        begin = offset = known.offset if known else 0
        stream.seek(begin)
        reader = LineReader(engine, metrics, clock)
        for block, lost, behind in _blocks(stream, begin):
            metrics.lost_lines += lost
            reader.read(block)
            offset = behind
        edges = _edges(stream, offset)
    return LogState(signature, offset, status.st_size, status.st_mtime_ns, edges, *clock, metrics.kept())


def _goes_on(known: LogState, stream: BinaryIO, status: os.stat_result, signature: str) -> bool:
    """Return whether the log is the one that was read before, perhaps with more behind it."""
    if known.engine != signature or status.st_size < known.offset:
        return False
    same = (status.st_size, status.st_mtime_ns) == (known.size, known.mtime_ns)
    return same or _edges(stream, known.offset) == known.edges


def _edges(stream: BinaryIO, offset: int) -> str:
    """Return a digest of the first bytes before *offset*, and of the last ones."""
    stream.seek(0)
    head = stream.read(min(HEAD, offset))
    stream.seek(max(0, offset - TAIL))
    return hashlib.sha256(head + b"\0" + stream.read(min(TAIL, offset))).hexdigest()


def _signature(engine: LogFigures) -> str:
    """Return a digest of how lines are read: with other patterns a log has to be read again."""
    lines = [
        {
            "kind": one.kind,
            "known": one.known.pattern.decode(),
            "needed": list(one.needed),
            "fields": {name: pattern.pattern.decode() for name, pattern in one.fields.items()},
        }
        for one in engine.batches
    ]
    return digest({"format": 2, "lines": lines, "stamps": [one.pattern.decode() for one in engine.stamps]})


def _blocks(stream: BinaryIO, offset: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (whole lines without colours, number of lines left out that are too long, offset behind them).

    A carriage return ends a line, too.
    """
    rest, too_long, at = b"", False, offset
    if offset >= MOST:  # and what is beyond was counted
        return
    while at < MOST:
        block = stream.read(min(BLOCK, MOST - at))
        if not block:
            return
        at += len(block)
        data = rest + block
        if b"\r" in block:
            data = data.replace(b"\r", b"\n")
        whole, rest, lost = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :], 0
        behind = at - len(rest)
        if too_long and whole:
            whole, lost, too_long = whole[whole.find(b"\n") + 1 :], 1, False
        if len(rest) > LONGEST_LINE:
            rest, too_long = b"", True
        if whole or lost:
            whole, more = _shorter(whole)
            yield _COLOURS.sub(b"", whole) if b"\x1b" in whole else whole, lost + more, behind
    if stream.read(1):
        yield b"", 1, at


def _shorter(lines: bytes) -> tuple[bytes, int]:
    """Return (*lines* without those that are too long, the number of these)."""
    step = LONGEST_LINE // 2
    # A line that is too long covers one of these stretches.
    if all(lines.find(b"\n", begin, begin + step) >= 0 for begin in range(0, len(lines) - step + 1, step)):
        return lines, 0
    found = lines.split(b"\n")
    kept = [line for line in found if len(line) <= LONGEST_LINE]
    return b"\n".join(kept), len(found) - len(kept)
