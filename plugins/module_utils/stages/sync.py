# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module sync: copies runs to object storage, only what changed."""

from __future__ import annotations

import os
import re
from typing import Callable

from .. import sweep_folders
from ..allocation import ownership, runs
from ..allocation.run_directory import is_own
from ..entry import Context
from ..failures import Error, SlurmError
from ..files import read_object
from ..holder.secret_values import stored
from ..holder.slurm_calls import live
from ..json_types import JsonObject
from ..publishing.files import Choice
from ..publishing.storage import KEYS, Storage
from ..publishing.transfer import Folder, Sent, Sync
from . import copies

ARGUMENT_SPEC = {
    **runs.ARGUMENT_SPEC,
    "all_runs": {"type": "bool", "default": False},
    "storage": {"type": "dict", "options": copies.STORAGE_SPEC},
    "places": {"type": "dict", "default": {}},
    "access_key_id": {"type": "str", "no_log": True},
    "secret_access_key": {"type": "str", "no_log": True},
}
NOT_SENT = "not sent: "
RUN = re.compile(r"[0-9]+(\.earlier[0-9]+)?")


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, runs, text, diff}``; in check mode nothing is copied, and it is what would go."""
    settings = params.get("storage")
    if not settings:
        raise Error("storage is missing: it says where runs are copied to. Set its bucket.")
    given = {"access_key_id": params.get("access_key_id"), "secret_access_key": params.get("secret_access_key")}
    if any(given.values()):
        settings = {**settings, **dict.fromkeys((*KEYS, "profile")), **given}
    places = params.get("places") or {}
    storage = Storage(settings, lambda key: str(places.get(key) or f"storage.{key}"))
    choice = Choice(settings.get("include") or (), settings.get("exclude") or ())
    records, went = [], []
    for folder in _folders(params, settings.get("prefix")):
        sync = Sync(storage, folder, choice, [*stored(folder.path).values()])
        sent = sync.run(ctx.check_mode, bool(settings.get("archive")))
        one = copies.record(folder, sent, storage.url(sent.key))
        ctx.progress(copies.line(one, ctx.check_mode), 0.0)
        records.append(one)
        went += _lines(sent)
    lines = [copies.line(one, ctx.check_mode) for one in records]
    for one in records:
        lines += [f"{NOT_SENT}{name}: {why}" for name, why in one["kept_back"].items()]
    changed = any(one["new"] or one["changed"] for one in records)
    result: JsonObject = {"changed": changed, "runs": records, "text": "\n".join(lines)}
    if ctx.diff:
        header = f"objects of {storage.bucket}"
        after = "".join(f"{text}\n" for text in went)
        result["diff"] = {"before": "", "after": after, "before_header": header, "after_header": header}
    return result


def _lines(sent: Sent) -> list[str]:
    """Return a line about each file that goes."""
    every = sorted((*(("new", *one) for one in sent.new.items()), *(("changed", *one) for one in sent.changed.items())))
    return [f"{how} {sent.key}/{name} ({copies.size_text(size)})" for how, name, size in every]


def _folders(params: JsonObject, prefix: str | None) -> list[Folder]:
    """Return what is copied: one run, one sweep, or all below ``output_dir``."""
    output_dir = os.path.realpath(os.path.expanduser(params["output_dir"]))
    if params.get("all_runs"):
        if params.get("run_dir") or params.get("job_id"):
            raise Error("all_runs is set beside run_dir or job_id. Use one of them.")
        is_live = _is_live(output_dir)
        names = sorted(os.listdir(output_dir)) if os.path.isdir(output_dir) else []
        paths = [os.path.join(output_dir, name) for name in names if RUN.fullmatch(name)]
        found = [
            copies.run_folder(path, prefix, _has_rollup(path) and not is_live(path))
            for path in paths
            if os.path.isdir(path) and not os.path.islink(path) and is_own(path)
        ]
        top = os.path.join(output_dir, sweep_folders.SWEEPS)
        sweeps = [os.path.join(top, name) for name in sorted(os.listdir(top))] if os.path.isdir(top) else []
        found += [_sweep(path, prefix) for path in sweeps if _is_sweep(path) and is_own(path)]
        if not found:
            raise Error(f"There is no run below {output_dir}. Set output_dir.")
        return found
    given = os.path.realpath(os.path.expanduser(params["run_dir"])) if params.get("run_dir") else None
    if given and _is_sweep(given):
        return [_sweep(given, prefix)]
    one = runs.find(params)
    return [copies.run_folder(one.run_dir, prefix, _has_rollup(one.run_dir) and not one.live)]


def _is_sweep(folder: str) -> bool:
    """Return whether *folder* is that of a sweep, or of a comparison in turns."""
    return bool(sweep_folders.read_record(folder) or read_object(os.path.join(folder, sweep_folders.COMPARISON)))


def _sweep(folder: str, prefix: str | None) -> Folder:
    about = sweep_folders.read_record(folder)
    turns = read_object(os.path.join(folder, sweep_folders.COMPARISON)) or {}
    finished = not about.get("left") if about else turns.get("ended_by") is not None
    if os.path.basename(os.path.dirname(folder)) != sweep_folders.SWEEPS:
        raise Error(f"{folder} is the copy of a sweep outside of a directory {sweep_folders.SWEEPS}. Move it there.")
    return copies.sweep_folder(folder, prefix, finished)


def _has_rollup(run_dir: str) -> bool:
    return os.path.isfile(os.path.join(run_dir, "rollup.json"))


def _is_live(output_dir: str) -> Callable[[str], bool]:
    """Return a function that says whether the job of a run directory waits or runs; no, if Slurm does not answer."""
    try:
        jobs = [job for job in ownership.jobs(output_dir, timeout_s=10.0, patience_s=0.0) if live(job["state"])]
    except SlurmError:
        jobs = []
    return lambda run_dir: any(
        job["id"] == ownership.job_id_of(run_dir) and ownership.is_of(run_dir, job) for job in jobs
    )
