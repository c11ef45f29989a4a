# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the raw job to the spec: cluster defaults, schema, rules, secrets, and a trial plan on imaginary nodes."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Callable, Generic, NamedTuple, TypedDict, TypeVar

from .. import run_options
from ..failures import Finding, Problem, SpecError
from ..json_types import Json, JsonObject, KeyPath
from ..schema.section import Checker
from ..schema.source import Source
from ..schema.text import to_yaml
from ..secrets import references
from . import idle_keys, inputs, layouts, preparation, reporting, rules
from .allocation_request import AllocationRequest, allocation_request, metadata
from .cluster import Cluster, apply_cluster
from .layouts.reading import Reading, told
from .older_forms import modernise, own_lock
from .origins import Origins
from .paths import Environment
from .schema import JOB, PLACES

_Planned = TypeVar("_Planned", bound=rules.Planned)


class JobDigests(TypedDict):
    """Digests of the allocation request, and of the service regardless of its nodes."""

    allocation: str
    serving: str


class JobRecord(TypedDict):
    """One of job_spec's ``jobs``.

    ``metadata`` is what stays with the run for other tools, ``config_text`` the spec as YAML, and ``output_dir`` the
    directory below which runs go when none is given. ``parameters`` are those of a ``sweep``, ``{name: value}``.
    """

    name: str
    spec: JsonObject
    allocation: AllocationRequest
    metadata: JsonObject
    config_text: str
    output_dir: str
    digests: JobDigests
    parameters: JsonObject


class Secrets(NamedTuple):
    """Finds the secret values of a spec and replaces them by references.

    :param find_key: called with the spec if it has secrets; returns the key of the keyed hash, or None.
    :param inline: values that were encrypted individually.
    :param whole: values of files that are encrypted as a whole.
    """

    find_key: Callable[[JsonObject], bytes | None] = lambda _spec: None
    inline: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()

    def conceal(self, spec: JsonObject) -> dict[str, str]:
        """Replace the secrets of *spec* by references, in place; return ``{reference: value}``."""
        hidden = reporting.conceal(spec, lambda: self.find_key(spec))
        hidden.update(references.conceal(spec, lambda: self.find_key(spec), self.inline | self.whole))
        problem = "comes from a vault, but only environment variables are kept out of files and process lists."
        remedy = "Set it as an environment variable."
        exposed = references.exposed(spec, self.inline)
        raise_problems([Source().problem(path, "secret", problem, remedy) for path in exposed])
        return hidden


@dataclass(frozen=True)
class Resolved(Generic[_Planned]):
    """A checked job.

    :param spec: the spec, JSON-able.
    :param origins: the origin of each value that is not a default, ``{dotted path: text}``.
    :param notes: what the user should know, as sentences.
    :param secrets: the replaced values, ``{reference: value}``.
    :param planner: what *planner* of :func:`resolve` returned for the spec.
    :param lock: the record of an earlier run that came with the job, {} without one.
    """

    spec: JsonObject
    origins: dict[str, str]
    notes: list[str]
    secrets: dict[str, str]
    planner: _Planned
    lock: JsonObject


def resolve(
    job: JsonObject,
    source: Source,
    cluster: Cluster,
    environment: Environment,
    planner: Callable[[JsonObject], _Planned],
    given: Mapping[KeyPath, str] | None = None,
    secrets: Secrets | None = None,
) -> Resolved[_Planned]:
    """Return the normalised spec of the raw *job* with its notes, origins and secrets.

    SpecError has every problem that can be found in one pass, sorted by line.

    :param planner: ``planner(spec)`` plans the service on imaginary nodes.
    :param given: keys set on the command line, ``{path: option name}``.
    :param secrets: how secret values are replaced; by default they are kept.
    """
    reading = layouts.read(job, source)
    try:
        return _resolve(reading, own_lock(job), cluster, environment, planner, given, secrets)
    except SpecError as error:
        known = {(one["file"], one["path"]) for one in reading.problems}
        said = list(reading.problems)
        others = [one for one in error.problems if one not in reading.problems]
        said += [told(one, reading.words) for one in others if (one["file"], one["path"]) not in known]
        said.sort(key=_order)
        raise SpecError(said, **{key: value for key, value in error.evidence.items() if key != "problems"}) from None


def _resolve(
    reading: Reading,
    lock: Json,
    cluster: Cluster,
    environment: Environment,
    planner: Callable[[JsonObject], _Planned],
    given: Mapping[KeyPath, str] | None,
    secrets: Secrets | None,
) -> Resolved[_Planned]:
    """Return what :func:`resolve` does for a job that its layout's reader has read."""
    job, source, notes = modernise(reading.job, reading.source, JOB)
    own = job
    checker = Checker(source, PLACES)
    checker.problems += reading.problems
    checker.wrong |= reading.wrong
    checker.meant |= reading.wrong
    job, lent = apply_cluster(_without_run_options(job, checker), cluster)
    if job.get("reporting") and cluster.settings["reporting"] and ("reporting",) not in lent:
        notes = [*notes, f"reporting: the job's own replaces that of {cluster.path} as a whole."]
    environment.learn(cluster.settings, lent)
    origins = Origins(given)
    origins.collect(job, source, {path: cluster.place(there) for path, there in lent.items()})
    checker.source = cluster.lend(source, lent)
    for path in given or ():
        checker.source.borrowed[path] = (Source("extra vars"), path)
    spec = checker.check(JOB, job)
    if spec is None:
        raise_problems(checker.problems)
    if reading.layout != 1:
        spec["layout"] = reading.layout  # in whose words plans speak
    notes = notes + _examine(spec, job, cluster, checker, environment, planner)
    raise_problems(checker.problems)
    for key in ("reporting", "faults", "services"):
        if not spec[key]:
            del spec[key]
    hidden = secrets.conceal(spec) if secrets else {}
    with_files = inputs.with_inputs(preparation.with_content(spec))
    planned = planner(with_files)
    _report(rules.check_fit(spec, lambda _spec: planned.serving_digest), checker)
    raise_problems(checker.problems)
    notes = notes + inputs.chat_notes(with_files, here_only=True)
    notes += rules.notes(spec) + preparation.bare_notes(job, spec, cluster.kept()["container_runtime"])
    notes += idle_keys.notes(own, with_files, planner, notes)
    notes = [*reading.notes, *map(reading.spoken, notes)]
    return Resolved(spec, origins.table(), notes, hidden, planned, lock)


def _without_run_options(job: JsonObject, checker: Checker) -> JsonObject:
    """Return *job* without the keys that are run options, and report those."""
    ours = [key for key in job if key in run_options.OF_JOBS and key not in JOB.fields]
    for key in ours:
        remedy = f"Pass it as -e {key}=... instead."
        checker.problem((key,), "unknown_key", "is not a key of a job.", remedy, on_key=True)
    return {key: value for key, value in job.items() if key not in ours}


def _examine(
    spec: JsonObject,
    job: JsonObject,
    cluster: Cluster,
    checker: Checker,
    environment: Environment,
    planner: Callable[[JsonObject], rules.Planned],
) -> list[str]:
    """Complete the checked *spec* in place, report cross-section problems to *checker*, and return notes.

    The rules see the job without its wrong values, and report only what does not depend on them.
    """
    wrong, bad = set(checker.wrong), bool(checker.problems)
    if wrong:
        rest = Checker(places=PLACES)
        layout = {key: spec[key] for key in ("layout",) if key in spec}
        spec = {**rest.check(JOB, without(job, wrong)), **layout}
        wrong |= rest.wrong
    spec["cluster"] = cluster.kept()
    problems, notes = rules.examine(spec, wrong, environment, planner, fit=bad)
    _report(problems, checker)
    return notes


def _report(findings: Iterable[Finding], checker: Checker) -> None:
    """Add what rules have found to the problems of *checker*."""
    for path, text, remedy, *code in findings:
        checker.problem(path, code[0] if code else "conflict", text, remedy)


def without(job: JsonObject, paths: Iterable[KeyPath]) -> JsonObject:
    """Return a copy of the raw *job* without the values at *paths*; a list with a wrong item is removed as a whole."""
    job = copy.deepcopy(job)
    for path in filter(None, paths):
        parent: Json = job
        for key in path[:-1]:
            if not isinstance(parent.get(key), dict):
                break
            parent = parent[key]
        else:
            key = path[-1]
        parent.pop(key, None)
    return job


def raise_problems(problems: Collection[Problem]) -> None:
    """Raise SpecError for *problems*, if any, sorted by file and line."""
    if problems:
        raise SpecError(sorted(problems, key=_order))


def _order(problem: Problem) -> tuple[str, int]:
    return str(problem.get("file")), problem.get("line") or 0


def describe(
    resolved: Resolved[_Planned], tags: Collection[str] = (), parameters: JsonObject | None = None
) -> JobRecord:
    """Return the job of *resolved* as one of job_spec's ``jobs``.

    :param tags: words stored with the run.
    :param parameters: ``{name: value}`` of the ``sweep`` that made the job.
    """
    spec, request = resolved.spec, allocation_request(resolved.spec)
    return {
        "name": spec["name"],
        "spec": spec,
        "allocation": request,
        "metadata": {**metadata(spec, tags), **({"lock": _plain(resolved.lock)} if resolved.lock else {})},
        "config_text": to_yaml(spec),
        "output_dir": spec["cluster"]["output_dir"] or os.path.abspath("outputs"),
        "digests": {"allocation": request["digest"], "serving": resolved.planner.serving_digest},
        "parameters": _plain(parameters or {}),
    }


def _plain(value: JsonObject) -> JsonObject:
    """Return *value* without the spelling of its numbers."""
    found: JsonObject = json.loads(json.dumps(value))
    return found
