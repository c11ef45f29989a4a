# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What a failed step leaves behind for a person: who, where, how it ended, the first fatal line, the last lines."""

from __future__ import annotations

import os
import re

from ..failures import StepError

# The first line of a log that matches is the likeliest cause. Most telling first only matters within one line.
FATAL = re.compile(
    r"CUDA out of memory|OutOfMemoryError|out of memory|NCCL (?:error|WARN)|ncclSystemError|ncclInternalError|"
    r"Address already in use|EADDRINUSE|No such file or directory|FileNotFoundError|ModuleNotFoundError|ImportError|"
    r"command not found|Permission denied|No space left on device|Connection refused|Segmentation fault|SIGSEGV|"
    r"Bus error|core dumped|terminate called|panicked at|\[emerg\]|Traceback \(most recent call last\)|"
    r"\b(?:FATAL|CRITICAL)\b|\bfatal\b|unrecognized arguments|error: argument|Killed"
)
EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b.*")
NOISE = "cluster configuration lacks support for cpu binding"  # nobody asked for any
READ_BYTES = 1 << 20


def tail_lines(path, count=20):
    """Return the last *count* lines of a file, [] if there is none."""
    return _text(path)[-count:]


def first_fatal(lines):
    """Return the line that says best what went wrong, None if none does.

    Of a Python traceback the exception counts, not its first line.
    """
    for index, line in enumerate(lines):
        if not FATAL.search(line):
            continue
        if "Traceback (most recent call last)" not in line:
            return line.strip()
        after = (EXCEPTION.match(later.strip()) for later in lines[index + 1 :])
        return next((match.group(0) for match in after if match), line.strip())
    return None


def evidence(record, run_dir):
    """Return {step, node, exit_code, signal, reason, fatal, tail, log, srun} of an ended step's *record*."""
    log = os.path.join(run_dir, record.get("log") or "")
    if record.get("node") and record.get("nodes"):
        log = os.path.join(os.path.dirname(log), os.path.basename(log).replace(record["nodes"][0], record["node"], 1))
    lines = _text(log)
    messages = tail_lines(os.path.join(run_dir, "logs", ".srun", f"{record['name']}.{record.get('attempt')}.err"), 8)
    messages = [line for line in messages if NOISE not in line]
    return {
        "step": record["name"],
        "step_id": record.get("step_id"),
        "attempt": record.get("attempt"),
        "node": record.get("node") or (record.get("nodes") or [None])[0],
        "exit_code": record.get("exit_code"),
        "signal": record.get("signal"),
        "reason": record.get("reason"),
        "fatal": first_fatal(lines) or first_fatal(messages),
        "tail": lines[-20:],
        "srun": messages,
        "log": log,
    }


def step_error(records, run_dir, doing):
    """Return the StepError for steps that ended; the first one is named, all are in ``evidence``.

    :param doing: what was going on, such as ``while the service was getting ready``.
    """
    records = sorted(records, key=lambda record: record.get("ended_at") or "")
    found = [evidence(record, run_dir) for record in records[:8]]
    first = found[0]
    msg = f"Step {first['step']} on {first['node']} ended {doing}: {first['reason']}."
    if first["fatal"]:
        msg += f" First fatal line: {first['fatal'][:300]}"
    if len(records) > 1:
        others = ", ".join(r["name"] for r in records[1:6]) + (" ..." if len(records) > 6 else "")
        msg += f" ({len(records) - 1} more: {others})"
    msg += f" Log: {first['log']}"
    return StepError(msg, evidence=found, failed_step=first["step"], failed_node=first["node"])


def _text(path):
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - READ_BYTES))
            return stream.read().decode(errors="replace").splitlines()
    except OSError:
        return []
