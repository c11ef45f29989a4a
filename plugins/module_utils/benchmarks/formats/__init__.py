# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of other programs, recognised by what is in them. A new format is one file and one line here."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...files import load_json
from ...json_types import Json
from . import aiperf, lm_eval, serving, sgl_eval
from .base import Parser, Recognised

PARSERS: tuple[Parser, ...] = (aiperf.parse, lm_eval.parse, sgl_eval.parse, serving.parse)
SUFFIXES = (".json", ".jsonl")
MOST_FILES = 1000  # that are looked at
MOST_BYTES = 1 << 26  # of a file of lines


class Found(NamedTuple):
    """Results that were recognised, as (file, what it says), and the names of files that were not, with why."""

    results: list[tuple[str, Recognised]]
    unknown: list[str]


def recognise(paths: Iterable[str]) -> Found:
    """Return the results in the files *paths*."""
    results: list[tuple[str, Recognised]] = []
    unknown: list[str] = []
    for path in paths:
        name = os.path.basename(path)
        try:
            known = [one for value in _values(path) for one in [_parsed(value)] if one]
        except (ValueError, OSError) as error:
            unknown.append(f"{name} ({error})")
            continue
        results += [(path, one) for one in known]
        unknown += [] if known else [name]
    return Found(results, unknown)


def result_files(folder: str) -> Iterator[str]:
    """Yield the paths of the JSON files below *folder*, by name, as far as there are not too many."""
    count = 0
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith(SUFFIXES) and count < MOST_FILES:
                count += 1
                yield os.path.join(where, name)


def _values(path: str) -> Iterator[Json]:
    """Yield the JSON values of a file; ValueError if it is not JSON, or too large."""
    if not path.endswith(".jsonl"):
        yield load_json(path)
        return
    facts = os.stat(path)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_BYTES:
        raise ValueError(f"it has {facts.st_size} bytes, {MOST_BYTES} at most can be read")
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            if line.strip():
                yield json.loads(line)


def _parsed(value: Json) -> Recognised | None:
    if not isinstance(value, dict):
        return None
    return next((found for found in (parse(value) for parse in PARSERS) if found), None)
