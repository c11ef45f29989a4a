# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the job's ``faults``, what the loss of a step means, into the plan's steps and checks.

None of it is part of a digest: a change of policy restarts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..job.fault_policy import policy
from ..plan_file import Check, Step
from ..topology.layout import Layout


def apply(steps: Iterable[Step], layout: Layout) -> None:
    """Set ``critical`` and ``restarts`` of the service's *steps*, in place, where the job says something."""
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
            # One rank of several cannot join the others again.
            alone = sizes[step["mode"], step["index"]] <= 1 or step["ntasks"] > 1
            step["restarts"] = said["restarts"] if alone else 0


def tell_checks(checks: Iterable[Check], steps: Iterable[Step], layout: Layout) -> None:
    """Let *checks* that count workers know which steps they count, so that lost ones can be left out."""
    if not layout.spec.get("faults"):
        return
    members: dict[str, list[str]] = {"prefill": [], "decode": []}
    for step in steps:
        if step["kind"] == "worker" and step["rank"] == 0:
            members["prefill" if step["mode"] == "prefill" else "decode"].append(step["name"])
    for check in checks:
        for expect in check.get("expect") or ():
            names = members.get(expect["label"])
            if names and expect.get("min"):
                expect["of"] = names


def _role(step: Step, layout: Layout) -> str | None:
    """Return the role of a *step* that a policy can be about, else None: of frontends only one behind nginx."""
    if step["kind"] == "frontend":
        return "frontend" if layout.nginx else None
    return step["mode"]
