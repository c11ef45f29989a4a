# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KV events: cache updates that workers publish for routers."""

from __future__ import annotations

from ..failures import Finding
from ..json_types import Json, JsonObject, KeyPath
from ..schema.section import Field
from ..schema.types import Bool, MapOf, OneOf, Type, shown
from ..topology.modes import LONG_MODE
from ..topology.options import Option
from .engine import Engine
from .flags import mapping, readable

NAME = "kv-events-config"
FIELD = Field(OneOf(Bool(), MapOf(Type())), None, "Publish KV events: true, or per mode true or a mapping of settings.")


def option(backend: Engine, spec: JsonObject, mode: str) -> Option | None:
    """Return the option of KV events of *mode*, its settings without the endpoint, or None.

    The job sets it under ``kv_events_config`` or as an engine option.
    """
    path: KeyPath = ("backend", "kv_events_config")
    wanted = spec["backend"].get("kv_events_config")
    if isinstance(wanted, dict):
        word = LONG_MODE[mode] if LONG_MODE[mode] in wanted else mode
        wanted, path = wanted.get(word), (*path, word)
    elif mode == "agg":
        # Set for all modes at once it applies to the two that exchange caches.
        wanted = None
    if not wanted:
        key, wanted = backend.given(spec, mode)[0].get(NAME, ("", None))
        wanted, path = mapping(wanted) if isinstance(wanted, str) else wanted, backend.place(mode, key)
    if not wanted:
        return None
    settings = {"publisher": "zmq", "topic": "kv-events", **(wanted if isinstance(wanted, dict) else {})}
    settings.pop("endpoint", None)
    return Option(NAME, settings, path)


def at(events: Option, endpoint: str, **more: Json) -> Option:
    """Return the option *events* for a worker that publishes at *endpoint*."""
    return events._replace(value={**events.value, "endpoint": endpoint, **more})


def problems(backend: Engine, spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` of KV events: unknown modes and invalid settings."""
    wanted = spec["backend"].get("kv_events_config")
    found: list[Finding] = []
    for mode, value in (wanted if isinstance(wanted, dict) else {}).items():
        path = ("backend", "kv_events_config", mode)
        if mode not in (*LONG_MODE, *LONG_MODE.values()):
            found.append((path, "is not a mode.", f"The modes are {', '.join(LONG_MODE.values())}.", "unknown_key"))
        elif not isinstance(value, (bool, dict, type(None))):
            text = f"is {shown(value)}; expected true, false or a mapping of settings."
            found.append((path, text, None, "wrong_type"))
    for mode in backend.modes(spec):
        key, value = backend.given(spec, mode)[0].get(NAME, ("", None))
        if key and not isinstance(value, (bool, type(None))):
            found += readable(backend.place(mode, key), value, "Write a mapping, or true for the defaults.")
    return found
