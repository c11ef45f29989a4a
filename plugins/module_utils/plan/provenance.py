# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Where the values of a plan came from, for people: the resolved job, and each step's environment and options."""

from __future__ import annotations

from ..backends import BACKENDS
from ..backends.base import LONG_MODE
from ..backends.flags import flag_name
from ..spec.source import dotted

# Options of the load client that are named otherwise in a job.
CLIENT = {
    "--concurrency": "concurrencies",
    "--request-rate": "req_rate",
    "--num-prompts": "num_prompts_mult",
    "--num-warmup": "num_warmup_mult",
    "--stall-timeout": "stall_timeout_s",
    "--tokenizer": "custom_tokenizer",
}


class Places:
    """Says for a path of the spec where its value is from."""

    def __init__(self, origins):
        self.origins = origins or {}

    def of(self, path):
        """Return the place, or None for a default."""
        for end in range(len(path), 0, -1):
            found = self.origins.get(dotted(path[:end]))
            if found:
                return found
        return None

    def text(self, path):
        """Return the place of *path*, or that it is a default."""
        return self.of(path) or f"default of {dotted(path)}"


def resolved(spec, origins):
    """Return the values of *spec* that are no defaults, one a line, each with its place."""
    rows = []
    for path, value in _leaves(spec, ()):
        name = dotted(path)
        if name in origins:
            rows.append((name, value, origins[name]))
    width = max((len(f"{name}: {value}") for name, value, _place in rows), default=0)
    width = min(width, 90)
    return "".join(f"{f'{name}: {value}':<{width}}  # {place}\n" for name, value, place in rows)


def _leaves(value, path):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def sources(spec, origins):
    """Return ``{first word of a step's name: {variable or --option: [place, value]}}``.

    What a step has beyond that, or with another value, the plan has set itself.
    """
    places = Places(origins)
    common = _table(spec["environment"], ("environment",), places)
    found = {}
    for mode, long in LONG_MODE.items():
        if spec["resources"][f"{mode}_workers"]:
            found[mode] = {**_worker(spec, mode, long, places), **common}
    found["frontend"] = {
        **_flags(spec["frontend"]["args"], ("frontend", "args"), places),
        **common,
        **_table(spec["frontend"]["env"], ("frontend", "env"), places),
    }
    client = {f"--{key.replace('_', '-')}": key for key in spec["benchmark"]}
    client.update(CLIENT)
    found["bench"] = {
        **{flag: [places.text(("benchmark", key)), None] for flag, key in client.items()},
        "--model": [places.text(("model", "path")), None],
        **common,
        **_table(spec["benchmark"]["env"], ("benchmark", "env"), places),
    }
    return found


def _worker(spec, mode, long, places):
    backend, table = BACKENDS[spec["backend"]["type"]], {}
    for key, value in spec["backend"].items():
        if not isinstance(value, (dict, list)):
            table[f"--{flag_name(key)}"] = [places.text(("backend", key)), None]
    config = (backend.config_key, long)
    table.update(_flags(backend.mode_config(spec, mode), ("backend", *config), places))
    for flag in ("--model-path", "--model", "--served-model-name", "--model-name"):
        table.setdefault(flag, [places.text(("model", "path")), None])
    key = f"{long}_environment"
    table.update(_table(spec["backend"].get(key) or {}, ("backend", key), places))
    return table


def _table(values, path, places):
    return {name: [places.text((*path, name)), value] for name, value in values.items()}


def _flags(values, path, places):
    return {f"--{flag_name(name)}": [places.text((*path, name)), None] for name in values or {}}
