# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module step_log_info: the last lines of a step's log, or the log as it grows."""

from __future__ import annotations

import os
import re
import time

from ..allocation import detached, ownership, runs
from ..allocation.runs import Run
from ..entry import Context
from ..failures import Error
from ..holder.slurm_calls import output_path
from ..holder.tails import regular, tail_lines
from ..json_types import JsonObject
from ..plain_text import LONGEST, shown

ARGUMENT_SPEC = dict(
    runs.ARGUMENT_SPEC,
    step={"type": "str"},
    node={"type": "str"},
    lines={"type": "int", "default": 20},
    follow={"type": "bool", "default": False},
    timeout_s={"type": "float", "default": 0.0},
)
PLAYBOOK, JOB = "playbook", "job"  # logs that do not belong to a step
BREAK = re.compile("\r*\n|\r+(?!\n|$)")  # a carriage return at the end may be the first half of a line break
CHECK_S = 2.0  # how often to check whether the step is still running


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{step, state, paths, lines}``; in check mode nothing is followed."""
    found = runs.find(params)
    name = params.get("step") or (PLAYBOOK if os.path.exists(detached.log_path(found.run_dir)) else JOB)
    paths = _paths(found, name, params.get("node"))
    if params["follow"] and not ctx.check_mode:
        _follow(found, name, paths, params, ctx)
    lines = [shown(line) for path in paths for line in tail_lines(path, params["lines"])]
    return {"changed": False, "step": name, "state": _state(found, name), "paths": paths, "lines": lines}


def _paths(found: Run, name: str, node: str | None) -> list[str]:
    if name == PLAYBOOK:
        return [detached.log_path(found.run_dir)]
    if name == JOB:
        return [output_path(found.run_dir, found.job_id)]
    record = found.steps().get(name)
    plan = found.plan()
    steps = [*plan["steps"], *(point["step"] for point in plan["benchmark"]["points"])] if plan else []
    planned = next((step for step in steps if step["name"] == name), None)
    if planned:
        nodes, log = planned["nodes"], planned["log"]
    elif record:  # a step of an earlier plan: its record names the log of its first node
        nodes, log = record["nodes"], record["log"]
    else:
        known = ", ".join([PLAYBOOK, JOB, *sorted({step["name"] for step in steps} | set(found.steps()))])
        raise Error(f"The run has no step {name}. It has: {known}.")
    if node and node not in nodes:
        raise Error(f"Step {name} is not on {node}. Its nodes: {', '.join(nodes)}.")
    chosen = [node] if node else nodes
    return list(dict.fromkeys(os.path.join(found.run_dir, log.replace("%N", one)) for one in chosen))


def _state(found: Run, name: str) -> str | None:
    """Return the state of the log's writer: running or ended, or another state of a step."""
    if name in (PLAYBOOK, JOB):
        return "running" if found.live else "ended"
    record = found.steps().get(name)
    if record:
        return record.get("state")
    return "waiting" if found.live else "ended"


def _follow(found: Run, name: str, paths: list[str], params: JsonObject, ctx: Context) -> None:
    """Show the last lines and then new ones until the step has ended, or the time limit."""
    logs = [_Log(path, params["lines"]) for path in paths]
    until = time.monotonic() + (params["timeout_s"] or float("inf"))
    ended, looked = False, 0.0
    while True:
        fresh = [log.show_new(ctx, several=len(logs) > 1) for log in logs]
        if not any(fresh):
            if ended or time.monotonic() >= until or not ctx.controller_alive():
                break
            if time.monotonic() - looked >= CHECK_S:
                looked = time.monotonic()
                ended = _over(found, name)
                continue
            time.sleep(0.2)
    for log in logs:
        if log.rest:
            ctx.show(log.rest.rstrip("\r"))


def _over(found: Run, name: str) -> bool:
    if found.foreign:
        return True
    try:
        listed = ownership.jobs(os.path.dirname(found.run_dir), job_id=found.job_id, timeout_s=10.0, patience_s=0.0)
    except Error:
        return False  # Slurm may be back later
    found.job, found.slurm_answered = next(iter(listed), None), True
    return _state(found, name) == "ended"


def _start(path: str, lines: int) -> tuple[int | None, int]:
    """Return (inode, None without a file; offset in bytes) of the start of the last *lines* lines of a file."""
    try:
        with open(path, "rb", opener=regular) as stream:
            inode = os.fstat(stream.fileno()).st_ino
            size = stream.seek(0, os.SEEK_END)
            first = max(0, size - (1 << 20))
            stream.seek(first)
            content = stream.read()
    except OSError:
        return None, 0
    kept = b"".join(content.splitlines(keepends=True)[-lines:]) if lines else b""
    return inode, first + len(content) - len(kept)


class _Log:
    """A log that is shown as it grows, from its last *lines* lines on.

    :ivar rest: the beginning of its last line, which is not complete yet.
    """

    def __init__(self, path: str, lines: int) -> None:
        self.path, self.rest = path, ""
        self._inode, self._shown = _start(path, lines)

    def show_new(self, ctx: Context, several: bool) -> bool:
        """Show the new lines; return whether there is anything new.

        :param several: other logs are shown too, so each line names the node.
        """
        try:
            with open(self.path, "rb", opener=regular) as stream:
                now = os.fstat(stream.fileno())
                if now.st_ino != self._inode or now.st_size < self._shown:
                    self._shown = 0  # a new step attempt: the log of the last one was set aside
                stream.seek(self._shown)
                content = stream.read(1 << 20)
        except OSError:
            return False
        self._inode, self._shown = now.st_ino, self._shown + len(content)
        # A program may rewrite a line, after a carriage return; no line is kept that does not end.
        *complete, self.rest = BREAK.split(self.rest + content.decode(errors="replace"))
        if len(self.rest) > LONGEST:
            complete, self.rest = [*complete, self.rest], ""
        for line in complete:
            ctx.show(f"{os.path.basename(self.path).split('_')[0]}: {line}" if several else line)
        return bool(content)
