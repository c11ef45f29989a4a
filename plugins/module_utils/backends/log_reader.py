# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the figures of many lines of a log at once.

Most lines of a log differ from an earlier one in their numbers alone. So the fields are looked up once for each shape
(see log_figures.py), and all lines of the shape are read by the places of the numbers that were found.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from .log_figures import UTC, BatchLine, LogFigures
from .worker_figures import Batch, Column, Metrics, figures_of, seconds_of

MOST_SHAPES, LONGEST_EXAMPLE = 4096, 300

_SHAPE = bytes.maketrans(b"123456789", b"000000000")
_NUMBERS = bytes(code if chr(code) in "0123456789." else 32 for code in range(256))
DENSE = 1000  # bytes: with more than one line with the mark in so many, all lines are looked at, not only those found
_RUN = re.compile(rb"[0-9.]+")


class Clock(NamedTuple):
    """How stamps without a zone are read: seconds that they are ahead of UTC (None: unknown), and the log's year."""

    ahead_s: float | None = None
    year: int | None = None


class _Shape(NamedTuple):
    """Where in lines of one shape the figures are: places in the list of their numbers. ``line`` None: unknown."""

    line: BatchLine | None
    places: dict[str, int]
    stamp: tuple[int | None, ...] | None
    zoned: bool


_UNKNOWN = _Shape(None, {}, None, False)


class _Minutes(dict[tuple[bytes, ...], float]):
    """The UTC seconds of minutes in text, each worked out once."""

    def __init__(self, ahead_s: float, year: int | None) -> None:
        super().__init__()
        self._ahead_s, self._year = ahead_s, year

    def __missing__(self, key: tuple[bytes, ...]) -> float:
        if len(self) >= MOST_SHAPES:
            self.clear()
        self[key] = found = seconds_of(key, self._year) - self._ahead_s
        return found


class LineReader:
    """Reads the lines of one log."""

    def __init__(self, engine: LogFigures, metrics: Metrics, clock: Clock | None = None) -> None:
        self._engine, self._metrics, clock = engine, metrics, clock or Clock()
        self._shapes: dict[bytes, _Shape | None] = {}
        self._collapsed: dict[bytes, bytes] = {}  # the shapes of lines with digits replaced by 0, but not numbers
        self._dense = False
        self._utc = _Minutes(0.0, None)
        self._local = None if clock.ahead_s is None else _Minutes(clock.ahead_s, clock.year)

    def read(self, block: bytes) -> None:
        """Add the figures of whole lines, without colours, each ended by a newline."""
        engine, metrics = self._engine, self._metrics
        if engine.mark:
            mark = engine.mark
            lines = [one for one in block.split(b"\n") if mark in one] if self._dense else lines_with(mark, block)
            self._dense = len(lines) * DENSE > len(block)
            if lines:
                self._batch_lines(lines)
        wanted = [mark for mark, until in engine.marks if not until or not all(map(metrics.knows, until))]
        for mark in wanted:
            if mark in block:
                for line in lines_with(mark, block):
                    # A line is read by the first of its marks.
                    if mark == next(one for one in wanted if one in line) and not self._is_batch(line):
                        self._other_line(line)

    def _is_batch(self, line: bytes) -> bool:
        return bool(self._engine.mark) and self._engine.mark in line and self._known(line) is not None

    def _known(self, line: bytes) -> BatchLine | None:
        return next((one for one in self._engine.batches if one.known.search(line)), None)

    def _other_line(self, line: bytes) -> None:
        try:
            if self._engine.read:
                self._engine.read(line.decode("utf-8", "replace"), self._metrics)
        except Exception:  # whatever a log may hold: the run is worth more than a line
            self._metrics.lost_lines += 1

    def _batch_lines(self, lines: list[bytes]) -> None:
        """Read lines with the mark: those of a shape together."""
        groups: dict[bytes, list[bytes]] = {}
        shapes, collapsed = b"\n".join(lines).translate(_SHAPE).split(b"\n"), self._collapsed
        for line, wide in zip(lines, shapes):
            shape = collapsed.get(wide) or self._collapse(wide)
            if shape in groups:
                groups[shape].append(line)
            else:
                groups[shape] = [line]
        for shape in _by_end(groups, shapes, collapsed):
            found = groups[shape]
            if shape not in self._shapes:
                if len(self._shapes) >= MOST_SHAPES:
                    self._shapes.clear()
                self._shapes[shape] = self._learn(shape)
            learnt = self._shapes[shape]
            if learnt is None:
                continue
            if learnt.line is None:
                self._metrics.unknown(len(found), found[0][:LONGEST_EXAMPLE])
            elif not self._together(learnt, found):
                for line in found:  # one of them has an impossible number
                    if not self._together(learnt, [line]):
                        self._metrics.lost_lines += 1

    def _collapse(self, wide: bytes) -> bytes:
        """Return the shape of a line whose digits are 0."""
        shape = wide
        for several in (b"00", b"0.0"):
            while several in shape:
                shape = shape.replace(several, b"0")
        if len(self._collapsed) >= MOST_SHAPES:
            self._collapsed.clear()
        self._collapsed[wide] = shape
        return shape

    def _learn(self, shape: bytes) -> _Shape | None:
        """Return where the figures of lines of *shape* are; None if they have none and need not have any."""
        known = self._known(shape)
        if known is None:
            unknown = self._engine.unknown
            return _UNKNOWN if unknown and unknown.search(shape) else None
        found = {name: pattern.search(shape) for name, pattern in known.fields.items()}
        if any(found[name] is None for name in known.needed):
            return _UNKNOWN
        begins = {one.start(): number for number, one in enumerate(_RUN.finditer(shape))}
        places = {name: begins[one.start(1)] for name, one in found.items() if one}
        for zoned, patterns in ((True, (UTC,)), (False, self._engine.stamps)):
            stamp = next(filter(None, (pattern.search(shape) for pattern in patterns)), None)
            if stamp:
                where = (begins[stamp.start(name)] if name in stamp.re.groupindex else None for name in "YMDhms")
                return _Shape(known, places, tuple(where), zoned)
        return _Shape(known, places, None, False)

    def _together(self, shape: _Shape, lines: list[bytes]) -> bool:
        """Add *lines* of *shape*; False, with nothing added, if one of them has an impossible number."""
        line = cast("BatchLine", shape.line)
        texts = b" ".join(lines).translate(_NUMBERS).split()
        step = len(texts) // len(lines)
        try:
            columns: dict[str, Column] = {
                name: figures_of(name, texts[place::step]) for name, place in shape.places.items()
            }
            batch = Batch(line.kind, len(lines), columns, self._times(shape, texts, step))
            batches = line.split(batch) if line.split else [batch]
        except ValueError:
            return False
        for one in batches:
            self._metrics.add(one)
        return True

    def _times(self, shape: _Shape, texts: list[bytes], step: int) -> list[float] | None:
        """Return the times of lines with the numbers *texts*, *step* of each; None if they are unknown."""
        minutes = self._utc if shape.zoned else self._local
        if shape.stamp is None or minutes is None:
            return None
        *parts, second = (None if place is None else texts[place::step] for place in shape.stamp)
        seconds = [*map(float, cast("list[bytes]", second))]
        if max(seconds) >= 62:
            raise ValueError("The time is impossible.")
        columns = [[b""] * len(seconds) if part is None else part for part in parts]
        return [begun + more for begun, more in zip(map(minutes.__getitem__, zip(*columns)), seconds)]


def _by_end(groups: dict[bytes, list[bytes]], wide: list[bytes], collapsed: dict[bytes, bytes]) -> list[bytes]:
    """Return the shapes of *groups* in the order of their last lines, so that the last line is read last.

    :param wide: the lines of all groups in order, with digits replaced by 0.
    """
    if len(groups) == 1:
        return list(groups)
    found: dict[bytes, None] = {}
    for one in reversed(wide):
        shape = collapsed.get(one)
        if shape is not None:  # else the table was emptied meanwhile
            found.setdefault(shape)
        if len(found) == len(groups):
            break
    return [*(shape for shape in groups if shape not in found), *reversed(found)]


def lines_with(mark: bytes, block: bytes) -> list[bytes]:
    """Return the lines of *block*, each ended by a newline, that have the text *mark*."""
    found, find, last = [], block.find, block.rfind
    at = find(mark)
    while at >= 0:
        end = find(b"\n", at)
        found.append(block[last(b"\n", 0, at) + 1 : end])
        at = find(mark, end)
    return found
