# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of what JSON and YAML files hold, where a file's content has no fixed shape, and what is a number."""

from __future__ import annotations

import sys
from typing import Any, Union

# A value that JSON can hold: null, a truth value, a number, text, or a list or mapping of such values. Code that uses
# one knows or checks its type, so it is not a union.
Json = Any
# A JSON object whose keys are not fixed, or are those of a section of a spec.
JsonObject = dict[str, Any]
# Where a value is in a document: keys of mappings and indexes of lists, from the top down.
KeyPath = tuple[Union[str, int], ...]


def is_number(value: Json) -> bool:
    """Return whether *value* is a number with which one can calculate: neither a truth value, nor infinite or NaN."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return known and abs(value) <= sys.float_info.max  # NaN is not, and neither is a whole number beyond any float
