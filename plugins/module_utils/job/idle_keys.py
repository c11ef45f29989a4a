# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that a job sets and that nothing reads in it, such as options of nginx in a job without nginx.

A plan is made of a spec that records what is read. The notes of rules that know why come first: see :func:`notes`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Callable, Protocol

from ..json_types import Json, JsonObject, KeyPath
from ..schema.section import Section, Variants
from ..schema.source import dotted
from ..schema.traced import Reads, Traced
from ..schema.types import Type, plain
from .allocation_request import allocation_request
from .schema import JOB

OFF = ("", "none", "None", "inf")  # with false, null, 0 and empty tables: what is turned off has no effect by design

RECORDED = (("model", "precision"), ("resources", "gpu_type"))  # in the records of the run
# What no plan depends on: it is for the end of the run, and for notes.
AFTERWARDS = (("reporting", "status"), ("reporting", "publishers"), ("reporting", "s3"), ("identity",))


class Rehearsal(Protocol):
    """Plans a spec on imaginary nodes."""

    def rehearse(self) -> None:
        """Make everything that is part of the plan, apart from its notes."""


def notes(
    job: JsonObject, spec: JsonObject, planner: Callable[[JsonObject], Rehearsal], said: Collection[str]
) -> list[str]:
    """Return a note, as a list, on the keys of the raw *job* that have no effect, without those that *said* names.

    :param spec: the planned spec.
    :param said: the other notes.
    """
    reads = Reads()
    traced = Traced(spec, reads)
    planner(traced).rehearse()
    allocation_request(traced)
    idle = [dotted(path) for path in _given(JOB, job, ()) if _matters(path) and not _is_read(path, reads)]
    text = "\n".join(said)
    names = [name for name in idle if name not in text]
    return (
        [f"{', '.join(names)}: no effect, nothing in this job reads {'it' if len(names) == 1 else 'them'}."]
        if names
        else []
    )


def _matters(path: KeyPath) -> bool:
    return path not in RECORDED and not any(path[: len(section)] == section for section in AFTERWARDS)


def _given(type_: Type, value: Json, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the paths of the fields that a job sets and does not turn off; a free table is one field."""
    section = plain(type_)
    if isinstance(section, (Section, Variants)) and isinstance(value, dict):
        fields = getattr(section.variant(value), "fields", {})
        for key, item in value.items():
            if key in fields:
                yield from _given(fields[key].type, item, (*path, key))
    elif value and str(value) not in OFF:
        yield path


def _is_read(path: KeyPath, reads: Reads) -> bool:
    """Return whether the value at *path*, or something below it, was read."""
    size = len(path)
    return any(one[:size] == path or path[: len(one)] == one for one in reads.deep)
