# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies the fault policy (``faults`` of the job) to the plan's steps.

It is not part of a digest: a change of policy restarts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..job.fault_policy import policy
from ..plan_file import Step
from ..topology.layout import Layout


def apply(steps: Iterable[Step], layout: Layout) -> None:
    """Set ``critical`` and ``restarts`` of the service's *steps*, in place, as the job says."""
    if not layout.spec.get("faults"):
        return
    sizes: Counter[tuple[str | None, int | None]] = Counter(
        (process.mode, process.endpoint.index) for process in layout.processes
    )
    for step in steps:
        role = _role(step, layout)
        if role:
            said = policy(layout.spec, role)
            step["critical"] = said["critical"]
            # A single rank cannot rejoin the others.
            alone = sizes[step["mode"], step["index"]] <= 1 or step["ntasks"] > 1
            step["restarts"] = said["restarts"] if alone else 0


def _role(step: Step, layout: Layout) -> str | None:
    """Return the role of *step* if a policy can apply to it, else None. Frontends need nginx before them."""
    if step["kind"] == "frontend":
        return "frontend" if layout.nginx else None
    return step["mode"]
