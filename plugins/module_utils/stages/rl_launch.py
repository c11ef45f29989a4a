# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module rl_launch: submits the two jobs of an RL run, or finds them."""

from __future__ import annotations

import contextlib
import os
import secrets
import time

from ..entry import Context
from ..failures import Error
from ..json_types import JsonObject
from ..rl import images, look, submission
from ..rl.launch import Launch, prepare, shown
from ..rl.settings import RUNTIME, SIDES, TRAINING
from ..slurm.commands import NoSlurm, QueueEntry

SETTINGS_SPEC: JsonObject = {
    "file": {"type": "path"},
    "conf": {"type": "path"},
    "settings": {"type": "dict", "default": {}},
    "overrides": {"type": "dict", "default": {}},
    "places": {"type": "dict", "default": {}},
}
ARGUMENT_SPEC: JsonObject = {
    **SETTINGS_SPEC,
    "runtime_only": {"type": "bool", "default": False},
    "training_only": {"type": "bool", "default": False},
    "skip_runtime": {"type": "bool", "default": False},
    "runtime_url": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "smoke": {"type": "bool", "default": False},
    "replace": {"type": "bool", "default": False},
    "watch": {"type": "bool", "default": False},
}
LEAVES_S = 20.0  # a job whose other side has ended leaves in this time
WATCH_S = 2.0


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, action, dir, jobs, diff, run}``; Error before anything is submitted if something is wrong."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    launch = prepare(params, os.environ, os.environ.get("PWD") or os.getcwd(), stamp)
    _check_url(launch, params)
    if ctx.check_mode:
        return _would(launch, params, stamp)
    with submission.one_at_a_time(launch.base, launch.name):
        found = _settled(launch, submission.find(launch.name), params["replace"], ctx)
        if found:
            folder = next(iter(found.values()))["work_dir"]
            result = {"changed": False, "action": "keep", "dir": folder}
        else:
            folder = _submit(launch, params, stamp, ctx)
            result = {"changed": True, "action": "submit", "dir": folder}
    run_found = look.look(folder)
    if params["watch"]:
        run_found = _watch(folder, ctx)
    jobs = {side: job["job_id"] for side, job in run_found["jobs"].items()}
    diff = {"before": "", "after": shown(launch, folder) + "\n"} if ctx.diff and result["changed"] else {}
    return {**result, "jobs": jobs, "run": run_found, "diff": diff}


def _check_url(launch: Launch, params: JsonObject) -> None:
    """Ask an existing runtime for its health."""
    from ..rl.side.peer import is_healthy

    url = launch.runtime_url
    wrong = is_healthy(url, params["api_key"] or "") if url else ""
    if wrong:
        raise Error(f"rl_runtime_url: {url}/health: {wrong}. Start that runtime, or correct the address.")


def _would(launch: Launch, params: JsonObject, stamp: str) -> JsonObject:
    """Return the result of a run in check mode."""
    folder, notes = submission.new_folder(launch, stamp), []
    action, jobs = "submit", {}
    try:
        found = submission.find(launch.name)
        same = _same(launch, found)
        jobs = {side: job["id"] for side, job in found.items()}
        if found and same:
            action, folder = "keep", next(iter(found.values()))["work_dir"]
        elif found and not params["replace"]:
            notes.append(_differs(launch, found))
        if action == "submit":
            notes += submission.test_only(launch, folder)
            if RUNTIME in launch.sides and images.to_be_made(launch.values):
                notes.append("{container_image} would be pulled into {image_archive}.".format_map(launch.values))
    except NoSlurm as error:
        notes.append(f"Nothing was asked of Slurm. {error.msg}")
    text = "\n".join([*(f"note: {note}" for note in notes), shown(launch, folder)])
    return {
        "changed": action == "submit",
        "action": action,
        "dir": folder,
        "jobs": jobs,
        "run": {},
        "diff": {"before": "", "after": text + "\n"},
    }


def _same(launch: Launch, found: dict[str, QueueEntry]) -> bool:
    """Return whether the jobs *found* are those that the launch would submit."""
    return set(found) == set(launch.sides) and all(
        submission.digest_of(job) == launch.digests[side] for side, job in found.items()
    )


def _differs(launch: Launch, found: dict[str, QueueEntry]) -> str:
    """Return in what the jobs *found* differ from those of the launch."""
    lines = []
    for side in SIDES:
        job = found.get(side)
        if job and side not in launch.sides:
            lines.append(f"The {side} job {job['id']} of {launch.name} is active, and this launch has none.")
        elif job and submission.digest_of(job) != launch.digests[side]:
            changed = ", ".join(submission.changed_settings(job["work_dir"], launch, side)) or "its command or options"
            lines.append(f"The {side} job {job['id']} of {launch.name} would have to be new: {changed}.")
        elif not job and side in launch.sides:
            other = next(iter(found.values()))["id"]
            lines.append(f"There is no {side} job of {launch.name} beside job {other}.")
    return (
        " ".join(lines) + " Nothing was changed. Add -e rl_replace=true to end what is active and submit anew, or "
        "-e rl_name=NAME for a run beside it."
    )


def _settled(launch: Launch, found: dict[str, QueueEntry], replace: bool, ctx: Context) -> dict[str, QueueEntry]:
    """Return the jobs that stay, {} if there is to be a new pair; Error if *found* are in its way."""
    if any(submission.unfinished(job) for job in found.values()):
        ctx.progress("ending what an interrupted launch left")
        submission.end(found)
        return {}
    until = time.monotonic() + LEAVES_S
    while len(found) == 1 and set(found) < set(launch.sides) and not replace and time.monotonic() < until:
        ctx.progress("one job of the last pair is still ending")
        time.sleep(0.5)
        found = submission.find(launch.name)
    if not found or _same(launch, found):
        return found
    if not replace:
        raise Error(_differs(launch, found))
    ctx.progress(f"ending jobs {', '.join(job['id'] for job in found.values())}")
    submission.end(found)
    return {}


def _submit(launch: Launch, params: JsonObject, stamp: str, ctx: Context) -> str:
    """Submit the jobs; return the coordination directory."""
    folder = submission.new_folder(launch, stamp)
    problems = submission.test_only(launch, folder)
    if problems:
        raise Error("\n".join(problems))
    if TRAINING in launch.sides and not params["smoke"]:
        for name in ("checkpoint_dir", "rollout_dir"):
            if launch.values[name]:
                os.makedirs(launch.values[name], exist_ok=True)
    if RUNTIME in launch.sides:
        images.pull_ahead(launch.values, ctx.progress)
    key = params["api_key"] or ("" if launch.runtime_url else secrets.token_urlsafe(32))
    submission.make_folder(launch, folder, key)
    jobs = submission.submit(launch, folder)
    ctx.progress(", ".join(f"{side}: job {job_id}" for side, job_id in jobs.items()))
    return folder


def _watch(folder: str, ctx: Context) -> JsonObject:
    """Show a line for each change of the jobs until all have ended, also those that go on from a checkpoint.

    Error if one has not completed.
    """
    shown_lines: dict[str, str] = {}
    while True:
        found = look.look(folder, 20)
        lines = {line.partition(":")[0]: line for line in look.summary(found)[1:]}
        lines["progress"] = look.progress(found)
        for name, line in lines.items():
            if line and shown_lines.get(name) != line:
                shown_lines[name] = line
                ctx.show(line)
        ended = not any(look.is_active(job) for job in found["jobs"].values())
        if not ctx.controller_alive() or ended and not found["next"]:
            break
        folder = found["next"] if ended else folder
        with contextlib.suppress(InterruptedError):
            time.sleep(WATCH_S)
    if any(not look.is_active(job) and not look.has_completed(job) for job in found["jobs"].values()):
        raise Error("\n".join(look.summary(found)), run=found)
    return found
