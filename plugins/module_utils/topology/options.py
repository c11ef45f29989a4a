# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a command line and variables of an environment, each with the origin of its value."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Option(NamedTuple):
    """An option of a command line, or a variable of an environment.

    ``name``    an option's name without its dashes, or a variable's name
    ``value``   true is the bare flag; false and null leave an option out
    ``path``    the path of the value in the spec; None: the plan sets it
    ``lost``    ``(value, path)`` of the job's value that this one replaces, or None
    ``tied``    name and value are one word on the command line, ``--name=value``
    """

    name: str
    value: Any
    path: tuple | None = None
    lost: tuple | None = None
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
        text = value if value.__class__ is str else word(value)
        # A parser reads a value that looks like a flag as one, unless it is joined to its option.
        looks_like_flag = text[:1] == "-" and not text[1:2].isdigit()
        return [f"{flag}={text}"] if tied or looks_like_flag else [flag, text]

    def text(self) -> str:
        """Return the value as on the command line; true and false as these words."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        values = self.value if isinstance(self.value, (list, tuple)) else [self.value]
        return " ".join(map(word, values))


def word(value) -> str:
    """Return one option value as text; whole floats keep the point that Python prints."""
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_option(text: str, path: tuple):
    """Return the :class:`Option` for the word *text* of a command line; other words unchanged."""
    if not text.startswith("--") or text == "--":
        return text
    name, sign, value = text[2:].partition("=")
    return Option(name, value if sign else True, path, tied=bool(sign))


def override(own, given) -> list[Option]:
    """Return the options *own*, overridden by *given*; each option keeps its position and appears once."""
    table = {option.name: option for option in own}
    table.update({option.name: option for option in given})
    return list(table.values())


def variables(table: dict, path: tuple) -> dict[str, Option]:
    """Return the environment *table*, at *path* of the spec, with the origins of its variables."""
    return {name: Option(name, value, (*path, name)) for name, value in table.items()}


def argv_of(words) -> tuple[list[str], list[Option]]:
    """Return (the command line of *words*, texts and options; the options that have an origin)."""
    argv, known = [], []
    for one in words:
        if one.__class__ is Option:
            argv += one.words()
            if one.path or one.lost:
                known.append(one)
        else:
            argv.append(str(one))
    return argv, known


def env_of(table) -> tuple[dict[str, str], list[Option]]:
    """Return (the environment of *table*, texts and variables by name; the variables)."""
    known = [one for one in table.values() if one.__class__ is Option]
    return {**table, **{one.name: one.value for one in known}}, known
