# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a value has the shape that a TypedDict declares."""

from __future__ import annotations

import types
import typing


def faults(value, shape, open_=(), path=""):
    """Yield where *value* has not the declared *shape*, a type of an annotation.

    :param open_: TypedDicts that may have further keys.
    """
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if shape is typing.Any:
        return
    if typing.is_typeddict(shape):
        if not isinstance(value, dict):
            yield f"{path} is no mapping"
            return
        known = typing.get_type_hints(shape)
        if not shape.__required_keys__ <= set(value) or not (shape in open_ or set(value) <= set(known)):
            missing, more = sorted(shape.__required_keys__ - set(value)), sorted(set(value) - set(known))
            yield f"{path} lacks {missing} and has {more}"
        for key in set(known) & set(value):
            yield from faults(value[key], known[key], open_, f"{path}.{key}")
    elif origin is types.UnionType:
        if all(list(faults(value, one, open_, path)) for one in arguments):
            yield f"{path} is {value!r}; expected {shape}"
    elif origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(item, arguments[0], open_, f"{path}[{index}]")
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from faults(key, arguments[0], open_, f"{path} key")
            yield from faults(item, arguments[1], open_, f"{path}.{key}")
    elif shape is float and type(value) in (int, float):
        return
    elif not isinstance(value, origin or shape) or isinstance(value, bool) and shape is not bool:
        yield f"{path} is {value!r}; expected {shape}"
