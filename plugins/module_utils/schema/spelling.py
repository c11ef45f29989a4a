# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that keep their spelling.

YAML reads 01234567 as 342391, 0.10 as 0.1 and 12:30:00 as 45000. Where text is expected, the spelling counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..json_types import Json, KeyPath


class WrittenInt(int):
    """An integer that prints as it is written in the file."""

    text = ""

    def __str__(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else self.text

    def __deepcopy__(self, _memo: object) -> WrittenInt:
        return self


class WrittenFloat(float):
    """A float that prints as it is written in the file."""

    text = ""

    def __str__(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else self.text

    def __deepcopy__(self, _memo: object) -> WrittenFloat:
        return self


def is_number(value: object) -> bool:
    """Return whether *value* is a number; truth values do not count."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def written(value: int | float, text: str) -> WrittenInt | WrittenFloat:
    """Return the number *value* with the spelling *text*."""
    new = WrittenInt(value) if isinstance(value, int) else WrittenFloat(value)
    new.text = text
    return new


def bare(value: Json) -> Json:
    """Return the number *value* without its spelling; any other value unchanged."""
    if isinstance(value, WrittenInt):
        return int(value)
    return float(value) if isinstance(value, WrittenFloat) else value


def spelt(document: Json, texts: Mapping[KeyPath, str], path: KeyPath = ()) -> Json:
    """Return a copy of *document* in which the numbers have their spelling: *texts* is ``{path: text}``."""
    if isinstance(document, dict):
        return {key: spelt(item, texts, (*path, str(key))) for key, item in document.items()}
    if isinstance(document, list):
        return [spelt(item, texts, (*path, index)) for index, item in enumerate(document)]
    return written(document, texts[path]) if is_number(document) and path in texts else document
