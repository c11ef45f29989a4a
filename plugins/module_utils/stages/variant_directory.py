# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run directory of one job of a sweep, to which its results are copied from that of the allocation.

Jobs of a sweep share allocations, and so the run directory of an allocation: its plan and its rollup are those of the
job that is measured now, and the measurements of others are set aside there. A copy keeps what each job has for itself.
Worker logs stay where they are.
"""

from __future__ import annotations

import json
import os
import shutil

from ..allocation import ownership
from ..files import make_own_folder, write_text_atomic
from ..job.allocation_request import metadata
from ..json_types import JsonObject
from ..plan_file import PLAN, Plan, PlanPoint
from ..results.attempts import files_of
from ..results.verdict import read_verdict, verdict_path
from ..schema.text import to_yaml
from . import point_files
from .topology_plan import to_text

ADDED = ("inputs", "chat_template")  # to the spec by the plan; the job that was given has neither


def store(plan: Plan, folder: str) -> Plan:
    """Copy the run of *plan* to *folder*, and return the copied plan: its results with their verdicts, and its job.

    Nothing there is overwritten: the run of a job with other points is moved to ``<folder>.earlierN``, an earlier
    measurement of a point is set aside.
    """
    copy: Plan = {**plan, "run_dir": folder}
    if ownership.same(plan["run_dir"], folder):
        return copy
    _make_room(plan, folder)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    make_own_folder(folder)
    for point in plan["benchmark"]["points"]:
        _copy_point(plan, copy, point)
    about = ownership.record(plan["run_dir"])
    spec = {key: value for key, value in plan["spec"].items() if key not in ADDED}
    own: JsonObject = {**metadata(plan["spec"], about.get("tags") or ()), "job_id": plan["job_id"]}
    own.update(job_name=plan["name"], allocation_run_dir=plan["run_dir"])
    own.update({key: about.get(key) for key in ("generated_at", ownership.SUBMITTED, ownership.CLUSTER)})
    write_text_atomic(os.path.join(folder, f"{plan['job_id']}.json"), json.dumps(own, indent=2) + "\n")
    write_text_atomic(os.path.join(folder, "config.yaml"), to_yaml(spec))
    write_text_atomic(os.path.join(folder, PLAN), to_text(copy))
    return copy


def _make_room(plan: Plan, folder: str) -> None:
    """Move *folder* aside if it has the run of a job with other points than *plan*, although it has the same name."""
    try:
        with open(os.path.join(folder, PLAN), encoding="utf-8") as stream:
            stored = {point["name"]: point["digest"] for point in json.load(stream)["benchmark"]["points"]}
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        stored = {"": ""}  # of another version
    wanted = {point["name"]: point["digest"] for point in plan["benchmark"]["points"]}
    if all(wanted.get(name) == digest for name, digest in stored.items()):
        return
    number = 1
    while os.path.exists(f"{folder}.earlier{number}"):
        number += 1
    os.rename(folder, f"{folder}.earlier{number}")


def _copy_point(plan: Plan, copy: Plan, point: PlanPoint) -> None:
    """Copy the measurement of *point*, its verdict last; what is there, and differs, is set aside."""
    source, target = point_files.result_path(plan, point), point_files.result_path(copy, point)
    verdict = read_verdict(source)
    if not verdict or verdict.get("digest") != point["digest"]:  # none, or that of another job
        return
    if _same(verdict_path(source), verdict_path(target)):
        return
    if any(os.path.exists(path) for path in files_of(target)):
        point_files.set_aside(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    for old, new in zip(files_of(source), files_of(target)):
        if os.path.exists(old):
            shutil.copy2(old, f"{new}.tmp")
            os.replace(f"{new}.tmp", new)


def _same(path: str, other: str) -> bool:
    try:
        with open(path, "rb") as one, open(other, "rb") as two:
            return one.read() == two.read()
    except OSError:
        return False
