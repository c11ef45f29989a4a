# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a checked job in the second layout to the first."""

from __future__ import annotations

from ...backends import BACKENDS
from ...failures import Code
from ...json_types import Json, JsonObject, KeyPath
from ...schema.source import Places, Source
from ..older_forms import Work
from . import places
from .rules import roles_of
from .schema import COLOCATE, DEFAULT_RESTARTS
from .services import Entries

COPIED_APART = ("schema", "engine", "roles", "services", "frontend", "benchmark", "dynamo", "resources")
WHERE = {
    "frontend": ("orchestrator_placement", "dedicated_node"),
    "benchmark": ("client_placement", "client_dedicated_node"),
}
INTERVALS: tuple[tuple[KeyPath, str], ...] = (
    (("telemetry",), "seconds between two readings"),
    (("observability", "tachometer"), "readings per second"),
)


def translated(work: Work, entries: Entries, infra: dict[str, tuple[KeyPath, Json]], engine: KeyPath) -> Translation:
    """Return the :class:`Translation` of the job in *work*.

    :param entries: what was read of its services.
    :param infra: what its relics say of etcd and NATS, ``{key: (path, value)}``.
    :param engine: where the file has its engine.
    """
    found = Translation(work.job, work.source)
    found.engine(engine)
    found.roles()
    for section in WHERE:
        found.placement(section)
    found.dynamo()
    for path, _unit in INTERVALS:
        found.interval(path)
    for old, new, value in entries.moved:
        found.put(old, new, value)
    for key, (path, value) in infra.items():
        found.put(path, ("infra", key), value)
    found.trace()
    return found


class Translation:
    """A job in the first layout: ``job``, its ``source``, ``notes``, and ``problems`` as (path, code, text, remedy).

    :param old: the job in the second layout.
    """

    def __init__(self, old: JsonObject, source: Source) -> None:
        self.old, self.source = old, source
        self.job: JsonObject = {key: value for key, value in old.items() if key not in COPIED_APART}
        for key in ("frontend", "benchmark", "dynamo", "resources"):
            self.job[key] = dict(old.get(key) or {}) if isinstance(old.get(key), (dict, type(None))) else old[key]
        self.notes: list[str] = []
        self.problems: list[tuple[KeyPath, Code, str, str | None]] = []
        self.moved: dict[KeyPath, KeyPath] = {}  # {path in the file: path in the first layout}
        self.type: str | None = None
        self.table: dict[KeyPath, KeyPath] | None = None  # where other keys belong

    def path(self, old: KeyPath) -> KeyPath:
        """Return the path in the first layout of what the file has at *old*."""
        for end in range(len(old), 0, -1):
            if old[:end] in self.moved:
                return self.moved[old[:end]] + old[end:]
        if self.table is None:
            self.table = {new: one for one, new in places.table(self.type).items()}
        for end in range(len(old), 0, -1):
            if old[:end] in self.table:
                return self.table[old[:end]] + old[end:]
        return old

    def put(self, old: KeyPath, new: KeyPath, value: Json) -> None:
        """Set *new* to *value*, which the file has at *old*."""
        parent: Json = self.job
        if new[0] == "services":  # they come in their order
            self.job.setdefault("services", []).append(value)
            self.moved[old] = new
            return
        for key in new[:-1]:
            if parent.get(key) is None:
                parent[key] = {}
            parent = parent[key]
            if not isinstance(parent, dict):
                return
        parent[new[-1]] = value
        self.moved[old] = new

    def engine(self, path: KeyPath) -> None:
        """Set ``backend`` from the job's engine, which the file has at *path*."""
        engine = self.old.get("engine")
        if not isinstance(engine, dict):
            return
        self.type, self.table = str(engine.get("type")), None
        for key, value in engine.items():
            self.put((*path, str(key)), ("backend", places.RENAMED_OPTIONS.get(str(key), str(key))), value)
        self.moved[path] = ("backend",)

    def roles(self) -> None:
        """Set what the first layout says of each mode."""
        for mode, role in roles_of(self.old).items():
            for key, new in places.of_role(mode, self.type).items():
                if role.get(key) is None:
                    continue
                value: Json = role[key]
                old: KeyPath = ("roles", mode, key)
                if new[0] == "backend" and not self.has_field(new, old, value):
                    continue
                if key == "nodes" and value == COLOCATE:
                    value = 0
                if key == "restart":
                    value = self.restarts(old, value)
                if new[0] == "faults":
                    said = ((self.job.get("faults") or {}).get(mode) or {}).get(new[-1])
                    if said is not None:
                        text = f"is set, and faults.{mode}.{new[-1]} too."
                        self.problems.append((old, "conflict", text, "Keep one of them."))
                    self.job["faults"] = {**(self.job.get("faults") or {})}
                    self.job["faults"][mode] = {**(self.job["faults"].get(mode) or {})}
                self.put(old, new, value)
        self.stores()

    def has_field(self, new: KeyPath, old: KeyPath, value: Json) -> bool:
        """Return whether the engine has the key *new*; report it if not and *value* says something."""
        engine = BACKENDS.get(self.type or "")
        if engine is None or new[1] in engine.section.fields:
            return True
        if value not in (None, False, [], {}):
            able = [name for name, one in BACKENDS.items() if new[1] in one.section.fields]
            text = f"is not possible with the engine {self.type}."
            self.problems.append((old, "not_supported", text, f"Only {' and '.join(able)} can do it."))
        return False

    def restarts(self, path: KeyPath, value: Json) -> Json:
        """Return how often a worker is restarted, as ``restart`` at *path* says."""
        if not isinstance(value, dict):
            return 0 if value == "never" else DEFAULT_RESTARTS
        if value.get("policy") is None:
            self.problems.append(((*path, "policy"), "missing", "is missing.", "Write never, on-failure or always."))
        elif value["policy"] == "never":
            return 0
        if any(value.get(key) is not None for key in ("backoff_seconds", "max_backoff_seconds")):
            role = ".".join(map(str, path))
            self.notes.append(f"{role}: backoff_seconds and max_backoff_seconds: no effect, a restart does not wait.")
        count = value.get("max_restarts")
        return DEFAULT_RESTARTS if count is None else count

    def stores(self) -> None:
        """Set the store's configuration if all roles have the same."""
        roles = roles_of(self.old)
        given = {
            mode: role["mooncake_store_config"] for mode, role in roles.items() if role.get("mooncake_store_config")
        }
        if not given:
            return
        mode, config = next(iter(given.items()))
        path: KeyPath = ("roles", mode, "mooncake_store_config")
        kinds = {one.get("type") for one in self.old.get("services") or () if isinstance(one, dict)}
        if len(given) < len(roles) or any(one != config for one in given.values()):
            text = "is not that of every role, and roles with configurations of their own are not built yet."
            self.problems.append((path, "not_supported", text, "Give all roles the same."))
        elif "mooncake-master" not in kinds:
            text = "needs a service of type mooncake-master."
            self.problems.append((path, "missing", text, "Add it to services."))
        else:
            self.put(path, (*places.STORE, "store_config"), config)

    def placement(self, section: str) -> None:
        """Set the node of the frontend or of the client, and the frontend's name."""
        table = self.job[section]
        if not isinstance(table, dict):
            return
        if section == "frontend" and table.get("type") in places.FRONTENDS:
            table["type"] = places.FRONTENDS[table["type"]]
        elif section == "frontend" and table.get("type") == "sglang":
            del table["type"]
        placement = table.pop("placement", None)
        node = placement.get("node") if isinstance(placement, dict) else None
        where, alone = WHERE[section]
        if node == "dedicated":
            self.put((section, "placement", "node"), (section, alone), True)
        elif node is not None:
            self.put((section, "placement", "node"), (section, where), node)

    def dynamo(self) -> None:
        """Set where dynamo is installed from."""
        table = self.job["dynamo"]
        source = table.pop("source", None) if isinstance(table, dict) else None
        if not isinstance(source, dict):
            return
        path: KeyPath = ("dynamo", "source")
        for key, new in places.SOURCES.items():
            if source.get(key) is not None:
                value = source[key]
                if key == "rev" and source.get("sha"):
                    value = source["sha"]
                self.put((*path, key), ("dynamo", new), value)
        patches = source.get("patches")
        if patches:
            self.put((*path, "patches"), ("dynamo", "cargo_patches"), _cargo(patches))

    def interval(self, path: KeyPath) -> None:
        """Set the frequency of readings, which the file has in milliseconds."""
        table: Json = self.job
        for key in path:
            table = table.get(key) if isinstance(table, dict) else None
        if not isinstance(table, dict) or table.get("collect_interval_ms") is None:
            return
        here = table.pop("collect_interval_ms")
        table.pop("shutdown_grace_secs", None)
        old, new = (*path, "collect_interval_ms"), (*path, "default_frequency")
        if table.get("default_frequency") is not None:
            self.problems.append((old, "conflict", "is set, and default_frequency too.", "Keep one of them."))
        seconds = int(here) / 1000
        self.put(old, new, seconds if path == ("telemetry",) else 1 / seconds)

    def trace(self) -> None:
        """Give ``source`` the lines and names of everything that was moved."""
        known = self.source
        self.source = Source(known.file, self._mapped(known.keys), self._mapped(known.values))
        self.source.texts, self.source.borrowed = known.texts, known.borrowed
        written = places.table(self.type)
        written.update({new: old for old, new in self.moved.items()})
        if isinstance(self.old.get("engine"), dict) and ("engine", "type") not in known.keys:
            where = next((old for old, new in self.moved.items() if new == ("backend",)), ("engine",))
            written[("backend", "type")] = where
        self.source.written = written

    def _mapped(self, table: Places) -> Places:
        found = dict(table)
        for path, place in table.items():
            new = self.path(path)
            if new != path:
                found[new] = place
        return found


def _cargo(patches: Json) -> Json:
    """Return the lines of Cargo.toml for *patches*: lines, or a mapping of crates."""
    if not isinstance(patches, dict):
        return patches
    lines = []
    for crate, value in patches.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
            lines.append(f"{crate} = {{ {inner} }}")
        else:
            lines.append(f"{crate} = {_toml(value)}")
    return lines


def _toml(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, (int, float)) else '"' + str(value).replace('"', '\\"') + '"'
