# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node is: its system, its GPUs with their clocks and errors, its network. Standard library, Python 3.8.

Asked before models load and after the last measurement: a GPU that had an error meanwhile, or slowed down, explains
figures. What cannot be seen is None.
"""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import re
import shutil
import subprocess
from typing import Any

ASK_S = 30.0
# {name: nvidia-smi's name of it}. Numbers are in its units: MiB, MHz, W, degrees Celsius.
GPU = {
    "index": "index",
    "name": "name",
    "uuid": "uuid",
    "pci": "pci.bus_id",
    "driver": "driver_version",
    "memory_mib": "memory.total",
    "clock_sm_mhz": "clocks.sm",
    "clock_sm_max_mhz": "clocks.max.sm",
    "clock_memory_mhz": "clocks.mem",
    "power_limit_w": "power.limit",
    "temperature_c": "temperature.gpu",
    "state": "pstate",
    "ecc_uncorrected": "ecc.errors.uncorrected.volatile.total",
}
NUMBERS = tuple(name for name in GPU if name.endswith(("index", "_mib", "_mhz", "_w", "_c", "_uncorrected")))
LINK_ERRORS = re.compile(r"^\s*Link \d+: (\w+) Errors: (\d+)", re.MULTILINE)
XID = re.compile(r"NVRM: Xid \(([^)]*)\): (\d+)")
PORT = ("state", "rate", "link_layer")  # files of a port of InfiniBand
COUNTERS = ("symbol_error", "link_downed", "port_rcv_errors")


def gathered(wanted: int | None) -> dict[str, Any]:
    """Return the facts of this node; *wanted*: its GPUs that the job uses, None or 0: none, so that nobody asks."""
    found: dict[str, Any] = {
        "kernel": platform.release(),
        "os": _os(),
        "arch": platform.machine(),
        "cpus": os.cpu_count(),
        "nics": nics(),
    }
    if wanted and shutil.which("nvidia-smi"):
        found["gpus"] = gpus()
        found["nvlink_errors"] = link_errors() if found["gpus"] else None
        found["xids"] = xids()
    return found


def _os() -> str | None:
    with contextlib.suppress(OSError), open("/etc/os-release", encoding="utf-8") as stream:
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', stream.read(), re.MULTILINE)
        return found.group(1) if found else None
    return None


def _said(argv: list[str]) -> str | None:
    """Return what a program prints, None if it fails, or hangs."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def gpus() -> list[dict[str, Any]] | None:
    """Return the facts of each GPU, None if nvidia-smi does not tell."""
    said = _said(["nvidia-smi", "--format=csv,noheader,nounits", f"--query-gpu={','.join(GPU.values())}"])
    found = []
    for line in (said or "").splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(GPU):
            one: dict[str, Any] = dict(zip(GPU, cells))
            one.update({name: _number(one[name]) for name in NUMBERS})
            found.append({key: None if str(value).startswith(("[", "N/A")) else value for key, value in one.items()})
    return found or None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number == int(number) else number


def link_errors() -> dict[str, int] | None:
    """Return ``{kind of error: number}`` over all NVLinks of the node, None if nvidia-smi does not tell."""
    said = _said(["nvidia-smi", "nvlink", "-e"])
    found: dict[str, int] = {}
    for kind, number in LINK_ERRORS.findall(said or ""):
        found[kind.lower()] = found.get(kind.lower(), 0) + int(number)
    return found or None


def xids() -> dict[str, int] | None:
    """Return ``{Xid: how often the driver has logged it}`` since boot, None if the user may not read that log."""
    said = _said(["dmesg"]) if shutil.which("dmesg") else None
    if said is None:
        return None
    found: dict[str, int] = {}
    for _place, number in XID.findall(said):
        found[number] = found.get(number, 0) + 1
    return found


def nics() -> list[dict[str, Any]]:
    """Return the network interfaces that are devices, and the ports of InfiniBand."""
    found: list[dict[str, Any]] = []
    for path in sorted(glob.glob("/sys/class/net/*")):
        if os.path.exists(os.path.join(path, "device")):
            one: dict[str, Any] = {"name": os.path.basename(path)}
            one.update({key: _read(os.path.join(path, key)) for key in ("operstate", "mtu", "speed")})
            found.append(one)
    for path in sorted(glob.glob("/sys/class/infiniband/*/ports/*")):
        device, _ports, port = path.split("/")[-3:]
        one = {"name": f"{device}/{port}", **{key: _read(os.path.join(path, key)) for key in PORT}}
        one["errors"] = {key: _read(os.path.join(path, "counters", key)) for key in COUNTERS}
        found.append(one)
    return found


def _read(path: str) -> str | int | None:
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read(200).strip()
    except (OSError, ValueError):
        return None
    if text == "-1":  # the speed of an interface that is down
        return None
    return int(text) if text.isdigit() else text
