# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``harness``: environments with programs that measure, on shared disk, one a directory."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile

from ..entry import Context
from ..failures import Error
from ..files import doubt
from ..json_types import JsonObject
from ..supplies.harness import HARNESSES, Harness
from . import harness_environment
from .locks import locked

ARGUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "python": {"type": "path", "default": "python3"},
}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, paths: {name: directory}}``; see the module's documentation."""
    folder, names = params["path"], list(dict.fromkeys(one.strip() for one in params["names"]))
    unknown = [name for name in names if name not in HARNESSES]
    if unknown or not names:
        raise Error(f"harnesses: {', '.join(unknown) or 'nothing'} is not known. Known: {', '.join(HARNESSES)}.")
    if not os.path.isabs(folder):
        raise Error(f"harness_dir is {folder}. Give an absolute path, which this host and the nodes see.")
    paths, changed = {}, False
    for name in names:
        path = os.path.join(folder, HARNESSES[name].folder(platform.machine()))
        paths[name] = path
        if harness_environment.works(HARNESSES[name], path):
            continue
        changed = True
        if not ctx.check_mode:
            _make(HARNESSES[name], folder, path, params["python"], ctx)
    return {"changed": changed, "paths": paths}


def _make(harness: Harness, folder: str, path: str, python: str, ctx: Context) -> None:
    """Make the environment *path*, once, whoever else asks for it at the same time."""
    os.makedirs(folder, 0o755, exist_ok=True)
    why = doubt(folder)
    if why:
        raise Error(f"harness_dir is {folder}, but {why}, and its programs would run as you. Choose another directory.")
    with locked(os.path.join(folder, f".{harness.name}.lock"), ctx):
        if harness_environment.works(harness, path):
            return
        new = made = tempfile.mkdtemp(prefix=f".{harness.name}.new.", dir=folder)
        try:
            ctx.progress(f"{harness.name} {harness.version}: installing it in {path}")
            harness_environment.build(harness, new, path, python)
            os.chmod(new, 0o755)
            if os.path.lexists(path):  # one that does not work
                shutil.rmtree(path)
            os.rename(new, path)
            made = path
            harness_environment.verify(harness, path)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
