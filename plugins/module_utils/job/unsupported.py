# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of recipes that this version accepts but does not support yet.

A run refuses those that would change the results or write files; a dry run still shows the plan. The others get a
note.
"""

from __future__ import annotations

from ..benchmarks import BENCHMARKS
from ..failures import Finding
from ..json_types import Json, JsonObject, KeyPath
from ..schema.section import Section

# The reference marks the keys by these words (tests/unit/.../plan/test_unsupported.py).
REFUSED = "Not supported yet: runs refuse it."
UNUSED = "Accepted, not used yet."

REFUSED_KEYS = (
    ("telemetry", "enabled"),
    ("observability", "scrape_metrics"),
    ("observability", "tachometer", "enabled"),
    ("benchmark", "export_node_metrics"),
    *(("benchmark", key) for one in BENCHMARKS.values() for key in one.refused),
)
# Never done, with the reason and the remedy.
NEVER: dict[KeyPath, tuple[str, str]] = {
    ("reporting", "ai_analysis", "enabled"): (
        "is not done here, now or later: it would send logs of the site to a company that runs a language model, and "
        "what comes back is no measurement.",
        "Leave it out, or let a program of your own do it: reporting.publishers.",
    ),
}
UNUSED_KEYS = (
    ("observability", "scrape_interval_seconds"),
    ("observability", "scrape_output"),
)


def unable(path: KeyPath, spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` if *spec* uses *path*, of REFUSED_KEYS or NEVER, which no run supports."""
    if not _value(spec, path) or _of_another(spec, path):
        return []
    if path in NEVER:
        return [(path, *NEVER[path])]
    return [(path, "is not supported by this version yet.", "Leave it out.")]


def notes(spec: JsonObject, section: Section) -> list[str]:
    """Return a note on the unused keys of *spec*, as a list; *section* is the JOB section."""
    given = [path for path in UNUSED_KEYS if _given(spec, path, section) and not _of_another(spec, path)]
    names = ", ".join(".".join(path) for path in given)
    return [f"{names}: accepted, but not used by this version."] if given else []


def _given(spec: JsonObject, path: KeyPath, section: Section) -> bool:
    """Return whether *spec* has a value at *path* that is not the default and not turned off."""
    value = _value(spec, path)
    if value is None or isinstance(value, dict) and value.get("enabled") is False:
        return False
    *sections, last = path
    for key in sections:
        section = section.below(str(key))
    return bool(value != section.fields[str(last)].default)


def _of_another(spec: JsonObject, path: KeyPath) -> bool:
    """Return whether the key at *path* belongs to another benchmark than the job's, which gets another note."""
    owners = [one.type for one in BENCHMARKS.values() if path[0] == "benchmark" and path[1] in one.reads]
    return bool(owners) and spec["benchmark"]["type"] not in owners


def _value(spec: JsonObject, path: KeyPath) -> Json:
    """Return the value at *path*, or None."""
    value: Json = spec
    for key in path:
        value = (value or {}).get(key)
    return value
