# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of the first layout, with features that came with the second."""

from __future__ import annotations

from ...failures import Code, Problem
from ...json_types import JsonObject, KeyPath
from ...schema.section import Checker
from ...schema.source import Source, dotted
from ...schema.types import ListOf
from ...topology.modes import LONG_MODE
from ..older_forms import Work
from . import places
from .reading import Reading
from .services import SERVICE, Entries, Say
from .unbuilt import Refusals


def read(job: JsonObject, source: Source, notes: list[str]) -> Reading:
    """Return the :class:`Reading` of a raw *job* in the first layout; *notes* say how it was recognised."""
    work = Work(job, source)
    problems: list[Problem] = []

    def say(path: KeyPath, code: Code, text: str, remedy: str | None) -> None:
        problems.append(work.source.problem(path, code, text, remedy))

    refused = Refusals(work.job, work.source, ("backend", "type"))
    problems += refused.problems
    frontend = work.get(("frontend", "type"))
    if isinstance(frontend, str) and frontend in places.FRONTENDS:
        work.job["frontend"]["type"] = places.FRONTENDS[frontend]
        work.say(("frontend", "type"), f"{frontend} is the newer name of {places.FRONTENDS[frontend]}.")
    for mode in LONG_MODE:
        old: KeyPath = ("resources", f"{mode}_critical")
        if work.has(old):
            work.move(old, ("faults", mode, "critical"))
    _services(work, problems, say)
    for path, new in ((("dynamo", "source"), "version, wheel or hash"), *_placements()):
        if work.get(path):
            say(path, "conflict", "is a key of the second layout in a file of the first.", f"Write {new}.")
        if work.has(path):
            work.pop(path)
    if ("engine",) in refused.wrong:
        work.job.pop("backend", None)
    wrong = {("backend",) if path == ("engine",) else path for path in refused.wrong}
    return Reading(work.job, work.source, [*notes, *work.notes], problems, wrong)


def _placements() -> tuple[tuple[KeyPath, str], ...]:
    return (
        (("frontend", "placement"), "orchestrator_placement or dedicated_node"),
        (("benchmark", "placement"), "client_placement or client_dedicated_node"),
    )


def _services(work: Work, problems: list[Problem], say: Say) -> None:
    """Read the ``services`` of a file in the first layout; add to *problems* what does not fit."""
    if not work.has(("services",)):
        return
    checker = Checker(work.source)
    if work.job["services"] is not None:
        checker.check(ListOf(SERVICE), work.job["services"], ("services",))
    problems += checker.problems
    entries = Entries(work.job, say)
    entries.read()
    work.notes += entries.notes
    own = [kept for _path, kept in entries.generic]
    for number, (path, _kept) in enumerate(entries.generic):
        work.source = work.source.copied(path, ("services", number))
    for old, new, value in entries.moved:
        if new[0] == "services":
            continue
        if not work.put(new, value, old):
            say(old, "conflict", f"is set, and {dotted(new)} too.", "Keep one of them.")
    work.pop(("services",))
    if own:
        work.job["services"] = own
