# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: chats of several turns, each sent after the answer to the one before, which is then part of its prompt.

Their turns are made before the first one is sent, as requests are. What the model answers is in memory only as long as
the session goes on.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Union

from .request import Record, Request
from .spool import Requests

NOT_SENT = "not sent, because an earlier turn of its session failed"


class Turn(NamedTuple):
    """What a user says: messages as JSON, their tokens, the tokens of the answer, and the pause before, in seconds."""

    messages: bytes
    tokens: int
    max_tokens: int
    pause_s: float


class Sessions(Sequence):
    """Sessions in order; only numbers are in memory, and a sequence of some of them shares the texts.

    :param seed: from which their names follow, so that no two loads have a name in common.
    """

    def __init__(self, seed: str) -> None:
        self._name = hashlib.sha256(seed.encode()).hexdigest()[:16]
        self._turns = Requests()
        self._ends = array("Q")
        self._pauses = array("f")
        self._numbers: Sequence[int] | None = None

    def add(self, turns: Iterable[Turn]) -> None:
        """Append a session."""
        for turn in turns:
            self._turns.add(turn.messages, turn.tokens, turn.max_tokens)
            self._pauses.append(turn.pause_s)
        self._ends.append(len(self._turns))

    def part(self, numbers: Sequence[int]) -> Sessions:
        """Return the sessions *numbers*."""
        found = Sessions("")
        found._name, found._turns, found._ends, found._pauses = self._name, self._turns, self._ends, self._pauses
        found._numbers = numbers
        return found

    @property
    def turns(self) -> int:
        """How many requests they are."""
        return sum(end - begin for begin, end in self._places())

    def mean_pause_s(self) -> float | None:
        """Return the mean of the pauses between turns, None without any."""
        pauses = [self._pauses[place] for begin, end in self._places() for place in range(begin + 1, end)]
        return sum(pauses) / len(pauses) if pauses else None

    def outputs(self) -> Iterator[int]:
        """Return how many tokens each turn asks for."""
        asked = self._turns.output
        return (asked(place) for begin, end in self._places() for place in range(begin, end))

    def _places(self) -> Iterator[tuple[int, int]]:
        numbers = range(len(self._ends)) if self._numbers is None else self._numbers
        return ((self._ends[number - 1] if number else 0, self._ends[number]) for number in numbers)

    def __len__(self) -> int:
        return len(self._ends if self._numbers is None else self._numbers)

    def __getitem__(self, index: Any) -> Any:
        """Return the first request of a session: a new session, which makes the further ones."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self._ends))[index] if self._numbers is None else self._numbers[index]
        begin, end = self._ends[number - 1] if number else 0, self._ends[number]
        return Session(number, f"{self._name}-{number}", self._turns, self._pauses, range(begin, end)).first()

    def __iter__(self) -> Iterator[Request]:
        return (self[index] for index in range(len(self)))


Sent = Union[Requests, Sessions]


def count_of(requests: Sequence[Any]) -> int:
    """Return how many requests they are; a session is as many as it has turns."""
    return requests.turns if isinstance(requests, Sessions) else len(requests)


class Session:
    """A session that goes on.

    :ivar number: of the session; ``name``: what its header says.
    """

    def __init__(self, number: int, name: str, turns: Requests, pauses: Sequence[float], places: Sequence[int]) -> None:
        self.number, self.name = number, name
        self._turns, self._pauses, self._places = turns, pauses, places
        self._sent = 0
        self._said: list[bytes] = []
        self._tokens = self._own_tokens = 0

    def first(self) -> Request:
        """Return its first request."""
        return self._next()

    def following(self, record: Record) -> tuple[float, Request] | None:
        """Return (pause in seconds, request) of the turn after *record*; None if it was the last one, or failed."""
        if record.error is not None or self._sent == len(self._places):
            return None
        text = "".join(record.content or ())
        self._said.append(json.dumps({"role": "assistant", "content": text}).encode())
        self._tokens += max(0, record.tokens_out - record.silent) if text else 0
        return self._pauses[self._places[self._sent]], self._next()

    def unsent(self) -> list[Request]:
        """Return the turns that come no more: they have failed with it."""
        found = []
        for place in self._places[self._sent :]:
            turn = self._turns[place]
            self._sent += 1
            found.append(turn._replace(prompt=b"", **self._about(turn.prompt_tokens)))
        return found

    def _next(self) -> Request:
        turn = self._turns[self._places[self._sent]]
        self._sent += 1
        self._said.append(turn.prompt)
        self._tokens += turn.prompt_tokens
        self._own_tokens += turn.prompt_tokens
        prompt = b"[%s]" % b", ".join(self._said)
        return turn._replace(prompt=prompt, prompt_tokens=self._tokens, **self._about(self._own_tokens))

    def _about(self, own_tokens: int) -> dict[str, Any]:
        left = len(self._places) - self._sent
        return {"session": self, "turn": self._sent, "left": left, "own_tokens": own_tokens}
