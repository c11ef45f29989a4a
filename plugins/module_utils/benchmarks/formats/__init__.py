# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of other programs, recognised by what is in them. A new format is one file and one line here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...files import MOST_JSON, regular
from ...json_types import Json
from . import aiperf, lm_eval, serving, sgl_eval
from .base import Parser, Recognised

PARSERS: tuple[Parser, ...] = (aiperf.parse, lm_eval.parse, sgl_eval.parse, serving.parse)
SUFFIXES = (".json", ".jsonl")
MOST_FILES = 1000  # that are looked at
MOST_BYTES = 1 << 26  # of a file of lines


class Found(NamedTuple):
    """Results that were recognised, as (file, what it says), and the names of files that were not, with why.

    :ivar broken: those of ``unknown`` that are damaged: no JSON, or a known form with values that cannot be.
    """

    results: list[tuple[str, Recognised]]
    unknown: list[str]
    broken: list[str]


class TooLarge(ValueError):
    """A file is too large to be looked at; nothing says that it is a result."""


def recognise(paths: Iterable[str]) -> Found:
    """Return the results in the files *paths*."""
    results: list[tuple[str, Recognised]] = []
    unknown: list[str] = []
    broken: list[str] = []
    for path in paths:
        name = os.path.basename(path)
        try:
            known = [one for value in _values(path) for one in [_parsed(value)] if one]
        except (ValueError, OSError) as error:
            unknown.append(f"{name} ({error})")
            broken += [] if isinstance(error, TooLarge) else unknown[-1:]
            continue
        results += [(path, one) for one in known]
        unknown += [] if known else [name]
    return Found(results, unknown, broken)


def result_files(folder: str) -> Iterator[str]:
    """Yield the paths of the JSON files below *folder*, by name."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (os.path.join(where, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _values(path: str) -> Iterator[Json]:
    """Yield the JSON values of a file; ValueError if it is not JSON, or too large.

    Some programs write NaN and Infinity. A parser refuses them where it needs a number.
    """
    lines = path.endswith(".jsonl")
    with open(path, encoding="utf-8", opener=regular) as stream:
        size, most = os.fstat(stream.fileno()).st_size, MOST_BYTES if lines else MOST_JSON
        if size > most:
            raise TooLarge(f"it has {size} bytes, {most} at most can be read")
        try:
            yield from (json.loads(line) for line in stream if line.strip()) if lines else [json.loads(stream.read())]
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def _parsed(value: Json) -> Recognised | None:
    if not isinstance(value, dict):
        return None
    return next((found for found in (parse(value) for parse in PARSERS) if found), None)
