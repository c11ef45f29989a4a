# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derived values, and rules across sections."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Callable, Protocol, TypeVar

from ..backends import BACKENDS, profiling
from ..backends.base import Backend
from ..benchmarks import BENCHMARKS, repeats
from ..benchmarks.base import Benchmark
from ..failures import Error, Finding
from ..frontends import FRONTENDS
from ..frontends.base import Frontend
from ..json_types import JsonObject, KeyPath
from ..schema.source import dotted
from ..schema.traced import Reads, Traced, entries
from ..secrets.references import in_the_open
from ..topology.endpoints import demands, place_workers, worker_nodes
from ..topology.modes import MODES
from ..topology.ports import PortConflict
from . import cross_checks, fault_policy, identity, late_inputs, paths, preparation, reporting, unsupported
from .cluster import IMAGES
from .cross_checks import het_obstacles
from .images import complete_images
from .paths import Environment
from .schema import JOB

COUNTS = {
    kind: tuple(f"{mode}_{what}" for mode in modes for what in ("nodes", "workers"))
    for kind, modes in (("split", MODES[:2]), ("agg", MODES[2:]))
}
IN_THE_OPEN = (
    "looks like a secret. Other users can see it, in command lines, in Slurm, or in files of the run. Set it in an "
    "environment of the job, if what reads it can take it from there."
)


_Found = TypeVar("_Found")


class Planned(Protocol):
    """The plan of a spec on imaginary nodes; both raise Error if workers do not fit or ports collide."""

    @property
    def imaginary_layout(self) -> object:
        """The layout."""

    @property
    def serving_digest(self) -> str:
        """The digest of the service."""

    def rehearse(self) -> None:
        """Make everything that is part of the plan, see :mod:`.idle_keys`."""


class Pass:
    """One pass of rules over a spec; only findings that do not depend on wrong values are reported.

    The findings of a rule that reads a value at or below one of the paths *wrong* are dropped: they may disappear
    with the error. So are those of a rule that reads what such a rule should have written.
    """

    def __init__(self, spec: JsonObject, wrong: Iterable[KeyPath] = ()) -> None:
        self.reads, self.wrong = Reads(), set(wrong)
        self.spec: JsonObject = Traced(spec, self.reads) if wrong else spec

    def call(
        self, rule: Callable[..., list[_Found]], *arguments: object, writes: Iterable[KeyPath] = ()
    ) -> list[_Found]:
        """Return what ``rule(spec, *arguments)`` returns, a list.

        :param writes: the paths that the rule may write.
        """
        self.reads.clear()
        try:
            found = rule(self.spec, *arguments)
        except Exception:
            if not self.reads.touch(self.wrong):
                raise
        if self.reads.touch(self.wrong):
            self.wrong.update(writes)
            return []
        return found


def examine(
    spec: JsonObject,
    wrong: Collection[KeyPath],
    environment: Environment,
    planner: Callable[[JsonObject], Planned],
    fit: bool,
) -> tuple[list[Finding], list[str]]:
    """Complete *spec* in place and run the cross-section checks; return (problems, notes).

    :param wrong: paths of *spec* whose values were wrong and have been removed.
    :param environment: see :mod:`.paths`.
    :param planner: ``planner(spec)`` plans the service on imaginary nodes.
    :param fit: check nodes and ports even if nothing else is wrong. With other problems this is always done.
    """
    one = Pass(spec, wrong)
    problems: list[Finding] = []
    for completion, writes in COMPLETIONS:
        problems += one.call(completion, environment, writes=writes)
    for rule in RULES:
        problems += one.call(rule)
    unable = [problem for rule in UNABLE for problem in one.call(rule)]
    notes = one.call(paths.notes, environment)
    notes += one.call(late_inputs.notes, environment)
    if environment.rehearse:
        notes += [f"{dotted(path)} {problem} The plan is shown anyway." for path, problem, *_more in unable]
    else:
        problems += [(path, text, remedy, code[0] if code else "not_supported") for path, text, remedy, *code in unable]
    if fit or problems:
        known = {path[0] for path, *_more in problems}
        problems += one.call(check_fit, lambda spec: planner(spec).imaginary_layout, known)
    return list(dict.fromkeys(problems)), notes


def _leave_out_false(key: str, spec: JsonObject, _environment: Environment) -> list[Finding]:
    """Remove the options that are false from the table *key*, in place: false turns off an option with a default."""
    for name, value in entries(spec[key]):
        if value is False:
            del spec[key][name]
    return []


def _complete_runtime(spec: JsonObject, _environment: Environment) -> list[Finding]:
    runtime = spec["cluster"]["container_runtime"] or "pyxis"
    spec["cluster"]["container_runtime"] = runtime if spec["model"]["container"] else "none"
    return []


def _leave_out_none(spec: JsonObject, _environment: Environment) -> list[Finding]:
    """Remove, in place, the counts of the kind of workers (aggregated or not) of which the job has 0."""
    resources = spec["resources"]
    agg, split = ({key: resources[key] for key in COUNTS[kind]} for kind in ("agg", "split"))
    if any(split.values()) and (agg["agg_workers"] == 0 or not any(agg.values())):
        resources.update(dict.fromkeys(agg))
    elif any(agg.values()) and not any(split.values()):
        resources.update(dict.fromkeys(split))
    return []


def _complete_gpus(mode: str, spec: JsonObject, _environment: Environment) -> list[Finding]:
    spec["resources"][f"gpus_per_{mode}"] = gpus_per_worker(spec["resources"], mode)
    return []


def _complete_het_jobs(spec: JsonObject, _environment: Environment) -> list[Finding]:
    """Apply the cluster's het_jobs to jobs that can be heterogeneous; the job's own setting is an error otherwise."""
    if spec["resources"]["het_jobs"] is None:
        spec["resources"]["het_jobs"] = bool(spec["cluster"]["use_het_jobs"] and not het_obstacles(spec))
    return []


def gpus_per_worker(resources: JsonObject, mode: str) -> int | None:
    """Return the GPUs of one worker of *mode*: as given, or the mode's nodes divided among its workers."""
    given: int | None = resources[f"gpus_per_{mode}"]
    per_node: int = resources["gpus_per_node"]
    nodes: int | None = resources[f"{mode}_nodes"]
    workers: int | None = resources[f"{mode}_workers"]
    if given or not workers:
        return given
    if mode == "decode" and nodes == 0:
        return gpus_per_worker(resources, "prefill") or per_node
    if mode == "agg":
        nodes = nodes or 1
    return nodes * per_node // workers if nodes else per_node


def _part_problems(
    table: Mapping[str, Backend] | Mapping[str, Frontend] | Mapping[str, Benchmark], section: str, spec: JsonObject
) -> list[Finding]:
    """Return the problems that the backend, frontend or benchmark of the job finds."""
    return table[spec[section]["type"]].problems(spec)


# (rule, paths that it writes): each completes the spec in place, and returns its problems.
COMPLETIONS: tuple[tuple[Callable[[JsonObject, Environment], list[Finding]], tuple[KeyPath, ...]], ...] = (
    *((functools.partial(_leave_out_false, key), ((key,),)) for key in ("srun_options", "sbatch_directives")),
    *paths.COMPLETIONS,
    (_complete_runtime, (("cluster", "container_runtime"),)),
    (_leave_out_none, tuple(("resources", key) for keys in COUNTS.values() for key in keys)),
    *((functools.partial(_complete_gpus, mode), (("resources", f"gpus_per_{mode}"),)) for mode in MODES),
    (_complete_het_jobs, (("resources", "het_jobs"),)),
    (complete_images, IMAGES),
    (late_inputs.complete_tokenizer, (late_inputs.TOKENIZER,)),
    (late_inputs.tokenizer_problems, ()),
    (late_inputs.harness_problems, ()),
    (late_inputs.complete_data, tuple(("benchmark", key) for one in BENCHMARKS.values() for key in one.data_keys)),
)
# Each returns its problems.
RULES: tuple[Callable[[JsonObject], list[Finding]], ...] = (
    *cross_checks.RULES,
    functools.partial(_part_problems, BACKENDS, "backend"),
    functools.partial(_part_problems, FRONTENDS, "frontend"),
    functools.partial(_part_problems, BENCHMARKS, "benchmark"),
    preparation.problems,
    reporting.problems,
    lambda spec: profiling.problems(BACKENDS[spec["backend"]["type"]], spec),
)
# What no run does is a problem, but only a note in a dry run.
UNABLE: tuple[Callable[[JsonObject], list[Finding]], ...] = (
    late_inputs.harness_unset,
    lambda spec: BENCHMARKS[spec["benchmark"]["type"]].unable(spec),
    *(functools.partial(unsupported.unable, path) for path in unsupported.NEVER),
)


def notes(spec: JsonObject) -> list[str]:
    """Return the notes that follow from *spec* alone."""
    backend = BACKENDS[spec["backend"]["type"]]
    return [
        *FRONTENDS[spec["frontend"]["type"]].notes(spec),
        *BENCHMARKS[spec["benchmark"]["type"]].notes(spec),
        *repeats.notes(spec["benchmark"], BENCHMARKS[spec["benchmark"]["type"]]),
        *unread(spec),
        *profiling.notes(backend, spec, BENCHMARKS[spec["benchmark"]["type"]].measures),
        *preparation.notes(spec),
        *fault_policy.notes(spec),
        *cross_checks.notes(spec),
        *reporting.notes(spec),
        *identity.notes(spec),
        *backend.notes(spec),
        *(f"{dotted(path)}: {IN_THE_OPEN}" for path in in_the_open(spec) if path != reporting.TOKEN_ENV),
    ]


def unread(spec: JsonObject) -> list[str]:
    """Return notes on keys that belong to a frontend or benchmark that the job does not use."""
    found: list[str] = []
    for section, table in (("frontend", FRONTENDS), ("benchmark", BENCHMARKS)):
        mine = readers(table[spec[section]["type"]])
        lost: dict[str, list[str]] = {}
        for one in table.values():
            for key in readers(one):
                given, default = spec[section][key], JOB.below(section).fields[key].default
                if key not in mine and given is not None and given != default:
                    lost.setdefault(key, []).append(one.type)
        found += [
            f"{section}.{key}: {spec[section]['type']} does not use it; it is for {', '.join(words)}."
            for key, words in lost.items()
        ]
    return found


def readers(part: Frontend | Benchmark) -> Collection[str]:
    """Return the keys that only some frontends or benchmarks, including this one, read."""
    keys: Collection[str] = getattr(part, "reads", part.fields)
    return keys


def check_fit(spec: JsonObject, plan: Callable[[JsonObject], object], known: Collection[object] = ()) -> list[Finding]:
    """Return the problem of workers that do not fit or ports that collide, as a list.

    :param plan: ``plan(spec)`` plans the service on imaginary nodes.
    :param known: the sections with problems, so that their consequences are not reported.
    """
    resources = spec["resources"]
    if "resources" in known or not demands(resources) or not worker_nodes(resources):
        return []
    try:
        share = BACKENDS[spec["backend"]["type"]].shares_nodes(spec)
        place_workers(resources, [*map(str, range(worker_nodes(resources, share)))], share)
    except Error as error:
        return [(("resources",), error.msg, None, "no_room")]
    if {"frontend", "infra", "ports"} & set(known):
        return []
    try:
        plan(spec)
    except Error as error:
        # The engine options may be wrong here, but the ports of the services do not depend on them.
        if "backend" not in known or isinstance(error, PortConflict):
            key = tuple(str(error.evidence.get("key", "ports")).split("."))
            return [(key, error.msg, None, "no_room" if key == ("ports",) else "invalid")]
    except Exception:
        if not known:
            raise
    return []
