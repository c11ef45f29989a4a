# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the sandbox."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from typing import NoReturn, TextIO

from ..failures import Error
from ..json_types import Json
from .cluster import Sandbox
from .settings import SETTINGS, node_plan
from .trouble import Trouble

HELP = {
    "nodes": "nodes (default 4)",
    "gpus_per_node": "GPUs that Slurm believes each node has (8)",
    "gpu_type": "their type in Slurm's words (h100)",
    "cpus_per_node": "processors that Slurm believes each node has (64)",
    "memory_mb": "memory of each node in MB, likewise (512000)",
    "partition": "name of the partition (gpu)",
    "cpu_nodes": "nodes without GPUs, the last ones, in a partition of their own (0)",
    "cpu_partition": "name of that partition (cpu)",
    "slurmd_timeout_s": "seconds after which a silent node is down (60)",
    "kill_wait_s": "seconds between SIGTERM and SIGKILL of a cancelled job (2)",
    "small_disk_mb": "size of a disk that all nodes share, in DIR/disk, to rehearse a full one (0: none)",
    "slurm_conf": "one more line for slurm.conf; may be given again",
    "plugstack": "one line for plugstack.conf; may be given again",
}


def say(text: str, stream: TextIO | None = None) -> None:
    """Write one line for the user; module_utils may not call print."""
    (stream or sys.stdout).write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox", description="A real Slurm of many nodes on this machine, for rehearsals. Root is not needed."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--dir",
        default=os.environ.get("SRT_SANDBOX_DIR") or ".sandbox",
        help="the sandbox's directory (default: $SRT_SANDBOX_DIR, else ./.sandbox)",
    )

    def command(name: str, text: str, **options: Json) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], help=text, description=text, **options)

    start = command("start", "Start it; if it runs with these settings, only repair what is missing.")
    for name, (kind, _default) in SETTINGS.items():
        option = "--" + name.replace("_", "-")
        if kind is list:
            start.add_argument(option, action="append", dest=name, metavar="LINE", help=HELP[name])
        else:
            start.add_argument(option, type=kind, dest=name, metavar="N" if kind is int else "NAME", help=HELP[name])
    start.add_argument("--timeout", type=float, default=60.0, metavar="S", help="give up after this many seconds (60)")
    stop = command("stop", "End everything that runs in it and remove its directory.")
    stop.add_argument("--keep-log", action="store_true", help="leave the log folder")
    status = command("status", "One line per node, and what runs.")
    status.add_argument("--json", action="store_true", help="as JSON")
    command("env", "Print the variables a command needs that is in the sandbox by other means, for eval.")
    run = command("exec", "Run a command inside, as yourself, in this directory: exec [--node NAME] [--] COMMAND...")
    run.add_argument("--node", metavar="NAME", help="on this node instead of the login node")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    node = command("node", "Trouble on purpose: stop or start a node's slurmd, cut or heal its network.")
    node.add_argument("name", metavar="NAME")
    node.add_argument("action", choices=["stop", "start", "cut", "heal"])
    control = command("slurmctld", "Stop or start slurmctld; jobs go on.")
    control.add_argument("action", choices=["stop", "start"])
    return parser


def _status(sandbox: Sandbox, as_json: bool) -> None:
    state, record = sandbox.running()
    states = sandbox.node_states(state)
    code, out, _err = sandbox.call("squeue", "-h", "-o", "%i|%j|%T|%M|%N|%r") if states else (None, "", "")
    words = ("id", "name", "state", "time", "nodes", "reason")
    jobs = [dict(zip(words, line.split("|"))) for line in out.splitlines()] if code == 0 else None
    nodes = [
        dict(
            node,
            state=states.get(node["name"], "unknown"),
            slurmd=sandbox.daemon(node["name"], state),
            connected=node["name"] not in state["cut"],
        )
        for node in node_plan(state["settings"]["nodes"])
    ]
    if as_json:
        say(
            json.dumps(
                {
                    "dir": sandbox.folder.path,
                    "phase": state["phase"],
                    "anchor": record["pid"],
                    "settings": state["settings"],
                    "slurmctld": sandbox.daemon("slurmctld", state),
                    "munged": sandbox.daemon("munged", state),
                    "nodes": nodes,
                    "jobs": jobs,
                },
                indent=1,
            )
        )
        return
    for name in ("munged", "slurmctld"):
        pid = sandbox.daemon(name, state)
        say(f"{name:<10} {'pid ' + str(pid) if pid else 'does not run'}")
    for node in nodes:
        slurmd = f"slurmd pid {node['slurmd']}" if node["slurmd"] else "slurmd does not run"
        slurmd += "" if node["connected"] else ", cut off"
        say(f"{node['name']:<10} {node['address']:<13} {node['state']:<12} {slurmd}")
    if jobs is None:
        say("slurmctld does not answer: what runs is not known")
    for job in jobs or []:
        where = job["nodes"] or job["reason"]
        say(f"job {job['id']:<6} {job['name']:<20} {job['state']:<10} {job['time']:>8}  {where}")


def _start(sandbox: Sandbox, options: argparse.Namespace) -> None:
    began = time.monotonic()
    action = sandbox.start({name: getattr(options, name) for name in SETTINGS}, keep=True)
    state, _record = sandbox.running()
    done = {"keep": "runs already", "repair": "was repaired", "restart": "was started anew", "start": "started"}[action]
    took = time.monotonic() - began
    say(f"The sandbox {done}: {state['settings']['nodes']} nodes, {took:.1f} s, in {sandbox.folder.path}")
    say(f"Run commands in it: {os.path.relpath(sys.argv[0])} exec --dir {shlex.quote(options.dir)} -- sinfo")


def _exec(sandbox: Sandbox, options: argparse.Namespace) -> NoReturn:
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        raise Error("exec needs a command: sandbox exec [--dir DIR] [--node NAME] -- COMMAND...")
    path = sandbox.folder("exec")
    if not os.path.exists(path):
        sandbox.running()
    into = ["--node", options.node] if options.node else []
    sys.stdout.flush()
    os.execv(path, [path, *into, "--", *argv])


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(argv)
    progress = (lambda line: say(f"  {line}", sys.stderr)) if sys.stderr.isatty() else None
    try:
        sandbox = Sandbox(options.dir, timeout_s=getattr(options, "timeout", 60.0), progress=progress)
        trouble = Trouble(sandbox)
        if options.command == "start":
            _start(sandbox, options)
        elif options.command == "stop":
            say("Stopped, nothing is left." if sandbox.stop(options.keep_log) else "There was no sandbox.")
        elif options.command == "status":
            _status(sandbox, options.json)
        elif options.command == "env":
            say(f"export SLURM_CONF={shlex.quote(sandbox.folder('etc', 'slurm.conf'))}")
            say(f"export SRT_SANDBOX_DIR={shlex.quote(sandbox.folder.path)}")
            say(f"export SRTSLURM_CONFIG={shlex.quote(sandbox.folder('etc', 'srtslurm.yaml'))}")
        elif options.command == "exec":
            _exec(sandbox, options)
        elif options.command == "slurmctld" or options.action in ("stop", "start"):
            name = "slurmctld" if options.command == "slurmctld" else options.name
            (trouble.stop_daemon if options.action == "stop" else trouble.start_daemon)(name)
        else:
            trouble.set_link(options.name, options.action == "heal")
    except Error as error:
        say(f"sandbox: {error.msg}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
