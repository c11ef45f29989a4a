# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a step ended unexpectedly: its evidence, kept per step attempt, and whether a retry may succeed."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Mapping
from typing import Any

from .fatal_lines import HINT, LONGEST, cause, load
from .records import EndFacts, Evidence, StepEnd
from .secret_values import hide
from .step import CLIENT_KILLED, EXITED, KILLED, NODE_FAILED, SRUN_FAILED, Step, srun_file
from .tails import tail_lines

FOLDER = "evidence"
SIGNALS = {signal.strsignal(number): int(number) for number in signal.Signals}
NOISE = "cluster configuration lacks support for cpu binding"  # irrelevant: no CPU binding is requested

# Kinds of faults that may not recur on another node. Bad flags, missing files and bugs do.
RETRYABLE = ("node", "gpu", "nccl", "port")
# Kinds of faults that recur if the same step is started on the same node.
PERMANENT = ("node", "usage", "missing", "permission", "disk")
# Signals from outside, or from a parent that gives up: the last line of the log may not explain them.
FROM_OUTSIDE = (int(signal.SIGHUP), int(signal.SIGINT), int(signal.SIGKILL), int(signal.SIGTERM))


def read_end(code: int, messages: str) -> StepEnd:
    """Return {end_code, exit_code, signal, node, reason} from a client's exit status and what it printed."""
    down = re.search(r"Node failure on ([^\s,]+)", messages)
    if down:  # srun itself exits 0 then
        return {"end_code": NODE_FAILED, "node": down.group(1), "reason": f"node failure on {down.group(1)}"}
    if code < 0:
        return {"end_code": CLIENT_KILLED, "reason": f"its srun client was killed by signal {-code}"}
    task = re.search(r"error: (\S+): tasks? [\d,\- ]+: (.+)", messages)
    end: EndFacts = {"node": task.group(1)} if task else {}
    what = task.group(2).replace(" (core dumped)", "").strip() if task else ""
    where = f" on {task.group(1)}" if task else ""
    # Above 31 it is no signal but how srun itself ends when its job is taken away.
    number = SIGNALS.get(what, code - 128 if 128 < code < 160 and "exit code" not in what else None)
    if number is not None:
        return {**end, "end_code": KILLED, "signal": number, "reason": f"killed by signal {number}{where}"}
    never = re.search(r"^srun: error: (task \d+ launch failed: .+)$", messages, re.M)
    if never and not code:  # srun may exit 0 all the same
        return {**end, "end_code": SRUN_FAILED, "reason": f"srun failed: {never.group(1)}"}
    status = re.search(r"exit code (\d+)", what)
    code = int(status.group(1)) if status else code
    errors = re.findall(r"^srun: (?:error|fatal): (.+)$", messages, re.M)
    if code and errors and not task:
        return {**end, "end_code": SRUN_FAILED, "exit_code": code, "reason": f"srun failed: {errors[-1]}"}
    return {**end, "end_code": EXITED, "exit_code": code, "reason": f"exited with code {code}{where}"}


def killed_from_outside(record: Mapping[str, Any]) -> bool:
    """Return whether an external signal ended the step, or its command below a shell."""
    number, code = record.get("signal"), record.get("exit_code")
    return (number if number is not None else (code or 0) - 128) in FROM_OUTSIDE


def evidence(record: Mapping[str, Any], run_dir: str) -> Evidence:
    """Return the evidence of the step attempt of a *record*.

    ``{step, step_id, attempt, node, end_code, exit_code, signal, reason, kind, retryable, permanent, fatal, tail, srun,
    log}``; ``kind`` is one of those in fatal_lines.py, ``node`` (the node itself failed), or None. A mere hint of a
    fault gives a kind but decides nothing: it is neither retryable nor permanent.
    """
    log = log_of(record, run_dir)
    lines = [line[:LONGEST] for line in hide(tail_lines(log), run_dir)]
    messages = hide(tail_lines(srun_file(run_dir, record["name"], record.get("attempt"), "err")), run_dir)
    messages = [line[:LONGEST] for line in messages if NOISE not in line][-8:]
    killed, patterns = killed_from_outside(record), load(run_dir)
    found = [one for one in (cause(text, killed, patterns) for text in (lines, messages)) if one]
    fatal = max(found, key=lambda one: one.rank, default=None)  # of equal ones the log's
    failed = record.get("end_code") == NODE_FAILED
    kind = "node" if failed else fatal.kind if fatal else None
    sure = failed or bool(fatal and fatal.rank > HINT)
    return {
        "step": record["name"],
        "step_id": record.get("step_id"),
        "attempt": record.get("attempt"),
        "node": record.get("node") or (record.get("nodes") or [None])[0],
        "end_code": record.get("end_code"),
        "exit_code": record.get("exit_code"),
        "signal": record.get("signal"),
        "reason": record.get("reason"),
        "kind": kind,
        "retryable": sure and kind in RETRYABLE,
        "permanent": failed or sure and kind in PERMANENT and not killed,
        "fatal": fatal.text if fatal else None,
        "tail": lines[-20:],
        "srun": messages,
        "log": log,
    }


def log_of(record: Mapping[str, Any], run_dir: str) -> str:
    """Return the log of a step on the node where it ended, or on its first node if unknown."""
    log = os.path.join(run_dir, record.get("log") or "")
    if record.get("node") and record.get("nodes"):
        return os.path.join(os.path.dirname(log), os.path.basename(log).replace(record["nodes"][0], record["node"], 1))
    return log


def path_of(run_dir: str, name: str, attempt: int | None) -> str:
    """Return where the evidence of one attempt is kept."""
    return os.path.join(run_dir, FOLDER, f"{name}.{attempt}.json")


def keep(record: Mapping[str, Any], run_dir: str) -> Evidence:
    """Write the evidence of an attempt, once; return it. OSError if it cannot be written."""
    found = evidence(record, run_dir)
    path = path_of(run_dir, record["name"], record.get("attempt"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    about = {key: record.get(key) for key in ("tier", "nodes", "critical", "started_at", "running_at")}
    try:
        with open(path, "x", encoding="utf-8") as stream:
            json.dump(dict(found, **about), stream, indent=1)
            stream.write("\n")
    except FileExistsError:
        pass  # an earlier holder wrote it
    return found


def may_restart(step: Step, found: Evidence | None) -> bool:
    """Return whether the holder restarts *step*: its policy allows it, and the fault is not permanent."""
    left = int(step.spec.get("restarts") or 0) - step.restarted
    return left > 0 and bool(step.spec.get("srun_argv")) and not (found and found["permanent"])
