# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a sandbox, its names and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from ..failures import Error
from ..json_types import Json, JsonObject
from ..plan_file import AllocatedNode


class Settings(TypedDict):
    """What a running sandbox cannot change without a restart; times are in seconds, sizes in MB."""

    nodes: int
    gpus_per_node: int
    gpu_type: str
    cpus_per_node: int
    memory_mb: int
    partition: str
    cpu_nodes: int
    cpu_partition: str
    slurmd_timeout_s: int
    kill_wait_s: int
    small_disk_mb: int
    slurm_conf: list[str]
    plugstack: list[str]


#: name -> (type, default). Everything that a running sandbox cannot change without a restart.
SETTINGS: dict[str, tuple[type, Json]] = {
    "nodes": (int, 4),
    "gpus_per_node": (int, 8),
    "gpu_type": (str, "h100"),
    "cpus_per_node": (int, 64),
    "memory_mb": (int, 512000),
    "partition": (str, "gpu"),
    "cpu_nodes": (int, 0),
    "cpu_partition": (str, "cpu"),
    "slurmd_timeout_s": (int, 60),
    "kill_wait_s": (int, 2),
    "small_disk_mb": (int, 0),
    "slurm_conf": (list, ()),
    "plugstack": (list, ()),
}
LIMITS = {
    "nodes": (1, 512),
    "gpus_per_node": (0, 64),
    "cpu_nodes": (0, 511),
    "cpus_per_node": (2, 4096),
    "memory_mb": (1024, 1 << 30),
    "slurmd_timeout_s": (5, 65533),
    "kill_wait_s": (1, 3600),
    "small_disk_mb": (0, 1 << 20),
}
CONTROL: AllocatedNode = {"name": "login", "address": "10.77.0.1"}
PREFIX = 16


def settings_from(given: Mapping[str, Json], base: Settings | None = None) -> Settings:
    """Return complete settings: *given* (None means not given) over *base* over the defaults; Error if one is wrong."""
    result: JsonObject = {}
    before: Mapping[str, Json] = base or {}
    for name, (kind, default) in SETTINGS.items():
        value: Json = given.get(name)
        if value is None:
            value = before.get(name, default)
        if kind is list:
            value = [str(line) for line in value]
            for line in value:
                if "\n" in line:
                    raise Error(f"{name}: one entry is one line, got {line!r}.")
        else:
            value = kind(value)
        low, high = LIMITS.get(name, (0, 0))
        if name in LIMITS and not low <= value <= high:
            raise Error(f"{name} must be {low} to {high}, got {value}.")
        if kind is str and not value.replace("_", "").replace("-", "").isalnum():
            raise Error(f"{name} must be letters, digits, '-' and '_', got {value!r}.")
        result[name] = value
    if result["cpu_nodes"] >= result["nodes"]:
        raise Error(f"cpu_nodes must be less than nodes ({result['nodes']}), got {result['cpu_nodes']}.")
    if result["cpu_nodes"] and result["cpu_partition"] == result["partition"]:
        raise Error(f"cpu_partition must differ from partition, got {result['partition']} for both.")
    return cast(Settings, result)


def node_plan(count: int) -> list[AllocatedNode]:
    """Return ``[{name, address}]``: node001 at 10.77.0.11 and so on, 200 to each third number."""
    width = max(3, len(str(count)))
    return [{"name": f"node{i:0{width}d}", "address": f"10.77.{i // 200}.{i % 200 + 10}"} for i in range(1, count + 1)]


def node_range(count: int, after: int = 0) -> str:
    """Return Slurm's name for all of *count* nodes but the first *after*, such as ``node[001-016]``."""
    names = [node["name"] for node in node_plan(count)][after:]
    return names[0] if len(names) == 1 else f"node[{names[0][4:]}-{names[-1][4:]}]"
