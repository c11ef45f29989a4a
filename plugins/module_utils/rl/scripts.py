# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sbatch scripts, as pure functions of the settings."""

from __future__ import annotations

import shlex

from ..holder import PYTHON
from ..json_types import JsonObject
from ..programs import folder_of
from ..slurm.options import seconds
from ..slurm.script import option_lines
from .settings import RUNTIME, TRAINING, exported

PROGRAM = folder_of("rl")
TAG = "srt.slurm.rl:"  # begins the comment of each of our jobs


def job_name(name: str, side: str) -> str:
    """Return the name of a side's job."""
    return f"{name}-{side}"


def comment(side: str, digest: str) -> str:
    """Return what identifies a job."""
    return f"{TAG}{side}:{digest}"


def runtime_limit_s(values: JsonObject) -> int:
    """Return the time limit of the runtime: it starts first and must not end before training."""
    return (seconds(values["time_limit"]) or 0) + int(values["runtime_ready_timeout"]) + int(values["runtime_extra_s"])


def slurm_time(total_s: int) -> str:
    """Return a time as Slurm has it, D-HH:MM:SS; Slurm counts whole minutes."""
    minutes = -(-total_s // 60)
    return f"{minutes // 1440}-{minutes // 60 % 24:02d}:{minutes % 60:02d}:00"


def directives(values: JsonObject, side: str, folder: str, digest: str) -> JsonObject:
    """Return the options of sbatch for a side, in order."""
    output = f"{folder.replace('%', '%%')}/{side}_%j"
    wanted: JsonObject = {
        "job-name": job_name(values["name"], side),
        "comment": comment(side, digest),
        "partition": values["cpu_partition" if side == RUNTIME else "gpu_partition"],
        "nodes": 1 if side == RUNTIME else values["gpu_nodes"],
        "ntasks-per-node": 1,
        "cpus-per-task": values["cpus_for_runtime" if side == RUNTIME else "training_cpus"],
        "mem": values["runtime_memory" if side == RUNTIME else "training_memory"],
    }
    if side == TRAINING:
        kind = f"{values['gpu_type']}:" if values["gpu_type"] else ""
        wanted["gres"] = f"gpu:{kind}{values['gpus_per_node']}"
    limit_s = runtime_limit_s(values) if side == RUNTIME else seconds(values["time_limit"]) or 0
    wanted["time"] = slurm_time(limit_s)
    # The runtime hears it earlier: it then asks training to finish, which takes that long.
    early = int(values["warning_s"]) * (2 if side == RUNTIME else 1)
    wanted.update({"signal": f"B:USR1@{min(early, 65535)}", "output": f"{output}.out", "error": f"{output}.err"})
    wanted.update({"open-mode": "append", "chdir": folder, "no-requeue": None})
    for key, option in (("exclude_nodes", "exclude"), ("account", "account"), ("qos", "qos")):
        if values[key]:
            wanted[option] = values[key]
    return wanted


def render(values: JsonObject, side: str, folder: str, digest: str) -> str:
    """Return the sbatch script of a side; *folder* is the coordination directory."""
    lines = ["#!/bin/bash", *option_lines(directives(values, side, folder, digest)), ""]
    lines += ["# The program hears these signals as soon as it can; until then they must not end this script."]
    lines += ["trap '' TERM USR1"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exported(values, side).items()]
    lines.append(f"export SKYRL_COORD_DIR={shlex.quote(folder)}")
    if values["setup"]:
        lines.append(str(values["setup"]).rstrip("\n"))
    lines += [
        'command -v python3 >/dev/null || { echo "No python3 on $(hostname): 3.8 or newer is needed." >&2; exit 127; }',
        f"exec {shlex.join([*PYTHON, f'{folder}/{PROGRAM}', side, folder])}",
        "",
    ]
    return "\n".join(lines)
