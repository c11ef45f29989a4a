# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of a failed step: its name and node, how it ended, the first fatal line, the last lines."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..failures import StepError
from ..holder.faults import evidence, path_of
from ..holder.records import StepRecord
from ..json_types import JsonObject

__all__ = ["evidence", "step_error"]


def step_error(records: Iterable[StepRecord], run_dir: str, doing: str) -> StepError:
    """Return the StepError for steps that ended; the first one is named, all are in ``evidence``.

    ``retryable`` is whether another allocation, without the nodes in ``bad_nodes``, may succeed.

    :param doing: the activity at that time, such as ``while the service was getting ready``.
    """
    records = sorted(records, key=lambda record: record.get("ended_at") or "")
    found: list[JsonObject] = [{**evidence(record, run_dir)} for record in records[:8]]
    for one in found:
        kept = path_of(run_dir, one["step"], one["attempt"])
        one["kept"] = kept if os.path.exists(kept) else None
    first = found[0]
    msg = f"Step {first['step']} on {first['node']} ended {doing}: {first['reason']}."
    if first["fatal"]:
        msg += f" First fatal line: {first['fatal'][:300].rstrip('.')}."
    if len(records) > 1:
        others = ", ".join(r["name"] for r in records[1:6]) + (" ..." if len(records) > 6 else "")
        msg += f" ({len(records) - 1} more: {others})"
    msg += f" Log: {first['log']}"
    return StepError(
        msg,
        evidence=found,
        failed_step=first["step"],
        failed_node=first["node"],
        retryable=first["retryable"],
        bad_nodes=sorted({one["node"] for one in found if one["retryable"] and one["node"]}),
    )
