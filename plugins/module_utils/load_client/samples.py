# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcomes of requests in compact form: some bytes for each request, and four for each gap between chunks.

What is more than figures goes to a file while the run goes on: one request a line.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Any, TextIO

from .request import Record, Request

UNKNOWN = math.nan  # of a time
NO_COUNT = -1
MOST_ERRORS = 1000  # different texts; further ones count as OTHER
OTHER = "further errors"


OF_TURNS = {**dict.fromkeys(("session", "turn", "left", "own_tokens"), "q"), "unanswered": "b"}


class Samples:
    """The requests that have ended, with a value for each of them in each array, in the order in which they ended.

    Times are those of the monotonic clock, NaN where there is none. ``error`` is an index of :attr:`errors`, 0: none.

    :param stream: gets a JSON line for each request, None: nobody does.
    :param texts: whether the answers are kept.
    """

    ARRAYS = {
        **dict.fromkeys(("start", "first", "last"), "d"),
        **dict.fromkeys(("prompt_tokens", "max_tokens", "tokens_in", "tokens_out", "gap_count"), "q"),
        **dict.fromkeys(("counted", "mismatch"), "b"),
        "error": "h",
        "itl": "f",  # of completed requests, gap_count of them for each
        # Of turns of sessions, and of nothing else: see Request. Unanswered: a turn follows an answer without a text.
        **OF_TURNS,
    }
    start: array[float]
    first: array[float]
    last: array[float]
    prompt_tokens: array[int]
    max_tokens: array[int]
    tokens_in: array[int]
    tokens_out: array[int]
    gap_count: array[int]
    counted: array[int]
    mismatch: array[int]
    error: array[int]
    itl: array[float]
    session: array[int]
    turn: array[int]
    left: array[int]
    own_tokens: array[int]
    unanswered: array[int]

    def __init__(self, stream: TextIO | None = None, texts: bool = False) -> None:
        for name, code in self.ARRAYS.items():
            setattr(self, name, array(code))
        self.errors: list[str] = [""]
        self.models: Counter[str] = Counter()
        self.texts: list[str] | None = [] if texts else None
        self._indices: dict[str, int] = {"": 0}
        self._stream = stream

    @classmethod
    def of(cls, records: Iterable[Record], texts: bool = False) -> Samples:
        """Return the samples of finished *records*."""
        found = cls(texts=texts)
        for record in records:
            found.over(record)
        return found

    def __len__(self) -> int:
        return len(self.start)

    def over(self, record: Record) -> None:
        """Take a request that has ended."""
        good, request = record.error is None, record.request
        self.start.append(UNKNOWN if record.start is None else record.start)
        self.first.append(UNKNOWN if record.first is None else record.first)
        self.last.append(UNKNOWN if record.last is None else record.last)
        self.prompt_tokens.append(_prompt_tokens(record))
        self.max_tokens.append(request.max_tokens)
        self.tokens_in.append(NO_COUNT if record.tokens_in is None else record.tokens_in)
        self.tokens_out.append(record.tokens_out if good else 0)
        self.counted.append(record.counted)
        self.mismatch.append(record.mismatch)
        if good:
            self.error.append(0)
            self.gap_count.append(len(record.itl))
            self.itl.extend(record.itl)
            if record.model is not None:
                self.models[record.model] += 1
        else:
            self.error.append(self._index(record.error or "failed"))
            self.gap_count.append(0)
        if request.session is not None:
            self.session.append(request.session.number)
            self.turn.append(request.turn)
            self.left.append(request.left)
            self.own_tokens.append(request.own_tokens)
            self.unanswered.append(good and request.left > 0 and not any(record.content or ()))
        if self.texts is not None:
            self.texts.append("".join(record.texts or ()))
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):  # a full disk must not end the measurement
                self._stream.write(json.dumps(line_of(record)) + "\n")

    @property
    def good(self) -> list[int]:
        """The numbers of the completed requests."""
        return [number for number, error in enumerate(self.error) if not error]

    def sent_tokens(self) -> int:
        """Return the prompt tokens of completed requests."""
        return sum(count for count, error in zip(self.prompt_tokens, self.error) if not error)

    def in_order(self) -> list[int]:
        """Return the numbers of all requests in the order in which they were sent."""
        # What was never sent comes last.
        return sorted(range(len(self)), key=lambda number: (math.isnan(self.start[number]), self.start[number]))

    def gap_ends(self) -> array[int]:
        """Return where the gaps of each request end in :attr:`itl`."""
        return array("q", itertools.accumulate(self.gap_count))

    def add(self, other: Samples) -> None:
        """Append those of another process on this machine, whose clock is the same."""
        for name in self.ARRAYS:
            if name != "error":
                getattr(self, name).extend(getattr(other, name))
        self.error.extend([self._index(other.errors[index]) for index in other.error])
        self.models.update(other.models)
        if self.texts is not None:
            self.texts.extend(other.texts or ())

    def check(self) -> None:
        """Raise ValueError if these cannot be samples: they came from elsewhere."""
        of_all = [name for name in self.ARRAYS if name not in ("itl", *OF_TURNS)]
        turns = {len(getattr(self, name)) for name in OF_TURNS}
        if {len(getattr(self, name)) for name in of_all} != {len(self)} or turns not in ({0}, {len(self)}):
            raise ValueError("the arrays of samples differ in length")
        if any(getattr(self, name).typecode != code for name, code in self.ARRAYS.items()):
            raise ValueError("an array of samples has another type")
        if min(self.gap_count, default=0) < 0 or sum(self.gap_count) != len(self.itl):
            raise ValueError("the gaps between chunks are not those of the samples")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}

    def _index(self, error: str) -> int:
        if error not in self._indices:
            if len(self.errors) > MOST_ERRORS:
                error = OTHER
            if error not in self._indices:
                self._indices[error] = len(self.errors)
                self.errors.append(error)
        return self._indices[error]


def _prompt_tokens(record: Record) -> int:
    """Return the tokens of a prompt: of a turn of a session as the server counts them, if it does.

    Its prompt has answers of the model, in the server's template; only the server knows how many tokens they are there.
    """
    request = record.request
    counted = record.tokens_in if request.session is not None else None
    return request.prompt_tokens if counted is None else counted


def _turn_of(request: Request) -> dict[str, int]:
    return {} if request.session is None else {"session": request.session.number, "turn": request.turn}


def line_of(record: Record) -> dict[str, Any]:
    """Return one request for the file of all requests; times in seconds, ``start`` of the monotonic clock."""
    known = record.start is not None

    def since(moment: float | None) -> float | None:
        return round(moment - record.start, 6) if known and moment is not None else None

    return {
        "number": record.request.number,
        **_turn_of(record.request),
        "start": record.start,
        "ttft": since(record.first),
        "latency": since(record.last),
        "itl": [round(gap, 6) for gap in record.itl],
        "input_tokens": record.request.prompt_tokens,
        "server_input_tokens": record.tokens_in,
        "max_tokens": record.request.max_tokens,
        "output_tokens": record.tokens_out,
        "finish_reason": record.finish_reason,
        "model": record.model,
        "error": record.error,
    }
