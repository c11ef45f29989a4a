# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry of the module slurm_sandbox."""

from __future__ import annotations

import os
import time

from ..entry import Context
from ..failures import Error
from ..json_types import JsonObject
from .cluster import Sandbox
from .settings import SETTINGS, node_plan

_TYPES = {int: "int", str: "str"}

ARGUMENT_SPEC: JsonObject = {
    "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
    "dir": {"type": "path", "required": True},
    "timeout_s": {"type": "float", "default": 60.0},
    "keep_log": {"type": "bool", "default": False},
}
for _name, (_kind, _default) in SETTINGS.items():
    ARGUMENT_SPEC[_name] = (
        {"type": "list", "elements": "str", "default": []}
        if _kind is list
        else {"type": _TYPES[_kind], "default": _default}
    )


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Start or remove a sandbox; see the module's documentation for parameters and result."""
    began = time.monotonic()
    if not os.path.isabs(os.path.expanduser(params["dir"])):
        raise Error(f"dir must be an absolute path, got {params['dir']}.")
    sandbox = Sandbox(params["dir"], timeout_s=params["timeout_s"], progress=ctx.progress)
    if params["state"] == "absent":
        changed = sandbox.would_stop(params["keep_log"]) if ctx.check_mode else sandbox.stop(params["keep_log"])
        action, nodes = ("remove" if changed else "keep"), []
    else:
        given = {name: params[name] for name in SETTINGS}
        action = sandbox.plan(given)[0] if ctx.check_mode else sandbox.start(given)
        changed, nodes = action != "keep", node_plan(params["nodes"])
    return {
        "changed": changed,
        "action": action,
        "dir": sandbox.folder.path,
        "nodes": nodes,
        "slurm_conf_path": sandbox.folder("etc", "slurm.conf"),
        "exec": [sandbox.folder("exec"), "--"],
        "duration_s": round(time.monotonic() - began, 3),
    }
