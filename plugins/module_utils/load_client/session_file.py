# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A data set of sessions: a file with one JSON object a line, whose ``messages`` are those of a chat of several turns.

Each message of the user is a turn, with the messages of ``system`` or ``developer`` before it. Messages of the
assistant are left out: what the model answers takes their place. ``output_tokens`` or ``max_tokens`` is one number, or
a list with one for each turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .dataset import COUNTS, MOST_TOKENS, DatasetError, Rows, messages_problem

SPEAKERS = ("system", "developer", "user", "assistant")


class UserTurn(NamedTuple):
    """What comes before an answer, and how many tokens to ask for."""

    messages: list[Any]
    max_tokens: int


class SessionFile(Rows):
    """The sessions of the file *path*.

    :param osl: output tokens of a turn in a line that does not say it; None: each line must.
    :param turns: only so many turns of each count; None: all.
    :ivar most_turns: of a session.
    """

    example = '{"messages": [{"role": "user", "content": "..."}, {"role": "user", "content": "..."}]}'

    def __init__(self, path: str, osl: int | None, turns: int | None) -> None:
        self._osl, self._turns = osl, turns
        self.most_turns = 0
        super().__init__(path)
        if not len(self):
            raise DatasetError(f"{path} has no sessions: write one JSON object a line, such as {self.example}")

    def sessions(self, indices: Iterable[int]) -> Iterator[list[UserTurn]]:
        """Yield the turns of the sessions *indices*, from 0."""
        return (self._session(number, row) for number, row in self.rows(indices))

    def enough(self, wanted: int) -> None:
        """Raise DatasetError if there are fewer than *wanted* sessions: none of them is sent twice."""
        if len(self) < wanted:
            raise DatasetError(
                f"{self._path} has {len(self)} sessions, but a point sends {wanted}, warm-up included, and none of "
                "them twice: add sessions, or let benchmark.num_prompts, num_prompts_mult and num_warmup_mult ask for "
                "fewer"
            )

    def _keeps(self, number: int, row: dict[str, Any]) -> bool:
        self.most_turns = max(self.most_turns, len(self._session(number, row)))
        return True

    def _session(self, number: int, row: dict[str, Any]) -> list[UserTurn]:
        found = self._user_turns(number, row.get("messages"))
        counts = self._counts(number, row, len(found))
        return [UserTurn(messages, count) for messages, count in zip(found, counts)][: self._turns]

    def _user_turns(self, number: int, messages: Any) -> list[list[Any]]:
        problem = messages_problem(messages)
        if problem:
            raise self._wrong(number, f"{problem}: write {self.example}")
        found: list[list[Any]] = []
        before: list[Any] = []
        for message in messages:
            role = message["role"]
            if role not in SPEAKERS:
                raise self._wrong(number, f"has a message of {json.dumps(role)[:40]}; expected {', '.join(SPEAKERS)}")
            if role != "assistant" and not message.get("content"):
                raise self._wrong(number, f"has a message of {role} without content")
            if role != "assistant":
                before.append(message)
            if role == "user":
                found.append(before)
                before = []
        if not found:
            raise self._wrong(number, "has no message of the user: each of them is a turn")
        if before:
            raise self._wrong(number, f"ends with a message of {before[-1]['role']}, which no turn follows")
        return found

    def _counts(self, number: int, row: dict[str, Any], turns: int) -> list[int]:
        given = {key: row[key] for key in COUNTS if row.get(key) is not None}
        if len(given) > 1:
            raise self._wrong(number, f"has both {' and '.join(given)}: keep one")
        if not given and self._osl is None:
            raise self._wrong(number, f"has no {' or '.join(COUNTS)}: add it, or set benchmark.osl")
        for key, value in given.items():
            counts = value if isinstance(value, list) else [value] * turns
            if not all(_is_whole(one) and 1 <= one <= MOST_TOKENS for one in counts):
                raise self._wrong(
                    number, f"has {key} {json.dumps(value)[:40]}; expected a whole number from 1, or a list of them"
                )
            if len(counts) != turns:
                raise self._wrong(number, f"has {len(counts)} {key} for {turns} turns: write one for each")
            return counts
        return [self._osl or 0] * turns


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
