# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of a Ctrl-C that Ansible lost.

Ansible's handler raises KeyboardInterrupt in the main process. Raised while that process forks a worker, it ends in
one of Python's after-fork hooks, which print exceptions and go on: the playbook continues as if nothing had
happened, and would release the nodes at its end. The only trace is that the main process no longer catches SIGINT.
"""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import time

from ansible import constants
from ansible.errors import AnsibleError
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note

SHOWN_S = 0.3  # the main process prints what a worker shows
TEXT = "Ansible lost a Ctrl-C while it started this task. The run ends here; running services stay up."


def lost(pid):
    """Return whether the process *pid* neither catches nor ignores SIGINT, which Ansible only does after a Ctrl-C."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # no /proc, or it has ended
        return False
    masks = dict(re.findall(r"^(SigIgn|SigCgt):\s*([0-9a-f]+)$", status, re.M))
    bit = 1 << (signal.SIGINT - 1)
    return len(masks) == 2 and not any(int(mask, 16) & bit for mask in masks.values())


def obey(show):
    """End the playbook if it was interrupted and did not notice; *show* is called with a line about it."""
    forked_by = multiprocessing.parent_process()
    parent = os.getppid()
    # An orphan has another parent, such as init, which is not ours to signal.
    if forked_by is None or forked_by.pid != parent or not lost(parent):
        return
    show(TEXT)
    more = kept_job_note.take_line()  # the main process ends silently
    if more:
        show(more)
    time.sleep(SHOWN_S)
    if os.getppid() == parent:
        os.kill(parent, signal.SIGINT)
    shutil.rmtree(constants.DEFAULT_LOCAL_TMP, ignore_errors=True)  # as Ansible does at its end; secrets may be there
    raise AnsibleError(TEXT)
