# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds steps, checks and files of a plan; their types are in :mod:`..plan_file`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..json_types import Json
from ..plan_file import Check, Expectation, Listing, PlanFile, Step
from .options import Option, Word, argv_of, env_of

# Runs a command with a private directory that is empty at the start and removed at the end. The shell keeps running
# to clean up; it forwards TERM and waits for the child, however often a signal interrupts the wait. Without -p, mkdir
# fails for whatever another user made under this name, also a link.
GUARD = """\
dir=$1; shift
umask 077; rm -rf -- "$dir"
mkdir -m 700 -- "$dir" || { echo "cannot make $dir; there is: $(ls -ld -- "$dir" 2>&1)" >&2; exit 1; }
"$@" & child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
rm -rf -- "$dir"; exit "$code\""""

# Launch options of a step whose tasks are the ranks of one MPI program.
MPI: dict[str, str | None] = {"mpi": "pmix", "oversubscribe": None, "cpu-bind": "verbose,none"}


# The options of a step's command line that have an origin, and the variables of its environment that are options.
MadeOf = tuple[list[Option], list[Option]]


class DraftStep(Step, total=False):
    """A step before the planner sets ``digest``, ``container``, ``mounts`` and the common ``preamble``.

    The planner removes ``image``, a container image for this step alone, ``binds``, its mounts beside the job's, and
    ``made_of``.
    """

    image: str | None
    binds: list[str]
    made_of: MadeOf


def make_step(
    name: str,
    tier: str,
    nodes: Sequence[str],
    argv: Iterable[Word],
    env: Mapping[str, str | Option] | None = None,
    *,
    kind: str | None = None,
    mode: str | None = None,
    index: int | None = None,
    rank: int | None = None,
    ntasks: int | None = None,
    preamble: str | None = None,
    files: Iterable[str] = (),
    image: str | None = None,
    binds: Iterable[str] = (),
    srun_options: Mapping[str, str | None] | None = None,
    log: str | None = None,
    critical: bool = True,
    ready: Iterable[Check] = (),
) -> DraftStep:
    """Return a step; :class:`plan_file.Step` describes its keys.

    :param kind: default: *name*.
    :param ntasks: default: one task per node.
    :param preamble: shell text that runs before the command, after the common preamble.
    :param log: default: one file per node, named after the step.
    """
    words, options = argv_of(argv)
    environment, variables = env_of(env or {})
    return {
        "name": name,
        "kind": kind or name,
        "mode": mode,
        "index": index,
        "rank": rank,
        "tier": tier,
        "nodes": list(nodes),
        "ntasks": ntasks or len(nodes),
        "argv": words,
        "preamble": preamble,
        "env": environment,
        "files": list(files),
        "container": None,
        "mounts": [],
        "srun_options": dict(srun_options or {}),
        "log": log or f"logs/%N_{name}.out",
        "critical": critical,
        "ready": list(ready),
        "needs": [],
        "stop_grace_s": 10,
        "digest": "",
        "image": image,
        "binds": list(binds),
        "made_of": (options, variables),
    }


def http_check(
    name: str,
    host: str,
    port: int,
    path: str,
    steps: Iterable[str],
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Json = None,
    timeout_s: float = 5,
    expect: Iterable[Expectation] = (),
    after: Iterable[str] = (),
    listing: Listing | None = None,
    status: int = 200,
) -> Check:
    """Return a check that polls ``http://host:port/path`` until the response has *status* and is as expected."""
    check: Check = {
        "name": name,
        "kind": "http",
        "host": host,
        "port": port,
        "method": method,
        "path": path,
        "headers": dict(headers or {}),
        "body": body,
        "status": [status],
        "timeout_s": timeout_s,
        "expect": list(expect),
        "steps": list(steps),
        "after": list(after),
    }
    if listing:
        check["listing"] = listing
    return check


def tcp_check(
    name: str, host: str, port: int, steps: Iterable[str], *, greets: bool = False, live: str | None = None
) -> Check:
    """Return a check that connects to ``host:port``; see :class:`plan_file.Check` for *greets* and *live*."""
    check: Check = {
        "name": name,
        "kind": "tcp",
        "host": host,
        "port": port,
        "timeout_s": 2,
        "steps": list(steps),
        "after": [],
    }
    if greets:
        check["greets"] = True
    if live:
        check["live"] = live
    return check


def log_check(name: str, path: str, pattern: str, steps: Iterable[str]) -> Check:
    """Return a check that the log at *path* has a line that matches *pattern*."""
    return _local(name, "log", path, steps, pattern)


def file_check(name: str, path: str, steps: Iterable[str]) -> Check:
    """Return a check that the file at *path*, on shared disk, is there."""
    return _local(name, "file", path, steps)


def _local(name: str, kind: str, path: str, steps: Iterable[str], pattern: str | None = None) -> Check:
    check: Check = {
        "name": name,
        "kind": kind,
        "host": "",
        "port": 0,
        "path": path,
        "timeout_s": 5,
        "steps": list(steps),
        "after": [],
    }
    if pattern is not None:
        check["pattern"] = pattern
    return check


def one_file(path: str, content: str, mode: str = "0644") -> PlanFile:
    """Return a file of the plan; *path* is relative to the run directory."""
    return {"path": path, "content": content, "mode": mode}


def in_private_dir(folder: str, argv: Iterable[Word]) -> list[Word]:
    """Return *argv* wrapped so that *folder* (0700) exists while it runs and is removed afterwards."""
    return ["sh", "-c", GUARD, "guard", folder, *argv]
