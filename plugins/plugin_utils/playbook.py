# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running one of our playbooks as a separate process, with the command line options of this run."""

from __future__ import annotations

import os
import subprocess
import sys

from ansible import context
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note

# Options of ansible-playbook that hold for each job too, with the attribute that keeps them.
LISTS = (("inventory", "--inventory"), ("skip_tags", "--skip-tags"), ("vault_ids", "--vault-id"))
WORDS = (("forks", "--forks"), ("private_key_file", "--private-key"), ("remote_user", "--user"))
FLAGS = (("check", "--check"), ("diff", "--diff"))


def command(playbook, extra):
    """Return the argv that runs *playbook* as this run was started, with the *extra* vars added."""
    given = context.CLIARGS
    argv = [sys.executable, "-m", "ansible", "playbook", playbook]
    for key, option in LISTS:
        for value in given.get(key) or ():
            argv += [option, value]
    tags = [tag for tag in given.get("tags") or () if tag != "all"]
    if tags:
        argv += ["--tags", ",".join(tags)]
    for key, option in WORDS:
        if given.get(key):
            argv += [option, str(given[key])]
    for value in given.get("vault_password_files") or ():
        argv += ["--vault-password-file", value]
    argv += [option for key, option in FLAGS if given.get(key)]
    if given.get("verbosity"):
        argv.append("-" + "v" * given["verbosity"])
    for value in (*(given.get("extra_vars") or ()), *extra):
        argv += ["--extra-vars", value]
    return argv


def play(playbook, extra, show, note):
    """Run *playbook* to its end and hand each line of its output to *show*; return its exit code.

    :param note: where it leaves its note on a job that stays up.
    """
    process = subprocess.Popen(
        command(playbook, extra),
        env={**os.environ, kept_job_note.PATH_VARIABLE: note},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout:
            show(line.rstrip("\n"))
        return process.wait()
    except BaseException:
        # Ctrl-C reaches the playbook as well, which then ends.
        process.stdout.close()
        process.wait()
        raise
