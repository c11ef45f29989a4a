# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each key of a job belongs, so that a misplaced one can be told its section."""

from __future__ import annotations

from .section import KnownPlaces, Section, Variants
from .types import OptionalSection
from .words import normal


def known_places(section: Section, prefix: str = "", words: tuple[str, ...] = ()) -> KnownPlaces:
    """Return ``{normalised key: {dotted section: words}}`` over *section* and everything below it.

    The top level is "". *words* are the variants that have the key there; empty when every one has it.
    """
    places: KnownPlaces = {}
    for key, field in section.fields.items():
        places.setdefault(normal(key), {})[prefix.rstrip(".")] = words
        below = field.type.section if isinstance(field.type, OptionalSection) else field.type
        if isinstance(below, Variants):
            found = [known_places(one, f"{prefix}{key}.", (word,)) for word, one in below.sections.items()]
        else:
            found = [known_places(below, f"{prefix}{key}.", words)] if isinstance(below, Section) else []
        for table in found:
            for name, there in table.items():
                bucket = places.setdefault(name, {})
                for place, more in there.items():
                    both = bucket.get(place, ()) + more
                    bucket[place] = () if isinstance(below, Variants) and set(both) == set(below.sections) else both
    return places
