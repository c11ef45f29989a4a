# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the runs are meant. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..json_types import JsonObject


class Wanted(NamedTuple):
    """What the records that are meant have; None, or nothing, leaves it open.

    :ivar tags: all of them.
    :ivar name, model: a name with the wildcards ``*``, ``?`` and ``[]``, in any case.
    :ivar since: the time (UTC, ISO 8601) at or after which they began.
    """

    tags: Sequence[str] = ()
    name: str | None = None
    model: str | None = None
    valid: bool | None = None
    since: str | None = None


def selected(records: Iterable[JsonObject], wanted: Wanted) -> list[JsonObject]:
    """Return those of *records* that are *wanted*, in their order. What is not known fits no wish."""
    return [
        one
        for one in records
        if set(wanted.tags) <= set(one["tags"])
        and _fits(one["name"], wanted.name)
        and _fits(one["model"], wanted.model)
        and (wanted.valid is None or one["valid"] is wanted.valid)
        and (wanted.since is None or bool(one["date"]) and str(one["date"]) >= wanted.since)
    ]


def _fits(value: object, pattern: str | None) -> bool:
    return pattern is None or value is not None and fnmatch.fnmatchcase(str(value).lower(), pattern.lower())
