# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``runs_info``: the runs below an output directory, from their index."""

from __future__ import annotations

import datetime
import os

from .. import run_option_values
from ..catalogue import index, listing, selection
from ..entry import Context
from ..failures import Error
from ..json_types import JsonObject

ARGUMENT_SPEC = {
    "output_dir": {"type": "path", "default": "outputs"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "name": {"type": "str"},
    "model": {"type": "str"},
    "valid": {"type": "bool"},
    "since": {"type": "str"},
}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed: False, runs, total, text}``; Error if there is no output directory."""
    output_dir = os.path.abspath(os.path.expanduser(params["output_dir"]))
    if not os.path.isdir(output_dir):
        raise Error(f"output_dir {output_dir} does not exist. Set output_dir to the directory that has the runs.")
    since = None
    if params["since"] is not None:
        try:
            now = datetime.datetime.now(datetime.timezone.utc)
            since = run_option_values.since(run_option_values.moment(params["since"]), now)
        except run_option_values.Unusable as error:
            raise Error(f"since {error.problem} {error.remedy}") from None
    records = index.records(output_dir, write=not ctx.check_mode)
    wanted = selection.Wanted(params["tags"], params["name"], params["model"], params["valid"], since)
    found = selection.selected(records, wanted)
    lines = listing.lines(found, len(records))
    return {"changed": False, "runs": found, "total": len(records), "text": "\n".join(lines)}
