# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors: which jobs of a file are meant, by the name of an override, by a job's name or end of it, or by number.

A selector that matches nothing is an error that lists what there is.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from typing import Callable

from ..failures import Error
from ..json_types import Json
from ..schema.source import Source
from ..schema.words import nearest

# The end of its name, and the raw job with the lines of its values.
Variant = tuple[str, Json, Source]

BASE, OVERRIDE, ZIP = "base", "override_", "zip_override_"
SELECTOR = re.compile(r"base|(zip_)?override_[^:/]*|[^:/]*[*?\[][^:/]*")
NUMBERED = re.compile(r"(.*)\[(\d{1,6})\]")
SHOWN = 30  # jobs that an error lists


def split_selector(text: str, exists: Callable[[str], bool] = os.path.exists) -> tuple[str, str | None]:
    """Return (path, selector or None) of ``file.yaml:selector``."""
    path, colon, selector = text.rpartition(":")
    split = colon and path and (SELECTOR.fullmatch(selector) or exists(path))
    return (path, selector) if split else (text, None)


class Selector:
    """What *text* selects in a file, None for everything but the base.

    :param names: the names of its overrides; None for a file without a base.
    :ivar overrides: those of *names* that it selects, or the base; all of them if it selects jobs by their own names.
    :ivar number: the number in brackets after the name of an override.
    """

    def __init__(self, text: str | None, names: Sequence[str] | None, file: str | None) -> None:
        self.text, self.file = text, file
        self.number: int | None = None
        self.known = [] if names is None else [BASE, *names]
        names = names or ()
        match = NUMBERED.fullmatch(text or "")
        chosen = [text] if text is not None and text in self.known else []
        if match and match[1] in names:
            chosen, self.number = [match[1]], int(match[2])
        chosen = chosen or [name for name in names if fnmatch.fnmatchcase(name, text or "*")]
        self.overrides, self._by_name = chosen or list(names), text is not None and not chosen

    def numbered(self, found: Sequence[Variant]) -> list[Variant]:
        """Return those of *found*, what one override makes, that have the selector's number: all if it has none."""
        if self.number is None:
            return list(found)
        return [self._at(self.number, found, self.overrides[0])]

    def jobs(self, found: Sequence[Variant]) -> list[Variant]:
        """Return those of *found*, the jobs of the file, that the selector means by their own names or numbers."""
        text = self.text
        if text is None or not self._by_name:
            row = self.number is not None and self.overrides[0].startswith(ZIP)
            return list(found) if row else self.numbered(found)
        words = [{one[0], _name(one)} - {""} for one in found]
        same = [one for one, names in zip(found, words) if text in names]
        like = [one for one, names in zip(found, words) if any(fnmatch.fnmatchcase(name, text) for name in names)]
        digits = re.fullmatch(r"\[?(\d{1,6})\]?", text)
        if digits and found and not (same or like):
            return [self._at(int(digits[1]), found, "it")]
        if not (same or like):
            raise self._nothing(text, found)
        return same or like

    def _at(self, number: int, found: Sequence[Variant], what: str) -> Variant:
        if number >= len(found):
            raise Error(f"{self.file}: {what} has {len(found)} variants, 0 to {len(found) - 1}; not {number}.")
        return found[number]

    def _nothing(self, text: str, found: Sequence[Variant]) -> Error:
        """Return the error that the selector matches nothing."""
        ends = [one[0] for one in found if one[0]]
        short = [name for name in self.known if name.partition(OVERRIDE)[2] == text]
        hint = short[0] if short else nearest(text, [*self.known, *ends, *map(_name, found)])
        listed = [f"[{number}] {_name(one) or one[0]}" for number, one in enumerate(found[:SHOWN])]
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        there = "; ".join(filter(None, [", ".join(self.known), "jobs " + ", ".join(listed) + more if found else ""]))
        return Error(f"{self.file} has no {text}. " + (f"Did you mean {hint}? " if hint else "") + f"It has: {there}.")


def _name(variant: Variant) -> str:
    """Return the name of a job, "" if it has none."""
    job = variant[1]
    return str(job.get("name") or "") if isinstance(job, dict) else ""
