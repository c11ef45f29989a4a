# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else differs between the sides: configuration, files and packages that were read, images, nodes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..json_types import Json, JsonObject
from ..secrets.redaction import redact
from .measured_run import MeasuredRun

ABSENT = "-"
SHAPES_ONLY = ("benchmark.repeats", "benchmark.repeat_order", "benchmark.repeat_seed")  # how often, not what


def differences(baseline: Sequence[MeasuredRun], candidate: Sequence[MeasuredRun]) -> list[JsonObject]:
    """Return ``{key, baseline, candidate}``, as text, of all that differs; secret values are replaced.

    A key whose values differ between the runs of one side has all of them.
    """
    sides = [[dict(_flat(redact(_facts(run)))) for run in runs] for runs in (baseline, candidate)]
    keys = sorted({key for side in sides for facts in side for key in facts if key not in SHAPES_ONLY})
    found = []
    for key in keys:
        values = [list(dict.fromkeys(facts.get(key, ABSENT) for facts in side)) for side in sides]
        if set(values[0]) != set(values[1]):
            found.append({"key": key, "baseline": "; ".join(values[0]), "candidate": "; ".join(values[1])})
    return found


def warnings(found: Sequence[JsonObject]) -> list[str]:
    """Return what of the differences *found* makes the sides hard to compare, as sentences."""
    keys = [str(one["key"]) for one in found]
    said = []
    if any(key.startswith("inputs.model") or key in ("model.path", "model.precision", "precision") for key in keys):
        said.append("The sides ran other files or another precision of the model: their answers may differ as well.")
    if "benchmark.seed" in keys:
        said.append("The sides got other prompts of the same lengths (benchmark.seed).")
    return said


def _facts(run: MeasuredRun) -> JsonObject:
    """Return what is compared of *run*, as one mapping."""
    inputs = {
        key: f"{one.get('path')} ({one.get('fingerprint') or 'unknown content'})" if isinstance(one, dict) else one
        for key, one in run.facts["inputs"].items()
    }
    lists = {key: ", ".join(run.facts[key]) for key in ("images", "nodes") if run.facts[key]}
    return {**run.facts["spec"], "inputs": inputs, "versions": run.facts["versions"], **lists}


def _flat(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value as text) of all values below *value* that are set; a list is one value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True)
