# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading job files: one file, a variant in it, or a directory of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..failures import Error, Problem, SpecError
from ..json_types import Json, JsonObject, KeyPath
from ..schema.source import NOWHERE, Source, load_yaml
from ..schema.spelling import spelt
from ..schema.types import kind_of
from .changes import NO_CHANGES
from .cluster import FILE_NAME
from .selection import BASE, Variant, split_selector
from .variants import Expanded, expand


class Document:
    """One job file as it was read: the raw *job*, the lines of its values, and the selector of its variants.

    :param problems: why the file could not be read, if it could not.

    ``changes`` are what run options set in its jobs.
    """

    def __init__(
        self, job: Json, source: Source = NOWHERE, selector: str | None = None, problems: Sequence[Problem] = ()
    ) -> None:
        self.job, self.source, self.selector, self.problems = job, source, selector, problems
        self.changes = NO_CHANGES

    def expand(self) -> Expanded:
        """Return its :class:`~.variants.Expanded` jobs."""
        if self.problems:
            raise SpecError(self.problems)
        job, source = spelt(self.job, self.source.texts), self.source
        path: KeyPath = ()
        if isinstance(job, dict) and set(job) == {"job"}:
            job, source, path = job["job"], source.under(("job",)), ("job",)
        if job is None and not source.file:
            raise Error("No job was given. Pass its file, -e job_file=job.yaml.")
        if not isinstance(job, dict) or not job:
            remedy = "A job is a mapping with name, model, resources and more."
            text = f"is {kind_of(job) if job else 'empty'}."
            raise SpecError([self.source.problem(path, "wrong_type" if job else "missing", text, remedy)])
        return self._expanded(job, source)

    def _expanded(self, job: JsonObject, source: Source) -> Expanded:
        """Return the jobs of *job* with the problems of the file, which hide none of theirs."""
        faults = self.source.faults
        try:
            found = expand(*schema_within(job, source), self.selector, self.changes)
        except SpecError as error:
            raise SpecError([*faults, *error.problems]) from None
        return found._replace(problems=[*faults, *found.problems])

    @property
    def name(self) -> str:
        """The name that its jobs have in common: that of the job, or of the base; that of its file without one."""
        job = self.job.get("job", self.job) if isinstance(self.job, dict) else None
        base = job.get("base", job) if isinstance(job, dict) else None
        name = base.get("name") if isinstance(base, dict) else None
        stem = os.path.splitext(os.path.basename(self.source.file or ""))[0]
        return str(name or stem or "sweep").strip()

    def variants(self) -> list[Variant]:
        """Return its variants; SpecError if any of them is invalid."""
        found = self.expand()
        if found.problems:
            raise SpecError(found.problems)
        return found.variants


def schema_within(document: JsonObject, source: Source) -> tuple[JsonObject, Source]:
    """Return (document, source) with a ``schema`` that stands beside ``base`` in it, so that all its jobs have it."""
    base = document.get(BASE)
    if "schema" not in document or not isinstance(base, dict):
        return document, source
    number = document["schema"]
    if base.get("schema", number) != number:
        text = f"is {base['schema']}, and {number} beside base."
        raise SpecError([source.problem((BASE, "schema"), "conflict", text, "Keep the one beside base.")])
    rest = {key: value for key, value in document.items() if key != "schema"}
    return {**rest, BASE: {"schema": number, **base}}, source.copied(("schema",), (BASE, "schema"))


def absolute(path: str) -> str:
    """Return *path* as an absolute path, with a leading ~ replaced."""
    return os.path.abspath(os.path.expanduser(path))


def read_jobs(path: str) -> list[Document]:
    """Return the :class:`Document` s of *path*: a file, ``file:selector``, or a directory of files.

    A file of a directory that cannot be read is a document with problems.
    """
    path = str(path)
    selector = None
    if not os.path.exists(absolute(path)):
        path, selector = split_selector(os.path.expanduser(path))
    path = absolute(path)
    if not os.path.isdir(path):
        return [Document(*load_yaml(path), selector)]
    if selector is not None:
        raise Error(f"{path} is a directory, and the selector {selector} needs a file. Name one of its files.")
    files = sorted(
        os.path.join(folder, name)
        for folder, _folders, names in os.walk(path)
        for name in names
        if name.endswith((".yaml", ".yml")) and name != FILE_NAME
    )
    if not files:
        raise Error(f"{path} has no *.yaml file. Name a job file or a directory of job files.")
    return [_one_of_many(file) for file in files]


def _one_of_many(file: str) -> Document:
    """Return the document of one file of a directory."""
    try:
        return Document(*load_yaml(file))
    except SpecError as error:
        return Document(None, Source(file), problems=error.problems)
    except Error as error:
        problem: Problem = {"file": file, "line": None, "path": "", "code": "not_yaml", "problem": error.msg}
        return Document(None, Source(file), problems=[problem])


def common_name(documents: Sequence[Document]) -> str:
    """Return the name of a sweep over the jobs of *documents*: that of the only one, else that of their directory."""
    if len(documents) == 1:
        return documents[0].name
    files = [document.source.file or "" for document in documents]
    return os.path.basename(os.path.commonpath([os.path.dirname(file) for file in files])) or "sweep"


def read_job(path: str) -> tuple[Json, Source]:
    """Return (raw job, Source) of the file at *path*: a job, or a job under the one key ``job``."""
    (document,) = read_jobs(path)
    if isinstance(document.job, dict) and set(document.job) == {"job"}:
        return document.job["job"], document.source.under(("job",))
    return document.job, document.source
