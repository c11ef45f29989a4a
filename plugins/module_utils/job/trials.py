# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What the rules say about a job in which some keys are known to be wrong already.

Nobody knows what was meant there. So the rules run on several guesses, and only a problem that each of them shows is
one of its own: all others may go away with the wrong key, and are not told.
"""

from __future__ import annotations

import copy

from ..schema.section import Section, Variants
from ..schema.types import Bool, Choice, Concurrencies, Float, Int, ListOf, MapOf, OneOf, OptionalSection, Str, Time
from ..schema.words import nearest

ABSENT = object()
NUMBERS = (1, 2, 8, 64)
# Rules on so many guesses take no second.
MOST = 12


class Trial:
    """Takes up the problems of the rules on one spec: ``found`` is ``{(path, problem, remedy): name of the rule}``.

    :param lenient: a rule may fail on this spec; then it has said nothing, and its name is in ``silent``.
    """

    def __init__(self, lenient=False):
        self.lenient, self.found, self.silent, self.rule = lenient, {}, set(), None

    def __call__(self, path, text, remedy=None):
        self.found.setdefault((tuple(path), text, remedy), self.rule)

    def attempt(self, rule, *arguments):
        """Return what *rule* returns. What is reported from now on comes from this rule."""
        part = getattr(rule, "__self__", None)
        # The same role in another backend, frontend or benchmark is the same rule.
        self.rule = (type(part).__mro__[-2].__name__, rule.__name__) if part is not None else rule.__name__
        try:
            return rule(*arguments)
        except Exception:
            if not self.lenient:
                raise
            self.silent.add(self.rule)
            return None


def independent(trials, wrong):
    """Return the (path, problem, remedy) that all *trials* found, and that are about none of the *wrong* paths."""
    kept = []
    for problem, rule in {key: rule for trial in trials for key, rule in trial.found.items()}.items():
        path = problem[0]
        told = any(path[:end] in wrong for end in range(1, len(path) + 1))
        if not told and all(problem in trial.found or rule in trial.silent for trial in trials):
            kept.append(problem)
    return kept


def guessed(job, wrong):
    """Yield copies of the raw *job* with other values in the place of what is *wrong*.

    :param wrong: ``{path: (Type or None, path that the value belongs to or None)}`` of a Checker.
    """
    rows = [(path, where, _guesses(job, path, type_, where)) for path, (type_, where) in wrong.items()]
    count = min(MOST, max(len(values) for _path, _where, values in rows))
    for turn in range(count + 1):
        one = copy.deepcopy(job)
        for number, (path, where, values) in enumerate(rows):
            # First the best guess for all, then mixtures, at last none of the keys.
            value = values[(turn + number) % len(values) if turn else 0] if turn < count else ABSENT
            _put(one, path, ABSENT)
            _put(one, where or path, value)
        yield one


def _guesses(job, path, type_, where):
    """Return the raw values that may have been meant at *path*."""
    given = _get(job, path)
    if where:
        there = _get(job, where)
        return [there] if there is not ABSENT else [given, ABSENT]
    return [*_meant(type_, given), ABSENT]


def _meant(type_, given):
    if isinstance(type_, OptionalSection):
        type_ = type_.section
    if isinstance(type_, OneOf):
        return [value for one in type_.types for value in _meant(one, given)]
    if isinstance(type_, (Int, Float)):
        near = [-given] if isinstance(given, (int, float)) and not isinstance(given, bool) and given < 0 else []
        low, high = type_.minimum, type_.maximum
        fits = [n for n in (*near, *NUMBERS) if (low is None or n >= low) and (high is None or n <= high)]
        return fits or [low if low is not None else high]
    if isinstance(type_, Choice):
        hint = nearest(str(given), type_.words)
        return sorted(type_.words, key=lambda word: word != hint)
    if isinstance(type_, Bool):
        return [True, False]
    if isinstance(type_, Time):
        return ["1:00:00"]
    if isinstance(type_, Concurrencies):
        return [[1], [64]]
    if isinstance(type_, Str):
        return ["x" if given is ABSENT or isinstance(given, (dict, list)) else str(given)]
    if isinstance(type_, ListOf):
        return [[]]
    return [{}] if isinstance(type_, (MapOf, Section, Variants)) else []


def _get(job, path):
    for key in path:
        inside = isinstance(job, dict) and key in job or isinstance(job, list) and isinstance(key, int)
        job = job[key] if inside else ABSENT
    return job


def _put(job, path, value):
    """Set *path* in *job*, in place; nothing happens where its parents are no mappings."""
    for key in path[:-1]:
        if isinstance(job, dict) and value is not ABSENT and job.get(key) is None:
            job[key] = {}
        job = _get(job, (key,))
    if isinstance(job, dict):
        if value is ABSENT:
            job.pop(path[-1], None)
        else:
            job[path[-1]] = value
    elif isinstance(job, list) and value is not ABSENT:
        job[path[-1]] = value
