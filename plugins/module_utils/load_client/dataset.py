# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A data set of prompts: a file with one JSON object a line, in the form of vLLM's custom data sets.

A line has ``prompt``, a text, or ``messages``, a chat. ``output_tokens`` or ``max_tokens`` says how many tokens to ask
for; without it the job's output length holds. Other keys are ignored.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

COUNTS = ("output_tokens", "max_tokens")
LONGEST_LINE = 1 << 26
MOST_TOKENS = 10_000_000


class DatasetError(ValueError):
    """The data set cannot be sent; the text names file, line and remedy."""


class Line(NamedTuple):
    """One request: its text or its messages, and how many tokens to ask for."""

    prompt: Any
    max_tokens: int


class Rows:
    """The lines of the file *path*, one JSON object each, all of which are checked; only their places are kept.

    A subclass checks an object in :meth:`_keeps`, and says in ``example`` what a line looks like.
    """

    example = "{}"

    def __init__(self, path: str) -> None:
        self._path = path
        self._places = array("Q")
        self._numbers = array("L")
        number = place = 0
        try:
            with open(path, "rb") as stream:
                for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
                    if raw.strip(b" \t\r\n\xef\xbb\xbf") and self._keeps(number, self._row(number, raw)):
                        self._places.append(place)
                        self._numbers.append(number)
                    place += len(raw)
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from None

    def __len__(self) -> int:
        return len(self._places)

    def rows(self, indices: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (number of the line, its object) of those that were kept with *indices*, from 0."""
        with open(self._path, "rb") as stream:
            for index in indices:
                stream.seek(self._places[index])
                number = self._numbers[index]
                yield number, self._row(number, stream.readline(LONGEST_LINE))

    def _keeps(self, number: int, row: dict[str, Any]) -> bool:
        """Return whether a line counts; DatasetError if it is wrong."""
        raise NotImplementedError

    def _row(self, number: int, raw: bytes) -> dict[str, Any]:
        try:
            row = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
        except (ValueError, RecursionError) as error:
            raise self._wrong(number, f"is not JSON ({error}): write one object a line") from None
        if not isinstance(row, dict):
            raise self._wrong(number, f"is not an object: write {self.example}")
        return row

    def _wrong(self, number: int, problem: str) -> DatasetError:
        return DatasetError(f"{self._path}: line {number} {problem}")


class Dataset(Rows):
    """The prompts of the file *path*.

    :param chat: whether they are sent to chat completions; only these take messages.
    :param osl: output tokens of lines that do not say it; None: each line must.
    """

    example = '{"prompt": "..."}'

    def __init__(self, path: str, chat: bool, osl: int | None) -> None:
        self._chat, self._osl = chat, osl
        super().__init__(path)
        if not len(self):
            raise DatasetError(f"{path} has no prompts: write one JSON object a line, such as {self.example}")

    def lines(self, indices: list[int]) -> list[Line]:
        """Return the lines with the numbers *indices*, from 0."""
        return [self._line(number, row) for number, row in self.rows(indices)]

    def enough(self, wanted: int) -> None:
        """Raise DatasetError if there are fewer than *wanted* lines: a server may answer known prompts from a cache."""
        if len(self) < wanted:
            raise DatasetError(
                f"{self._path} has {len(self)} prompts, but a point sends {wanted}, warm-up included, and none of them "
                "twice: add prompts, or let benchmark.num_prompts_mult and num_warmup_mult ask for fewer"
            )

    def _keeps(self, number: int, row: dict[str, Any]) -> bool:
        self._line(number, row)
        return True

    def _line(self, number: int, row: dict[str, Any]) -> Line:
        return Line(self._prompt(number, row), self._count(number, row))

    def _prompt(self, number: int, row: dict[str, Any]) -> Any:
        prompt, messages = row.get("prompt"), row.get("messages")
        if (prompt is None) == (messages is None):
            has = ", ".join(map(str, row)) or "nothing"
            raise self._wrong(number, f"needs either prompt or messages; it has {has[:200]}")
        if messages is None:
            if not isinstance(prompt, str) or not prompt:
                raise self._wrong(number, "has a prompt that is empty or no text")
            return prompt
        if not self._chat:
            raise self._wrong(number, "has messages, which need benchmark.endpoint: chat")
        problem = messages_problem(messages)
        if problem:
            raise self._wrong(number, problem)
        return messages

    def _count(self, number: int, row: dict[str, Any]) -> int:
        given = {key: row[key] for key in COUNTS if row.get(key) is not None}
        for key, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
                raise self._wrong(number, f"has {key} {json.dumps(value)[:40]}; expected a whole number from 1")
        if len(set(given.values())) > 1:
            raise self._wrong(number, f"has different {' and '.join(given)}: keep one")
        if not given and self._osl is None:
            raise self._wrong(number, f"has no {' or '.join(COUNTS)}: add it, or set benchmark.osl")
        return next(iter(given.values()), self._osl or 0)


def messages_problem(messages: Any) -> str | None:
    """Return what is wrong with the *messages* of a chat, or None."""
    if not isinstance(messages, list) or not messages:
        return "has messages that are no list, or an empty one"
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return "has a message without a role"
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        if not all(isinstance(part, dict) for part in parts) or not isinstance(content, (str, list, type(None))):
            return "has a message whose content is neither text nor a list of parts"
    return None


def text_of(prompt: Any) -> str:
    """Return what is counted as input of a line: its text, or those of its messages."""
    if isinstance(prompt, str):
        return prompt
    contents = (message.get("content") for message in prompt)
    parts = [part for one in contents for part in (one if isinstance(one, list) else [{"text": one}])]
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
