# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the command line names as ``-e @FILE``, as text: Ansible keeps no repeated keys and no empty files."""

from __future__ import annotations

import os

from ansible import context
from ansible.errors import AnsibleError


def given_files(loader):
    """Return ``{path: text}`` of the files; *loader*, Ansible's DataLoader, decrypts them."""
    found = {}
    for word in context.CLIARGS.get("extra_vars") or ():
        if str(word).startswith("@"):
            path = os.path.abspath(os.path.expanduser(str(word)[1:]))
            try:
                found[path] = str(loader.get_text_file_contents(path))
            except (AnsibleError, OSError):  # it was read a moment ago, and is gone
                continue
    return found
