# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of the nodes for the provenance of results: before models load, and after the last measurement."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from ..failures import Error, SlurmError
from ..files import read_object, write_text_atomic
from ..holder import PYTHON
from ..holder.records import Answer
from ..json_types import Json, JsonObject
from ..plan_file import Plan, Step
from ..programs import folder_of
from ..results.provenance import FILE
from ..slurm import commands, srun
from .node_table import NAME
from .session import Session

PROGRAM = folder_of("node_check")
AFTER, AFTER_S = "node_facts", 60.0  # the step that looks once more, and how long it may take
TABLE = ".node_facts-{nonce}.json"
GIT_S = 10.0
GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks", "-C")


def steps(plan: Plan, names: Sequence[str], table: str, name: str = NAME, digest: str = NAME) -> list[Step]:
    """Return the step over all nodes, or one for each component of a heterogeneous job: a step cannot span them.

    :param digest: that of a step of another controller that is left alone while it runs.
    """
    parts = [[one for one in part if one in names] for part in plan.get("parts") or [list(names)]]
    found = [
        {
            "name": f"{name}_{number}" if number else name,
            "tier": NAME,
            "nodes": nodes,
            "ntasks": len(nodes),
            "argv": [*PYTHON, "-S", os.path.join(plan["run_dir"], PROGRAM), table],
            "srun_options": {"ntasks-per-node": "1", **({"het-group": str(number)} if len(parts) > 1 else {})},
            "log": f"logs/%N_{name}.out",
            "critical": False,
            "stop_grace_s": 2,
            "digest": digest,
        }
        for number, nodes in enumerate(parts)
        if nodes
    ]
    return cast("list[Step]", found)  # the other keys may be absent


def report_of(plan: Plan, node: str, nonce: str, attempts: Iterable[int], name: str = NAME) -> JsonObject | None:
    """Return the report with *nonce* of *node*, None if it does not exist yet.

    :param attempts: numbers under which the holder sets the log aside when another controller starts its own step.
    """
    log = os.path.join(plan["run_dir"], "logs", f"{node}_{name}.out")
    for path in (log, *(f"{log}.{attempt}" for attempt in attempts)):
        with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if nonce in line:  # after output of a site's TaskProlog, perhaps on the same line
                    return cast("JsonObject", json.loads(line[line.index('{"node"') :]))
    return None


def store_before(plan: Plan, reports: Iterable[Mapping[str, Json]]) -> None:
    """Keep the facts in *reports*, with the version of Slurm and the state of mounted sources."""
    facts = {str(one["node"]): {"before": one.get("facts")} for one in reports}
    known = {"job_id": str(plan["job_id"]), "slurm": {"version": _slurm()}, "mounts": mounts(plan), "facts": facts}
    _write(plan, known)


def look_after(session: Session) -> None:
    """Keep the facts of the nodes after the last measurement, if preflight has seen GPUs: they may have changed."""
    plan = session.plan
    known = read_object(os.path.join(plan["run_dir"], FILE)) or {}
    facts: JsonObject = known.get("facts") or {}
    if known.get("job_id") != str(plan["job_id"]) or not any(_gpus(one) for one in facts.values()):
        return
    try:
        reports = _ask(session, [one["name"] for one in plan["nodes"] if one["name"] in facts])
    except (Error, OSError) as error:
        session.ctx.progress(f"the state of the nodes after the measurement is not known: {error}")
        return
    for name, report in reports.items():
        facts[name]["after"] = report.get("facts")
    _write(plan, known)


def _gpus(facts: Json) -> bool:
    before = facts.get("before") if isinstance(facts, dict) else None
    return bool(isinstance(before, dict) and before.get("gpus"))


def _ask(session: Session, names: list[str]) -> dict[str, JsonObject]:
    """Return {node: report} of the nodes that report in time."""
    plan, nonce = session.plan, uuid.uuid4().hex
    path = os.path.join(plan["run_dir"], TABLE.format(nonce=nonce))
    gpus = {node["name"]: node.get("gpus") for node in plan["nodes"]}
    table = {"only_facts": True, "nonce": nonce, "nodes": {name: {"gpus": gpus[name]} for name in names}}
    write_text_atomic(path, json.dumps(table) + "\n")
    mine = steps(plan, names, path, AFTER, nonce)
    own = [step["name"] for step in mine]
    talk = session.talk
    try:
        requests = [srun.start_request(one, plan["job_id"], plan["run_dir"]) for one in mine]
        answer = talk.request("start", steps=requests, wait_s=0.0)
        until = time.monotonic() + AFTER_S
        while _running(answer, own) and time.monotonic() < until and session.ctx.controller_alive():
            answer = talk.request("wait", watch=own, guard=[], slice_s=2.0)
        if _running(answer, own):
            talk.request("stop", names=own)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    found = {name: report_of(plan, name, nonce, (), AFTER) for name in names}
    return {name: report for name, report in found.items() if report}


def _running(answer: Answer, names: Sequence[str]) -> list[str]:
    return [one["name"] for one in answer["steps"] if one["name"] in names and one["state"] != "ended"]


def _write(plan: Plan, known: JsonObject) -> None:
    with contextlib.suppress(OSError):  # what follows needs the disk more, and says so
        write_text_atomic(os.path.join(plan["run_dir"], FILE), json.dumps(known, indent=1) + "\n")


def _slurm() -> str | None:
    """Return the version of Slurm, such as 23.11.4."""
    with contextlib.suppress(SlurmError, OSError):
        return commands.run(["scontrol", "--version"]).stdout.split()[-1]
    return None


def mounts(plan: Plan) -> list[JsonObject]:
    """Return ``{path, commit, changed}`` of the mounted directories that are in a git work tree of their own.

    ``changed`` is the number of files that differ from the commit, None if git does not tell.
    """
    sources = [str(mount).split(":", 1)[0] for step in plan["steps"] for mount in step.get("mounts") or ()]
    inside = os.path.realpath(plan["run_dir"])
    found: list[JsonObject] = []
    for path in dict.fromkeys(sources):
        if not os.path.isdir(path) or os.path.realpath(path).startswith(inside) or not _in_work_tree(path):
            continue
        commit = _git(path, "rev-parse", "HEAD")
        status = _git(path, "status", "--porcelain", "--", ".") if commit else None
        if commit:
            changed = None if status is None else len(status.splitlines())
            found.append({"path": path, "commit": commit.strip(), "changed": changed})
    return found


def _in_work_tree(path: str) -> bool:
    """Return whether *path* or a directory above it is a git work tree; nothing is asked elsewhere."""
    path = os.path.realpath(path)
    while path != os.path.dirname(path):
        if os.path.exists(os.path.join(path, ".git")):
            return True
        path = os.path.dirname(path)
    return False


def _git(path: str, *words: str) -> str | None:
    try:
        done = subprocess.run([*GIT, path, *words], capture_output=True, text=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
