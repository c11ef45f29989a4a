# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the second layout demands across its sections."""

from __future__ import annotations

import re
from typing import Callable

from ...failures import Code
from ...json_types import Json, JsonObject, KeyPath
from ...schema.types import shown
from ...topology.modes import LONG_MODE
from .schema import COLOCATE

COMMIT = re.compile(r"[0-9a-f]{7,40}")
MOVING = ("main", "master", "HEAD")
KINDS = ("pypi", "wheel", "rev")
Say = Callable[[KeyPath, Code, str, "str | None"], None]


def roles_of(job: JsonObject) -> dict[str, JsonObject]:
    """Return the roles of the raw *job* that are mappings and known; one without a value is none."""
    roles = job.get("roles")
    table = roles if isinstance(roles, dict) else {}
    return {mode: table[mode] for mode in LONG_MODE if isinstance(table.get(mode), dict)}


def check_roles(job: JsonObject, say: Say) -> bool:
    """Report which roles are missing or too many, and their nodes; return whether the roles make sense."""
    roles = roles_of(job)
    split = [mode for mode in ("prefill", "decode") if mode in roles]
    if not roles:
        say(("roles",), "missing", "does not define any workers.", "Set roles.agg, or roles.prefill and roles.decode.")
        return False
    if "agg" in roles and split:
        say(("roles",), "conflict", f"has agg and {' and '.join(split)}.", "Keep one kind.")
        return False
    if len(split) == 1:
        other = "decode" if split[0] == "prefill" else "prefill"
        say(("roles",), "missing", f"has {split[0]} but no {other}.", f"Add {other}, or use agg.")
        return False
    fine = True
    for mode, role in roles.items():
        fine = _check_role(mode, role, roles, say) and fine
    return fine


def _check_role(mode: str, role: JsonObject, roles: dict[str, JsonObject], say: Say) -> bool:
    path: KeyPath = ("roles", mode)
    nodes, workers = role.get("nodes"), role.get("workers")
    if nodes == COLOCATE and mode != "decode":
        say((*path, "nodes"), "invalid", f"is {COLOCATE}, which only decode can be.", "Write the number of nodes.")
        return False
    if nodes == COLOCATE and not all(roles[one].get("gpus") for one in ("prefill", "decode") if one in roles):
        text = f"is {COLOCATE}, which needs the GPUs of a worker of each role."
        say((*path, "nodes"), "missing", text, "Set gpus of prefill and decode.")
        return False
    if _number(nodes) and nodes == 0:
        remedy = f"Write {COLOCATE} to use the GPUs that prefill leaves free." if mode == "decode" else None
        say((*path, "nodes"), "out_of_range", "is 0; expected at least 1.", remedy or "Leave the role out instead.")
        return False
    if _number(workers) and workers == 0:
        say((*path, "workers"), "out_of_range", "is 0; expected at least 1.", "Leave the role out instead.")
        return False
    return True


def _number(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def hoist_engine(job: JsonObject, say: Say) -> KeyPath:
    """Make the engine of roles that all have the same one that of *job*, in place; return its path in the file."""
    own = {mode: role["engine"] for mode, role in roles_of(job).items() if role.get("engine") is not None}
    for mode in own:
        job["roles"][mode].pop("engine")
    top = job.get("engine")
    if not own:
        if top is None:
            say(("engine",), "missing", "is missing.", "Add engine: the inference engine, such as sglang.")
        return ("engine",)
    first = next(iter(own))
    path: KeyPath = ("roles", first, "engine")
    if top is not None:
        say(path, "conflict", "is set, and engine too.", "Keep the job's engine, or those of all roles.")
    elif len(own) < len(roles_of(job)):
        lacking = [mode for mode in roles_of(job) if mode not in own]
        say(path, "missing", f"is set, but not for {' and '.join(lacking)}.", "Set engine once, or for every role.")
    elif any(_mapping(one) != _mapping(own[first]) for one in own.values()):
        words = " and ".join(str(_mapping(one).get("type")) for one in own.values())
        text = f"differs between roles ({words}). Workers of several engines, or with options of their own, are not "
        say(path, "not_supported", text + "built yet.", "Use one engine.")
    job["engine"] = own[first]
    return path


def _mapping(engine: Json) -> JsonObject:
    return engine if isinstance(engine, dict) else {"type": engine}


def check_source(job: JsonObject, say: Say) -> None:
    """Report what does not fit in ``dynamo.source``."""
    dynamo = job.get("dynamo")
    source = dynamo.get("source") if isinstance(dynamo, dict) else None
    if not isinstance(source, dict):
        return
    path: KeyPath = ("dynamo", "source")
    kinds = [key for key in KINDS if source.get(key) is not None]
    if len(kinds) > 1:
        say(path, "conflict", f"has {' and '.join(kinds)}; only one source can be installed.", "Keep one.")
    rev = source.get("rev")
    if source.get("sha") and rev is None:
        say((*path, "sha"), "missing", "needs rev.", "Add rev: the commit.")
    if rev is None:
        return
    if str(rev) in MOVING or str(rev).startswith("refs/"):
        text = f"is {shown(rev)}, which may be another commit tomorrow."
        say((*path, "rev"), "invalid", text, "Write the commit, or top_of_tree: true for the newest.")
    sha = source.get("sha")
    if sha is not None and not re.fullmatch(r"[0-9a-f]{40}", str(sha)):
        say((*path, "sha"), "invalid", f"is {shown(sha)}; expected the 40 digits of a commit.", None)


def check_sglang(job: JsonObject, decided: bool, old: bool, say: Say) -> None:
    """Report ``frontend.type: sglang``: its meaning has changed, and what it means today is not built.

    :param decided: whether the file's schema says that it has the second layout.
    :param old: whether it has relics of the form between the layouts, in which the word meant the router.
    """
    frontend = job.get("frontend")
    if not isinstance(frontend, dict) or frontend.get("type") != "sglang":
        return
    path: KeyPath = ("frontend", "type")
    if old or not decided:
        why = "this file has keys of older layouts" if old else "this file has no schema"
        text = f"is sglang, which means a router in older files and a worker without one today; {why}."
        say(path, "conflict", text, "Write sglang-router if you mean the router.")
    else:
        text = "is sglang, a worker without a router, which is not built yet."
        say(path, "not_supported", text, "Write sglang-router for the router, which serves one worker as well.")
