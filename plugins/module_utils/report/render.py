# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vega-Lite specifications to SVG, by vl-convert in a process of its own: whatever happens to it, a run goes on."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Sequence

from ..failures import Error
from ..json_types import JsonObject

PACKAGE, MODULE = "vl-convert-python", "vl_convert"
LIMIT_S = 120.0
# Its own file would have to be shipped with the module, and nothing of the collection is needed here.
PROGRAM = """
import json, sys
import vl_convert
specs = json.load(sys.stdin)
json.dump([vl_convert.vegalite_to_svg(spec) for spec in specs], sys.stdout)
"""


class NotInstalled(Error):
    """The program that draws charts is not there."""


def check() -> None:
    """Raise NotInstalled if charts cannot be drawn by this Python."""
    if importlib.util.find_spec(MODULE) is None:
        raise NotInstalled(f"The report needs {PACKAGE}, which {sys.executable} lacks: pip install {PACKAGE}")


def drawings(specs: Sequence[JsonObject]) -> list[str]:
    """Return the SVG of each of *specs*, with names of its own in each; Error if they cannot be drawn."""
    check()
    if not specs:
        return []
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=json.dumps(list(specs)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Error(f"The charts cannot be drawn: {error}") from None
    try:
        found: list[str] = json.loads(done.stdout) if done.returncode == 0 else []
    except ValueError:
        found = []
    if len(found) != len(specs):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Error(f"The charts cannot be drawn: {MODULE} ended with code {done.returncode}: {last[:500]}")
    return [_named(svg, number) for number, svg in enumerate(found)]


def _named(svg: str, number: int) -> str:
    """Return *svg* with ids that no other drawing of the page has."""
    svg = re.sub(r'\bid="([A-Za-z_][\w-]*)"', rf'id="d{number}_\1"', svg)
    return re.sub(r"url\(#([\w-]+)\)", rf"url(#d{number}_\1)", svg)
