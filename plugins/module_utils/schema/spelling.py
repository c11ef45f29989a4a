# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Numbers that remember how they were written.

YAML reads 01234567 as 342391, 0.10 as 0.1 and 12:30:00 as 45000. Where text is expected, what was written counts.
"""

from __future__ import annotations


class WrittenInt(int):
    """A whole number whose text is the one in the file."""

    text = ""

    def __str__(self):
        return self.text

    def __format__(self, spec):
        return format(int(self), spec) if spec else self.text

    def __deepcopy__(self, _memo):
        return self


class WrittenFloat(float):
    """A number whose text is the one in the file."""

    text = ""

    def __str__(self):
        return self.text

    def __format__(self, spec):
        return format(float(self), spec) if spec else self.text

    def __deepcopy__(self, _memo):
        return self


def is_number(value):
    """Tell whether *value* is a number; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def written(value, text):
    """Return the number *value* as one that was written as *text*."""
    new = (WrittenInt if isinstance(value, int) else WrittenFloat)(value)
    new.text = text
    return new


def bare(value):
    """Return the number *value* without its text; anything else as it is."""
    for kind in (WrittenInt, WrittenFloat):
        if isinstance(value, kind):
            return kind.__base__(value)
    return value


def spelt(document, texts, path=()):
    """Return a copy of *document* in which the numbers know their text: *texts* is ``{path: text}``."""
    if isinstance(document, dict):
        return {key: spelt(item, texts, (*path, str(key))) for key, item in document.items()}
    if isinstance(document, list):
        return [spelt(item, texts, (*path, index)) for index, item in enumerate(document)]
    return written(document, texts[path]) if is_number(document) and path in texts else document
