# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of the job schema, and jobs in which one of them has another value."""

from __future__ import annotations

import copy

from ansible_collections.srt.slurm.plugins.module_utils.schema import types
from ansible_collections.srt.slurm.plugins.module_utils.schema.section import Section, Variants


def leaves(section, path=()):
    """Yield (path, field, choices) of the fields below *section*; choices are the words that select its variants."""
    for key, field in section.fields.items():
        yield from _below(field, field.type, (*path, key), {})


def _below(field, type_, path, chosen):
    type_ = type_.section if isinstance(type_, types.OptionalSection) else type_
    if isinstance(type_, Section):
        for key, one in type_.fields.items():
            yield from _below(one, one.type, (*path, key), chosen)
    elif isinstance(type_, Variants):
        for word, section in type_.sections.items():
            for key, one in section.fields.items():
                yield from _below(one, one.type, (*path, key), {**chosen, (*path, type_.key): word})
    else:
        yield path, field, chosen


def values(type_, default=None):
    """Return values that *type_* accepts, other than *default*."""
    if isinstance(type_, types.Bool):
        found = [True, False]
    elif isinstance(type_, types.Choice):
        found = list(type_.words)
    elif isinstance(type_, (types.Int, types.Float)):
        low = type_.minimum or 0
        found = [low + 1, 40, low, 4000]
    elif isinstance(type_, types.Time):
        found = ["00:31:00", "2-00:00:00"]
    elif isinstance(type_, types.Concurrencies):
        found = [[3], "5x7"]
    elif isinstance(type_, types.ListOf):
        found = [[one] for one in values(type_.item)]
    elif isinstance(type_, types.MapOf):
        named = [{key: one} for key, item in type_.named.items() for one in values(item)]
        found = [
            {key: one} for key in ("odd_key", "/odd/path", "max-total-tokens") for one in values(type_.item)
        ] + named
    elif isinstance(type_, types.OneOf):
        found = [one for some in type_.types for one in values(some)]
    elif isinstance(type_, Section):
        found = [{key: values(one.type)[0] for key, one in type_.fields.items() if one.required}]
    elif isinstance(type_, types.OptionalSection):
        found = [{}]
    else:
        found = ["odd", "/odd/path", "/odd/path:/inside", "odd.sh", 7]
    return [one for one in found if one != default]


def changed(job, path, value):
    """Return a copy of *job* with *value* at *path*."""
    job = copy.deepcopy(job)
    place = job
    for key in path[:-1]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    place[path[-1]] = value
    return job


def at(job, path):
    """Return the value at *path* of *job*, None if it is not there."""
    for key in path:
        job = job.get(key) if isinstance(job, dict) else None
    return job
