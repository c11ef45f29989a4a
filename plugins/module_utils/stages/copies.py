# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of run directories in object storage: where each goes, and what is told of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .. import sweep_folders
from ..allocation import ownership
from ..files import read_object
from ..json_types import JsonObject
from ..publishing.transfer import Folder, Sent

STORAGE_SPEC = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str"},
    "region": {"type": "str"},
    "endpoint_url": {"type": "str"},
    "path_style": {"type": "bool"},
    "profile": {"type": "str"},
    "access_key_id": {"type": "str", "no_log": True},
    "secret_access_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "archive": {"type": "bool", "default": False},
}


def run_folder(run_dir: str, prefix: str | None, finished: bool) -> Folder:
    """Return the Folder of a run directory: ``PREFIX/NAME OF THE JOB/ID``."""
    about = ownership.record(run_dir)
    plan = read_object(os.path.join(run_dir, "plan.json")) or {}
    name = str(about.get(ownership.NAME) or about.get("job_name") or plan.get("name") or "run")
    identity = {
        "job_id": ownership.job_id_of(run_dir),
        "name": name,
        "cluster": about.get(ownership.CLUSTER),
        "submitted_at": about.get(ownership.SUBMITTED),
    }
    return Folder(run_dir, _key(prefix, sweep_folders.word(name), os.path.basename(run_dir)), identity, finished)


def sweep_folder(folder: str, prefix: str | None, finished: bool) -> Folder:
    """Return the Folder of a sweep, or of a directory in it: ``PREFIX/sweeps/...``."""
    output_dir, below = folder, [os.path.basename(folder)]
    while below[0] not in (sweep_folders.SWEEPS, ""):
        output_dir = os.path.dirname(output_dir)
        below.insert(0, os.path.basename(output_dir))
    return Folder(folder, _key(prefix, *below), {"sweep": "/".join(below[1:])}, finished)


def _key(prefix: str | None, *names: str) -> str:
    return "/".join([*(part for part in (prefix or "").split("/") if part), *names])


def record(folder: Folder, sent: Sent, url: str) -> JsonObject:
    """Return what a result says of the copy of *folder*."""
    return {
        "run_dir": folder.path,
        "url": url,
        "finished": folder.finished,
        "new": len(sent.new),
        "changed": len(sent.changed),
        "same": sent.same,
        "bytes": sum(sent.new.values()) + sum(sent.changed.values()),
        "kept_back": dict(sorted(sent.kept_back.items())),
    }


def line(one: Mapping[str, object], dry: bool = False) -> str:
    """Return the line about one of the :func:`record` s."""
    text = f"{one['new']} new, {one['changed']} changed, {one['same']} the same: {size_text(int(str(one['bytes'])))}"
    state = "" if one["finished"] else " (the run has not finished: what it has now)"
    return f"{one['run_dir']}: {text} {'would go' if dry else 'sent'} to {one['url']}{state}"


def size_text(size: int) -> str:
    """Return a number of bytes for people."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}" if units[0] != "B" else f"{size} B"
