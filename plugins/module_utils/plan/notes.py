# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes on a layout: nodes and GPUs without a worker, and ports that are not the next number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ..plan_file import Step
from ..topology.layout import Layout

# The number of nodes that a note names; the others are counted.
MOST = 8


def notes(layout: Layout) -> list[str]:
    """Return notes on *layout*."""
    return _idle(layout) + _shifted(layout)


def _idle(layout: Layout) -> list[str]:
    """Return notes on nodes and GPUs without a worker, except for dedicated nodes."""
    size: int = layout.spec["resources"]["gpus_per_node"]
    taken: dict[str, set[int]] = {}
    for process in layout.processes:
        taken.setdefault(process.node, set()).update(process.gpu_indices)
    free = {node: [gpu for gpu in range(size) if gpu not in taken.get(node, ())] for node in layout.roles.workers}
    empty = [node for node in free if node not in taken]
    partly = {node: gpus for node, gpus in free.items() if gpus and node in taken}
    found = []
    if empty:
        found.append(f"No worker is on {_few(empty)}: {len(empty)} of the {len(free)} nodes for workers.")
    if layout.surplus:
        found.append(f"The allocation has more nodes than the job needs. Nothing runs on {_few(layout.surplus)}.")
    if partly:
        lost, have = sum(map(len, partly.values())), size * len(free)
        texts = [f"{node} GPU {_ranges(gpus)}" for node, gpus in partly.items()]
        found.append(f"No worker has {_few(texts, '; ')}: {lost} of the {have} GPUs for workers.")
    return found


def _shifted(layout: Layout) -> list[str]:
    """Return a note for each kind of port that skips ports of another kind."""
    return [
        f"Ports: {owner} on {node} is {port} instead of {wish}, which {kind} uses"
        + (f"; {count - 1} more like this." if count > 1 else ".")
        for owner, node, wish, port, kind, count in layout.shifts
    ]


def copies(steps: Iterable[Step]) -> list[str]:
    """Return a note on the copies of images that pyxis makes on the node with most of the *steps*, if several."""
    contained = [step for step in steps if step["container"] and step["container"]["runtime"] == "pyxis"]
    count = Counter(node for step in contained for node in step["nodes"])
    node, most = max(count.items(), key=lambda item: item[1], default=("", 0))
    if most < 2:
        return []
    return [
        f"Each step in a container unpacks its image: {most} copies on {node}, and one more while a point is measured, "
        "unless enroot mounts images with squashfuse there."
    ]


def _few(texts: Sequence[str], between: str = ", ") -> str:
    """Return the first of *texts* and the number of the others."""
    more = len(texts) - MOST
    return between.join(texts[:MOST]) + (f"{between}and {more} more" if more > 0 else "")


def _ranges(numbers: Iterable[int]) -> str:
    """Return ``0-3,6`` for sorted *numbers*."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
