# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""recipe.lock.yaml: the job of a run, and what it ran with. A run of that file says what differs.

The file is the run's config.yaml with one more key, ``lock``. When it is run as a job, the lock stays with the run in
``<job id>.json``, and the rollup compares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from ..files import read_object, regular
from ..json_types import Json, JsonObject
from ..plan_file import Plan
from .rollup_file import PointRecord, Rollup

FILE = "recipe.lock.yaml"
PROGRAM = "srt.slurm"
UNKNOWN = "unknown"


def facts(plan: Plan, provenance: JsonObject, results: Sequence[PointRecord]) -> JsonObject:
    """Return ``{what: text}`` of all that a result depends on, None where nobody knows it.

    :param provenance: what :func:`provenance.build` returns for *plan*.
    """
    found: dict[str, Json] = {"collection": provenance["collection"], "slurm": provenance["slurm"].get("version")}
    for name, versions in sorted(provenance["engines"].items()):
        found[name] = ", ".join(versions)
    for name, one in sorted((plan.get("inputs") or {}).items()):
        found[f"files of {name}"] = one.get("fingerprint")
    found["GPUs"] = _gpus(provenance["facts"])
    found["digest of the service"] = (plan.get("digests") or {}).get("serving")
    for record in results:
        found[f"digest of {record['label']}"] = record["digest"]
    return found


def _gpus(nodes: JsonObject) -> str | None:
    """Return the kinds of GPUs of the nodes, as text; None without any."""
    kinds = set()
    for looks in nodes.values():
        before = looks.get("before") if isinstance(looks, dict) else None
        for gpu in before.get("gpus") or () if isinstance(before, dict) else ():
            kinds.add(f"{gpu.get('name')}, driver {gpu.get('driver')}")
    return "; ".join(sorted(kinds)) or None


def earlier(plan: Plan) -> JsonObject:
    """Return the lock that the job of *plan* came with, {} if it came with none of ours."""
    about = read_object(os.path.join(plan["run_dir"], f"{plan['job_id']}.json")) or {}
    lock = about.get("lock")
    return lock if isinstance(lock, dict) and isinstance(lock.get("facts"), dict) else {}


def differences(lock: JsonObject, now: JsonObject) -> list[str]:
    """Return how the facts of a run differ from those of the *lock* that its job came with, one sentence each."""
    if not lock:
        return []
    before, job_id = lock["facts"], lock.get("job_id")
    names = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]
    what = [f"{name}: {now.get(name) or UNKNOWN}, and {before.get(name) or UNKNOWN} there" for name in names]
    if not what:
        return [f"Nothing that is known differs from job {job_id}, whose {FILE} was run."]
    return [f"Differs from job {job_id}, whose {FILE} was run: {one}." for one in what]


def text(rollup: Rollup, plan: Plan) -> str | None:
    """Return the file for the run of *plan*; None if the run has no config.yaml."""
    try:
        with open(os.path.join(plan["run_dir"], "config.yaml"), encoding="utf-8", opener=regular) as stream:
            config = stream.read()
    except (OSError, ValueError):
        return None
    lock = {
        "program": PROGRAM,
        "job_id": rollup["job_id"],
        "valid": rollup["valid"],
        "facts": facts(plan, rollup["provenance"], rollup["results"]),
    }
    # JSON is YAML, too.
    lines = [f"  {key}: {json.dumps(value)}\n" for key, value in lock.items()]
    return f"{config.rstrip()}\nlock:\n{''.join(lines)}"
