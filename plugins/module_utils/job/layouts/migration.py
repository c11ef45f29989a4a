# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the first layout to the second, in the text of a file: keys move, comments and order stay.

Base and overrides are rewritten each on their own. Whether the result means the same is proven by whoever writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...backends import BACKENDS
from ...failures import Error
from ...json_types import JsonObject
from ...schema.merge import deep_merge
from ...topology.modes import LONG_MODE
from .. import older_forms
from ..selection import BASE, OVERRIDE, ZIP
from . import commented, places
from .recognition import COUNTS, NEWEST, SIZES
from .schema import COLOCATE

FRONTEND_NAMES = {old: new for new, old in places.FRONTENDS.items()}
OF_ENGINE = {
    name.format(long=long): (mode, key) for key, name in places.OF_ENGINE.items() for mode, long in LONG_MODE.items()
}
OF_RESOURCES = {name.format(mode=mode): (mode, key) for key, name in places.COUNTED.items() for mode in LONG_MODE}
PLACEMENTS = (
    ("frontend", "orchestrator_placement", "dedicated_node"),
    ("benchmark", "client_placement", "client_dedicated_node"),
)


def migrated(text: str, resources: JsonObject) -> tuple[str, list[str]]:
    """Return (*text* in the second layout, notes on what was left out).

    :param resources: those of its first job, complete.
    """
    yaml, document = commented.load(text)
    migration = Migration(document, {mode: resources[f"gpus_per_{mode}"] for mode in LONG_MODE})
    migration.run()
    return commented.dump(yaml, document), migration.notes


class Migration:
    """Rewrites *document*, in place; see :func:`migrated`.

    :param sizes: ``{mode: GPUs of a worker}``, for workers that share nodes.
    """

    def __init__(self, document: Any, sizes: JsonObject) -> None:
        self.top = document["job"] if set(document) == {"job"} else document
        self.sizes = sizes
        self.notes: list[str] = []
        self.base = self.top.get(BASE, self.top)
        self.parts = [self.base, *(part for _key, part in self._overrides())]
        self.modes = {mode for mode in LONG_MODE if any(self._has(part, mode) for part in self.parts)}
        self.only_type = not any(self._options(part) for part in self.parts)

    def _overrides(self) -> Iterator[tuple[str, Any]]:
        for key in self.top:
            if str(key).startswith((OVERRIDE, ZIP)) and BASE in self.top and isinstance(self.top[key], dict):
                yield key, self.top[key]

    @staticmethod
    def _has(part: Any, mode: str) -> bool:
        """Return whether *part* gives *mode* nodes or workers."""
        resources = part.get("resources")
        table = resources if isinstance(resources, dict) else {}
        return any(table.get(f"{mode}_{what}") not in (None, 0) for what in ("nodes", "workers"))

    def _used(self, part: Any) -> set[str]:
        """Return the modes of the job that the override *part* makes."""
        merged = {"resources": deep_merge(self.base.get("resources") or {}, part.get("resources") or {})}
        return {mode for mode in LONG_MODE if self._has(merged, mode)}

    def _take_away(self, part: Any, used: set[str]) -> None:
        """Say in an override that the roles of the base that its job does not have are not there."""
        for mode in self.base.get("roles") or ():
            if mode not in used:
                after = next((key for key in ("engine", "resources") if key in part), None)
                commented.child(part, "roles", after)[mode] = None

    def _kind(self, part: Any) -> str:
        for one in (part, self.base):
            backend = one.get("backend")
            if isinstance(backend, dict) and backend.get("type"):
                return str(backend["type"])
        return next(iter(BACKENDS))

    def _options(self, part: Any) -> list[str]:
        """Return the keys of the part's backend that stay options of the engine."""
        backend = part.get("backend")
        config = BACKENDS[self._kind(part)].config_key if self._kind(part) in BACKENDS else ""
        apart = ("type", config, "kv_events_config", "mooncake_kv_store", "gpu_type", *OF_ENGINE)
        return [key for key in backend if key not in apart] if isinstance(backend, dict) else []

    def run(self) -> None:
        """Rewrite the document."""
        kinds = {id(part): self._kind(part) for part in self.parts}
        used = {id(part): self._used(part) for part in self.parts}
        for part in self.parts:
            self._check(part)
            self._older(part)
        for part in self.parts:
            self._services(part)
        for part in self.parts:
            self._part(part, kinds[id(part)])
        for part in self.parts[1:]:
            self._take_away(part, used[id(part)])
        if "engine" not in self.base:
            commented.put(self.base, "engine", next(iter(BACKENDS)), "resources")
        commented.insert_first(self.top, "schema", NEWEST)

    def _check(self, part: Any) -> None:
        for path in (("backend",), ("resources",), ("infra",), ("dynamo",), ("frontend",), ("benchmark",)):
            table = part.get(path[0])
            if isinstance(table, dict) and getattr(table, "merge", None):
                raise Error(f"{path[0]} has a merge key (<<), and its keys move apart. Write them out first.")

    def _older(self, part: Any) -> None:
        """Move keys of older forms of the first layout to their current place in it."""
        described = any(key in (part.get("profiling") or {}) for key in ("isl", "osl"))
        for old, new in older_forms.MOVED:
            table = part if len(old) == 1 else part.get(old[0])
            if isinstance(table, dict) and old[-1] in table:
                commented.move(table, old[-1], commented.child(part, new[0]), new[-1])
        backend = part.get("backend")
        if isinstance(backend, dict) and backend.pop("use_sglang_router", False):
            commented.child(part, "frontend").setdefault("type", "sglang")
        self._profiling(part)
        benchmark = part.get("benchmark")
        whole = isinstance(benchmark, dict) and all(key in benchmark for key in ("isl", "osl", "concurrencies"))
        if described and whole and benchmark.get("type") in (None, "manual"):
            benchmark["type"] = "sa-bench"

    def _profiling(self, part: Any) -> None:
        """Move the steps, once one pair for all workers, and the load described beside them."""
        profiling = part.get("profiling")
        if not isinstance(profiling, dict):
            return
        if "concurrency" in profiling:
            value = profiling.pop("concurrency")
            commented.child(part, "benchmark").setdefault(
                "concurrencies", value if isinstance(value, list) else [value]
            )
        phases = [LONG_MODE[mode] for mode in LONG_MODE if mode in self.modes]
        for key in ("start_step", "stop_step"):
            if key in profiling:
                value = profiling.pop(key)
                for phase in phases:
                    commented.child(profiling, phase).setdefault(key, value)
        benchmark = part.get("benchmark")
        if isinstance(benchmark, dict) and benchmark.get("type") in older_forms.BENCHMARKS:
            benchmark["type"] = older_forms.BENCHMARKS[benchmark["type"]]

    def _part(self, part: Any, kind: str) -> None:
        self._frontend(part)
        for section, where, alone in PLACEMENTS:
            self._placement(part, section, where, alone)
        self._source(part)
        self._resources(part)
        self._engine(part, kind)
        self._absent_roles(part)
        self._intervals(part)
        if "infra" in part:
            del part["infra"]
        for section in ("resources", "dynamo"):
            if section in part and part[section] == {} and part is not self.base:
                del part[section]

    def _frontend(self, part: Any) -> None:
        frontend = part.get("frontend")
        if isinstance(frontend, dict) and frontend.get("type") in FRONTEND_NAMES:
            frontend["type"] = FRONTEND_NAMES[frontend["type"]]

    def _placement(self, part: Any, section: str, where: str, alone: str) -> None:
        table = part.get(section)
        if not isinstance(table, dict):
            return
        for key in (alone, where):
            if key not in table:
                continue
            value = table[key]
            if key == alone and value is not True or "placement" in table:
                del table[key]
                continue
            word = "dedicated" if key == alone else value
            node = commented.new_map(node=word)
            commented.rename(table, key, "placement", node)

    def _source(self, part: Any) -> None:
        table = part.get("dynamo")
        if not isinstance(table, dict):
            return
        for new, old in {**places.SOURCES, "patches": "cargo_patches"}.items():
            if old in table:
                commented.move(table, old, commented.child(table, "source"), new)

    def _engine(self, part: Any, kind: str) -> None:
        """Move ``backend`` to ``engine`` and ``roles``."""
        backend: Any = part.get("backend")
        if not isinstance(backend, dict):
            return
        config = BACKENDS[kind].config_key if kind in BACKENDS else ""
        modes = {long: mode for mode, long in LONG_MODE.items()}
        for key in list(backend):
            if key in OF_ENGINE:
                mode, name = OF_ENGINE[key]
                self._to_role(part, backend, key, mode, name)
            elif key == config and isinstance(backend[key], dict):
                table: Any = backend[key]
                lines = commented.first_lines(commented.of(backend, key), table)
                for long in list(table):
                    mode = modes.get(long, long)
                    self._to_role(part, table, long, mode, "args")
                    if mode in self.modes:
                        commented.put_lines(part["roles"][mode], "args", lines)
                        lines = []
                del backend[key]
            elif key == "kv_events_config":
                self._events(part, backend)
            elif key in ("mooncake_kv_store", "gpu_type") and (key != "gpu_type" or kind == "sglang"):
                del backend[key]
            elif key in places.RENAMED_OPTIONS.values():
                commented.rename(backend, key, {old: new for new, old in places.RENAMED_OPTIONS.items()}[key])
        if self.only_type and part is self.base and set(backend) <= {"type"}:
            commented.rename(part, "backend", "engine", backend.get("type") or next(iter(BACKENDS)))
        elif self.only_type and set(backend) == {"type"}:
            commented.rename(part, "backend", "engine", backend["type"])
        elif part is self.base and "type" not in backend:
            commented.insert_first(backend, "type", next(iter(BACKENDS)))
            commented.rename(part, "backend", "engine")
        elif backend:
            commented.rename(part, "backend", "engine")
        else:
            del part["backend"]

    def _to_role(self, part: Any, table: Any, key: str, mode: str, name: str) -> None:
        if mode not in self.modes:
            self.notes.append(f"{key} of {mode} is left out: no job of the file has such workers.")
            del table[key]
            return
        role = self._role(part, mode)
        before = role.pop(name, None)  # what a store has put there
        commented.move(table, key, role, name)
        for variable, value in (before or {}).items():
            role[name].setdefault(variable, value)

    def _role(self, part: Any, mode: str) -> Any:
        after = next((key for key in ("engine", "backend", "resources") if key in part), None)
        roles = commented.child(part, "roles", after)
        return commented.child(roles, mode)

    def _events(self, part: Any, backend: Any) -> None:
        value = backend.pop("kv_events_config")
        shorts = {**{long: mode for mode, long in LONG_MODE.items()}, "agg": "agg"}
        given = value if isinstance(value, dict) else dict.fromkeys(("prefill", "decode"), value)
        for long, one in given.items():
            mode = shorts.get(long, long)
            if mode in self.modes:
                self._role(part, mode)["kv_events"] = one
            elif one:
                self.notes.append(f"kv_events_config of {mode} is left out: no job of the file has such workers.")

    def _resources(self, part: Any) -> None:
        resources = part.get("resources")
        if not isinstance(resources, dict):
            return
        for name in [key for key in resources if key in (*COUNTS, *SIZES)]:
            mode, key = OF_RESOURCES[name]
            if mode not in self.modes:
                del resources[name]
                continue
            colocated = name == "decode_nodes" and resources[name] == 0
            commented.move(resources, name, self._role(part, mode), key)
            if colocated:
                part["roles"][mode]["nodes"] = COLOCATE
                for one in ("prefill", "decode"):
                    self._role(part, one).setdefault("gpus", self.sizes.get(one))

    @staticmethod
    def _absent_roles(part: Any) -> None:
        """Say of roles that have no nodes and no workers in an override that they are not there."""
        roles = part.get("roles")
        for mode in list(roles) if isinstance(roles, dict) else ():
            role = roles[mode]
            counts = [role[key] for key in ("nodes", "workers") if key in role] if isinstance(role, dict) else []
            if counts and not any(counts):
                roles[mode] = None  # an override that takes the role away

    def _intervals(self, part: Any) -> None:
        """Turn frequencies into intervals where these are whole milliseconds."""
        telemetry, observability = part.get("telemetry"), part.get("observability")
        tachometer = observability.get("tachometer") if isinstance(observability, dict) else None
        for table, seconds in ((telemetry, True), (tachometer, False)):
            given = table.get("default_frequency") if isinstance(table, dict) else None
            if not isinstance(given, (int, float)) or given <= 0:
                continue
            milliseconds = given * 1000 if seconds else 1000 / given
            if float(milliseconds).is_integer():
                commented.rename(table, "default_frequency", "collect_interval_ms", int(milliseconds))

    def _services(self, part: Any) -> None:
        """Set ``services`` from ``infra`` and the store of *part*; an override replaces the whole list."""
        backend = part.get("backend")
        store = backend.get("mooncake_kv_store") if isinstance(backend, dict) else None
        if not isinstance(part.get("infra"), dict) and store is None:
            return
        infra = {**(self.base.get("infra") or {}), **(part.get("infra") or {})}
        if store is None and isinstance(self.base.get("backend"), dict):
            store = self.base["backend"].get("mooncake_kv_store")
        entries = []
        alone, size = infra.get("etcd_nats_dedicated_node") is True, infra.get("nats_max_payload_mb")
        for kind in ("etcd", "nats"):
            entry = commented.new_map(name=kind, type=kind)
            if alone:
                entry["placement"] = commented.new_map(node="dedicated")
            if kind == "nats" and size is not None:
                entry["options"] = commented.new_map(max_payload_mb=size)
            if len(entry) > 2:
                entries.append(entry)
        if isinstance(store, dict):
            entries.append(self._store(part, store))
        if entries:
            commented.put(part, "services", commented.new_list(entries), "backend")

    def _store(self, part: Any, store: Any) -> Any:
        entry = commented.new_map(name="mooncake-master", type="mooncake-master")
        for key, name in (("container", "container"), ("master_extra_args", "args"), ("env", "env")):
            if store.get(key):
                entry[name] = store[key]
        if store.get("store_config") is not None:
            entry["options"] = commented.new_map(store_config=store["store_config"])
        for mode in LONG_MODE if store.get("env") else ():
            if mode in self.modes:
                env = commented.child(self._role(part, mode), "env")
                backend = part.get("backend") or {}
                own = backend.get(f"{LONG_MODE[mode]}_environment") or {}
                for name, value in store["env"].items():
                    if name not in own:
                        env.setdefault(name, value)
        return entry


def comments_lost(before: str, after: str) -> list[str]:
    """Return the comments of the text *before* that *after* does not have."""
    left = commented.comments(after)
    lost = []
    for one in commented.comments(before):
        if one in left:
            left.remove(one)
        else:
            lost.append(one)
    return lost
