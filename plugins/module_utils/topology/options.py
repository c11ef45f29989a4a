# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a command line and variables of an environment, each with the origin of its value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Union

from ..json_types import Json, JsonObject, KeyPath


class Option(NamedTuple):
    """An option of a command line, or a variable of an environment.

    ``name``    an option's name without its dashes, or a variable's name
    ``value``   true is the bare flag; false and null leave an option out
    ``path``    the path in the spec that the value is from; None: the plan decides it
    ``lost``    ``(value, path)`` of the job's own value that gave way to this one, or None
    ``tied``    name and value are one word of the command line, ``--name=value``
    """

    name: str
    value: Json
    path: KeyPath | None = None
    lost: tuple[Json, KeyPath] | None = None
    tied: bool = False

    def words(self) -> list[str]:
        """Return the words of the command line.

        A list is the flag and its items. A mapping is JSON, and so is a list among the items of a list.
        """
        name, value, _path, _lost, tied = self
        if value is None or value is False:
            return []
        flag = f"--{name}"
        if value is True:
            return [flag]
        if isinstance(value, (list, tuple)):
            return [flag, *map(word, value)]
        text: str = value if value.__class__ is str else word(value)
        # A parser takes a value that looks like a flag for one, unless it is tied to its own.
        looks_like_flag = text[:1] == "-" and not text[1:2].isdigit()
        return [f"{flag}={text}"] if tied or looks_like_flag else [flag, text]

    def text(self) -> str:
        """Return the value as a person reads it on the command line; true and false by these words."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        values = self.value if isinstance(self.value, (list, tuple)) else [self.value]
        return " ".join(map(word, values))


# One word of a command line before it is text, and one value of an environment.
Word = Union[str, int, float, Option]


def word(value: Json) -> str:
    """Return one option value as text; whole floats keep their point only where Python prints it."""
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_option(text: str, path: KeyPath) -> Option | str:
    """Return the :class:`Option` that the word *text* of a command line is; a word that is none as it is."""
    if not text.startswith("--") or text == "--":
        return text
    name, sign, value = text[2:].partition("=")
    return Option(name, value if sign else True, path, tied=bool(sign))


def override(own: Iterable[Option], given: Iterable[Option]) -> list[Option]:
    """Return the options *own*, those of *given* over them: an option keeps its place and is there once."""
    table = {option.name: option for option in own}
    table.update({option.name: option for option in given})
    return list(table.values())


def variables(table: JsonObject, path: KeyPath) -> dict[str, Option]:
    """Return the environment *table*, which stands at *path* of the spec, with the origins of its variables."""
    return {name: Option(name, value, (*path, name)) for name, value in table.items()}


def argv_of(words: Iterable[Word]) -> tuple[list[str], list[Option]]:
    """Return (the command line of *words*, which are texts and options; those options that have an origin)."""
    argv: list[str] = []
    known: list[Option] = []
    for one in words:
        if isinstance(one, Option):
            argv += one.words()
            if one.path or one.lost:
                known.append(one)
        else:
            argv.append(str(one))
    return argv, known


def env_of(table: Mapping[str, str | Option]) -> tuple[dict[str, str], list[Option]]:
    """Return (the environment of *table*, which has texts and variables by name; those variables)."""
    known = [one for one in table.values() if isinstance(one, Option)]
    return {name: one.value if isinstance(one, Option) else one for name, one in table.items()}, known
