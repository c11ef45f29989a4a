# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What the holder knows of one step, how it reads its end, and the few things it asks of Slurm.

This file lies beside holder.py in the run directory: standard library, Python 3.8.
"""
from __future__ import annotations

import datetime
import os
import re
import signal
import subprocess

CALL_S = 10.0  # the longest that one Slurm command may take
SCRUBBED = re.compile("(SLURM|SRUN|SBATCH|PMI|PMIX)_(?!CONF$)|(CUDA|ROCR)_VISIBLE_DEVICES$|GPU_DEVICE_ORDINAL$|ZE_AFFINITY_MASK$")
SIGNALS = {signal.strsignal(number): int(number) for number in signal.Signals}
REMEMBERED = ("name", "tier", "digest", "nodes", "critical", "log", "stop_grace_s")


def utc_now():
    """Return the present time as ISO 8601 in UTC with milliseconds."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tail(path, size=8192):
    """Return the last *size* bytes of a file as text, "" if there is none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - size))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def read_end(code, messages):
    """Return {exit_code, signal, node, reason} from a client's exit status and what it printed."""
    down = re.search(r"Node failure on ([^\s,]+)", messages)
    if down:  # srun itself exits 0 then
        return {"node": down.group(1), "reason": f"node failure on {down.group(1)}"}
    if code < 0:
        return {"reason": f"its srun client was killed by signal {-code}"}
    task = re.search(r"error: (\S+): tasks? [\d,\- ]+: (.+)", messages)
    end = {"node": task.group(1)} if task else {}
    what = task.group(2) if task else ""
    where = f" on {end['node']}" if task else ""
    number = SIGNALS.get(what.replace(" (core dumped)", "").strip(), code - 128 if code > 128 and "exit code" not in what else None)
    if number is not None:
        return dict(end, signal=number, reason=f"killed by signal {number}{where}")
    status = re.search(r"exit code (\d+)", what)
    code = int(status.group(1)) if status else code
    errors = re.findall(r"^srun: (?:error|fatal): (.+)$", messages, re.M)
    reason = f"srun failed: {errors[-1]}" if code and errors and not task else f"exited with code {code}{where}"
    return dict(end, exit_code=code, reason=reason)


class Slurm:
    """All that the holder wants from Slurm; tests put another one in its place."""

    def __init__(self, job_id):
        self.job_id = job_id

    def spawn(self, argv, env, err_path):
        """Start a client in a session of its own, with nothing of ours but a place for its messages."""
        base = {k: v for k, v in os.environ.items() if not SCRUBBED.match(k)}
        with open(err_path, "ab") as err:
            return subprocess.Popen(
                argv, env=dict(base, **env), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True)

    def steps(self):
        """Return {step id: name} of what runs now, or None when Slurm does not say."""
        done = self._call("squeue", "--noheader", "--steps", f"--jobs={self.job_id}", "--format=%i|%j")
        if done is None or done.returncode:
            return None
        lines = [line.strip().split("|", 1) for line in done.stdout.splitlines() if "|" in line]
        return {step_id: name for step_id, name in lines if step_id.rsplit(".", 1)[-1].isdigit()}

    def signal(self, step_ids, name):
        """Signal the processes of the steps; False when Slurm could not be asked."""
        return self._call("scancel", f"--signal={name}", *step_ids) is not None

    @staticmethod
    def _call(*argv):
        try:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=CALL_S)
        except (OSError, subprocess.SubprocessError):
            return None


class Step:
    """One attempt of a step: what was asked for and what is known of it."""

    def __init__(self, ask, attempt=1, newer_than=-1):
        self.ask, self.name, self.attempt, self.newer_than = ask, ask["name"], attempt, newer_than
        self.client, self.seq = None, 0
        self.state, self.expected = "starting", False
        self.step_id = self.node = self.exit_code = self.signal = self.reason = None
        self.started_at = self.running_at = self.ended_at = None

    @property
    def alive(self):
        return self.state != "ended"

    def record(self):
        """Return the record of the protocol."""
        ask, nodes = self.ask, self.ask.get("nodes") or []
        said = {k: getattr(self, k) for k in ("state", "attempt", "step_id", "node", "started_at", "running_at", "ended_at",
                                              "exit_code", "signal", "reason", "expected")}
        log = (ask.get("log") or "").replace("%N", nodes[0] if nodes else "%N")
        return dict({k: ask.get(k) for k in REMEMBERED}, **said, critical=bool(ask.get("critical")), log=log)
