# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-sent events from bytes, as the standard reads them, in linear time. Knows nothing of what they say.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

MAX_EVENT_BYTES = 8 << 20  # a server that sends more without the end of an event is broken
MAX_COMMENT_BYTES = 1000  # of an event; the rest is dropped
BOM = b"\xef\xbb\xbf"


class EventStream:
    """Takes the bytes of one response and calls :meth:`event` for each event.

    Two things differ from the standard, because servers need them: the comments of an event are passed on, and the
    end of the response ends the last event.
    """

    def __init__(self) -> None:
        self._begin: bytes | None = b""  # the first bytes, while they may be a BOM
        self._after_cr = False
        self._parts: list[bytes] = []  # of a line whose end has not come
        self._size = 0  # bytes of the event so far
        self._data: list[bytes] = []
        self._name = b""
        self._comment = b""

    def event(self, name: bytes, data: bytes, comment: bytes) -> None:
        """Take one event; *data* is empty if it has none."""
        raise NotImplementedError

    def overlong(self) -> None:
        """Take the news that an event is too long; the caller should feed nothing more."""
        raise NotImplementedError

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._begin is not None:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._with_newlines(data)
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._parts:
            self._size -= sum(map(len, self._parts))
            lines[0] = b"".join([*self._parts, lines[0]])
            self._parts.clear()
        for line in lines:
            if not line:
                self._dispatch()
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._grow(len(line))
            else:
                self._other(line)
        if rest:
            self._parts.append(rest)
            self._grow(len(rest))

    def end(self) -> None:
        """Take the end of the response."""
        if self._begin:
            self._parts, self._begin = [self._begin], None
        self.take(b"\n\n")

    def _dispatch(self) -> None:
        data, name, comment = self._data, self._name, self._comment
        self._size = 0
        if data or name or comment:
            self._data, self._name, self._comment = [], b"", b""
            self.event(name, data[0] if len(data) == 1 else b"\n".join(data), comment)

    def _other(self, line: bytes) -> None:
        field, _colon, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if not field:
            self._comment = (self._comment + value)[:MAX_COMMENT_BYTES]
            return
        self._grow(len(line))
        if field == b"event":
            self._name = value
        elif field == b"data":  # without a colon
            self._data.append(b"")

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            self._parts, self._data, self._size = [], [], 0
            self.overlong()

    def _without_bom(self, data: bytes) -> bytes:
        data = (self._begin or b"") + data
        if len(data) < len(BOM) and BOM.startswith(data):
            self._begin = data
            return b""
        self._begin = None
        return data[len(BOM) :] if data.startswith(BOM) else data

    def _with_newlines(self, data: bytes) -> bytes:
        """Return *data* with all three line ends as newlines; CR and LF of one line end may come apart."""
        if not data:
            return data
        begin = 1 if self._after_cr and data.startswith(b"\n") else 0
        self._after_cr = data.endswith(b"\r")
        return data[begin:].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
