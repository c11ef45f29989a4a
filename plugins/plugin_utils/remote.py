# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What an action looks up on the submit host when that is another machine."""

from __future__ import annotations

import shlex

from ansible_collections.srt.slurm.plugins.module_utils.failures import Error

AT_ONCE = 200  # paths in one command line


def existing(action, paths):
    """Return the set of those of *paths* that exist on the host of the task of *action*."""
    paths, found = list(dict.fromkeys(paths)), set()
    for begin in range(0, len(paths), AT_ONCE):
        some = paths[begin : begin + AT_ONCE]
        tests = "; ".join(f"test -e {shlex.quote(path)} && echo {index}" for index, path in enumerate(some))
        done = action._low_level_execute_command(f"{tests}; echo end", sudoable=True)
        lines = done["stdout"].split()
        if "end" not in lines:
            raise Error(
                f"The submit host cannot be asked which paths exist: {done['stderr'].strip() or 'no answer'}. "
                "Mend the connection, or give -e check_paths=false."
            )
        found.update(some[int(line)] for line in lines if line.isdigit())
    return found
