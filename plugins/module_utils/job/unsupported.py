# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of recipes that are never acted on: a run refuses them with the reason, a dry run still shows the plan."""

from __future__ import annotations

from ..failures import Finding
from ..json_types import Json, JsonObject, KeyPath

# With the reason and the remedy.
NEVER: dict[KeyPath, tuple[str, str]] = {
    ("reporting", "ai_analysis", "enabled"): (
        "is not done here, now or later: it would send logs of the site to a company that runs a language model, and "
        "what comes back is no measurement.",
        "Leave it out, or let a program of your own do it: reporting.publishers.",
    ),
}


def unable(path: KeyPath, spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` if *spec* uses *path*, of NEVER."""
    return [(path, *NEVER[path])] if _value(spec, path) else []


def _value(spec: JsonObject, path: KeyPath) -> Json:
    """Return the value at *path*, or None."""
    value: Json = spec
    for key in path:
        value = (value or {}).get(key)
    return value
