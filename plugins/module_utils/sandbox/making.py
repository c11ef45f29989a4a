# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the parts of a sandbox: its files, and the anchor with its namespaces."""

from __future__ import annotations

import errno
import json
import os
import pwd
import secrets
import subprocess
import sys
import time

from ..failures import Error
from ..holder.tails import tail_lines
from ..programs import program_files
from . import render
from .anchor import __main__ as anchor_program
from .anchor.main import AnchorRecord
from .processes import TOKEN
from .settings import CONTROL, PREFIX, node_plan
from .state import ENTRIES, SHORT_ENTRIES, Folder, State

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def search_path() -> str:
    """Return PATH with the directories of daemons."""
    return os.environ.get("PATH", "") + ":" + SYSTEM_PATH


def last_lines(path: str) -> str:
    """Return the last lines of a log, for a message."""
    return "\n".join(tail_lines(path, 6)).strip()


def environment(state: State) -> dict[str, str]:
    """Return the environment of daemons: small, so that nothing of the caller's leaks into jobs."""
    kept = {name: os.environ[name] for name in ("LANG", "HOME", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    return dict(kept, PATH=search_path(), **{TOKEN: state["token"]})


def write_file(path: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the sandbox."""
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path, mode)


def write_files(folder: Folder, state: State) -> None:
    """Make the directories and files of a sandbox, after its state was stored."""
    settings, short = state["settings"], state["run_folder"]
    for name in ENTRIES[:-1]:
        os.mkdir(folder(name), 0o755)
    os.chmod(folder("etc"), 0o700)
    if short != folder.path:
        os.mkdir(short, 0o700)
        for name in SHORT_ENTRIES:
            os.mkdir(os.path.join(short, name), 0o755)
    for node in node_plan(settings["nodes"]):
        for name in ("spool", "tmp"):
            os.mkdir(os.path.join(short, name, node["name"]), 0o755)
    for path in render.gpu_files(settings, folder.path):
        write_file(path, "")
    with open("/etc/hosts", encoding="utf-8", errors="replace") as stream:
        write_file(folder("etc", "hosts"), render.hosts(settings, stream.read()))
    write_file(folder("etc", "slurm.conf"), render.slurm_conf(settings, folder.path, short, _user_name()))
    write_file(folder("etc", "gres.conf"), render.gres_conf(settings, folder.path))
    write_file(folder("etc", "srtslurm.yaml"), render.CLUSTER_FILE)
    if settings["plugstack"]:
        write_file(folder("etc", "plugstack.conf"), "\n".join(settings["plugstack"]) + "\n")
    handle = os.open(folder("etc", "munge.key"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(secrets.token_bytes(128))


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def start_anchor(folder: Folder, state: State, timeout_s: float) -> AnchorRecord:
    """Start the anchor and return its record once all namespaces are there; Error if they cannot be made."""
    settings = state["settings"]
    setup = {
        "token": state["token"],
        "state_file": folder("sandbox.json"),
        "record_file": folder("run", "anchor.json"),
        "hosts_file": folder("etc", "hosts"),
        "gpu_files": render.gpu_files(settings, folder.path),
        "small_disk": {"path": folder("disk"), "mb": settings["small_disk_mb"]},
        "control": CONTROL,
        "prefix": PREFIX,
        "nodes": node_plan(settings["nodes"]),
    }
    write_file(folder("lib", "setup.json"), json.dumps(setup))
    os.mkdir(folder("lib", "anchor"), 0o755)
    for name, text in program_files(anchor_program).items():
        write_file(folder("lib", "anchor", name), text)
    log = folder("log", "anchor.log")
    with open(log, "ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-E", "-s", "-B", folder("lib", "anchor"), folder("lib", "setup.json")],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd="/",
            start_new_session=True,
            env=environment(state),
        )
    deadline = time.monotonic() + timeout_s
    while True:
        record = folder.record(state)
        if record:
            return record
        if process.poll() is not None or time.monotonic() > deadline:
            raise Error("The namespaces of the sandbox could not be made: " + explain(last_lines(log)))
        time.sleep(0.01)


def explain(text: str) -> str:
    """Return the anchor's last words and what may help."""
    last = text.splitlines()[-1] if text else "no word from the anchor"
    if "mount(none, /)" in last and os.strerror(errno.EINVAL) in last:
        return (
            f"{last}. The root directory here is no mount point, as in a plain chroot, so that mounts in it cannot be "
            "made private. Mount the folder on itself and enter it with pivot_root, as tools/debian13 does."
        )
    if any(word in last for word in ("unshare", "mount(", "uid_map", "setgroups", "netlink")):
        last += (
            ". This machine does not let an ordinary user make namespaces (see sysctl user.max_user_namespaces, "
            "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; in a container its "
            "seccomp profile): change that, or run the sandbox as root."
        )
    return last
