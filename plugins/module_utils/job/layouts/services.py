# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``services`` of the second layout: which fields an entry has, and how those that the plan has are read.

Each type that is built is one function of READERS. The types that are not are in unbuilt.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from ...backends import BACKENDS
from ...failures import Code
from ...json_types import Json, JsonObject, KeyPath
from ...schema.section import Field, Section, optional
from ...schema.types import Bool, Choice, Int, ListOf, MapOf, OneOf, Str, Type
from ...services import generic
from . import places


def _readiness() -> Section:
    """Return the section of readiness, in which a log may have the times too, as in public recipes."""
    times = {key: generic.READINESS.fields[key] for key in ("timeout_seconds", "interval_seconds")}
    log = optional(Section("log", {**generic.READINESS.below("log").fields, **times}), "A line of its log.")
    return Section("readiness", {**generic.READINESS.fields, "log": log}, generic.READINESS.doc)


SERVICE = Section(
    "service",
    {
        **generic.SECTION.fields,
        "type": Field(Str(), "generic", "generic, etcd, nats or mooncake-master. No other type is built yet."),
        "enabled": Field(Bool(), True, "false: the entry does not count."),
        "placement": Field(
            Section("placement", {key: Field(Str(), None) for key in ("node", "per", "pool")}), None, "Where it runs."
        ),
        "readiness": optional(_readiness(), "When it is ready. Services of other types have checks of their own."),
        "options": Field(MapOf(Type()), {}, "Options of its type."),
        "start": Field(Choice("infra", *generic.TIERS), None, "When it starts; generic: after_frontend."),
        "critical": Field(Bool(), None, "Whether its end ends the run; generic: false."),
        "inherit_discovery_env": Field(Bool(), None, generic.SECTION.fields["inherit_discovery_env"].doc),
        "external": Field(Str(), None, "Address of one that runs elsewhere. Not built yet."),
        "source": Field(MapOf(Type()), None, "Source to check out. Not built yet."),
        "build_command": Field(OneOf(ListOf(Str()), Str()), None, "Build. Not built yet."),
        "build_timeout_seconds": Field(Int(1), None, "Time limit of the build. Not built yet."),
        "nodes": Field(Int(1, 65536), None, "Nodes of its own. Not built yet."),
        "terminal": Field(Bool(), False, "Whether the job ends with it. Not built yet."),
        "metrics": Field(Type(), None, "Pages of metrics. Not built yet."),
    },
    doc="A side service.",
)
# What every service may say, and the plan does in its own way.
COMMON = ("name", "type", "enabled", "placement", "readiness", "inherit_discovery_env")
ALREADY: dict[str, Sequence[Json]] = {"critical": (True,), "start": (None,), "terminal": (False,)}

Say = Callable[[KeyPath, Code, str, "str | None"], None]


class Entries:
    """Reads the entries of ``services`` into the first layout's ``infra`` and ``mooncake_kv_store``.

    :param job: the raw job in the second layout.
    :param say: takes up a problem: ``say(path, code, text, remedy)``.
    :ivar moved: ``[(path in the second layout, path in the first, value)]``.
    """

    def __init__(self, job: JsonObject, say: Say) -> None:
        self.job, self.say = job, say
        self.moved: list[tuple[KeyPath, KeyPath, Json]] = []
        self.notes: list[str] = []
        self.placed: dict[str, tuple[KeyPath, str]] = {}  # where etcd and nats are
        self.generic: list[tuple[KeyPath, JsonObject]] = []  # those of the job's own, with their paths

    def read(self) -> None:
        """Read all entries."""
        names: dict[str, int] = {}
        types: dict[str, int] = {}
        entries = self.job.get("services")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            path: KeyPath = ("services", index)
            if not isinstance(entry, dict):
                continue
            name, kind = str(entry.get("name")), str(entry.get("type") or "generic")
            if name in names:
                text = f"is {name}, which is the name of services[{names[name]}] too."
                self.say((*path, "name"), "duplicate", text, "Give each service its own name.")
            names.setdefault(name, index)
            reader = READERS.get(kind)
            if reader is None:
                continue
            if kind in types and kind != "generic":
                self.say((*path, "type"), "duplicate", f"is {kind}, of which a job has one.", "Keep one of them.")
                continue
            types[kind] = index
            reader(self, path, entry)
        self._agree()
        for number, (path, kept) in enumerate(self.generic):
            self.moved.append((path, ("services", number), kept))

    def _agree(self) -> None:
        """Put NATS and etcd on a node of their own if both say so."""
        where = {word for _path, word in self.placed.values()}
        if len(where) > 1 or where == {"dedicated"} and len(self.placed) < 2:
            path, _word = next(one for one in self.placed.values() if one[1] == "dedicated")
            text = "is dedicated, but etcd and NATS run on one node."
            self.say(path, "conflict", text, "Declare both services, etcd and nats, with the same placement.")
        elif where == {"dedicated"}:
            path = next(iter(self.placed.values()))[0]
            self.moved.append((path, ("infra", "etcd_nats_dedicated_node"), True))

    def place(self, path: KeyPath, entry: JsonObject) -> str:
        """Return the node of *entry*: infra, head or dedicated; others are a problem."""
        placement = entry.get("placement") or {}
        word = placement.get("node") or "infra" if isinstance(placement, dict) else "infra"
        for key in ("per", "pool"):
            if isinstance(placement, dict) and placement.get(key) not in (None, "node"):
                text = "is not possible here: this service runs once."
                self.say((*path, "placement", key), "invalid", text, "Leave it out.")
        if word not in ("infra", "head", "dedicated"):
            text = f"is {word}; expected infra, head or dedicated."
            self.say((*path, "placement", "node"), "not_a_choice", text, None)
            return "infra"
        return str(word)

    def only(self, path: KeyPath, entry: JsonObject, *known: str) -> bool:
        """Report what *entry* says besides *known* and COMMON; return whether it counts."""
        name = entry.get("type")
        for key, value in entry.items():
            usual = ALREADY.get(key, ())
            if key in (*COMMON, *known) or value in (None, "", [], {}, *usual) or key not in SERVICE.fields:
                continue
            text = f"is not built for the service {name}: the plan sets its command, its environment and its start."
            self.say((*path, key), "not_supported", text, "Leave it out.")
        if entry.get("readiness"):
            self.notes.append(
                f"services[{path[1]}].readiness: {name} has a check of its own, which waits as long as health_check "
                "says."
            )
        if entry.get("enabled") in (False, "false"):
            text = f"is false, but a job with Dynamo needs {name}."
            if name != "mooncake-master":
                self.say((*path, "enabled"), "not_supported", text, "Leave it out.")
            return False
        return True

    def options(self, path: KeyPath, entry: JsonObject, *known: str) -> JsonObject:
        """Return the options of *entry*, and report unknown ones."""
        options = entry.get("options")
        options = options if isinstance(options, dict) else {}
        for key in options:
            if key not in known:
                remedy = f"Known options here: {', '.join(known)}." if known else "Leave it out."
                self.say((*path, "options", key), "unknown_key", "is not a known option.", remedy)
        return options


def _etcd(entries: Entries, path: KeyPath, entry: JsonObject) -> None:
    if entries.only(path, entry):
        entries.options(path, entry)
        entries.placed["etcd"] = ((*path, "placement", "node"), _dedicated(entries.place(path, entry)))


def _nats(entries: Entries, path: KeyPath, entry: JsonObject) -> None:
    if not entries.only(path, entry, "options"):
        return
    size = entries.options(path, entry, "max_payload_mb").get("max_payload_mb")
    if size is not None:
        entries.moved.append(((*path, "options", "max_payload_mb"), ("infra", "nats_max_payload_mb"), size))
    entries.placed["nats"] = ((*path, "placement", "node"), _dedicated(entries.place(path, entry)))


def _dedicated(word: str) -> str:
    return "dedicated" if word == "dedicated" else "infra"


# Options of mooncake-master that nothing here does yet.
UNBUILT_OPTIONS = ("device_names_by_gpu", "eviction_ratio", "master_timeout_s", "store_role")


def _mooncake(entries: Entries, path: KeyPath, entry: JsonObject) -> None:
    if not entries.only(path, entry, "options", "container", "args", "env"):
        return
    place = entries.place(path, entry)
    if place == "dedicated" and entries.placed.get("etcd", (path, ""))[1] != "dedicated":
        text = "is dedicated, but the store runs on the node of etcd and NATS."
        entries.say((*path, "placement", "node"), "not_supported", text, "Give etcd and nats the same placement.")
    kind = (entries.job.get("engine") or entries.job.get("backend") or {}).get("type")
    if kind in BACKENDS and places.STORE[1] not in BACKENDS[kind].section.fields:
        text = f"is mooncake-master, which is not built for the engine {kind}."
        entries.say((*path, "type"), "not_supported", text, "Leave it out.")
        return
    given = dict(entries.options(path, entry, "store_config", *UNBUILT_OPTIONS))
    config = given.pop("store_config", None)
    for key in given:
        entries.say((*path, "options", key), "not_supported", "is not built yet.", "Leave it out.")
    entries.moved.append((path, places.STORE, {}))
    for key, new, value in (
        ("container", "container", entry.get("container")),
        ("args", "master_extra_args", entry.get("args")),
        ("env", "env", entry.get("env")),
    ):
        if value:
            entries.moved.append(((*path, key), (*places.STORE, new), value))
    if config is not None:
        entries.moved.append(((*path, "options", "store_config"), (*places.STORE, "store_config"), config))
    roles = entries.job.get("roles") or {}
    tables = [(role.get("env") or {}) for role in roles.values() if isinstance(role, dict)]
    for name, value in (entry.get("env") or {}).items():
        if any(table.get(name) != value for table in tables):
            text = "is for the master alone, which is not built: the store's environment is that of the workers too."
            entries.say((*path, "env", name), "not_supported", text, "Set it in the env of each role as well.")


# What a generic service cannot do yet.
NOT_YET = ("external", "source", "build_command", "build_timeout_seconds", "nodes", "terminal", "metrics", "options")


def _generic(entries: Entries, path: KeyPath, entry: JsonObject) -> None:
    if entry.get("enabled") in (False, "false"):
        return
    for key in NOT_YET:
        if entry.get(key) not in (None, False, "", [], {}):
            entries.say((*path, key), "not_supported", "is not built yet for a generic service.", "Leave it out.")
    placement = entry.get("placement")
    placement = placement if isinstance(placement, dict) else {}
    for key in ("per", "pool"):
        if placement.get(key) not in (None, "node"):
            text = f"is {placement[key]}, which is not built yet."
            entries.say((*path, "placement", key), "not_supported", text, "Leave it out.")
    kept = {key: value for key, value in entry.items() if key in generic.SECTION.fields and value is not None}
    if placement:
        kept["placement"] = {"node": placement.get("node") or "head"}
    if kept.get("start") == "infra":
        kept["start"] = "before_workers"
    readiness = kept.get("readiness")
    if isinstance(readiness, dict) and isinstance(readiness.get("log"), dict):
        times = {
            key: value for key, value in readiness["log"].items() if key in ("timeout_seconds", "interval_seconds")
        }
        kept["readiness"] = {**times, **readiness, "log": {"pattern": readiness["log"].get("pattern")}}
    entries.generic.append((path, kept))


READERS: dict[str, Callable[[Entries, KeyPath, JsonObject], None]] = {
    "generic": _generic,
    "etcd": _etcd,
    "nats": _nats,
    "mooncake-master": _mooncake,
}
