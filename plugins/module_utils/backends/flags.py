# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Turning option tables into command lines."""

from __future__ import annotations

import json

from ..topology.step import option


def flag_name(key):
    """Return ``mem_fraction_static`` and ``mem-fraction-static`` as ``mem-fraction-static``."""
    return str(key).replace("_", "-").lstrip("-")


# Options whose values are counted with; recipes quote them now and then.
PARALLEL = {f"{kind}-parallel-size" for kind in ("tensor", "pipeline", "data", "expert", "moe-expert")}
PARALLEL |= {word + end for word in ("tp", "pp", "dp", "ep") for end in ("", "-size")}


def whole(value):
    """Return ``"8"`` and ``8.0`` as 8, anything else as it is."""
    try:
        number = float(value) if isinstance(value, (str, float)) else value
    except ValueError:
        return value
    return int(number) if isinstance(number, float) and number.is_integer() else value


def table(options):
    """Return *options* with normalised names; the later of two spellings of one name wins."""
    return {flag_name(key): value for key, value in (options or {}).items()}


def combine(own, given, fixed=()):
    """Return (options, lost): *given* over *own*, except for the names in *fixed*.

    ``lost`` lists the names that the job set and the plan does not pass on, because it decides them itself.
    """
    options, lost = dict(own), []
    for name, value in sorted(table(given).items()):
        if name in fixed:
            if value != own.get(name):
                lost.append(name)
        else:
            options[name] = value
    return options, lost


def to_argv(options):
    """Return the command line of *options*.

    True is the bare flag, false and null leave the flag out, a list is the flag and its items, a mapping is JSON.
    """
    argv = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        if value is True:
            argv.append(f"--{name}")
        elif isinstance(value, (list, tuple)):
            argv += [f"--{name}", *(word(item) for item in value)]
        else:
            argv += option(f"--{name}", word(value))
    return argv


def word(value):
    """Return one option value as text; whole floats keep their point only where Python prints it."""
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)
