# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of the second layout."""

from __future__ import annotations

from ...failures import Code, Problem
from ...json_types import Json, JsonObject, KeyPath
from ...schema.section import Checker
from ...schema.source import Source
from ..older_forms import Work
from . import places, rules
from .reading import Reading
from .relics import Relics
from .schema import JOB2, PLACES2
from .services import Entries
from .translation import translated
from .unbuilt import Refusals

TACHOMETER = (
    "observability.tachometer: not set, so it is off here; srtctl reads the metrics of every run with this layout."
)


class Strict(Checker):
    """A checker that remembers the paths of unknown keys."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, PLACES2)
        self.strange: set[KeyPath] = set()

    def unknown(self, key: str | int, path: KeyPath, *more: Json, **others: Json) -> None:
        self.strange.add((*path, key))
        super().unknown(key, path, *more, **others)


def read(job: JsonObject, source: Source, notes: list[str]) -> Reading:
    """Return the :class:`Reading` of a raw *job* in the second layout; *notes* say how it was recognised."""
    return _Reader(job, source, notes).reading()


class _Reader:
    def __init__(self, job: JsonObject, source: Source, notes: list[str]) -> None:
        self.work, self.notes = Work(job, source), notes
        self.problems: list[Problem] = []
        self.decided = "schema" in job

    def say(self, path: KeyPath, code: Code, text: str, remedy: str | None) -> None:
        self.problems.append(self.work.source.problem(path, code, text, remedy))

    def reading(self) -> Reading:
        work = self.work
        work.job.setdefault("schema", 2)
        work.rename_dashes(JOB2, work.job, ())
        work.drop_lock()
        work.benchmark()
        relics = Relics(work)
        self.problems += relics.problems()
        self._spell_engines()
        refused = Refusals(work.job, work.source, ("engine", "type"))
        self.problems += refused.problems
        sensible = rules.check_roles(work.job, self.say)
        origin = rules.hoist_engine(work.job, self.say)
        rules.check_source(work.job, self.say)
        old = relics.old_engine or bool(relics.infra)
        rules.check_sglang(work.job, self.decided, old, self.say)
        if ("engine",) in refused.wrong:
            work.job.pop("engine", None)
        elif isinstance(work.get(("engine",)), dict) and work.get(("engine", "type")) is None:
            self.say((*origin, "type"), "missing", "is missing.", "Name the inference engine, such as sglang.")
        entries = Entries(work.job, self.say)
        entries.read()
        wrong = self._check()
        found = translated(work, entries, relics.infra, origin)
        notes = [*self.notes, *work.notes, *entries.notes, *found.notes]
        if not self._set(("observability", "tachometer", "enabled")):
            notes.append(TACHOMETER)
        lost = {found.path(path) for path in wrong} | {found.path(path) for path in refused.wrong}
        lost |= set() if sensible else {("resources",)}
        lost |= {("frontend", "type")} if self._is_sglang() else set()
        for fault in found.problems:
            self.say(*fault)
        return Reading(found.job, found.source, notes, self.problems, lost, 2, places.WORDS)

    def _set(self, path: KeyPath) -> bool:
        return self.work.get(path) is not None

    def _is_sglang(self) -> bool:
        return bool(self.work.get(("frontend", "type")) == "sglang")

    def _spell_engines(self) -> None:
        """Turn an engine that is only its type into a mapping."""
        holders = [self.work.job, *rules.roles_of(self.work.job).values()]
        for holder in holders:
            if isinstance(holder.get("engine"), str):
                holder["engine"] = {"type": holder["engine"]}

    def _check(self) -> set[KeyPath]:
        """Report what does not fit the schema; take it out, and return its paths."""
        checker = Strict(self.work.source)
        checked = dict(self.work.job)
        if self._is_sglang():  # it is reported, and no choice of the schema
            checked["frontend"] = {key: value for key, value in checked["frontend"].items() if key != "type"}
        checker.check(JOB2, checked)
        self.problems += checker.problems
        self.work.job = _without(self.work.job, (checker.wrong - checker.meant) | checker.strange)
        return checker.wrong | checker.strange


def _without(job: JsonObject, paths: set[KeyPath]) -> JsonObject:
    """Return *job* without the values at *paths*, in place; a list with a wrong item goes as a whole."""
    for path in filter(None, paths):
        parent: Json = job
        for key in path[:-1]:
            if not isinstance(parent, dict) or not isinstance(parent.get(key), dict):
                break
            parent = parent[key]
        else:
            key = path[-1]
        if isinstance(parent, dict):
            parent.pop(key, None)
    return job
