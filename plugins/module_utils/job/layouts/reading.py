# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader makes of a raw job, and how the words of its layout are spoken."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, Union

from ...failures import Problem
from ...json_types import JsonObject, KeyPath
from ...schema.source import Source

# A pattern of words of the first layout, and those of another one.
Words = tuple[re.Pattern[str], Union[str, Callable[[re.Match[str]], str]]]


class Reading(NamedTuple):
    """A raw job in the form that is checked and planned.

    :ivar job: the job without what is wrong in it.
    :ivar source: knows the lines of its values, and their paths in the file.
    :ivar notes: what the user should know about how it was read.
    :ivar problems: those that the reader has found.
    :ivar wrong: the paths of the values, in *job*, that these make unusable.
    :ivar layout: the number of the layout.
    :ivar words: how texts about *job* are turned into the words of the layout.
    """

    job: JsonObject
    source: Source
    notes: list[str]
    problems: list[Problem] = []
    wrong: set[KeyPath] = set()
    layout: int = 1
    words: Sequence[Words] = ()

    def spoken(self, text: str) -> str:
        """Return *text*, which names keys of the first layout, in the words of the file's."""
        return spoken(text, self.words)


def spoken(text: str, words: Sequence[Words]) -> str:
    """Return *text* with each pattern of *words* replaced."""
    for pattern, new in words:
        text = pattern.sub(new, text)
    return text


def told(problem: Problem, words: Sequence[Words]) -> Problem:
    """Return *problem* in *words*."""
    found: Problem = {**problem, "problem": spoken(problem["problem"], words)}
    remedy = problem.get("remedy")
    if remedy:
        found["remedy"] = spoken(remedy, words)
    return found
