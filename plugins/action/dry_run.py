# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show what jobs would do, and write it: the action of the module dry_run."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import dry_run as dryrun
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the entry in the controller: planning needs nothing of the submit host."""

    argument_spec = dryrun.ARGUMENT_SPEC
    own_text = True
    entry = staticmethod(dryrun.run)
    always_here = True

    def run(self, tmp=None, task_vars=None):
        """Run the entry; an error is shown with little beside it."""
        result = super().run(tmp, task_vars)
        if result.get("failed") and "jobs" in result:
            result["jobs"] = [{key: job[key] for key in ("name", "path")} for job in result["jobs"]]
            result.pop("diff", None)
        return result

    def shown(self, result):
        lines = []
        for job in result.get("jobs", ()):
            head, *rest = job["node_map"].splitlines()
            more = rest[-2:]
            if job["left_out"]:
                more.append(f"measures {', '.join(job['points'])} only")
            if job["tags"]:
                more.append(f"tags {', '.join(job['tags'])}")
            lines += [head] + [f"  {line}" for line in [*more, *([job["path"]] if job["path"] else [])]]
        return lines
