# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Older forms of job files, each moved to its current key, with one note that names it."""

from __future__ import annotations

import copy
from typing import Callable

from ..json_types import Json, JsonObject, KeyPath
from ..schema.section import Section, Variants
from ..schema.source import Source, dotted
from ..schema.types import Type, plain
from ..schema.words import normal
from .cluster import KEPT

# The current path of keys that only moved.
MOVED = (
    (("enable_multiple_frontends",), ("frontend", "enable_multiple_frontends")),
    (("num_additional_frontends",), ("frontend", "num_additional_frontends")),
    (("backend", "enable_multiple_frontends"), ("frontend", "enable_multiple_frontends")),
    (("backend", "num_additional_frontends"), ("frontend", "num_additional_frontends")),
    (("backend", "gpu_type"), ("resources", "gpu_type")),
    (("profiling", "isl"), ("benchmark", "isl")),
    (("profiling", "osl"), ("benchmark", "osl")),
)

# The current form of the other older keys, for messages and editors.
REPLACED = {
    ("backend", "use_sglang_router"): "frontend.type",
    ("profiling", "concurrency"): "benchmark.concurrencies",
    ("profiling", "start_step"): "start_step of profiling.prefill, profiling.decode or profiling.aggregated",
    ("profiling", "stop_step"): "stop_step of profiling.prefill, profiling.decode or profiling.aggregated",
    ("lock",): None,
    ("cluster",): None,
    ("benchmark", "sweep"): "sweep at the top level",
}

# Names of benchmarks in public recipes that have changed.
BENCHMARKS = {"gsm8k-bench": "gsm8k", "profiling": "sa-bench"}


def own_lock(job: JsonObject) -> JsonObject:
    """Return what a run of this collection recorded in the recipe.lock.yaml that *job* is, {} if it is none."""
    lock = job.get("lock")
    return lock if isinstance(lock, dict) and lock.get("program") == "srt.slurm" else {}


def modernise(job: JsonObject, source: Source, schema: Section) -> tuple[JsonObject, Source, list[str]]:
    """Return (job, source, notes): the raw *job* with every older form replaced by the current one.

    The values are validated afterwards, at their new path and with their original line.
    """
    work = Work(job, source)
    work.rename_dashes(schema, work.job, ())
    work.drop_lock()
    for old, new in MOVED:
        work.move(old, new)
    work.router()
    work.connector()
    work.profiling()
    work.benchmark()
    return work.job, work.source, work.notes


class Work:
    """A raw job in which keys are moved: ``job``, the ``source`` of its lines, and ``notes`` on what was moved."""

    def __init__(self, job: JsonObject, source: Source) -> None:
        self.job, self.source = copy.deepcopy(job), source
        self.notes: list[str] = []
        self.moved: set[tuple[KeyPath, KeyPath]] = set()  # (old path, new path)

    def say(self, path: KeyPath, text: str) -> None:
        file, line = self.source.where(path, on_key=True)
        where = f"{file}:{line}: " if line else ""
        self.notes.append(f"{where}{dotted(path)} {text}")

    def get(self, path: KeyPath) -> Json:
        """Return the value at *path*, or None."""
        value: Json = self.job
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def has(self, path: KeyPath) -> bool:
        parent = self.get(path[:-1])
        return isinstance(parent, dict) and path[-1] in parent

    def pop(self, path: KeyPath) -> Json:
        parent = self.get(path[:-1])
        return parent.pop(path[-1])

    def put(self, path: KeyPath, value: Json, place: KeyPath) -> bool:
        """Set *path* unless it is set already; its problems show the line of *place*. Return whether it was set."""
        parent: Json = self.job
        for key in path[:-1]:
            if parent.get(key) is None:
                parent[key] = {}
            parent = parent[key]
            if not isinstance(parent, dict):
                return False
        if parent.get(path[-1]) is not None:
            return False
        parent[path[-1]] = value
        self.source = self.source.copied(place, path)
        return True

    def move(self, old: KeyPath, *new: KeyPath, convert: Callable[[Json], Json] = lambda value: value) -> None:
        """Move the value at *old* to the paths *new*; existing values take precedence."""
        if not self.has(old):
            return
        value = self.pop(old)
        if value is None:
            return
        names = " and ".join(dotted(path) for path in new)
        self.moved |= {(old, path) for path in new}
        done = [self.put(path, convert(value), old) for path in new]
        if any(done):
            self.say(old, f"is the older form of {names}.")
        else:
            self.say(old, f"is the older form of {names}, which is set too and takes precedence.")

    def rename_dashes(self, type_: Type, value: Json, path: KeyPath) -> None:
        """Give the keys of known sections underscores; free tables keep the engine's spelling."""
        type_ = plain(type_)
        section = type_.variant(value) if isinstance(type_, (Section, Variants)) and isinstance(value, dict) else None
        if section is None:
            return
        known = {normal(key): key for key in section.fields}
        for key in list(value):
            new = known.get(normal(key))
            if key not in section.fields and new and new not in value and not isinstance(key, bool):
                value[new] = value.pop(key)
                self.source = self.source.copied((*path, key), (*path, new))
                self.say((*path, key), f"is now written {dotted((*path, new))}.")
        for key, field in section.fields.items():
            if isinstance(value.get(key), dict):
                self.rename_dashes(field.type, value[key], (*path, key))

    def drop_lock(self) -> None:
        """Drop the extra keys of a lock file, or of the config.yaml of a run directory."""
        recorded = self.has(("lock",))
        if self.has(("lock",)):
            if own_lock(self.job):
                self.say(("lock",), "is of an earlier run. The notes of the rollup say what differs.")
            else:
                self.say(("lock",), "is srtctl's record of an earlier run. It is ignored.")
            del self.job["lock"]
        record = self.get(("cluster",))
        if isinstance(record, dict) and set(record) <= set(KEPT):
            self.say(("cluster",), "is the cluster file of an earlier run. The current one is used instead.")
            del self.job["cluster"]
            recorded = True
        if recorded:
            self.job.pop("layout", None)  # that of the file that the record was made of

    def router(self) -> None:
        """Replace ``use_sglang_router``, which selected the frontend before ``frontend.type`` existed."""
        old = ("backend", "use_sglang_router")
        if not self.has(old):
            return
        value = self.pop(old)
        if value in (False, None) or str(value).lower() in ("false", "no", "off", "0"):
            self.say(old, "is the older form of frontend.type, which defaults to dynamo.")
        elif self.put(("frontend", "type"), "sglang", old) or self.get(("frontend", "type")) == "sglang":
            self.say(old, "is the older form of frontend.type: sglang.")
        else:
            self.say(
                old,
                f"is the older form of frontend.type, which is {self.get(('frontend', 'type'))} and takes precedence.",
            )

    def connector(self) -> None:
        """Keep ``connector: null`` as no connector; an absent connector means the default one."""
        path = ("backend", "connector")
        if self.get(("backend", "type")) == "vllm" and self.has(path) and self.get(path) is None:
            self.job["backend"]["connector"] = "none"

    def profiling(self) -> None:
        """Move the steps, once one pair for all workers, and the load described beside them."""
        self.move(
            ("profiling", "concurrency"),
            ("benchmark", "concurrencies"),
            convert=lambda value: value if isinstance(value, (list, str)) else [value],
        )
        resources: Json = self.job.get("resources")
        resources = resources if isinstance(resources, dict) else {}
        given = [resources.get(key) for key in ("agg_workers", "agg_nodes")]
        # 0 beside prefill and decode means no aggregated workers.
        aggregated = str(next((value for value in given if value is not None), 0)) != "0"
        phases = ("aggregated",) if aggregated else ("prefill", "decode")
        for key in ("start_step", "stop_step"):
            self.move(("profiling", key), *(("profiling", phase, key) for phase in phases))

    def benchmark(self) -> None:
        """Move a load described under profiling to sa-bench, and rename benchmark types."""
        benchmark = self.job.get("benchmark")
        if not isinstance(benchmark, dict):
            return
        old = benchmark.get("type")
        described = all(benchmark.get(key) is not None for key in ("isl", "osl", "concurrencies"))
        from_profiling = (("profiling", "isl"), ("benchmark", "isl")) in self.moved
        if isinstance(old, str) and old in BENCHMARKS:
            benchmark["type"] = BENCHMARKS[old]
            self.say(("benchmark", "type"), f"{old} is now called {BENCHMARKS[old]}.")
        elif old in (None, "manual") and described and from_profiling:
            benchmark["type"] = "sa-bench"
            self.say(("benchmark", "type"), "is set to sa-bench, for the load described under profiling.")
        if benchmark.get("sweep") is not None:
            self.say(("benchmark", "sweep"), "never had an effect. Write sweep at the top level.")
            del benchmark["sweep"]
