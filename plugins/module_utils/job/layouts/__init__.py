# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layouts of job files. Each has a reader that turns a raw job into the form that is checked and planned.

That form is the first layout's, so its reader only accepts newer features in it. The second layout has a schema of its
own (schema.py), checks across its sections (rules.py), and a table of where its keys belong (places.py).
"""

from __future__ import annotations

from ...json_types import JsonObject
from ...schema.source import Source
from . import first, places, second
from .reading import Reading, spoken
from .recognition import recognise

READERS = {1: first.read, 2: second.read}
WORDS = {2: places.WORDS}


def read(job: JsonObject, source: Source) -> Reading:
    """Return the :class:`Reading` of the raw *job*; SpecError if its layout is unknown or no part of it can be read."""
    layout, notes = recognise(job, source)
    return READERS[layout](job, source, notes)


def in_words(text: str, spec: JsonObject) -> str:
    """Return *text* about *spec* in the words of the layout of its file."""
    return spoken(text, WORDS.get(spec.get("layout", 1), ()))
