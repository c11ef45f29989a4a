# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note on a service that stays up after a playbook: its address, how long, and the command that ends it.

A play shows it in its last task. After Ctrl-C, or an error outside of the stages, no task runs any more. So the action
that gets a job leaves a note in Ansible's temporary directory of this run, and the main process shows it at exit: it
loads the actions, and this file with them, before it forks the first worker. The action that ends the job, or shows the
service, removes the note.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import multiprocessing
import os
import re
import shlex

from ansible import constants, context
from ansible.utils.display import Display
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached
from ansible_collections.srt.slurm.plugins.module_utils.files import read_object, write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.run_options import SUBMIT_HOST
from ansible_collections.srt.slurm.plugins.module_utils.stages.run_info import duration

STOP = os.path.join("playbooks", "stop.yml")
PATH_VARIABLE = "SRT_SLURM_KEPT_JOB_NOTE"  # in the environment of a playbook that another one runs


def path():
    """Return the path of the note: a playbook that another one runs writes that one's, whose output is read."""
    return os.environ.get(PATH_VARIABLE) or os.path.join(constants.DEFAULT_LOCAL_TMP, "srt-kept-job.json")


def read(where=None):
    """Return the note, None if there is none; *where* another playbook left its own."""
    return read_object(where or path())


def remember(job_id, run_dir, lease_s=None, waits=False, submit_host=None):
    """Write the note that a job stays up if this playbook ends now.

    :param lease_s: seconds; None when it is not known.
    :param waits: whether it has no nodes yet.
    :param submit_host: None when it is this machine.
    """
    note = {"job_id": job_id, "lease_s": lease_s, "waits": waits, "command": stop_command(run_dir, submit_host)}
    with contextlib.suppress(OSError):  # a full disk is reported elsewhere
        write_text_atomic(path(), json.dumps(note), 0o600)


def forget(job_id=None):
    """Remove the note, if there is one, and if it is of *job_id* (None: of any job)."""
    note = read()
    if note and job_id in (None, note["job_id"]):
        with contextlib.suppress(OSError):
            os.unlink(path())


def stop_command(run_dir, submit_host=None):
    """Return the command that ends the job of *run_dir*, quoted for a shell."""
    # In a checkout the playbook's path, elsewhere its name in the installed collection. Inside a job nobody knows from
    # where the output is read.
    here = os.path.isfile(STOP) or detached.MARK in os.environ
    words = ["ansible-playbook", STOP if here else "srt.slurm.stop"]
    given = {"run_dir": run_dir}
    if submit_host:
        given[SUBMIT_HOST] = submit_host
        for inventory in context.CLIARGS.get("inventory") or ():
            words += ["-i", inventory]
    for name, value in given.items():
        plain = re.fullmatch(r"[\w@%+:,./-]+", value)  # Ansible splits what is not
        words += ["-e", f"{name}={value}" if plain else json.dumps({name: value}, ensure_ascii=False)]
    return shlex.join(words)


def lines_of(status, submit_host=None):
    """Return the lines about a job that stays up after a run, from the result of run_info; [] if it does not."""
    service = status["service"]
    if not service:
        return []
    whole = service["url"] and f"The service of job {status['job']['id']} stays up at {service['url']}"
    part = f"Job {status['job']['id']} stays up, with {service['running']} of {service['planned']} steps of its service"
    why = "its lease: runs of bench.yml renew it, status.yml does not"
    why = "its time limit" if service["ends_by"] == "time_limit" else why
    return [
        f"{whole or part}, for {duration(round(service['left_s']))} ({why}).",
        f"To end it now: {stop_command(status['run_dir'], submit_host)}",
    ]


def take_line():
    """Return the line about the job that stays up, and remove the note; None if there is none."""
    note = read()
    if not note:
        return None
    forget()
    return line_of(note)


def line_of(note):
    """Return the line about the job of *note*."""
    lease = "its lease" + (f" of {duration(int(note['lease_s']))}" if note["lease_s"] else "")
    up = f"stays in the queue, and once it has begun up for {lease}" if note["waits"] else f"stays up for {lease}"
    return f"Job {note['job_id']} {up}. The same command continues it. To end it now: {note['command']}"


def _show_at_exit():
    if multiprocessing.parent_process() is None and PATH_VARIABLE not in os.environ:
        line = take_line()
        if line:
            Display().display(line, stderr=True)


atexit.register(_show_at_exit)
