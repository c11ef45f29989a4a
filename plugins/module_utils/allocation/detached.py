# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook inside the job: a frozen copy of the collection and of the job, and the command that the holder runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys

from .. import run_options
from ..collection_version import VERSION
from ..failures import Error
from ..files import make_own_folder, write_text_atomic
from ..holder import playbook as holder_play
from ..json_types import JsonObject
from ..programs import folder_of
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import ownership

OLDEST = (2, 19)  # as meta/runtime.yml says
REMEDY = "playbooks/setup.yml creates an environment with it."
FROZEN, LOG = folder_of("frozen"), "playbook.log"
MARK = "SRT_SLURM_DETACHED"  # in the environment of the playbook: the job that it runs in
COPIED = ("ansible.cfg", "galaxy.yml", "MANIFEST.json", "inventories", "meta", "playbooks", "plugins", "roles")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", "tests")

OPTIONS = {
    "name": {"type": "str", "default": "bench"},
    "job": {"type": "dict", "required": True},
    "sweep": {"type": "dict"},
    "extra_vars": {"type": "dict", "default": {}},
    "keep": {"type": "bool", "default": False},
    "retries": {"type": "int", "default": 0},
    "python": {"type": "path"},
    "collection": {"type": "path"},
}


def inside(job_id: str | int) -> bool:
    """Return whether this process belongs to the playbook that runs inside *job_id*."""
    return os.environ.get(MARK) == str(job_id)


def _check_ansible(python: str) -> None:
    """Raise Error unless *python* has a supported ansible-core."""
    code = "from ansible.release import __version__; print(__version__)"
    done = commands.run([python, "-c", code], timeout_s=60.0, check=False)
    version = re.match(r"(\d+)\.(\d+)", done.stdout)
    if done.returncode or not version:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise Error(f"playbook.python {python} has no ansible-core ({last}). {REMEDY}")
    if tuple(map(int, version.groups())) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise Error(
            f"playbook.python {python} has ansible-core {done.stdout.strip()}; {needed} or newer is needed. {REMEDY}"
        )


def script_options(playbook: JsonObject | None) -> JsonObject:
    """Return the options of :func:`script.render` for a job with this playbook (None: without one)."""
    if not playbook:
        return {}
    policy = (playbook["job"].get("spec") or {}).get("faults") or {}
    tolerant = any((one or {}).get("critical") is False for one in policy.values())
    return {"play": True, "retries": int(playbook.get("retries") or 0), "tolerant": tolerant}


def log_path(run_dir: str) -> str:
    """Return the path of the playbook's output."""
    return os.path.join(run_dir, LOG)


def check(playbook: JsonObject) -> None:
    """Raise Error for problems that can be detected before submission."""
    collection, python = _collection(playbook), _python(playbook)
    path = os.path.join(collection, "playbooks", f"{playbook['name']}.yml")
    if not os.path.isfile(path):
        raise Error(
            f"{path} does not exist. Set playbook.collection (-e srt_slurm_collection_dir=DIR) to the directory "
            "of the collection srt.slurm on the submit host, and playbook.name to one of its playbooks."
        )
    theirs = _version_in(collection)
    if theirs and theirs != VERSION:
        raise Error(
            f"The collection in {collection} is version {theirs}, and this one is {VERSION}: the playbook in the job "
            "would read the job in another way. Install the same version there."
        )
    if not os.access(python, os.X_OK):
        raise Error(
            f"playbook.python {python} is not executable. Create an environment on shared disk: playbooks/setup.yml."
        )
    if playbook.get("python"):  # our own Python has it
        _check_ansible(python)


def _version_in(collection: str) -> str | None:
    """Return the version of the collection in this directory, None if it does not say."""
    path = os.path.join(collection, "plugins", "module_utils", "collection_version.py")
    try:
        with open(path, encoding="utf-8") as stream:
            found = re.search(r'^VERSION = "(.+)"$', stream.read(), re.M)
    except (OSError, ValueError):
        return None
    return found[1] if found else None


def check_found(job: QueueEntry, run_dir: str, playbook: JsonObject) -> None:
    """Raise Error unless *job* (its queue entry), which already exists, runs the same *playbook*."""
    how = f"Job {job['id']} ({job['name']}) already exists ({job['state']})"
    go_on = (
        "Continue it: bench.yml with this job measures in it from outside. Or end it (ansible-playbook "
        f"playbooks/stop.yml -e job_id={job['id']}) and submit again."
    )
    if not script.has_play(job):
        raise Error(f"{how} but does not run a playbook: it was not submitted by submit.yml. {go_on}", run_dir=run_dir)
    frozen = []
    for name in ("job.json", "vars.json"):
        try:
            with open(os.path.join(run_dir, FROZEN, name), encoding="utf-8") as stream:
                frozen.append(json.load(stream))
        except (OSError, ValueError):  # a disk that is not mounted here
            return
    if _measured(frozen[0]["jobs"], frozen[1]) != _measured(_jobs(playbook), playbook["extra_vars"]):
        raise Error(
            f"{how}, with another job in its frozen copy ({run_dir}/{FROZEN}): later changes would "
            f"not be measured. {go_on}",
            run_dir=run_dir,
        )


def _jobs(playbook: JsonObject) -> list[JsonObject]:
    """Return the jobs of a playbook: those of a sweep, or the only one."""
    jobs: list[JsonObject] = (playbook.get("sweep") or {}).get("jobs") or [playbook["job"]]
    return jobs


def _measured(jobs: list[JsonObject], variables: JsonObject) -> str:
    """Return the files that determine what a playbook measures."""
    about = {key: str(variables[key]) for key in variables if run_options.measures(key)}
    return json.dumps([[job.get("spec") for job in jobs], about], sort_keys=True)


def is_frozen(job: QueueEntry, run_dir: str) -> bool:
    """Return whether the playbook of *job* is in *run_dir*, so its submitter got that far."""
    known = job.get("submitted_at") and ownership.record(run_dir).get(ownership.SUBMITTED) == job["submitted_at"]
    return bool(known) and os.path.exists(os.path.join(run_dir, holder_play.FILE))


def freeze(run_dir: str, job_id: str, playbook: JsonObject) -> None:
    """Copy everything that the playbook needs to *run_dir*, so that later changes do not matter."""
    root = os.path.join(run_dir, FROZEN)
    target = os.path.join(root, "ansible_collections", "srt", "slurm")
    source = _collection(playbook)
    make_own_folder(os.path.dirname(root))
    make_own_folder(root)
    os.makedirs(target, exist_ok=True)
    for name in COPIED:
        path = os.path.join(source, name)
        if os.path.isdir(path):
            shutil.copytree(path, os.path.join(target, name), ignore=LEFT_OUT, dirs_exist_ok=True)
        elif os.path.isfile(path):
            shutil.copyfile(path, os.path.join(target, name))
    for folder, _folders, names in os.walk(root):  # a copy has the modes of its source
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) & ~0o022)
    sweep = playbook.get("sweep") or {}
    answer = {"jobs": _jobs(playbook), "notes": [], "sweep": sweep.get("name"), "only": sweep.get("only") or []}
    own = {"srt_slurm_frozen": os.path.join(root, "job.json"), "job_id": str(job_id)}
    own["output_dir"] = os.path.dirname(run_dir)
    variables = dict(playbook["extra_vars"], **own)
    write_text_atomic(own["srt_slurm_frozen"], json.dumps(answer, indent=1) + "\n", 0o600)
    write_text_atomic(os.path.join(root, "vars.json"), json.dumps(variables, indent=1) + "\n", 0o600)
    config = os.path.join(target, "ansible.cfg")
    if not os.path.exists(config):  # an installed collection has none, and Ansible would take that of the node
        write_text_atomic(config, "[defaults]\n")
    play = {
        "argv": [
            _python(playbook),
            *("-m", "ansible", "playbook", os.path.join(target, "playbooks", f"{playbook['name']}.yml")),
            *("--extra-vars", f"@{root}/vars.json"),
        ],
        "env": {
            MARK: str(job_id),
            "ANSIBLE_COLLECTIONS_PATH": root,
            "ANSIBLE_CONFIG": config,
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        "cwd": run_dir,
        "log": log_path(run_dir),
        "keep": bool(playbook["keep"]),
        "retries": int(playbook.get("retries") or 0),
    }
    write_text_atomic(os.path.join(run_dir, holder_play.FILE), json.dumps(play, indent=1) + "\n")
    # Created at submission, so that it can be followed before the job has nodes.
    with open(log_path(run_dir), "a", encoding="utf-8") as log:
        log.write(f"Job {job_id} was submitted. {playbook['name']}.yml starts when the job has its nodes.\n")


def _collection(playbook: JsonObject) -> str:
    """Return the collection's directory: the one that this file belongs to, unless it is a module's payload."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3)
    return os.path.realpath(playbook.get("collection") or here)


def _python(playbook: JsonObject) -> str:
    return os.path.abspath(playbook.get("python") or sys.executable)
