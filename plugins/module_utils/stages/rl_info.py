# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module rl_info: the state of an RL run, or a list of runs."""

from __future__ import annotations

import os

from ..entry import Context
from ..json_types import JsonObject
from ..rl import look
from ..rl.launch import base_of
from ..rl.reading import read
from .rl_launch import SETTINGS_SPEC

FOUND_SPEC: JsonObject = {**SETTINGS_SPEC, "dir": {"type": "path"}}
ARGUMENT_SPEC: JsonObject = {
    **FOUND_SPEC,
    "list": {"type": "bool", "default": False},
    "lines": {"type": "int", "default": 20},
}


def place(params: JsonObject) -> tuple[str, str]:
    """Return (the base of coordination directories, the name of the run, "" if none is given)."""
    settings = read(params, os.environ, os.environ.get("PWD") or os.getcwd())
    name = str(settings.values["name"]) if "name" in settings.given else ""
    return base_of(settings, os.environ), name


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, runs, summary}`` with one run, or the recent ones without the ends of their outputs."""
    base, name = place(params)
    if params["list"] and not name and not params["dir"]:
        runs = [look.look(folder) for folder in look.recent(base)]
        lines = [line for one in runs for line in look.summary(one)] or [f"There are no runs in {base}."]
    else:
        runs = [look.look(look.chosen(base, name, params["dir"] or ""), params["lines"])]
        lines = look.summary(runs[0])
        for job in runs[0]["jobs"].values():
            for path, end in job["tail"].items():
                lines += [f"--- {path}", *end] if end else []
    return {"changed": False, "runs": runs, "summary": lines}
