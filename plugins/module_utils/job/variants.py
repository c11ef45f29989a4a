# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several jobs in one file: a base with overrides, and sweeps over parameters.

A :data:`Variant` is one of them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Callable, NamedTuple, Optional

from ..failures import Problem, SpecError
from ..json_types import Json, JsonObject, KeyPath
from ..schema.merge import deep_merge
from ..schema.source import Source, dotted
from ..schema.spelling import bare, is_number
from ..schema.words import nearest
from .changes import NO_CHANGES, Changes
from .selection import BASE, OVERRIDE, ZIP, Selector, Variant

# The file, line and path of a problem.
Place = tuple[Optional[str], Optional[int], str]

# Keys beside base that may hold anything, such as an anchor.
HOLDERS = ("x-", "_")
PARAMETER = re.compile(r"(?<!\$)\{(\w+)\}")
# Placeholders that are filled in elsewhere.
NOT_OURS = ("node", "node_id", "job_id", "run_name", "head_node_ip", "log_dir", "model_path", "gpus_per_node")
# A typo must not make a million jobs.
MOST = 10000


def has_overrides(document: Json) -> bool:
    """Return whether *document* is a base with overrides."""
    return isinstance(document, dict) and BASE in document


def override_names(document: JsonObject) -> list[str]:
    """Return the names of all ``override_*``, then of all ``zip_override_*``, each in alphabetical order."""
    plain = sorted(key for key in document if str(key).startswith(OVERRIDE))
    return plain + sorted(key for key in document if str(key).startswith(ZIP))


def override_variants(
    document: JsonObject, source: Source, selector: Selector | None = None
) -> tuple[list[Variant], list[Problem]]:
    """Return (variants, problems) of a document with ``base`` whose overrides *selector* selects, by default all.

    The base itself is one only if it is requested.
    """
    wrong = _wrong_keys(document, source)
    problems = list(wrong.values())
    names = override_names(document)
    selector = selector or Selector(None, names, source.file)
    base = document[BASE]
    if BASE in wrong:
        return [], problems
    base_source = source.under((BASE,))
    if selector.text == BASE:
        return [("", base, base_source)], problems
    if not names and wrong:  # a misspelt override is already reported
        return [], problems
    if not names:
        remedy = f"Add one, or select the base with {source.file}:base."
        raise SpecError([source.problem((BASE,), "missing", "has no override_* beside it.", remedy, True)])
    variants: list[Variant] = []
    for name in selector.overrides:
        if name in wrong:
            continue
        try:
            found = (
                selector.numbered(_zip(document, source, name))
                if name.startswith(ZIP)
                else [_one(document, source, name)]
            )
        except SpecError as error:
            problems += error.problems
            continue
        variants += [_merged(base, base_source, *variant) for variant in found]
    return variants, problems


def _wrong_keys(document: JsonObject, source: Source) -> dict[str, Problem]:
    """Return ``{key: problem}`` of top-level keys that such a file cannot have, or that are not mappings.

    A misspelt override would otherwise be ignored silently.
    """
    wrong: dict[str, Problem] = {}
    if not isinstance(document[BASE], dict):
        text = "is not a mapping. It must be the job that the overrides change."
        wrong[BASE] = source.problem((BASE,), "wrong_type", text)
    for key, value in document.items():
        if key in (BASE, "lock"):
            continue
        if not str(key).startswith((OVERRIDE, ZIP)) or key in (OVERRIDE, ZIP):
            if not str(key).startswith(HOLDERS):
                remedy = f"{_meant(str(key))}A key that only holds an anchor begins with x- or _."
                text = "is not allowed in a file with base."
                wrong[key] = source.problem((key,), "unknown_key", text, remedy, on_key=True)
        elif not isinstance(value, dict):
            wrong[key] = source.problem((key,), "wrong_type", "is not a mapping of keys to change.")
    return wrong


def _meant(key: str) -> str:
    """Return a sentence that suggests what *key* should be."""
    for start in (ZIP, OVERRIDE):
        for size in (len(start), len(start) - 1, len(start) + 1):
            if key[size:] and nearest(key[:size], [start], 0.85):
                return f"Did you mean {start}{key[size:]}? "
    return "Such a file has base, override_<name> and zip_override_<name>. "


def _one(document: JsonObject, source: Source, name: str) -> Variant:
    return name[len(OVERRIDE) :], document[name], source.under((name,))


def _zip(document: JsonObject, source: Source, name: str) -> list[Variant]:
    """Return one variant for each position of the lists in a zip override."""
    over, under = document[name], source.under((name,))
    lists = dict(_lists(over, ()))
    lengths = {len(found) for found in lists.values()} - {1}
    if not lists or 0 in lengths:
        text = "has an empty list." if lists else "has no list. Each list is a row of values, one for each variant."
        raise SpecError([source.problem((name,), "missing", text)])
    if len(lengths) > 1:
        shown = ", ".join(f"{'.'.join(map(str, path))} has {len(found)}" for path, found in lists.items())
        text = f"has lists of different lengths: {shown}. Give them one length, or one item for all variants."
        raise SpecError([source.problem((name,), "conflict", text)])
    variants: list[Variant] = []
    for index in range(max(lengths, default=1)):
        places = under
        for path, found in lists.items():
            places = places.copied((*path, index if len(found) > 1 else 0), path)
        chosen = _picked(over, index)
        if _is_name(over.get("name")):  # variants with the same name would be one job
            chosen["name"] = f"{over['name']}_{index}"
        variants.append((f"{name[len(ZIP) :]}_{index}", chosen, places))
    return variants


def _lists(value: Json, path: KeyPath) -> Iterator[tuple[KeyPath, list[Json]]]:
    if isinstance(value, list):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _lists(item, (*path, key))


def _picked(value: Json, index: int) -> Json:
    """Return *value* with each list replaced by its item at *index*; the only item of a list applies to all."""
    if isinstance(value, list):
        return value[index if len(value) > 1 else 0]
    if isinstance(value, dict):
        return {key: _picked(item, index) for key, item in value.items()}
    return value


def _merged(base: JsonObject, base_source: Source, suffix: str, over: JsonObject, over_source: Source) -> Variant:
    job = deep_merge(base, over)
    if "name" not in over and base.get("name"):
        job["name"] = f"{base['name']}_{suffix}"
    # A key in the override, and everything it replaces, originates there.
    return suffix, job, over_source.laid_over(base_source)


def sweep_variants(job: Json, source: Source) -> tuple[list[Variant], list[Problem]]:
    """Return (variants, problems) of a *job*: the product of the parameters of its ``sweep``, the last one fastest.

    The problems are unused parameters; a sweep without any variants is a SpecError. A job without a sweep is its
    only variant.
    """
    if not isinstance(job, dict) or "sweep" not in job:
        return [("", job, source)], []
    if job["sweep"] is None:
        return [("", {key: value for key, value in job.items() if key != "sweep"}, source)], []
    parameters, zipped, where = _parameters(job, source)
    rest = {key: value for key, value in job.items() if key != "sweep"}
    names, rows = list(parameters), list(parameters.values())
    count = 1
    for row in rows:
        count = count if zipped else count * len(row)
    if count > MOST:
        text = f"makes {count} jobs; at most {MOST} are allowed."
        raise SpecError([source.problem(("sweep",), "out_of_range", text)])
    problems = list(_misspelt(rest, (), names, source))
    if problems:
        raise SpecError(problems)
    variants: list[Variant] = []
    used: set[str] = set()
    for chosen in combinations(job, source):
        suffix = "_".join(f"{key}{_word(value)}" for key, value in chosen.items())
        one, found = _filled(rest, chosen)
        used.update(found)
        if _is_name(one.get("name")):
            one["name"] = f"{one['name']}_{suffix}"
        variants.append((suffix, one, source))
    return variants, [
        source.problem((*where, name), "unused", "is not used.", f'Write "{{{name}}}" where its values belong.', True)
        for name in names
        if name not in used
    ]


def combinations(job: Json, source: Source) -> list[JsonObject]:
    """Return ``{parameter: value}`` of each variant that the ``sweep`` of *job* makes, in order; [] without a sweep."""
    if not isinstance(job, dict) or job.get("sweep") is None:
        return []
    parameters, zipped, _where = _parameters(job, source)
    values = zip(*parameters.values()) if zipped else itertools.product(*parameters.values())
    return [dict(zip(parameters, row)) for row in values]


def _used(document: Json, source: Source) -> set[Place]:
    """Return the origins of the parameters that are used in the file: in any variant, or in the base.

    An override may replace the only use of a parameter in the base.
    """
    found: list[Variant] = [("", document, source)]
    if has_overrides(document):
        found = override_variants(document, source, Selector(BASE, [], source.file))[0]
        if any(str(key).startswith((OVERRIDE, ZIP)) for key in document):
            found += override_variants(document, source)[0]
    places: set[Place] = set()
    for _suffix, job, where in found:
        if not isinstance(job, dict) or job.get("sweep") is None:
            continue
        try:
            parameters, _zipped, path = _parameters(job, where)
        except SpecError:  # reported by expand
            continue
        rest = {key: value for key, value in job.items() if key != "sweep"}
        _filled_in, used = _filled(rest, {name: values[0] for name, values in parameters.items()})
        places |= {(*where.where((*path, name), on_key=True), dotted((*path, name))) for name in used}
    return places


def _place(problem: Problem) -> Place:
    return problem["file"], problem["line"], problem["path"]


def _parameters(job: JsonObject, source: Source) -> tuple[dict[str, list[Json]], bool, KeyPath]:
    """Return ({name: values}, zipped, path of the parameters)."""
    sweep, zipped = job["sweep"], False
    where: KeyPath = ("sweep",)
    if isinstance(sweep, dict) and isinstance(sweep.get("parameters"), dict):
        extra = [key for key in sweep if key not in ("mode", "parameters")]
        mode = sweep.get("mode", "grid")
        if mode not in ("grid", "zip"):
            raise SpecError([source.problem(("sweep", "mode"), "not_a_choice", f'is "{mode}"; expected grid or zip.')])
        if extra:
            text = "is not a known key beside parameters."
            raise SpecError([source.problem(("sweep", extra[0]), "unknown_key", text, None, True)])
        sweep, where, zipped = sweep["parameters"], ("sweep", "parameters"), mode == "zip"
    if not isinstance(sweep, dict) or not sweep:
        raise SpecError([source.problem(where, "wrong_type", "is not a mapping of parameters to lists of values.")])
    problems = [
        source.problem((*where, name), "wrong_type", "is not a non-empty list.", "Write for example [1, 2].")
        for name, values in sweep.items()
        if not isinstance(values, list) or not values
    ]
    lengths = {name: len(values) for name, values in sweep.items() if isinstance(values, list)}
    if zipped and not problems and len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        text = f"has lists of different lengths: {shown}."
        problems.append(source.problem(where, "conflict", text, "Give them one length."))
    for name, values in [] if zipped or problems else sweep.items():
        texts = [_text(value, bare) for value in values]
        twice = [text for index, text in enumerate(texts) if text in texts[:index]]
        if twice:
            text, remedy = f"names {twice[0]} twice.", "Two jobs would be the same."
            problems.append(source.problem((*where, name), "duplicate", text, remedy))
    if problems:
        raise SpecError(problems)
    return sweep, zipped, where


def _misspelt(value: Json, path: KeyPath, names: Collection[str], source: Source) -> Iterator[Problem]:
    """Yield the problems of texts below *value* that contain a near miss of a sweep parameter."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _misspelt(item, (*path, key), names, source)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _misspelt(item, (*path, index), names, source)
    elif isinstance(value, str) and "{" in value:
        for word in PARAMETER.findall(value):
            hint = None if word in names or word in NOT_OURS else nearest(word, names)
            if hint:
                problem = f"has {{{word}}}, which is not a parameter of the sweep."
                yield source.problem(path, "unknown_name", problem, f"Did you mean {{{hint}}}?")


def _filled(value: Json, chosen: Mapping[str, Json]) -> tuple[Json, Collection[str]]:
    """Return *value* with each ``{parameter}`` replaced, and the names of those that it has.

    Text that consists only of a parameter becomes the value itself.
    """
    name = _alone(value, chosen)
    if name is not None:
        return chosen[name], (name,)
    used: set[str] = set()
    if isinstance(value, str) and "{" in value:
        for key in chosen:
            if f"{{{key}}}" in value:
                used.add(key)
                value = value.replace(f"{{{key}}}", _text(chosen[key]))
        return value, used
    if isinstance(value, dict):
        table = {key: _filled(item, chosen) for key, item in value.items()}
        return {key: new for key, (new, _names) in table.items()}, used.union(*(one[1] for one in table.values()))
    if isinstance(value, list):
        items = []
        for item in value:
            new, more = _filled(item, chosen)
            used.update(more)
            # A list in place of one item becomes several items.
            items.extend(new if isinstance(new, list) and _alone(item, chosen) is not None else [new])
        return items, used
    return value, used


def _alone(value: Json, chosen: Mapping[str, Json]) -> str | None:
    """Return the parameter that *value* is: "{name}", or {name} without quotes, which YAML reads as a mapping."""
    if isinstance(value, dict) and len(value) == 1:
        key, item = next(iter(value.items()))
        return key if item is None and key in chosen else None
    if isinstance(value, str) and value[:1] == "{" and value[-1:] == "}" and value[1:-1] in chosen:
        return value[1:-1]
    return None


def _text(value: Json, form: Callable[[Json], Json] = lambda number: number) -> str:
    if isinstance(value, list):
        return ",".join(_text(item, form) for item in value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    return str(form(value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) or is_number(value)


def _word(value: Json) -> str:
    """Return *value* as part of a job name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", _text(value, bare)).strip("-")


class Expanded(NamedTuple):
    """The jobs of one file.

    :ivar variants: the jobs.
    :ivar problems: those of the others.
    :ivar parameters: ``{end of the job's name: {parameter: value}}`` of the jobs that a ``sweep`` makes.
    """

    variants: list[Variant]
    problems: list[Problem]
    parameters: dict[str, JsonObject]


def expand(document: Json, source: Source, selector: str | None = None, changes: Changes = NO_CHANGES) -> Expanded:
    """Return the :class:`Expanded` jobs of any job file: one job, overrides, a sweep, or sweeps in overrides.

    SpecError if no job can be made; Error if *selector* matches nothing.

    :param changes: what to change in each raw job before its sweep is filled in.
    """
    found: list[Variant] = [("", document, source)]
    problems: list[Problem] = []
    wanted = Selector(selector, override_names(document) if has_overrides(document) else None, source.file)
    if has_overrides(document):
        found, problems = override_variants(document, source, wanted)
    found = changes.made_in(found)
    variants: list[Variant] = []
    parameters: dict[str, JsonObject] = {}
    idle: dict[Place, Problem] = {}
    for suffix, job, places in found:
        try:
            more, unused = sweep_variants(job, places)
        except SpecError as error:
            problems += error.problems
            continue
        # Variants share the sweep of the base.
        idle.update((_place(one), one) for one in unused)
        named = [("_".join(filter(None, (suffix, one))), raw, where) for one, raw, where in more]
        parameters.update(zip((one for one, _raw, _where in named), combinations(job, places)))
        variants += named
    used = _used(document, source) if idle else ()
    problems += [one for place, one in idle.items() if place not in used]
    return Expanded(wanted.jobs(variants), problems, parameters)
