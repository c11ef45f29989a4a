# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relics in files of the second layout: keys of the first, and of the form between them.

A relic is read, with a note, where nothing in the file says the same in the second layout's words. Otherwise the file
mixes both layouts, which is an error that names all such keys.
"""

from __future__ import annotations

from ...backends import BACKENDS
from ...failures import Problem
from ...json_types import Json, JsonObject, KeyPath
from ...schema.source import dotted
from ...topology.modes import LONG_MODE
from ..older_forms import Work
from . import places
from .schema import COLOCATE

# Backend keys that the second layout has in roles or services.
PER_MODE = ("environment", "config", "kv_events_config", "mooncake_kv_store", "container", "srun_options", "extra_args")


class Relics:
    """Moves the relics in *work*, in place, to the keys of the second layout.

    :ivar mixed: ``[(path, what the second layout has instead)]`` of keys that cannot be read beside others.
    :ivar infra: what ``infra`` says, ``{key of the first layout: (path, value)}``.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.mixed: list[tuple[KeyPath, str]] = []
        self.infra: dict[str, tuple[KeyPath, Json]] = {}
        roles = work.get(("roles",))
        self.roles = roles if isinstance(roles, dict) else {}
        self.old_engine = isinstance(work.get(("backend",)), dict)
        self._backend()
        self._resources()
        self._placements()
        self._dynamo()
        self._infra()
        self._names()

    def problems(self) -> list[Problem]:
        """Return the problem of keys that mix both layouts, as a list; take the keys out."""
        if not self.mixed:
            return []
        listed = ", ".join(f"{dotted(path)} ({new})" for path, new in self.mixed)
        text = f"is a key of the first layout in a file of the second. The file has {listed}."
        path = self.mixed[0][0]
        problem = self.work.source.problem(path, "conflict", text, "Write what the brackets say instead.", on_key=True)
        for path, _new in self.mixed:
            if self.work.has(path):
                self.work.pop(path)
        return [problem]

    def _mix(self, path: KeyPath, new: KeyPath | str) -> None:
        self.mixed.append((path, new if isinstance(new, str) else dotted(new)))

    def _backend(self) -> None:
        """Move ``backend`` to ``engine``, but for what belongs to roles."""
        if not self.work.has(("backend",)):
            return
        backend = self.work.get(("backend",))
        engines = self.work.has(("engine",)) or any(
            isinstance(role, dict) and "engine" in role for role in self.roles.values()
        )
        if not isinstance(backend, dict) or engines:
            self._mix(("backend",), "engine and roles")
            return
        old_names = {old: new for new, old in places.RENAMED_OPTIONS.items()}
        kind = BACKENDS.get(str(backend.get("type")))
        for key in list(backend):
            if any(key.endswith(word) for word in PER_MODE) or kind and key == kind.config_key:
                self._per_mode(key, backend[key])
            else:
                self.work.move(("backend", key), ("engine", old_names.get(key, key)))
        if not self.work.get(("backend",)):
            self.work.pop(("backend",))

    def _per_mode(self, key: str, value: Json) -> None:
        """Move what ``backend`` says of a mode to its role, or report it."""
        path: KeyPath = ("backend", key)
        longs = {long: mode for mode, long in LONG_MODE.items()}
        mode = longs.get(key.removesuffix("_environment"))
        if self.roles or key in ("kv_events_config", "mooncake_kv_store"):
            new = {"kv_events_config": "kv_events of each role", "mooncake_kv_store": "a service of mooncake-master"}
            self._mix(path, new.get(key) or (f"roles.{mode}.env" if mode else "args of each role"))
        elif mode:
            self.work.move(path, ("roles", mode, "env"))
        elif isinstance(value, dict):
            for long in list(value):
                self.work.move((*path, long), ("roles", longs.get(long, long), "args"))
            if not value:
                self.work.pop(path)

    def _resources(self) -> None:
        given = {role for role, one in self.roles.items() if isinstance(one, dict)}
        for mode in LONG_MODE:
            for key, name in places.COUNTED.items():
                old: KeyPath = ("resources", name.format(mode=mode))
                if self.work.has(old) and given:
                    self._mix(old, ("roles", mode, key))
                elif self.work.has(old):
                    self.work.move(old, ("roles", mode, key))
            old = ("resources", f"{mode}_critical")
            if self.work.has(old) and given:
                self._mix(old, ("roles", mode, "critical"))
            elif self.work.has(old):
                self.work.move(old, ("roles", mode, "critical"))
        zero: KeyPath = ("roles", "decode", "nodes")
        value = self.work.get(zero)
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and value == 0
            and self.work.get(("roles", "prefill"))
        ):
            self.work.say(zero, f"is 0, the older form of {COLOCATE}.")
            self.work.job["roles"]["decode"]["nodes"] = COLOCATE

    def _placements(self) -> None:
        for section, where, alone in (
            ("frontend", "orchestrator_placement", "dedicated_node"),
            ("benchmark", "client_placement", "client_dedicated_node"),
        ):
            new: KeyPath = (section, "placement", "node")
            beside = bool(self.work.get((section, "placement")))
            for key in (where, alone):
                old: KeyPath = (section, key)
                if not self.work.has(old):
                    continue
                value = self.work.get(old)
                if beside or key == alone and value in (True, "true") and self.work.get(new) not in (None, "head"):
                    self._mix(old, new)
                elif key == where:
                    self.work.move(old, new)
                elif value in (True, "true"):
                    self.work.get((section,)).pop("placement", None)  # head says nothing
                    self.work.move(old, new, convert=lambda _value: "dedicated")
                else:
                    self.work.say(old, f"is the older form of {dotted(new)}, and says nothing.")
                    self.work.pop(old)

    def _dynamo(self) -> None:
        beside = bool(self.work.get(("dynamo", "source")))
        moved = {old: new for new, old in places.SOURCES.items() if old != new}
        for old, new in {**moved, "cargo_patches": "patches", "wheel": "wheel"}.items():
            path: KeyPath = ("dynamo", old)
            if self.work.has(path) and beside:
                self._mix(path, ("dynamo", "source", new))
            elif self.work.has(path):
                self.work.move(path, ("dynamo", "source", new))

    def _infra(self) -> None:
        """Take up what ``infra`` says, which the second layout has in the services etcd and nats."""
        infra = self.work.get(("infra",))
        if not self.work.has(("infra",)):
            return
        services = self.work.get(("services",))
        kinds = {one.get("type") for one in services if isinstance(one, dict)} if isinstance(services, list) else set()
        known = ("placement", "nats_max_payload_mb", "etcd_nats_dedicated_node")
        if not isinstance(infra, dict) or kinds & {"etcd", "nats"} or set(infra) - set(known):
            self._mix(("infra",), "the services etcd and nats")
            return
        node = self.work.get(("infra", "placement", "node"))
        for path, key, value in (
            (("infra", "placement", "node"), "etcd_nats_dedicated_node", node == "dedicated" or None),
            (("infra", "etcd_nats_dedicated_node"), "etcd_nats_dedicated_node", infra.get("etcd_nats_dedicated_node")),
            (("infra", "nats_max_payload_mb"), "nats_max_payload_mb", infra.get("nats_max_payload_mb")),
        ):
            if value is not None:
                self.infra[key] = (path, value)
        self.work.say(("infra",), "is the older form of the services etcd and nats.")
        self.work.pop(("infra",))

    def _names(self) -> None:
        old: KeyPath = ("engine", "set_cuda_visible_devices")
        engine = self.work.get(("engine",))
        if not isinstance(engine, dict):
            return
        self.work.move(old, ("engine", "set_visible_devices"))
        kind = BACKENDS.get(str(engine.get("type")))
        if kind and "set_visible_devices" in engine and "set_cuda_visible_devices" not in kind.section.fields:
            new: KeyPath = ("engine", "set_visible_devices")
            self.work.say(new, f"has no effect: only vllm reads it, and the engine is {kind.type}.")
            self.work.pop(new)


def entries_of(job: JsonObject) -> list[JsonObject]:
    """Return the entries of ``services`` that are mappings."""
    services = job.get("services")
    return [one for one in services if isinstance(one, dict)] if isinstance(services, list) else []
