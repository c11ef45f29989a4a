# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of one node before models load. Runs on every node as a task of one step; prints one JSON line.

    node_check TABLE.json      {run_dir, output_dir, job_id, cluster, live: [ids], nodes: {name: {...}}, limits,
                                nonce, newest_step, longest_s}; with only_facts: {nodes, nonce}; every: {...} is
                                asked of each node that nodes does not name

The program beside it, ``inputs``, reads the files that the results depend on.

A separate program, copied into the run directory: standard library, Python 3.8.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from . import facts, network
from .space import Problem, disks, shared_memory

NVIDIA_SMI_S = 30.0
HOLDER_DIR = re.compile(r"srt-(?P<uid>\d+)-(?P<job>\d+)-(?P<mark>[0-9a-f]{8})$")
STEP_DIR = re.compile(r"srt-(?P<job>\d+)-(?P<mark>[0-9a-f]{8})-[a-z0-9_]+$")


class Report(network.Addresses):
    """What a node says of itself; ``time`` is that of its clock when it looked, ``gpus`` None if it cannot see them."""

    node: str
    time: float
    problems: list[Problem]
    gpus: int | None
    cleaned: list[str]
    unchecked: list[dict[str, str]]
    nonce: str
    stale: list[str]
    inputs: dict[str, Any]
    facts: dict[str, Any]


def why_in_use(port: int) -> str | None:
    """Return why the TCP *port* is not available, None if it is."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("", port))
        except OSError as error:
            return None if error.errno in (errno.EACCES, errno.EPERM) else error.strerror
    return None


def ports(wanted: Iterable[tuple[int, str, bool]]) -> list[Problem]:
    """Return the problems of the ports ``[[port, step, sure]]`` of this node."""
    found: list[Problem] = []
    for port, step, sure in wanted:
        why = why_in_use(port)
        if why:
            text = f"port {port} of {step} is in use by another process ({why})"
            found.append({"check": "port", "fatal": sure, "text": text, "step": step})
    return found


def nvidia_smi(query: str) -> subprocess.CompletedProcess[str]:
    """Run nvidia-smi; SubprocessError if it hangs, as with a broken driver."""
    argv = ["nvidia-smi", "--format=csv,noheader,nounits", query]
    return subprocess.run(argv, capture_output=True, text=True, timeout=NVIDIA_SMI_S, check=False)


def gpus(number: int | None, idle: bool) -> tuple[list[Problem], int | None]:
    """Return (problems, count) of the GPUs: *number* must be visible, and unused if they are to be *idle*.

    Without nvidia-smi there is no check: :func:`unchecked` reports this.
    """
    if not number or not shutil.which("nvidia-smi"):
        return [], None
    try:
        done = nvidia_smi("--query-gpu=index,uuid,memory.used")
    except (OSError, subprocess.SubprocessError) as error:
        return [{"check": "gpu", "fatal": True, "text": f"nvidia-smi does not answer: {error}"}], None
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.count(",") == 2]
    found: list[Problem] = []
    if done.returncode or len(rows) < number:
        said = (done.stderr or done.stdout).strip().splitlines()
        why = f": {said[-1][:200]}" if done.returncode and said else ""
        found.append({"check": "gpu", "fatal": True, "text": f"{len(rows)} of {number} GPUs are visible{why}"})
    if idle and rows:
        try:
            used = nvidia_smi("--query-compute-apps=pid,process_name,used_memory").stdout.splitlines()
        except (OSError, subprocess.SubprocessError) as error:
            text = f"nvidia-smi does not list the processes that use GPUs: {error}"
            return [*found, {"check": "gpu", "fatal": True, "text": text}], len(rows)
        foreign = [line.strip() for line in used if line.strip()[:1].isdigit()]
        if foreign:
            text = f"{len(foreign)} foreign processes use GPUs: {'; '.join(foreign[:3])}"
            found.append({"check": "gpu", "fatal": True, "text": text})
        busy = [row[0] for row in rows if row[2].isdigit() and int(row[2]) > 2048]
        if busy and not foreign:
            text = f"memory of GPU {', '.join(busy)} is in use by an invisible process"
            found.append({"check": "gpu", "fatal": False, "text": text})
    return found, len(rows)


def unchecked(number: int | None) -> list[dict[str, str]]:
    """Return [{check, why}] of the checks that are not possible on a node of which *number* GPUs are needed."""
    return [{"check": "gpu", "why": "no nvidia-smi"}] if number and not shutil.which("nvidia-smi") else []


def open_files(wanted: int) -> list[Problem]:
    """Return the problem of a node where a process may not open as many files as one of ours needs."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if allowed == resource.RLIM_INFINITY or allowed >= wanted:
        return []
    text = f"a process may open {allowed} files and connections (ulimit -H -n), but {wanted} are needed"
    return [{"check": "limit", "fatal": True, "text": text}]


def mounts(paths: Iterable[str]) -> list[Problem]:
    """Return the problems of the host sides of mounts."""
    return [
        {"check": "mount", "fatal": True, "text": f"{path} is to be mounted but does not exist"}
        for path in paths
        if not os.path.exists(path)
    ]


def images(paths: Iterable[str]) -> list[Problem]:
    """Return the problems of container images that are files."""
    return [
        {"check": "image", "fatal": True, "text": f"the container image {path} does not exist"}
        for path in paths
        if not os.path.exists(path)
    ]


def paths(wanted: Iterable[tuple[str, str]]) -> list[Problem]:
    """Return the problems of what must be there: ``[[what, path]]``."""
    return [
        {"check": "path", "fatal": True, "text": f"{what} {path} does not exist there"}
        for what, path in wanted
        if not os.path.exists(path)
    ]


def client(wanted: dict[str, Any]) -> list[Problem]:
    """Return the problem of a Python, ``{argv, env, packages}``, that lacks what the load client imports."""
    if not wanted:
        return []
    names = ", ".join(wanted["packages"])
    argv, env = [*wanted["argv"], "-c", f"import {names}"], dict(os.environ, **wanted["env"])
    try:
        done = subprocess.run(argv, env=env, capture_output=True, timeout=60, check=False)
        why = (done.stderr.decode("utf-8", "replace").strip().splitlines() or [""])[-1] if done.returncode else None
    except OSError as error:
        why = error.strerror
    except subprocess.SubprocessError:  # a slow disk is no lack
        why = None
    text = f"the load client's Python {argv[0]} cannot import {names}: {why}"
    return [] if why is None else [{"check": "client", "fatal": True, "text": text}]


def inputs(program: str, wanted: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """Return the answer of the *program* inputs to *wanted*, ``{found, chat}``, or ``{why}``: a disk may hang."""
    if not wanted.get("paths") and not wanted.get("chat"):
        return {"found": {}, "chat": None}
    argv = [sys.executable, "-S", program, json.dumps(dict(wanted, limit_s=0.4 * limit_s))]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=0.8 * limit_s, check=False)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return {"why": f"its files could not be read: {error}"}
    return answer if isinstance(answer, dict) else {"why": "its files could not be read"}


def mark_of(output_dir: str, job: str) -> set[str]:
    """Return the marks of *job* in names below /tmp: that of its run directory, and that of the whole job."""
    run_dir = os.path.join(output_dir, job)
    whole = f"/{about(run_dir).get('submitted_at')}"  # see holder/socket_dir.py
    return {hashlib.sha256(path.encode()).hexdigest()[:8] for path in (run_dir, os.path.realpath(run_dir), whole)}


def about(run_dir: str) -> dict[str, Any]:
    """Return the record of the job in ID.json of a run directory, or {}."""
    try:
        with open(os.path.join(run_dir, f"{os.path.basename(run_dir)}.json"), encoding="utf-8") as stream:
            record = json.load(stream)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def is_over(job: str, table: dict[str, Any], uid: int) -> bool:
    """Return whether *job* is certainly over, so that its leftovers may be removed.

    Slurm does not list it although it is older than our job: a younger one may have been submitted since the query. Its
    run directory is ours and of this cluster: Slurm does not list jobs of other clusters.
    """
    if job in table["live"] or not table.get("cluster") or int(job) >= int(table["job_id"]):
        return False
    run_dir = os.path.join(table["output_dir"], job)
    try:
        ours = os.stat(run_dir).st_uid == uid
    except OSError:
        return False
    return ours and about(run_dir).get("slurm_cluster") == table["cluster"]


def stale(
    table: dict[str, Any], uid: int, folder: str = "/tmp", dead: Iterable[str] = ()
) -> tuple[list[str], list[tuple[int, str]]]:
    """Return (directories, [(pid, job)]) that finished jobs of this output directory left on this node.

    Only those with the mark of one of our run directories that belong to us and whose job :func:`is_over`.

    :param dead: logs of steps of a live job that had ended when the table was made: see :func:`outlived`.
    """
    output_dir, folders, processes, known = table["output_dir"], [], [], {}

    def over(job: str) -> bool:
        if job not in known:
            known[job] = is_over(job, table, uid)
        return known[job]

    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            match = HOLDER_DIR.match(entry.name) or STEP_DIR.match(entry.name)
            if not match or not entry.is_dir(follow_symlinks=False):
                continue
            if entry.stat(follow_symlinks=False).st_uid == uid and match["mark"] in mark_of(output_dir, match["job"]):
                folders += [entry.path] if over(match["job"]) else []
    root = os.path.realpath(output_dir) + os.sep
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError, ValueError):
                job = _job_of(name, root) if os.stat(f"/proc/{name}").st_uid == uid else ""
                with open(f"/proc/{name}/comm", encoding="utf-8", errors="replace") as stream:
                    if stream.read().startswith(("slurm", "srun")):  # processes of Slurm
                        continue
                logs = {os.readlink(f"/proc/{name}/fd/{n}") for n in (1, 2)} if job else set()
                if job and (over(job) or not logs.isdisjoint(dead) and outlived(name, table)):
                    processes.append((int(name), job))
    return folders, processes


def outlived(pid: int | str, table: dict[str, Any]) -> bool:
    """Return whether a process that writes to the log of an ended step belongs to that step, not to a later one.

    Another controller may have restarted the step after the table was made. Slurm numbers the steps of a job, from 0
    again after a requeue. A process that has overwritten its environment, as nginx does, outlived its step if it has no
    parent of Slurm, or if it is older than a table may be (``longest_s``). Clocks of other hosts are not used.
    """
    with open(f"/proc/{pid}/environ", "rb") as stream:
        env = dict(line.partition(b"=")[::2] for line in stream.read().split(b"\0"))
    step = env.get(b"SLURM_STEP_ID", b"")
    if not step.isdigit():
        return age_s(pid) > table["longest_s"] or not in_a_step(pid)
    life = int(env.get(b"SLURM_RESTART_COUNT") or 0)
    return (life, int(step)) <= (int(os.environ.get("SLURM_RESTART_COUNT") or 0), table["newest_step"])


def facts_of(pid: int | str) -> tuple[bytes, int, int]:
    """Return (name, parent's pid, ticks from boot to start) of a process."""
    with open(f"/proc/{pid}/stat", "rb") as stream:
        head, _bracket, rest = stream.read().rpartition(b")")
    fields = rest.split()
    return head.partition(b"(")[2], int(fields[1]), int(fields[19])


def age_s(pid: int | str) -> float:
    """Return how long ago a process was started, in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - facts_of(pid)[2] / os.sysconf("SC_CLK_TCK")


def in_a_step(pid: int | str) -> bool:
    """Return whether a process is below one that Slurm has for each step that runs on a node."""
    pid = int(pid)
    while pid > 1:
        name, pid, _ticks = facts_of(pid)
        if name.startswith(b"slurmstepd"):
            return True
    return False


def _job_of(pid: int | str, root: str) -> str:
    """Return the job that a process was a step of, by its output in the job's logs, or its folder and environment."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            job, _sep, rest = os.readlink(f"/proc/{pid}/fd/{number}").partition(root)[2].partition(os.sep)
            if job.isdigit() and rest.startswith("logs" + os.sep):
                return job
    cwd = os.readlink(f"/proc/{pid}/cwd")
    job = cwd[len(root) :].split(os.sep)[0] if cwd.startswith(root) else ""
    if not job.isdigit():
        return ""
    with open(f"/proc/{pid}/environ", "rb") as stream:
        return job if f"SLURM_JOB_ID={job}".encode() in stream.read().split(b"\0") else ""


def clean(folders: Iterable[str], processes: list[tuple[int, str]]) -> list[str]:
    """Remove leftovers; return the actions, in words."""
    done = []
    for pid, job in processes:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            done.append(f"killed process {pid}, left by job {job}")
    until = time.monotonic() + 2.0  # until their ports are free
    while time.monotonic() < until and any(os.path.exists(f"/proc/{pid}/fd/1") for pid, _job in processes):
        time.sleep(0.01)
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)
        done.append(f"removed {path}")
    return done


def main(argv: list[str] | None = None) -> int:
    """Print the report of this node."""
    (path,) = sys.argv[1:] if argv is None else argv
    with open(path, encoding="utf-8") as stream:
        table = json.load(stream)
    name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    mine = table["nodes"].get(name) or table.get("every") or {}
    limits, uid = table.get("limits"), os.getuid()
    now = time.time()
    if table.get("only_facts"):
        report = {"node": name, "time": now, "nonce": table["nonce"], "facts": facts.gathered(mine.get("gpus"))}
        sys.stdout.write(json.dumps(report) + "\n")
        return 0
    left = stale(table, uid, dead=mine.get("dead") or ())
    cleaned = clean(*left) if table.get("clean") else []
    problems = ports(mine.get("ports") or [])
    problems += disks([table["run_dir"], "/tmp"], limits["free_mib"]) + shared_memory(limits["shm_mib"], uid)
    problems += open_files(mine.get("files") or 0) + mounts(mine.get("mounts") or []) + images(mine.get("images") or [])
    problems += paths(mine.get("paths") or []) + client(mine.get("client") or {})
    found, count = gpus(mine.get("gpus"), bool(mine.get("idle")))
    whole: Report = {
        "node": name,
        "time": now,
        "problems": problems + found,
        "gpus": count,
        "cleaned": cleaned,
        "unchecked": unchecked(mine.get("gpus")),
        "nonce": table["nonce"],
        "inputs": inputs(table["reader"], mine.get("inputs") or {}, table["longest_s"]),
        "stale": left[0] + [f"process {pid} of job {job}" for pid, job in left[1]],
        "facts": facts.gathered(count),  # not again from an nvidia-smi that does not answer
    }
    if "every" in table:
        whole.update(network.addresses_of(name))
    sys.stdout.write(json.dumps(whole) + "\n")
    return 0
