# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of other programs, recognised by what is in them. A new format is one file and one line here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from ...files import MOST_JSON, regular
from ...json_types import Json, JsonObject
from . import aiperf, aiperf_files, lm_eval, others, serving, sgl_eval
from .base import Parser, Recognised

PARSERS: tuple[Parser, ...] = (aiperf.parse, lm_eval.parse, sgl_eval.parse, serving.parse)
# Each returns what a JSON object is that is of a known program, but no result of one run; None if it may be one.
ASIDE = (aiperf_files.aside, lm_eval.aside, others.aside)
SUFFIXES = (".json", ".jsonl")
MOST_FILES = 1000  # that are looked at
MOST_BYTES = 1 << 26  # of a file of lines
NAMED = 5  # files that a text names


class Found(NamedTuple):
    """Results that were recognised, as (file, what it says), and the names of files that were not, with why.

    :ivar broken: those of ``unknown`` that are damaged: no JSON, or a known form with values that cannot be.
    :ivar aside: ``(file, what it is)`` of files of known programs that are no result of one run: what sums up several
        runs, single requests and the like. Nobody needs to look at them.
    """

    results: list[tuple[str, Recognised]]
    unknown: list[str]
    broken: list[str]
    aside: Sequence[tuple[str, str]] = ()

    def unknown_in_words(self) -> str:
        """Return how many files are not known and which, "" if there are none."""
        return in_words(self.unknown)


class TooLarge(ValueError):
    """A file is too large to be looked at; nothing says that it is a result."""


def in_words(names: Sequence[str]) -> str:
    """Return how many files *names* has, and the first of them."""
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} file{'s' * (len(names) > 1)} that no known program writes: {', '.join(names[:NAMED])}{more}"


def recognise(paths: Iterable[str]) -> Found:
    """Return the results in the files *paths*."""
    results: list[tuple[str, Recognised]] = []
    unknown: list[str] = []
    broken: list[str] = []
    beside: list[tuple[str, str]] = []
    for number, path in enumerate(paths):
        if number == MOST_FILES:
            unknown.append(f"all files after the first {MOST_FILES}, which were not read")
            break
        name = os.path.basename(path)
        try:
            what, known = _known(path)
        except (ValueError, OSError) as error:
            unknown.append(f"{name} ({error})")
            broken += [] if isinstance(error, TooLarge) else unknown[-1:]
            continue
        results += [(path, one) for one in known]
        beside += [(path, what)] if what else []
        unknown += [] if known or what else [name]
    return Found(results, unknown, broken, beside)


def result_files(folder: str) -> Iterator[str]:
    """Yield the paths of the JSON files below *folder*, by name."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (os.path.join(where, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _known(path: str) -> tuple[str | None, list[Recognised]]:
    """Return (what the file is if it is no result, its results); OSError or ValueError if it cannot be read."""
    what = aiperf_files.aside_by_name(path)
    if what:
        return what, []
    run, found = aiperf_files.run_of(path), []
    for number, value in enumerate(_values(path)):
        what = _aside(value)
        if what and not number:  # the other lines of a file of lines are of the same kind
            return what, []
        one = None if what else _parsed(value)
        found += [aiperf.of_run(one, run)] if one else []
    return None, found


def _values(path: str) -> Iterator[Json]:
    """Yield the JSON values of a file; ValueError if it is not JSON, or too large.

    Some programs write NaN and Infinity. A parser refuses them where it needs a number.
    """
    lines = path.endswith(".jsonl")
    with open(path, encoding="utf-8", opener=regular) as stream:
        size, most = os.fstat(stream.fileno()).st_size, MOST_BYTES if lines else MOST_JSON
        if size > most and not lines:
            raise TooLarge(f"it has {size} bytes, {most} at most can be read")
        try:
            for line in iter(partial(stream.readline, MOST_BYTES), "") if lines else [stream.read()]:
                if line.strip() or not lines:
                    yield json.loads(line)
                if size > most:  # the first line has told whether it is a result
                    raise TooLarge(f"it has {size} bytes, {most} at most can be read")
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def _aside(value: Json) -> str | None:
    return next(filter(None, (look(value) for look in ASIDE)), None) if isinstance(value, dict) else None


def _parsed(value: JsonObject) -> Recognised | None:
    if not isinstance(value, dict):
        return None
    return next((found for found in (parse(value) for parse in PARSERS) if found), None)
