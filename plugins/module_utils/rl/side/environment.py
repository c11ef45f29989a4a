# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of the trainer: the .env file, the runtime's address and key, and the names of GPU slices."""

from __future__ import annotations

import os
import re
import subprocess

from .coord import ENVIRONMENT, KEY, Folder, say

ADDRESS, SECRET = "SANDBOX_REMOTE_RUNTIME_API_URL", "ALLHANDS_API_KEY"
VISIBLE = "CUDA_VISIBLE_DEVICES"
RAY = "RAY_ADDRESS"  # that of the shell of the launch would be another cluster's
SLICE = re.compile(r"\(UUID: (MIG-[^)\s]+)\)")
LIST_S = 30.0
PLACEHOLDER = "<REPLACE>"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def read_env(text: str) -> dict[str, str]:
    """Return the variables of a .env file; blank lines, comments, lines without ``=`` and placeholders are skipped."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        name, value = re.sub(r"export\s+", "", name).strip(), value.strip()
        if not equals or name.startswith("#") or PLACEHOLDER in value or not NAME.match(name):
            continue
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name] = value
    return found


def renumbered(devices: str) -> str:
    """Return CUDA_VISIBLE_DEVICES with slices of GPUs, which Slurm names by their UUID, as 0 to n-1."""
    names = [one.strip() for one in devices.split(",") if one.strip()]
    return ",".join(map(str, range(len(names)))) if any(one.startswith("MIG-") for one in names) else devices


def slices() -> str:
    """Return the UUIDs of the slices of GPUs that nvidia-smi lists on this node, "" if there are none."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIST_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ",".join(SLICE.findall(done.stdout.decode(errors="replace")))


def see_devices(env: dict[str, str]) -> None:
    """Number the slices of GPUs in *env*: those that Slurm names, or all of the node if a job sees only its own."""
    found = env.get(VISIBLE) or slices()
    if found:
        env[VISIBLE] = renumbered(found)
    if found != env.get(VISIBLE, ""):
        say(f"training: slices of GPUs {found} are {VISIBLE}={env[VISIBLE]}")


def training_environment(folder: Folder, url: str) -> dict[str, str]:
    """Return the environment of the trainer, and of the processes of Ray that start it on other nodes."""
    inherited = {name: value for name, value in os.environ.items() if name != RAY}
    env = {**inherited, **read_env(folder.text(ENVIRONMENT))}
    if url:
        env[ADDRESS] = url
    key = folder.text(KEY)
    if key:
        env[SECRET] = key
    see_devices(env)
    if env.get("SKYRL_LD_LIBRARY_PATH_EXPORT") == "1" and env.get("EFA_LIBRARY_PATH"):
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, [env["EFA_LIBRARY_PATH"], env.get("LD_LIBRARY_PATH")]))
    return env
