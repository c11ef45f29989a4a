# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of others, as it is shown and stored: of logs, of programs, of Slurm's fields.

Its control characters could clear a terminal, rewrite what is on it, or turn the order of its letters around. Colours
are removed, and all others are spelt out, such as ``\\x07``. Line breaks and tabs stay.
"""

from __future__ import annotations

import re
from typing import Callable

from .json_types import Json

LONGEST, END = 4000, 1000  # characters of a line, and of its end if it is longer
# Complete sequences: of colours and the like, and with text for the terminal, such as its title.
SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x00-\x1f\x7f-\x9f]{0,256}"
    r"(?:\x07|\x1b\\|\x9c)|\x1b[()*+][0-9A-Z]|\x1b[78=>]"
)
# Control characters (C0, DEL, C1), other line breaks, characters that change the direction, and those without a form.
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def plain(text: str) -> str:
    """Return *text* without control characters, except line breaks and tabs."""
    if not CONTROL.search(text):
        return text
    text = SEQUENCE.sub("", text).replace("\r\n", "\n")
    return CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def shown(text: str) -> str:
    """Return *text* without control characters, each of its lines not too long."""
    text = plain(text)
    return text if len(text) <= LONGEST else "\n".join(map(_bounded, text.split("\n")))


def _bounded(line: str) -> str:
    """Return *line*, without its middle if it is too long: a message ends with what to do."""
    left_out = len(line) - LONGEST
    return line if left_out <= 0 else f"{line[: LONGEST - END]} ... ({left_out} characters) ... {line[-END:]}"


def cleaned(value: Json, each: Callable[[str], str] = plain) -> Json:
    """Return *value* with all texts in it as *each* returns them, keys too."""
    if isinstance(value, str):
        return each(value)
    if isinstance(value, dict):
        return {each(key) if isinstance(key, str) else key: cleaned(item, each) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item, each) for item in value]
    return value
