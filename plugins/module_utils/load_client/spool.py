# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that are made before the first one is sent: their texts wait in a file, so that memory stays flat."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .request import Request

IN_MEMORY = 8 << 20  # bytes; more go to a file without a name in TMPDIR


class Spool:
    """Bytes that are added once and read at any place, also by processes that were forked meanwhile."""

    def __init__(self) -> None:
        self.size = 0
        self._parts = bytearray()
        self._file: Any = None

    def add(self, data: bytes) -> int:
        """Append *data*; return its place."""
        place = self.size
        self._parts += data
        self.size += len(data)
        if len(self._parts) > IN_MEMORY:
            self._flush()
        return place

    def read(self, place: int, size: int) -> bytes:
        """Return *size* bytes from *place* on."""
        begin = self.size - len(self._parts)
        if place >= begin:
            return bytes(self._parts[place - begin : place - begin + size])
        return os.pread(self._file.fileno(), size, place)

    def _flush(self) -> None:
        """Move what is in memory to the file; a full disk leaves it where it is."""
        place = self.size - len(self._parts)
        try:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - as long as the spool
            with memoryview(bytes(self._parts)) as data:
                done = 0
                while done < len(data):
                    done += os.pwrite(self._file.fileno(), data[done:], place + done)
        except OSError:
            return
        self._parts = bytearray()


class Requests(Sequence):
    """Requests in order; only their numbers of tokens are in memory.

    A sequence of some of them shares the texts, see :meth:`part`.
    """

    def __init__(self) -> None:
        self._spool = Spool()
        self._ends = array("Q")
        self._inputs = array("L")
        self._outputs = array("L")
        self._numbers: Sequence[int] | None = None

    def add(self, prompt: bytes, prompt_tokens: int, max_tokens: int) -> None:
        """Append a request; *prompt* is JSON."""
        self._spool.add(prompt)
        self._ends.append(self._spool.size)
        self._inputs.append(prompt_tokens)
        self._outputs.append(max_tokens)

    def part(self, numbers: Sequence[int]) -> Requests:
        """Return the requests *numbers*."""
        found = Requests()
        found._spool, found._ends, found._inputs, found._outputs = self._spool, self._ends, self._inputs, self._outputs
        found._numbers = numbers
        return found

    def outputs(self) -> Iterable[int]:
        """Return how many tokens each asks for."""
        return self._outputs if self._numbers is None else (self._outputs[number] for number in self._numbers)

    def output(self, number: int) -> int:
        """Return how many tokens the request *number* asks for."""
        return self._outputs[number]

    def __len__(self) -> int:
        return len(self._ends if self._numbers is None else self._numbers)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self._ends))[index] if self._numbers is None else self._numbers[index]
        begin = self._ends[number - 1] if number else 0
        prompt = self._spool.read(begin, self._ends[number] - begin)
        return Request(number, prompt, self._inputs[number], self._outputs[number])

    def __iter__(self) -> Iterator[Request]:
        return (self[index] for index in range(len(self)))
