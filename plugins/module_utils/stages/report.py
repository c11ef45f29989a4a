# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``report``: the pages of a run or a sweep, and of all runs."""

from __future__ import annotations

import os
import time

from .. import sweep_folders
from ..allocation import runs
from ..entry import Context
from ..failures import Error
from ..files import read_object
from ..json_types import JsonObject
from ..plain_text import shown
from ..plan_file import PLAN
from ..report import inputs, writing
from . import sweep_info

ARGUMENT_SPEC = {**runs.ARGUMENT_SPEC, "name": {"type": "str"}, "optional": {"type": "bool", "default": False}}
NOTHING: JsonObject = {
    "changed": False, "path": None, "picture": None, "index": None, "bytes": None, "seconds": None, "text": "",
}  # fmt: skip


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, path, picture, index, bytes, seconds, text}``; see the module's documentation."""
    if not params.get("optional"):
        return _made(*_meant(params), ctx)
    if ctx.check_mode:
        return NOTHING
    try:
        sweep, folder = _meant(params)
        if not sweep and (_unwanted(folder) or _is_recent(folder)):
            return NOTHING
        return _made(sweep, folder, ctx)
    except Exception as error:  # whatever it is: the results are worth more than their page
        what = error.msg if isinstance(error, Error) else f"{type(error).__name__}: {error}"
        return {**NOTHING, "text": shown(f"note: there is no report: {what}")}


def _made(sweep: bool, folder: str, ctx: Context) -> JsonObject:
    """Write the pages of the run or the sweep in *folder*, and the list of all runs; return the result."""
    began, path = time.monotonic(), os.path.join(folder, writing.PAGE)
    output_dir = os.path.dirname(os.path.dirname(folder)) if sweep else sweep_folders.output_dir_of(folder)
    index = os.path.join(output_dir, writing.INDEX)
    if ctx.check_mode:
        if not sweep:
            inputs.read_run(folder)
        return {**NOTHING, "path": path, "index": index, "text": f"would write {path} and {index}"}
    try:
        changed = writing.write_sweep(folder) if sweep else writing.write_run(folder)
    except OSError as error:
        raise Error(f"The report {path} cannot be written: {error.strerror}. Free some space, or fix that.") from None
    more = []
    try:
        changed += writing.write_index(output_dir)
    except OSError as error:  # the directory may belong to somebody else
        more, index = [f"note: {index} cannot be written: {error.strerror}"], ""
    spent, size = round(time.monotonic() - began, 3), os.path.getsize(path)
    picture = os.path.join(folder, writing.PICTURE)
    text = [f"report: {path} ({size / 1000:,.0f} kB, {spent:.1f} s)", *([f"index:  {index}"] if index else []), *more]
    about = {"path": path, "index": index or None, "picture": picture if os.path.exists(picture) else None}
    return {**about, "changed": bool(changed), "bytes": size, "seconds": spent, "text": "\n".join(text)}


def _unwanted(run_dir: str) -> bool:
    """Return whether the job of *run_dir* says that it wants no report."""
    spec = (read_object(os.path.join(run_dir, PLAN)) or {}).get("spec") or {}
    return (spec.get("observability") or {}).get("build_dashboard") is False


def _is_recent(run_dir: str) -> bool:
    """Return whether the page in *run_dir* is newer than the results that it shows."""
    try:
        made = os.path.getmtime(os.path.join(run_dir, writing.PAGE))
        return made >= os.path.getmtime(os.path.join(run_dir, inputs.ROLLUP))
    except OSError:
        return False


def _meant(params: JsonObject) -> tuple[bool, str]:
    """Return (whether it is a sweep, its folder or the run directory); Error if there is none.

    A directory that is named is taken as it is: Slurm need not be on this machine.
    """
    given = params.get("run_dir")
    if given:
        folder = os.path.realpath(os.path.expanduser(given))
        if not os.path.isdir(folder):
            raise Error(f"There is no directory {folder}. Set run_dir to that of a run or of a sweep.")
        return os.path.isfile(os.path.join(folder, sweep_folders.RECORD)), folder
    sweep = sweep_info.folder_meant(params)
    return (True, sweep) if sweep else (False, runs.find(params).run_dir)
