# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of an inventory that look like run options."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import misspelt
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import origin


def names_in(task_vars):
    """Return the names of the variables that the inventory and the extra vars give the host of a task.

    Those of the play and of roles are not among them.
    """
    host = (task_vars.get("hostvars") or {}).get(task_vars.get("inventory_hostname"))
    return set(host or ())


def notes(extra, task_vars, playbooks):
    """Return the note, as a list, on variables that would be options of *playbooks* if they were *extra* vars."""
    found = run_options.disregarded(extra, names_in(task_vars), playbooks)
    if not found:
        return []
    other = [run_options.full_name(name) for name in found if not run_options.OPTIONS[name].early]
    remedy = f" There, {', '.join(other)} would count." if other else ""
    return [f"Only -e sets {', '.join(found)}: the inventory's value is not used.{remedy}"]


def problems(extra, task_vars):
    """Return the problems of variables of the inventory that begin like run options and are none."""
    found = []
    for name in sorted(names_in(task_vars) - set(extra)):
        meant = misspelt(name)
        if meant:
            file, line = origin(task_vars.get(name))
            where = {"file": file or "the inventory", "line": line, "path": name}
            about = {"code": "unknown_key", "problem": "is not a run option.", "remedy": f"Did you mean {meant}?"}
            found.append({**where, **about})
    return found
