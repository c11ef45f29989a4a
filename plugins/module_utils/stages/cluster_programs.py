# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``cluster_programs``: nats-server, etcd and Dynamo's wheels for the nodes, in configs_dir."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from typing import NamedTuple

from ..entry import Context
from ..failures import Error
from ..files import doubt, read_object, write_text_atomic
from ..json_types import JsonObject
from ..survey import programs
from ..survey.programs import PROGRAMS
from . import program_sources
from .locks import locked

ARGUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "architecture": {"type": "str"},
    "source": {"type": "str"},
    "checksums": {"type": "dict", "default": {}},
    "debian": {"type": "bool", "default": False},
    "wheels": {"type": "str"},
    "python": {"type": "path", "default": "python3"},
    "python_version": {"type": "str", "default": "3.12"},
}
RECORD = "programs.json"
WHEELHOUSE = os.path.join("wheelhouse", "dynamo")


class Wanted(NamedTuple):
    """What is wanted, and from where. ``source``: a directory or an address, "" for the usual places."""

    machine: str
    source: str
    checksums: dict[str, str]
    debian: bool


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, architecture, programs, wheels, notes}``; see the module's documentation."""
    folder = params["path"]
    if not os.path.isabs(folder):
        raise Error(f"configs_dir is {folder}. Give an absolute path, which this host and the nodes see.")
    sums = {str(name): str(value).lower() for name, value in (params["checksums"] or {}).items()}
    machine = programs.machine_of(params["architecture"] or platform.machine())
    wanted = Wanted(machine, params["source"] or "", sums, params["debian"])
    if os.path.isdir(folder):
        why = doubt(folder)
        if why:
            raise Error(f"configs_dir is {folder}, but {why}, and its programs run as you. Choose another directory.")
    record = read_object(os.path.join(folder, RECORD)) or {}
    missing = [name for name in PROGRAMS if not _is_there(folder, name, wanted, record)]
    version = params["wheels"] or ""
    lacks = bool(version) and len(_wheels(folder, version, machine)) < len(programs.WHEELS)
    if (missing or lacks) and not ctx.check_mode:
        os.makedirs(folder, 0o755, exist_ok=True)
        with locked(os.path.join(folder, ".programs.lock"), ctx):
            for name in missing:
                if not _is_there(folder, name, wanted, record):
                    record[name] = _install(folder, name, wanted, ctx)
            if lacks:
                _add_wheels(folder, version, wanted, params, ctx)
            write_text_atomic(os.path.join(folder, RECORD), json.dumps(record, indent=1, sort_keys=True) + "\n")
    return {
        "changed": bool(missing or lacks),
        "architecture": machine,
        "programs": {name: os.path.join(folder, name) for name in PROGRAMS},
        "installed": missing,
        "wheels": sorted(_wheels(folder, version, machine).values()) if version else [],
        "record": record,
    }


def _is_there(folder: str, name: str, wanted: Wanted, record: JsonObject) -> bool:
    """Return whether the program *name* is there; Error if it is another one than it should be."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return False
    machine = program_sources.machine_of_file(path)
    remedy = "Remove it, or name another directory with configs_dir"
    if machine and machine != wanted.machine:  # a script of the site is for any
        raise Error(f"{path} is for {machine}, not for {wanted.machine}. {remedy}.")
    if not os.access(path, os.X_OK):
        raise Error(f"{path} is not executable. Run chmod +x {path}.")
    known = record.get(name) or {}
    has = program_sources.sha256(path)
    expected = wanted.checksums.get(name) or known.get("sha256")
    if expected and expected != has:
        raise Error(f"{path} has SHA-256 {has}; expected {expected}, as recorded. {remedy}.")
    return True


def _install(folder: str, name: str, wanted: Wanted, ctx: Context) -> JsonObject:
    """Install the program *name*; return its record."""
    program, path = PROGRAMS[name], os.path.join(folder, name)
    new = os.path.join(folder, f".{name}.new")
    try:
        origin = program_sources.fetch(
            program, wanted.machine, wanted.source, wanted.checksums, wanted.debian, new, ctx
        )
        machine = program_sources.machine_of_file(new)
        if machine != wanted.machine:
            raise Error(f"{name} of {origin} is {f'for {machine}' if machine else 'no program'}, not {wanted.machine}.")
        os.chmod(new, 0o755)
        sha = program_sources.sha256(new)
        expected = wanted.checksums.get(name)
        if expected and expected != sha:
            raise Error(f"{name} of {origin} has SHA-256 {sha}; expected {expected} (checksums).")
        version = _version(new) if wanted.machine == platform.machine() else None
        os.replace(new, path)
    finally:
        if os.path.exists(new):
            os.unlink(new)
    ctx.progress(f"{name}: {version or 'for ' + wanted.machine}, from {origin}")
    return {"architecture": wanted.machine, "sha256": sha, "source": origin, "version": version}


def _version(path: str) -> str:
    """Return what the program says of its version; Error if it does not run here."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
        why = "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")
    except (OSError, subprocess.SubprocessError) as error:
        why = str(error)
    if why:
        raise Error(f"{os.path.basename(path)} does not run on this host: {why}. Give another source.")
    return done.stdout.splitlines()[0].strip() if done.stdout.strip() else "unknown version"


def _wheels(folder: str, version: str, machine: str) -> dict[str, str]:
    path = os.path.join(folder, WHEELHOUSE)
    return programs.wheels(version, machine, os.listdir(path)) if os.path.isdir(path) else {}


def _add_wheels(folder: str, version: str, wanted: Wanted, params: JsonObject, ctx: Context) -> None:
    """Put Dynamo's wheels of *version* where dynamo.wheel of a job looks for them: from a directory, or by pip."""
    place = os.path.join(folder, WHEELHOUSE)
    os.makedirs(place, 0o755, exist_ok=True)
    if os.path.isdir(wanted.source):
        found = programs.wheels(version, wanted.machine, os.listdir(wanted.source))
        for name in found.values():
            program_sources.copy_checked(os.path.join(wanted.source, name), os.path.join(place, name), wanted.checksums)
    else:
        argv = [
            params["python"], "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", f"--dest={place}",
            f"--python-version={params['python_version']}", "--implementation=cp", "--abi=abi3",
            f"--abi=cp{params['python_version'].replace('.', '')}", "--abi=none",
            *(f"--platform={tag}_{wanted.machine}" for tag in program_sources.PLATFORMS),
            *([f"--index-url={wanted.source}"] if wanted.source else []),
            *(f"{name.replace('_', '-')}=={version}" for name in programs.WHEELS),
        ]  # fmt: skip
        ctx.progress(f"downloading Dynamo's wheels {version} for {wanted.machine}")
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Error(
                f"pip could not download Dynamo {version} for {wanted.machine}: {done.stderr.strip()[-400:]} Put the "
                "wheels into a directory and give it as source."
            )
    lost = [name for name in programs.WHEELS if name not in _wheels(folder, version, wanted.machine)]
    if lost:
        raise Error(f"No wheel of {', '.join(lost)} {version} for {wanted.machine} in {wanted.source or place}.")
