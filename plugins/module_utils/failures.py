# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that code below the modules raises.

A module or action catches :class:`Error` once and turns it into a failed result; nothing else in
the collection needs to know how Ansible reports failures.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Optional, TypedDict, Union

from .json_types import Json, JsonObject, KeyPath
from .plain_text import cleaned, shown

Code = Literal[
    "conflict", "duplicate", "invalid", "missing", "no_room", "not_a_choice", "not_found", "not_supported", "not_yaml",
    "out_of_range", "secret", "unknown_key", "unknown_name", "unused", "wrong_type",
]  # fmt: skip
# The kinds of problems. Other programs may rely on these words, not on the text of a problem.
CODES: dict[Code, str] = {
    "conflict": "The value contradicts another one, or what the plan, the engine, the frontend or Slurm can do.",
    "duplicate": "The key, the name or the value is there twice.",
    "invalid": "The value has the right type, but the key does not take it in this form.",
    "missing": "A key or value that is needed is absent or empty.",
    "no_room": "The workers do not fit on the nodes, or ports collide.",
    "not_a_choice": "The value is not one of the words or numbers that can be chosen here.",
    "not_found": "The path does not exist.",
    "not_supported": "This version cannot do it yet.",
    "not_yaml": "The file is not valid YAML, or uses more of YAML than a job may.",
    "out_of_range": "The number is too small or too large, or there are too many of something.",
    "secret": "The value is secret, and would be written where others can read it.",
    "unknown_key": "The key, or the variable of `-e`, is not known at this place.",
    "unknown_name": "The text names a variable, a placeholder or a parameter that does not exist.",
    "unused": "Nothing uses the parameter.",
    "wrong_type": "The value has another type, for example text where a number is expected.",
}
# What a rule finds: the path of a value in a spec, what is wrong with it, what would be right, if there is a word, and
# the code, if it is not "conflict".
Finding = Union[tuple[KeyPath, str, Optional[str]], tuple[KeyPath, str, Optional[str], Code]]


class _Problem(TypedDict, total=False):
    remedy: str | None
    jobs: str | None


class Problem(_Problem):
    """One problem in a file: in ``line`` (from 1), at the dotted ``path``; None if unknown.

    ``code`` is its kind, see CODES, and ``problem`` says it in words. ``remedy`` says how to fix it. ``jobs`` names the
    variants of a file that have it, if not all do.
    """

    file: str | None
    line: int | None
    path: str
    code: Code
    problem: str


class Error(Exception):
    """An error that a user can act on: what happened, where, and what to do.

    :param msg: one or more sentences for the user.
    :param evidence: JSON-able values that are added to the failed result (steps, checks, log tails).
    """

    def __init__(self, msg: str, **evidence: Json) -> None:
        super().__init__(msg)
        self.msg = msg
        self.evidence = evidence

    def as_result(self) -> JsonObject:
        """Return the keyword arguments of a failed result."""
        return dict(cleaned(self.evidence, shown), msg=shown(self.msg))


class SpecError(Error):
    """Bad input. All problems of a file are reported at once.

    :param problems: the problems, in the order of the file.
    :param evidence: what was done nevertheless.
    """

    def __init__(self, problems: Iterable[Problem], **evidence: Json) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(format_problem(p) for p in self.problems), problems=self.problems, **evidence)


def format_problem(problem: Problem) -> str:
    """Return one problem as ``file:line: path: what is wrong. What to do.``"""
    where = problem.get("file") or "job"
    if problem.get("line"):
        where = f"{where}:{problem['line']}"
    text = f"{where}: "
    if problem.get("path"):
        text += f"{problem['path']}: "
    if problem.get("jobs"):
        text += f"in {problem['jobs']}: "
    text += problem["problem"]
    if problem.get("remedy"):
        text += f" {problem['remedy']}"
    return text


class SlurmError(Error):
    """A Slurm command failed or did not answer in time."""


class StepError(Error):
    """A step of the service ended or could not be started; carries its evidence."""
