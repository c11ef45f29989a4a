# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference page of the settings, generated from their table."""

from __future__ import annotations

import json

from ..schema.types import ListOf, OneOf
from .settings import SETTINGS, SIDES, variable

HEAD = """\
<!-- Written by bin/make-job-reference from the table of settings; do not edit. -->
# Settings of RL runs

In a YAML file and as an extra var (`-e rl_NAME=value`) a setting has the name in the first column; in a `.conf` file
and in the environment of its jobs the same in capitals. [rl.md](rl.md) describes RL runs.

| setting | type | default | reaches | |
|---|---|---|---|---|
"""
# Defaults that are too long for a table.
LONG = 66


def documents() -> dict[str, str]:
    """Return ``{file in docs/: text}``."""
    rows, commands = [], []
    for name, one in SETTINGS.items():
        default = "" if one.default in ("", None, []) else f"`{json.dumps(one.default)}`"
        if len(default) > LONG:
            commands.append(f"## Default of `{name}`\n\n```\n{one.default}\n```\n")
            default = f"[below](#default-of-{name})"
        kind = "text, or list of text" if isinstance(one.type, (OneOf, ListOf)) else one.type.name
        jobs = "both" if one.jobs == SIDES else one.jobs[0] if one.jobs else "the launch"
        rows.append(f"| `{name}` | {kind} | {default} | {jobs} | {one.doc} |\n")
    names = ", ".join(f"`{variable(name)}`" for name, one in SETTINGS.items() if one.jobs)
    return {"rl-settings.md": HEAD + "".join(rows) + f"\nVariables of the jobs: {names}.\n\n" + "\n".join(commands)}
