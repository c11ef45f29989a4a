# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structure of a step, the interface between planning and execution."""

from __future__ import annotations

from .options import argv_of, env_of

# Runs a command with a private directory that is empty at the start and removed at the end. The shell keeps running
# to clean up; it forwards TERM and waits for the child, however often a signal interrupts the wait.
GUARD = """\
dir=$1; shift
umask 077; rm -rf -- "$dir"; mkdir -p -- "$dir" || exit 1
"$@" & child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
rm -rf -- "$dir"; exit "$code\""""

# Launch options of a step whose tasks are the ranks of one MPI program.
MPI = {"mpi": "pmix", "oversubscribe": None, "cpu-bind": "verbose,none"}


def make_step(name, tier, nodes, argv, env=None, **other):
    """Return a step with every key; *other* overrides the defaults.

    ``digest``, ``container``, ``mounts`` and the common ``preamble`` are set by the planner. It also
    removes ``made_of``: the options and variables that have an origin.

    ``kind`` is worker, frontend, benchmark, or a service by its own name. ``mode`` is a worker's
    mode, ``index`` the number of its endpoint or of a frontend, ``rank`` that of the process in its endpoint.

    ``needs`` names steps of an earlier tier that this one depends on: if one of them is restarted, so is this one.

    :param argv: words and :class:`options.Option`.
    :param env: ``{name: text or Option}``.
    :param preamble: shell text that runs before the command, after the common preamble.
    """
    argv, options = argv_of(argv)
    env, variables = env_of(env or {})
    step = {
        "name": name,
        "kind": name,
        "mode": None,
        "index": None,
        "rank": None,
        "tier": tier,
        "nodes": list(nodes),
        "ntasks": len(nodes),
        "argv": argv,
        "preamble": None,
        "env": env,
        "files": [],
        "container": None,
        "mounts": [],
        "srun_options": {},
        "log": f"logs/%N_{name}.out",
        "critical": True,
        "ready": [],
        "needs": [],
        "stop_grace_s": 10,
        "made_of": (options, variables),
    }
    step.update(other)
    return step


def http_check(name, host, port, path, steps, **other):
    """Return a check that polls ``http://host:port/path`` until the response is as expected."""
    check = {
        "name": name,
        "kind": "http",
        "host": host,
        "port": port,
        "method": "GET",
        "path": path,
        "headers": {},
        "body": None,
        "status": [200],
        "timeout_s": 5,
        "expect": [],
        "steps": list(steps),
        "after": [],
    }
    check.update(other)
    return check


def tcp_check(name, host, port, steps, **other):
    """Return a check that connects to ``host:port``."""
    check = {"name": name, "kind": "tcp", "host": host, "port": port, "timeout_s": 2, "steps": list(steps), "after": []}
    check.update(other)
    return check


def one_file(path, content, mode="0644"):
    """Return a file of the plan; *path* is relative to the run directory."""
    return {"path": path, "content": content, "mode": mode}


def in_private_dir(folder, argv):
    """Return *argv* wrapped so that *folder* (0700) exists while it runs and is removed afterwards."""
    return ["sh", "-c", GUARD, "guard", folder, *argv]
