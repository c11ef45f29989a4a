# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``container_images``: images as files on shared disk, imported once by enroot."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import shutil
import subprocess

from ..entry import Context
from ..failures import Error
from ..files import read_object, write_text_atomic
from ..json_types import JsonObject
from ..survey import images, programs
from .locks import locked

ARGUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "images": {"type": "dict", "required": True},
    "architecture": {"type": "str"},
    "enroot": {"type": "path", "default": "enroot"},
}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, containers, imported, notes}``; see the module's documentation."""
    folder = params["path"]
    if not os.path.isabs(folder):
        raise Error(f"images_dir is {folder}. Give an absolute path, which this host and the nodes see.")
    machine = programs.machine_of(params["architecture"] or platform.machine())
    wanted = {str(alias): str(source) for alias, source in params["images"].items()}
    files = {alias: images.file_of(alias) for alias in wanted}
    names = {alias: images.enroot_name(one) for alias, one in wanted.items() if not images.is_file(one)}
    containers, missing = {}, {}
    for alias, source in wanted.items():
        if alias not in names:
            if not os.path.exists(source):
                raise Error(f"images: {alias}: there is no file {source}.")
            containers[alias] = source
            continue
        path = containers[alias] = os.path.join(folder, files[alias])
        if not _is_there(path, names[alias], alias):
            missing[alias] = path
    program = shutil.which(params["enroot"])
    notes = []
    for alias in missing if not program else ():
        options = [] if machine == platform.machine() else ["--arch", machine]
        line = shlex.join(["enroot", "import", *options, "--output", missing[alias], names[alias]])
        notes.append(f"There is no enroot here. Where there is one, run: {line}")
    imported = list(missing) if program else []
    if imported and not ctx.check_mode:
        os.makedirs(folder, 0o755, exist_ok=True)
        for alias in imported:
            _import(str(program), missing[alias], names[alias], machine, ctx)
    there = {alias: path for alias, path in containers.items() if alias not in missing or program}
    return {"changed": bool(imported), "containers": there, "imported": imported, "notes": notes}


def _is_there(path: str, name: str, alias: str) -> bool:
    """Return whether the image is there; Error if the file is of another image."""
    if not os.path.exists(path):
        return False
    record = read_object(f"{path}.source.json") or {}
    if record.get("source") not in (None, name):
        raise Error(
            f"images: {alias}: {path} was imported from {record['source']}, not from {name}. Give the new one another "
            f"short name, or remove {path}."
        )
    return True


def _import(program: str, path: str, name: str, machine: str, ctx: Context) -> None:
    """Import the image *name* to *path*, once, whoever else asks for it at the same time."""
    options = [] if machine == platform.machine() else ["--arch", machine]
    with locked(f"{path}.lock", ctx):
        if os.path.exists(path):
            return
        new = f"{path}.new"
        with contextlib.suppress(FileNotFoundError):  # of one that was killed
            os.unlink(new)
        ctx.progress(f"enroot import {name}: this takes minutes")
        argv = [program, "import", *options, "--output", new, name]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode or not os.path.exists(new):
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            errors = [line for line in said if "ERROR" in line] or said[-1:]
            raise Error(
                f"images: enroot could not import {name}: {' '.join(errors) or f'exit code {done.returncode}'}. Check "
                "its name, and your credentials (~/.config/enroot/.credentials)."
            )
        write_text_atomic(f"{path}.source.json", json.dumps({"source": name, "architecture": machine}) + "\n")
        os.replace(new, path)
