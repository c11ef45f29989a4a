# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Slurm of many nodes on this machine: start, repair, stop, and trouble on purpose."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from typing import Callable

from ..failures import Error
from ..json_types import Json
from . import links, making, processes, render
from .anchor import main as anchor
from .anchor.main import AnchorRecord
from .settings import Settings, node_plan, settings_from
from .state import STATE_VERSION, Folder, State

#: program -> Debian package
PROGRAMS = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "srun": "slurm-wlm",
    "sinfo": "slurm-wlm",
    "nsenter": "util-linux",
}
SLURMCTLD_PORT = 6817
GOOD_STATES = ("idle", "mixed", "allocated", "completing", "draining", "drained", "reserved", "planned")


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip()


def check_programs() -> None:
    """Error naming the packages to install, if a program is missing."""
    path = making.search_path()
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})
    if missing:
        raise Error(
            "The sandbox needs programs that this machine lacks. On Debian or Ubuntu: "
            f"apt-get install --no-install-recommends {' '.join(missing)} libpmix-dev"
        )


class Sandbox:
    """One sandbox, named by its directory.

    :param progress: called with one line of text at each step of a start or stop.
    """

    def __init__(self, folder: str, timeout_s: float = 60.0, progress: Callable[[str], None] | None = None) -> None:
        self.folder = Folder(folder)
        self.timeout_s = timeout_s
        self._progress = progress or (lambda line: None)

    # ---- what is there

    def read(self) -> tuple[State | None, AnchorRecord | None]:
        """Return (state, record): state None without a sandbox, record None unless its anchor runs."""
        state = self.folder.read()
        if state is None:
            return None, None
        record = self.folder.record(state)
        if record and not (state["boot_id"] == _boot_id() and processes.is_alive(record["pid"], record["start_ticks"])):
            record = None
        return state, record

    def running(self) -> tuple[State, AnchorRecord]:
        """Return (state, record) of a sandbox that runs; Error if it does not."""
        state, record = self.read()
        if state is None or record is None:
            raise Error(f"No sandbox runs in {self.folder.path}. `sandbox start --dir {self.folder.path}` starts one.")
        return state, record

    def way_in(self, *command: str, node: str | None = None) -> list[str]:
        """Return the argument list that runs *command* inside."""
        return [self.folder("exec"), *(["--node", node] if node else []), "--", *command]

    def call(
        self, *command: str, node: str | None = None, timeout_s: float = 5.0, env: Mapping[str, str] | None = None
    ) -> tuple[int | None, str, str]:
        """Run a command inside; return (exit code, standard output, standard error), code None after *timeout_s*."""
        try:
            done = subprocess.run(
                self.way_in(*command, node=node),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                env=env,
                cwd="/",
            )
        except subprocess.TimeoutExpired:
            return None, "", f"no answer in {timeout_s:g} s"
        return done.returncode, done.stdout, done.stderr

    def node_states(self, state: State, timeout_s: float = 5.0) -> dict[str, str]:
        """Return ``{node: state}`` as Slurm sees it, {} if slurmctld does not run or not answer in time."""
        if not self.daemon("slurmctld", state):
            return {}
        code, out, _err = self.call("sinfo", "-h", "-N", "-o", "%N %T", timeout_s=timeout_s)
        return dict(line.split() for line in out.splitlines() if len(line.split()) == 2) if code == 0 else {}

    def daemon(self, name: str, state: State) -> int | None:
        """Return the pid of ``munged``, ``slurmctld`` or a node's slurmd, or None if it does not run."""
        return processes.from_pid_file(self._pid_file(name), state["token"])

    def _pid_file(self, name: str) -> str:
        return self.folder("run", f"{name}.pid" if name in ("munged", "slurmctld") else f"slurmd.{name}.pid")

    def _log(self, name: str) -> str:
        return self.folder("log", f"{name}.log")

    def names(self, state: State) -> list[str]:
        """Return the names of its nodes, in order."""
        return [node["name"] for node in node_plan(state["settings"]["nodes"])]

    # ---- start

    def plan(self, given: Mapping[str, Json], keep: bool = False) -> tuple[str, Settings]:
        """Return what start would do: "keep", "repair", "restart" or "start", with the settings it would use."""
        state, record = self.read()
        settings = settings_from(given, state["settings"] if state and keep else None)
        if state is None:
            self.folder.check_new()
            return "start", settings
        if record is None or state["phase"] != "up" or state["settings"] != settings:
            return "restart", settings
        names = ["munged", "slurmctld", *self.names(state)]
        if state["cut"] or not all(self.daemon(name, state) for name in names):
            return "repair", settings
        return ("keep" if self._all_good(self.node_states(state), state) else "repair"), settings

    def start(self, given: Mapping[str, Json], keep: bool = False) -> str:
        """Make the sandbox run with these settings; return what was done (see :meth:`plan`)."""
        check_programs()
        self.plan(given, keep)  # finds what is wrong before anything is touched
        with self.folder.lock(self.timeout_s, make=True):
            try:
                action, settings = self.plan(given, keep)
                if action == "repair" and not self._repair():
                    action = "restart"
                if action == "restart":
                    self._tear_down()
                    os.makedirs(self.folder.path, exist_ok=True)
                if action in ("restart", "start"):
                    self._build(settings)
                return action
            finally:
                self.folder.remove_if_empty()

    def _build(self, settings: Settings) -> None:
        token = secrets.token_hex(16)
        state: State = {
            "version": STATE_VERSION,
            "token": token,
            "phase": "making",
            "settings": settings,
            "cut": [],
            "boot_id": _boot_id(),
            "run_folder": self.folder.run_folder(token),
        }
        self.folder.write(state)
        try:
            making.write_files(self.folder, state)
            self._progress("making the namespaces")
            record = making.start_anchor(self.folder, state, self.timeout_s)
            script = render.way_in(self.folder.path, record, state["boot_id"])
            making.write_file(self.folder("exec"), script, 0o755)
            self._start_daemons(state)
            self._wait_for_nodes(state, self.timeout_s)
        except BaseException as error:
            self._end_processes()  # the directory stays for its logs, until the next start or stop
            if isinstance(error, OSError):
                raise Error(f"The sandbox could not be made: {error}.") from error
            raise
        state["phase"] = "up"
        self.folder.write(state)

    def _start_daemons(self, state: State) -> None:
        self._progress("starting munged and slurmctld")
        self.start_control(state)
        self._progress(f"starting {state['settings']['nodes']} slurmd")
        self.start_slurmds(state, self.names(state))

    def start_control(self, state: State) -> None:
        """Start munged and slurmctld, as far as they do not run."""
        socket = os.path.join(state["run_folder"], "run", "munge.sock")
        if not self.daemon("munged", state):
            self._daemon(
                state,
                "munged",
                "--force",
                f"--key-file={self.folder('etc', 'munge.key')}",
                f"--socket={socket}",
                f"--pid-file={self._pid_file('munged')}",
                f"--log-file={self.folder('log', 'munged.log')}",
                f"--seed-file={self.folder('run', 'munge.seed')}",
            )
            self._wait(lambda: os.path.exists(socket) and self.daemon("munged", state), "munged")
        if not self.daemon("slurmctld", state):
            self._daemon(state, "slurmctld")
            self._wait(lambda: self._slurmctld_listens(state), "slurmctld")

    def _slurmctld_listens(self, state: State) -> bool:
        pid = self.daemon("slurmctld", state)
        return bool(pid and processes.listens(pid, SLURMCTLD_PORT))

    def _daemon(self, state: State, *argv: str) -> None:
        code, _out, err = self.call(*argv, timeout_s=30, env=making.environment(state))
        if code != 0:
            log = making.last_lines(self._log(argv[0]))
            raise Error(f"{argv[0]} did not start (exit code {code}): {err.strip()[-400:]}\n{log}")

    def start_slurmds(self, state: State, names: Iterable[str]) -> None:
        """Start the slurmd of each node named; a few at once, for a start is work for the processor."""
        log = self.folder("log", "start.log")
        waiting = list(names)
        active: dict[str, subprocess.Popen[bytes]] = {}
        deadline = time.monotonic() + self.timeout_s
        with open(log, "ab") as stream:
            while waiting or active:
                while waiting and len(active) < 8:
                    name = waiting.pop(0)
                    active[name] = subprocess.Popen(
                        self.way_in("slurmd", node=name),
                        stdin=subprocess.DEVNULL,
                        stdout=stream,
                        stderr=stream,
                        env=making.environment(state),
                        cwd="/",
                    )
                for name, process in list(active.items()):
                    if process.poll() is None:
                        continue
                    del active[name]
                    if process.returncode != 0:
                        raise Error(f"slurmd of {name} did not start: {making.last_lines(log)}")
                if time.monotonic() > deadline:
                    raise Error(
                        f"slurmd of {', '.join(active)} did not start in {self.timeout_s:g} s: {making.last_lines(log)}"
                    )
                time.sleep(0.005)

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + self.timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise Error(f"{what} did not start in {self.timeout_s:g} s: {making.last_lines(self._log(what))}")
            time.sleep(0.01)

    def _all_good(self, states: Mapping[str, str], state: State) -> bool:
        return all(states.get(name, "gone") in GOOD_STATES for name in self.names(state))

    def _wait_for_nodes(self, state: State, timeout_s: float) -> None:
        """Wait until Slurm can use all nodes; Error with their states after *timeout_s*."""
        deadline = time.monotonic() + timeout_s
        while True:
            states = self.node_states(state)
            if self._all_good(states, state):
                return
            if time.monotonic() > deadline:
                raise Error(
                    f"Not all nodes of the sandbox were ready in {timeout_s:g} s: "
                    f"{states or 'slurmctld does not answer'}. Logs: {self.folder('log')}"
                )
            time.sleep(0.02)

    def set_link(self, name: str, up: bool) -> None:
        """Connect a node to the network or cut it off, and write that down; Error if that fails."""
        state, record = self.running()
        before = state["cut"]
        state["cut"] = sorted(set(before) - {name} if up else set(before) | {name})
        self.folder.write(state)
        if not links.changed(record, anchor.link_name(self.names(state).index(name)), up):
            state["cut"] = before
            self.folder.write(state)
            raise Error(f"The link of {name} could not be changed. Do it from outside the sandbox.")

    def _repair(self) -> bool:
        """Put back what is missing while jobs go on; False if a restart is needed."""
        state = self.folder.state()
        try:
            for name in list(state["cut"]):
                self.set_link(name, True)
            self.start_control(state)
            self.start_slurmds(state, [name for name in self.names(state) if not self.daemon(name, state)])
            self._wait_for_nodes(state, self.timeout_s / 2)
        except (Error, OSError) as error:
            self._progress(f"repair failed, restarting: {error}")
            return False
        return True

    # ---- stop

    def stop(self, keep_log: bool = False) -> bool:
        """End every process of the sandbox and remove what it made; return True if there was anything."""
        if not self.would_stop(keep_log) and not self.folder.is_bare():
            return False
        with self.folder.lock(self.timeout_s) as there:
            had = there and self.would_stop(keep_log)
            if had:
                self._tear_down(keep_log)
            if there:
                self.folder.remove_if_empty()
            return had

    def would_stop(self, keep_log: bool = False) -> bool:
        """True if :meth:`stop` would change something."""
        state = self.folder.read()
        return state is not None and not (keep_log and state["phase"] == "stopped")

    def _tear_down(self, keep_log: bool = False) -> None:
        state = self._end_processes()
        self.folder.remove(state["run_folder"], keep_log)
        if keep_log:
            state["phase"] = "stopped"
            self.folder.write(state)

    def _end_processes(self) -> State:
        """End all processes and return the state; Error if some do not end."""
        state = self.folder.state()
        record = self.folder.record(state)
        namespaces: set[int] = set()
        pid = None
        if record and state["boot_id"] == _boot_id():
            namespaces = {spaces["net"]["id"] for spaces in [record["control"], *record["nodes"].values()]}
            pid = record["pid"]
        if processes.network_namespace("self") in namespaces:
            raise Error(f"This process is inside the sandbox in {self.folder.path}: run this outside the sandbox.")
        if namespaces and state["phase"] == "up":
            self._cancel_jobs()
        state["phase"] = "stopping"
        self.folder.write(state)
        self._progress("ending all processes")
        left = processes.end_all(state["token"], namespaces, pid)
        if left:
            raise Error(f"Processes of the sandbox do not end: {left}. Try again once they have ended.", pids=left)
        return state

    def _cancel_jobs(self, limit_s: float = 6.0) -> None:
        """Let jobs end first: their steps remove what they made outside the sandbox, which a kill does not let them."""
        until, cancelled = time.monotonic() + limit_s, False
        while time.monotonic() < until:
            code, out, _err = self.call("squeue", "-h", "-o", "%i")
            if code or not out.split():
                return
            if not cancelled:
                self._progress("cancelling jobs")
                cancelled = self.call("scancel", *out.split())[0] == 0
            time.sleep(0.1)
