# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module job_spec: from a job description to spec, allocation request and digests."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from ..entry import Context
from ..failures import Error, Problem, SpecError, format_problem
from ..job.changes import changes_of
from ..job.cluster import FILE_NAME, Cluster, find_cluster_file, load_cluster
from ..job.paths import Environment
from ..job.reading import Document, common_name, read_jobs
from ..job.resolve import JobRecord, Secrets, describe, raise_problems, resolve
from ..job.run_request import RunRequest, check_output_dir
from ..json_types import Json, JsonObject, KeyPath
from ..plan.planner import Planner
from ..schema.source import Source
from ..secrets import references

ARGUMENT_SPEC = {
    "job": {"type": "dict"},
    "job_file": {"type": "path"},
    "cluster_file": {"type": "path"},
    "setup_script": {"type": "str"},
    "set": {"type": "raw"},
    "unset": {"type": "raw"},
    "job_tags": {"type": "list", "elements": "str", "default": []},
    "check_paths": {"type": "bool", "default": True},
    "output_dir": {"type": "path"},
    "rehearse": {"type": "bool", "default": False},
    "partial": {"type": "bool", "default": False},
    "single": {"type": "bool", "default": False},
    "frozen": {"type": "path"},
    "keep": {"type": "str", "default": "false"},
    "lease_s": {"type": "str"},
    "concurrencies": {"type": "raw"},
    "job_id": {"type": "str"},
}

Item = TypeVar("Item", str, Problem)


class Given(NamedTuple):
    """What the action plugin knows in addition to the module's parameters.

    :param documents: the :class:`Document` s that it has already read, instead of ``job`` and ``job_file``.
    :param problems: the problems of the extra vars, reported together with those of the job.
    :param places: ``{name: (file, line)}`` of extra vars.
    :param inline: values that were encrypted individually.
    :param whole: values of files that are encrypted as a whole.
    :param lookup: looks up paths on the submit host, see :class:`Here` of job/paths.py.
    :param notes: what the user should know about how the documents were read.
    :param set_by: ``{option: the variable that sets it}`` of run options that are not set by their own name.
    """

    documents: list[Document] | None = None
    problems: list[Problem] = []
    places: dict[str, tuple[str, int]] = {}
    inline: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    lookup: Any = None
    notes: list[str] = []
    set_by: dict[str, str] = {}


class Answer(NamedTuple):
    """The module's *result*, and the values of *secrets*, which are not part of it: ``{reference: value}``."""

    result: JsonObject
    secrets: dict[str, str]


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{jobs, origins, notes, keep, lease_s, concurrencies, changed: False}``; each job has its origins."""
    return answer(params, ctx).result


def answer(params: JsonObject, ctx: Context | None, given: Given | None = None) -> Answer:
    """Return the :class:`Answer`; SpecError with all problems of all jobs."""
    given = given or Given()
    request = RunRequest(dict(params, places=given.places, problems=given.problems, set_by=given.set_by))
    problems = [*given.problems, *request.problems]
    if params.get("frozen"):
        raise_problems(problems)
        found = frozen(params["frozen"])
        for job in found["jobs"]:
            request.check(job["spec"])
        return Answer(dict(found, **request.options), {})
    if params.get("job_file") and params.get("job"):
        raise Error("Both job and job_file are set. Use one of them.")
    documents = given.documents or documents_of(params)
    if problems and not documents[0].job:
        raise SpecError(problems)
    cluster = load_cluster(find_cluster_file(params.get("cluster_file")))
    jobs = Jobs(params, ctx, given, cluster, request)
    changes = changes_of(params)
    for document in documents:
        document.changes = changes
        jobs.read(document)
    wrong = unique([*problems, *(jobs.problems if cluster.path else beside(jobs.problems))])
    if problems or not (params.get("partial") and jobs.jobs):
        raise_problems(wrong)
    jobs.check_number()
    result = dict(request.options, changed=False, jobs=jobs.jobs, origins=jobs.origins, notes=unique(jobs.notes))
    result["sweep"] = common_name(documents)
    if wrong:
        result.update(problems=wrong, msg="\n".join(map(format_problem, wrong)))
    return Answer(result, jobs.secrets)


def beside(problems: Iterable[Problem]) -> list[Problem]:
    """Return *problems*, in a run without a cluster file, that say so if one lies beside the job and would help."""
    found: list[Problem] = []
    for one in problems:
        path = os.path.join(os.path.dirname(one["file"] or ""), FILE_NAME)
        if one["file"] and FILE_NAME in (one.get("remedy") or "") and os.path.isfile(path):
            text = f"No cluster file is used, but one lies beside the job: -e cluster_file={os.path.relpath(path)}."
            one = {**one, "remedy": f"{one['remedy']} {text}"}
        found.append(one)
    return found


def documents_of(params: JsonObject) -> list[Document]:
    """Return the documents that the module's parameters name."""
    return read_jobs(params["job_file"]) if params.get("job_file") else [Document(params.get("job"))]


class Jobs:
    """The jobs of all documents: ``jobs``, ``origins``, ``notes``, ``secrets``, and ``problems`` of all of them."""

    def __init__(
        self, params: JsonObject, ctx: Context | None, given: Given, cluster: Cluster, request: RunRequest
    ) -> None:
        self.params, self.given, self.cluster, self.request = params, given, cluster, request
        check_mode = bool(ctx and ctx.check_mode)
        # Without a run nothing is written, and a feature that no run has is only a note.
        self.rehearse = bool(params.get("rehearse") or check_mode)
        self.single = params.get("single") and not check_mode
        self.jobs: list[Json] = []
        self.origins: list[JsonObject] = []
        self.problems: list[Problem] = []
        self.secrets: dict[str, str] = {}
        self._places: dict[tuple[str, str], str] = {}
        self.notes = [f"Cluster file: {cluster.path}.", *cluster.notes] if cluster.path else []
        self.notes += given.notes

    def read(self, document: Document) -> None:
        """Add the jobs of *document*, and its problems."""
        self.notes += document.source.notes
        try:
            found = document.expand()
        except SpecError as error:
            self.problems += error.problems
            return
        wrong = []
        for suffix, job, source in found.variants:
            try:
                self._add(job, source, found.parameters.get(suffix) or {})
            except SpecError as error:
                wrong.append((isinstance(job, dict) and job.get("name") or suffix, error.problems))
        self.problems += found.problems + of_variants(wrong, len(found.variants))

    def _add(self, job: JsonObject, source: Source, parameters: JsonObject) -> None:
        params = self.params
        given: dict[KeyPath, str] = {}
        # In the flat form the extra var may as well be the job's own key.
        if params.get("setup_script") and job.get("setup_script") != params["setup_script"]:
            job, given = dict(job, setup_script=params["setup_script"]), {("setup_script",): "-e setup_script"}
        secrets = Secrets(self._key, self.given.inline, self.given.whole)
        found = resolve(job, source, self.cluster, self._environment(source), Planner, given, secrets)
        self.notes += found.notes
        self.secrets.update(found.secrets)
        made = describe(found, params.get("job_tags") or (), parameters)
        self.request.check(made["spec"])
        check_output_dir(made, self.cluster, params.get("output_dir"))
        self._check_name(made, source)
        self.jobs.append(made)
        self.origins.append(found.origins)

    def _environment(self, source: Source) -> Environment:
        folders = [os.path.dirname(source.file)] if source.file and os.path.isabs(source.file) else []
        return Environment(
            folders=[*folders, os.getcwd()],
            check_paths=self.params.get("check_paths", True),
            rehearse=self.rehearse,
            cluster_folder=os.path.dirname(self.cluster.path) if self.cluster.path else None,
            lookup=self.given.lookup,
        )

    def _key(self, spec: JsonObject) -> bytes | None:
        folder = self.params.get("output_dir") or spec["cluster"]["output_dir"] or os.path.abspath("outputs")
        return references.load_key(folder, create=not self.rehearse)

    def _check_name(self, made: JobRecord, source: Source) -> None:
        """Raise SpecError if an earlier job has the same name and request: this one would use its allocation."""
        file, line = source.where(("name",))
        key, here = (
            (made["name"].strip(), made["allocation"]["digest"]),
            f"{file}:{line}" if line else file or "the job",
        )
        before = self._places.setdefault(key, here)
        if before is not here:
            text = f"is {made['name']}, which is the name of a job in {before} too. The second would be the first one."
            raise SpecError([source.problem(("name",), "duplicate", text, "Give each job its own name.")])

    def check_number(self) -> None:
        """Refuse several jobs where one is wanted."""
        names = [job["name"] for job in self.jobs]
        if self.single and len(names) > 1:
            raise Error(
                f"There are {len(names)} jobs: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}. "
                "playbooks/sweep.yml runs them one after the other, job_file=FILE:SELECTOR selects one, and --check "
                "shows all."
            )


def frozen(path: str) -> JsonObject:
    """Return the answer that was frozen in the file at *path* at submission; the job is not read again."""
    try:
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream), changed=False)
    except (OSError, ValueError) as error:
        raise Error(f"The frozen job {path} cannot be read: {error}. Submit the job again.") from None


def of_variants(wrong: Iterable[tuple[str, list[Problem]]], count: int) -> list[Problem]:
    """Return the problems of the variants of one file, each once; ``jobs`` names the affected ones if not all are.

    :param wrong: ``[(name, problems)]`` of the variants that have problems.
    :param count: the number of all variants.
    """
    table: dict[Hashable, tuple[Problem, list[str]]] = {}
    for name, problems in wrong:
        for one in unique(problems):
            table.setdefault(mark(one), (one, []))[1].append(str(name))
    return [one if len(names) == count else {**one, "jobs": first(names)} for one, names in table.values()]


def first(names: Sequence[str], most: int = 3) -> str:
    """Return the first of *names* and the number of the others."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def unique(items: Iterable[Item]) -> list[Item]:
    """Return *items* without repetitions, in their order: variants of one file share their notes and problems."""
    kept: dict[Hashable, Item] = {}
    for item in items:
        kept.setdefault(mark(item), item)
    return list(kept.values())


def mark(item: str | Problem) -> Hashable:
    """Return what identifies the note or problem *item*."""
    return item if isinstance(item, str) else tuple(sorted((key, str(value)) for key, value in item.items()))
