# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trace of requests: a file with one JSON object a line, in the form of Mooncake's traces.

A line has ``input_length`` and ``output_length`` in tokens. ``hash_ids`` has a number for each block of the prompt:
blocks with the same number are the same text, so that prompts with the same first numbers begin alike. ``timestamp`` is
when the request came, in milliseconds. Other keys are ignored.
"""

from __future__ import annotations

import functools
import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .dataset import MOST_TOKENS, DatasetError, Rows

if TYPE_CHECKING:
    from .prompts import PromptMaker

BLOCK_TOKENS = 512  # of Mooncake's traces
MOST_MS = 1e13  # of a timestamp: three hundred years
BLOCKS_KEPT = 8192  # texts of blocks that are kept, some kilobytes each
TEXTS = {"prompt", "messages", "text_input"}  # what other files have instead of lengths
# What makes a request wait for the answer of another one. Without that the load would be another one.
SESSIONS = ("session_id", "delay")
LATE_S = 0.25  # a request that is sent so much later than its time is late


class Trace(Rows):
    """The requests of the trace *path*: in the order of the file, or if they are *timed* in that of their times.

    :param block: tokens of a block.
    :param timed: whether their times count, so that each needs one.
    :param isl, osl: longer requests are left out; None: no limit.
    :ivar left_out: how many are.
    """

    example = '{"timestamp": 0, "input_length": 600, "output_length": 20, "hash_ids": [1, 2]}'

    def __init__(
        self,
        path: str,
        block: int = BLOCK_TOKENS,
        timed: bool = False,
        isl: int | None = None,
        osl: int | None = None,
    ) -> None:
        self._block, self._timed = block, timed
        self._most_in, self._most_out = isl or MOST_TOKENS, osl or MOST_TOKENS
        self._limits = " and ".join(f"{name} {most}" for name, most in (("isl", isl), ("osl", osl)) if most)
        self.left_out = 0
        self._inputs, self._outputs, self._times = array("L"), array("L"), array("d")
        super().__init__(path)
        if not len(self) and not self.left_out:
            raise DatasetError(f"{path} has no requests: write one JSON object a line, such as {self.example}")
        order = range(len(self))
        self._order: Sequence[int] = sorted(order, key=self._times.__getitem__) if timed else order

    def enough(self, wanted: int) -> None:
        """Raise DatasetError if there are fewer than *wanted* requests."""
        if len(self) >= wanted:
            return
        more = f" within {self._limits} ({self.left_out} longer ones are left out)" if self.left_out else ""
        raise DatasetError(
            f"{self._path} has {len(self)} requests{more}, but a point sends {wanted}, and none of them twice: let "
            "benchmark.num_prompts or num_prompts_mult ask for fewer"
            + (", or increase benchmark.isl and osl" if self.left_out else "")
        )

    def lengths(self, count: int) -> tuple[Sequence[int], Sequence[int]]:
        """Return (input tokens, output tokens) of the first *count* requests."""
        first = self._order[:count]
        return array("L", (self._inputs[one] for one in first)), array("L", (self._outputs[one] for one in first))

    def times(self, count: int, speedup: float) -> Sequence[float]:
        """Return when to send the first *count* requests: seconds from the first one, *speedup* times as fast."""
        first = self._order[:count]
        begin = self._times[first[0]] if first else 0.0
        return array("d", ((self._times[one] - begin) / 1000 / speedup for one in first))

    def blocks(self, count: int) -> Iterator[Sequence[int]]:
        """Yield the hash ids of each of the first *count* requests, () of one that shares nothing."""
        return (tuple(row.get("hash_ids") or ()) for _number, row in self.rows(self._order[:count]))

    def _keeps(self, number: int, row: dict[str, Any]) -> bool:
        found = next((key for key in SESSIONS if row.get(key) is not None), None)
        if found:
            raise self._wrong(number, f"has {found}: turns of a chat are not replayed. Take a trace without it")
        length, output = self._count(number, row, "input_length"), self._count(number, row, "output_length")
        self._check_ids(number, row.get("hash_ids"), length)
        when = self._time(number, row.get("timestamp"))
        if length > self._most_in or output > self._most_out:
            self.left_out += 1
            return False
        self._inputs.append(length)
        self._outputs.append(output)
        self._times.append(when)
        return True

    def _count(self, number: int, row: dict[str, Any], key: str) -> int:
        value = row.get(key)
        if value is None:
            has = ", ".join(map(str, row))[:200] or "nothing"
            own = "; a file of prompts is dataset_name: custom" if not TEXTS.isdisjoint(row) else ""
            raise self._wrong(number, f"has no {key}; it has {has}{own}")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
            raise self._wrong(number, f"has {key} {json.dumps(value)[:40]}; expected a whole number from 1")
        return value

    def _check_ids(self, number: int, ids: Any, length: int) -> None:
        if ids is None or ids == []:
            return
        if not isinstance(ids, list) or any(isinstance(one, bool) or not isinstance(one, int) for one in ids):
            raise self._wrong(number, f"has hash_ids {json.dumps(ids)[:40]}; expected a list of whole numbers")
        wanted = -(-length // self._block)
        if len(ids) != wanted:
            raise self._wrong(
                number,
                f"has {len(ids)} hash_ids; {length} tokens are {wanted} blocks of {self._block} "
                "(benchmark.trace_block_size)",
            )

    def _time(self, number: int, value: Any) -> float:
        if value is None and not self._timed:
            return 0.0
        if value is None:
            raise self._wrong(number, "has no timestamp: add it, or let benchmark.trace_times be false")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_MS:
            raise self._wrong(number, f"has timestamp {json.dumps(value)[:40]}; expected milliseconds, from 0")
        return float(value)


def texts(
    maker: PromptMaker, blocks: Iterable[Sequence[int]], size: int, seed: str, half: int
) -> Callable[[int, int], str]:
    """Return a function from (number of a request, its words) to its text, to be called in order.

    :param blocks: the hash ids of each request.
    :param size: tokens of a block.
    :param half: that of the first words, see PromptMaker.
    """
    of_requests = iter(blocks)

    @functools.lru_cache(maxsize=BLOCKS_KEPT)
    def block(hash_id: int) -> str:
        return maker.passage(f"{seed}/block/{hash_id}", size, half)

    def text(number: int, words: int) -> str:
        ids = next(of_requests)
        if not ids:
            return maker.passage(f"{seed}/alone/{number}", words, half)
        whole, rest = divmod(words, size)
        parts = [block(one) for one in ids[:whole]]
        if rest:
            parts.append(" ".join(block(ids[whole]).split(" ")[:rest]))
        return " ".join(parts)

    return text


def kept_times(starts: Iterable[float], begin: float, times: Sequence[float]) -> dict[str, Any]:
    """Return how many requests were late, and by how many seconds at most: *starts* are when they were sent.

    Requests are sent in the order of their *times*, which count from *begin*.
    """
    late = [
        start - begin - due for start, due in zip(sorted(start for start in starts if not math.isnan(start)), times)
    ]
    return {"late_requests": sum(one > LATE_S for one in late), "most_late_s": round(max(late, default=0.0), 6)}
