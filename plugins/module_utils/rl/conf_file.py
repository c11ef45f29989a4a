# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ``.conf`` file of the original launcher: lines ``NAME=value`` in the shell's syntax, read and never executed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..failures import Code, Problem

ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)(\+?=)(.*)", re.DOTALL)
REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?-)([^}$`]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")
COMMANDS = {"$(": "a command, $(...)", "`": "a command in backticks", "$((": "arithmetic, $((...))"}
OPERATORS = ";|&<>()"


class Unreadable(ValueError):
    """What cannot be read in a line, and what to write instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


class Conf:
    """The values of a ``.conf`` file, the lines that set them, and what is wrong.

    ``used`` are the names that other lines refer to; they need not be settings.
    """

    def __init__(self, text: str, file: str, environ: Mapping[str, str]) -> None:
        self.file, self.environ = file, environ
        self.values: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.used: set[str] = set()
        self.problems: list[Problem] = []
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            self._line(line.strip(), number)

    def _line(self, line: str, number: int) -> None:
        if not line or line.startswith("#"):
            return
        match = ASSIGNMENT.fullmatch(line)
        try:
            if not match or match[2] == "+=":
                raise Unreadable(f"{_short(line)} is no line NAME=value.", "The file is read, not executed.")
            self.values[match[1]] = self._value(match[3])
            self.lines[match[1]] = number
        except Unreadable as error:
            self._problem(number, match[1] if match else "", error.problem, error.remedy)

    def _problem(self, line: int, path: str, problem: str, remedy: str, code: Code = "invalid") -> None:
        self.problems.append(
            {"file": self.file, "line": line, "path": path, "code": code, "problem": problem, "remedy": remedy}
        )

    def _value(self, text: str) -> str:
        """Return the value that the shell would assign for what follows the equals sign."""
        parts: list[str] = []
        at = 0
        if re.match(r"~(/|\s|$)", text):
            parts, at = [self.environ.get("HOME", os.path.expanduser("~"))], 1
        while at < len(text):
            sign = text[at]
            if sign.isspace():
                rest = text[at:].strip()
                if rest and not rest.startswith("#"):
                    raise Unreadable(f"has {_short(rest)} after the value.", "Put a value with blanks in quotes.")
                break
            if sign == "'":
                part, at = _single(text, at)
            elif sign == '"':
                part, at = self._double(text, at)
            elif sign in OPERATORS:
                raise Unreadable(
                    f"has {sign} outside quotes.", "The file is read, not executed: write the value itself."
                )
            elif sign == "\\":
                if at + 1 == len(text):
                    raise Unreadable("goes on in the next line.", "Write it on one line.")
                part, at = text[at + 1], at + 2
            elif sign in "$`":
                part, at = self._reference(text, at)
            else:
                part, at = sign, at + 1
            parts.append(part)
        return "".join(parts)

    def _double(self, text: str, at: int) -> tuple[str, int]:
        parts: list[str] = []
        at += 1
        while at < len(text):
            sign = text[at]
            if sign == '"':
                return "".join(parts), at + 1
            if sign == "\\" and text[at + 1 : at + 2] in ("$", "`", '"', "\\") and text[at + 1 :]:
                part, at = text[at + 1], at + 2
            elif sign in "$`":
                part, at = self._reference(text, at)
            else:
                part, at = sign, at + 1
            parts.append(part)
        raise Unreadable('has no closing ".', "Close the quotes on the same line.")

    def _reference(self, text: str, at: int) -> tuple[str, int]:
        """Return (the value of the variable at *at*, where the text goes on)."""
        for start in ("$((", "$(", "`"):
            if text.startswith(start, at):
                raise Unreadable(f"has {COMMANDS[start]}.", "The file is read, not executed: write the value itself.")
        match = REFERENCE.match(text, at)
        if not match:
            if text[at + 1 : at + 2] in ("", '"', " ", "/", "."):
                return "$", at + 1
            problem = f"has {_short(text[at:])}, which is not read here."
            raise Unreadable(problem, "Use ${NAME}, or write the value itself; a dollar sign is written \\$.")
        name = match[1] or match[4]
        self.used.add(name)
        found = self.values.get(name, self.environ.get(name))
        if match[2] and (found is None or match[2] == ":-" and not found):
            return match[3], match.end()
        if found is None:
            raise Unreadable(f"refers to {name}, which is not set.", f"Set {name} in a line above, or export it.")
        return found, match.end()


def _single(text: str, at: int) -> tuple[str, int]:
    end = text.find("'", at + 1)
    if end < 0:
        raise Unreadable("has no closing '.", "Close the quotes on the same line.")
    return text[at + 1 : end], end + 1


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
