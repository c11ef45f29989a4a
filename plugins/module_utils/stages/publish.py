# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module publish: tells publishers of a finished run, and copies it to object storage."""

from __future__ import annotations

import json
import os
import time

from ..allocation import job_end
from ..entry import Context
from ..failures import Error
from ..files import text_digest
from ..holder.secret_values import stored
from ..json_types import JsonObject
from ..plan_file import Plan, plan_of
from ..publishing import publishers
from ..publishing.files import Choice
from ..publishing.storage import Storage
from ..publishing.transfer import Sync
from ..results.rollup_file import read_rollup
from . import copies

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "failed": {"type": "bool", "default": False},
    "reason": {"type": "str"},
    "variant_dir": {"type": "path"},
    "secrets": {"type": "dict", "no_log": True},
    "secrets_path": {"type": "path"},
}
OPTIONS = {"required_one_of": [("plan_path", "plan")]}
COPY_S = 600.0  # for the copy of a run
EXIT_FAILED = 2  # what ansible-playbook ends with after a failed task


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, exit_code, publishers, copy, logs_url, text, warnings}``; what fails is a warning."""
    plan = plan_of(params)
    reporting = plan["spec"].get("reporting") or {}
    folder = os.path.abspath(params.get("variant_dir") or plan["run_dir"])
    known = {**stored(plan["run_dir"]), **(params.get("secrets") or {})}
    exit_code = EXIT_FAILED if params.get("failed") else 0
    result: JsonObject = {"changed": False, "exit_code": exit_code, "publishers": [], "copy": None, "logs_url": None}
    lines: list[str] = []
    warnings: list[str] = []
    if not ctx.check_mode:
        run_now = _finished(plan, folder, exit_code)
        for one in reporting.get("publishers") or ():
            if publishers.knows(one, run_now):
                continue
            ctx.progress(f"publisher {one['name']}")
            try:
                receipt = publishers.publish(one, run_now, [*known.values()])
            except OSError as error:
                warnings.append(f"The receipt of publisher {one['name']} cannot be written: {error.strerror or error}.")
                continue
            result["publishers"].append({key: receipt[key] for key in ("name", "status", "links", "problem")})
            result["changed"] = True
            if receipt["problem"]:
                path = publishers.receipt_path(folder, one["name"])
                warnings.append(f"Publisher {one['name']} failed: {receipt['problem']}. See {path}.")
            else:
                lines.append(f"publisher {one['name']}: {receipt['status']}")
        if reporting.get("s3"):
            _copy(plan, folder, known, result, lines, warnings)
    result.update(text="\n".join(lines), warnings=warnings)
    return result


def _finished(plan: Plan, folder: str, exit_code: int) -> publishers.Finished:
    path = os.path.join(folder, "rollup.json")
    rollup = read_rollup(path)
    told = {key: value for key, value in (rollup or {}).items() if key != "generated_at"}
    return publishers.Finished(
        run_dir=folder,
        job_id=plan["job_id"],
        benchmark_type=plan["benchmark"]["type"],
        exit_code=exit_code,
        rollup_path=path if rollup else None,
        content=text_digest(json.dumps(told, sort_keys=True)),
    )


def _copy(
    plan: Plan, folder: str, known: dict[str, str], result: JsonObject, lines: list[str], warnings: list[str]
) -> None:
    """Copy the run to the object storage of its job; add what came of it."""
    settings = plan["spec"]["reporting"]["s3"]
    try:
        storage = Storage(settings, lambda key: f"reporting.s3.{key}", known)
        finished = job_end.holder_ended(plan["run_dir"])
        is_run = folder == os.path.abspath(plan["run_dir"])
        one = (copies.run_folder if is_run else copies.sweep_folder)(folder, settings.get("prefix"), finished)
        choice = Choice(settings.get("include") or (), settings.get("exclude") or ())
        sync = Sync(storage, one, choice, [*known.values()], time.monotonic() + COPY_S)
        sent = sync.run(as_archive=bool(settings.get("archive")))
    except Error as error:
        warnings.append(f"The run was not copied, or not all of it. {error.msg}")
        return
    result["copy"] = copies.record(one, sent, storage.url(sent.key))
    result["logs_url"] = result["copy"]["url"]
    result["changed"] = result["changed"] or bool(sent.new or sent.changed)
    lines.append(copies.line(result["copy"]))
    warnings += [f"Not copied: {name}: {why}." for name, why in result["copy"]["kept_back"].items()]
