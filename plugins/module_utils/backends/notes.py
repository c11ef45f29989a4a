# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes to the user that hold for every engine: which values of the job have no effect, and why."""

from __future__ import annotations

from ..json_types import JsonObject
from ..topology.modes import LONG_MODE
from .engine import Engine


def decided(backend: Engine, spec: JsonObject) -> list[str]:
    """Return notes on values of the job that the plan sets itself, or that another spelling of an option replaces."""
    found = []
    for mode in backend.modes(spec):
        where = f"backend.{backend.config_key}.{LONG_MODE[mode]}"
        options, twice = backend.given(spec, mode)
        own = {"disaggregation-mode": None if mode == "agg" else mode}
        lost = sorted(
            name
            for name, (_key, value) in options.items()
            if name in backend.fixed and name not in backend.understood and value != own.get(name)
        )
        if lost:
            found.append(f"{where}: {', '.join(lost)}: ignored, the plan sets this.")
        full = {key: name for name, (key, _value) in options.items()}
        for key, value, winner in twice:
            if full[winner] not in backend.fixed:
                found.append(f"{where}: {winner} replaces {key} {value}. Both are names of the same option.")
    for key in [f"backend.{LONG_MODE[mode]}_environment" for mode in backend.modes(spec)] + ["environment"]:
        given = spec["backend"][key[8:]] if key.startswith("backend.") else spec["environment"]
        lost = [name for name in backend.fixed_variables(spec) if name in given]
        if lost:
            found.append(f"{key}: {', '.join(lost)}: ignored, the plan sets this for each process.")
    return found


def names(backend: Engine, spec: JsonObject) -> list[str]:
    """Return a note if the job gives the model several names and the service has only the first."""
    lost = backend.served_names(spec)[1:]
    if not lost or backend.many_names(spec):
        return []
    return [f"{'.'.join(map(str, backend.served_by(spec)))}: only the first name is served, not {', '.join(lost)}."]


def idle(backend: Engine, spec: JsonObject) -> list[str]:
    """Return a note for each mode that the job configures but has no workers of."""
    section = spec["backend"]
    found = []
    for mode, word in LONG_MODE.items():
        if spec["resources"][f"{mode}_workers"]:
            continue
        keys = [f"resources.gpus_per_{mode}"] if spec["resources"][f"gpus_per_{mode}"] else []
        keys += [f"backend.{backend.config_key}.{word}"] if backend.given(spec, mode)[0] else []
        keys += [f"backend.{word}_environment"] if section[f"{word}_environment"] else []
        events = section.get("kv_events_config")
        if isinstance(events, dict) and (events.get(word) or events.get(mode)):
            keys.append(f"backend.kv_events_config.{word}")
        if keys:
            found.append(f"{', '.join(keys)}: no effect, the job has no {word} workers.")
    if section.get("kv_events_config") is True and backend.modes(spec) == ["agg"]:
        found.append(
            "backend.kv_events_config: true is for prefill and decode workers. Write {aggregated: true} for these."
        )
    return found
