# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of secrets on their way from job_spec to the run directory: a private file, never a result or a variable."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import stat
import tempfile

from ansible import constants
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error

# Ansible's temporary directory of one run: the id of its process, and what tempfile adds.
RUN_TMP = re.compile(r"ansible-local-(\d+)[a-z0-9_]{8}")


def keep_secrets(values):
    """Write *values* into Ansible's own temporary directory, which it removes at the end; return the path."""
    remove_left()
    # A later process of this run reads them by their path, so it is a file with a name.
    handle, path = tempfile.mkstemp(prefix=_prefix(), dir=constants.DEFAULT_LOCAL_TMP)  # mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(values, stream)
    return path


def remove_left():
    """Remove the files of earlier runs of this user that were killed on this machine."""
    beside, prefix = os.path.dirname(os.path.abspath(constants.DEFAULT_LOCAL_TMP)), _prefix()
    with contextlib.suppress(OSError), os.scandir(beside) as folders:
        for folder in folders:
            run = RUN_TMP.fullmatch(folder.name)
            if run and _ours(folder, stat.S_ISDIR) and not os.path.exists(f"/proc/{run.group(1)}"):
                with contextlib.suppress(OSError), os.scandir(folder.path) as files:
                    for file in files:
                        if file.name.startswith(prefix) and _ours(file, stat.S_ISREG):
                            os.unlink(file.path)


def _ours(entry, is_kind):
    """Return whether a directory entry is of this user and of a kind, itself and not by a link."""
    facts = entry.stat(follow_symlinks=False)
    return facts.st_uid == os.getuid() and is_kind(facts.st_mode)


def _prefix():
    """Return how our files begin. The id of a process says something on its machine only, and homes are shared."""
    where = socket.gethostname()
    with contextlib.suppress(OSError):
        where += os.readlink("/proc/self/ns/pid")
    return f"srt-secrets-{hashlib.sha256(where.encode()).hexdigest()[:12]}-"


def read_secrets(path):
    """Return the values that keep_secrets wrote."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as error:
        raise Error(
            f"The values of the secrets, {path}, are gone: {error}. They exist during one playbook run only, "
            "which must include job_spec."
        ) from None


class Hidden(dict):
    """Values that Ansible hands to a module, and does not show: ANSIBLE_DEBUG prints a module's arguments."""

    def __repr__(self):
        return f"({len(self)} values are not shown)"


def with_secrets(arguments):
    """Return *arguments* with ``secrets``, the values that only the controller has, instead of ``secrets_path``."""
    rest = {name: value for name, value in arguments.items() if name != "secrets_path"}
    path = arguments.get("secrets_path")
    return dict(rest, secrets=Hidden(read_secrets(path))) if path else rest
