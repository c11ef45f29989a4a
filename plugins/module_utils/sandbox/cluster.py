# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""A real Slurm of many nodes on this machine: start, repair, stop, and trouble on purpose."""
from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time

from ..errors import Error
from . import anchor as anchor_module
from . import netlink as netlink_module
from . import processes, render
from .settings import CONTROL, PREFIX, node_plan, settings_from
from .state import ENTRIES, SHORT_ENTRIES, STATE_VERSION, Folder

#: program -> Debian package
PROGRAMS = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "srun": "slurm-wlm",
    "sinfo": "slurm-wlm",
    "nsenter": "util-linux",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SLURMCTLD_PORT = 6817
GOOD_STATES = ("idle", "mixed", "allocated", "completing", "draining", "drained", "reserved", "planned")


def _path():
    return os.environ.get("PATH", "") + ":" + SYSTEM_PATH


def _source(module):
    """Return the source text of a module, also when it was loaded from an archive."""
    text = module.__loader__.get_source(module.__name__) if hasattr(module, "__loader__") else None
    if text is None:
        with open(module.__file__, encoding="utf-8") as stream:
            text = stream.read()
    return text


def _boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip()


def _tail(path, lines=6):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return "".join(stream.readlines()[-lines:]).strip()
    except OSError:
        return ""


def check_programs():
    """Error naming the packages to install, if a program is missing."""
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=_path())})
    if missing:
        raise Error(
            "The sandbox needs programs that this machine lacks. On Debian or Ubuntu: "
            f"apt-get install --no-install-recommends {' '.join(missing)} libpmix-dev"
        )


class Sandbox:
    """One sandbox, named by its directory.

    :param progress: called with one line of text at each step of a start or stop.
    """

    def __init__(self, folder, timeout_s=60.0, progress=None):
        self.folder = Folder(folder)
        self.timeout_s = timeout_s
        self._progress = progress or (lambda line: None)

    # ---- what is there

    def read(self):
        """Return (state, record): state None without a sandbox, record None unless its anchor runs."""
        state = self.folder.read()
        if state is None:
            return None, None
        record = self.folder.record(state)
        if record and not (state["boot_id"] == _boot_id() and processes.is_alive(record["pid"], record["start_ticks"])):
            record = None
        return state, record

    def running(self):
        """Return (state, record) of a sandbox that runs; Error if it does not."""
        state, record = self.read()
        if record is None:
            raise Error(
                f"No sandbox runs in {self.folder.path}. `sandbox start --dir {self.folder.path}` starts one."
            )
        return state, record

    def way_in(self, *command, node=None):
        """Return the argument list that runs *command* inside."""
        return [self.folder("exec"), *(["--node", node] if node else []), "--", *command]

    def call(self, *command, node=None, timeout_s=5.0, env=None):
        """Run a command inside; return (exit code, standard output, standard error), code None after *timeout_s*."""
        try:
            done = subprocess.run(
                self.way_in(*command, node=node), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=timeout_s, check=False, env=env, cwd="/",
            )
        except subprocess.TimeoutExpired:
            return None, "", f"no answer in {timeout_s:g} s"
        return done.returncode, done.stdout, done.stderr

    def node_states(self, state, timeout_s=5.0):
        """Return ``{node: state}`` as Slurm sees it, {} if slurmctld does not run or not answer in time."""
        if not self.daemon("slurmctld", state):
            return {}
        code, out, _err = self.call("sinfo", "-h", "-N", "-o", "%N %T", timeout_s=timeout_s)
        return dict(line.split() for line in out.splitlines() if len(line.split()) == 2) if code == 0 else {}

    def daemon(self, name, state):
        """Return the pid of ``munged``, ``slurmctld`` or a node's slurmd, or None if it does not run."""
        return processes.from_pid_file(self._pid_file(name), state["token"])

    def _pid_file(self, name):
        return self.folder("run", f"{name}.pid" if name in ("munged", "slurmctld") else f"slurmd.{name}.pid")

    def _names(self, state):
        return [node["name"] for node in node_plan(state["settings"]["nodes"])]

    # ---- start

    def plan(self, given, keep=False):
        """Return what start would do: "keep", "repair", "restart" or "start", with the settings it would use."""
        state, record = self.read()
        settings = settings_from(given, state["settings"] if state and keep else None)
        if state is None:
            self.folder.check_new()
            return "start", settings
        if record is None or state["phase"] != "up" or state["settings"] != settings:
            return "restart", settings
        names = ["munged", "slurmctld", *self._names(state)]
        if state["cut"] or not all(self.daemon(name, state) for name in names):
            return "repair", settings
        return ("keep" if self._all_good(self.node_states(state), state) else "repair"), settings

    def start(self, given, keep=False):
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

    def _build(self, settings):
        user = pwd.getpwuid(os.geteuid()).pw_name if _has_name() else str(os.geteuid())
        token = secrets.token_hex(16)
        state = {
            "version": STATE_VERSION, "token": token, "phase": "making", "settings": settings, "cut": [],
            "boot_id": _boot_id(), "run_folder": self.folder.run_folder(token),
        }
        self.folder.write(state)
        self._write_files(state, user)
        record = self._start_anchor(state)
        self._write("exec", render.way_in(self.folder.path, record, state["boot_id"]), 0o755)
        self._start_daemons(state)
        self._wait_for_nodes(state, self.timeout_s)
        state["phase"] = "up"
        self.folder.write(state)

    def _write(self, name, text, mode=0o644):
        path = self.folder(name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(path, mode)

    def _write_files(self, state, user):
        settings, here, short = state["settings"], self.folder.path, state["run_folder"]
        for name in ENTRIES[:-1]:
            os.mkdir(self.folder(name), 0o755)
        if short != here:
            os.mkdir(short, 0o700)
            for name in SHORT_ENTRIES:
                os.mkdir(os.path.join(short, name), 0o755)
        os.chmod(self.folder("etc"), 0o700)
        for node in self._names(state):
            os.mkdir(os.path.join(short, "spool", node), 0o755)
            os.mkdir(os.path.join(short, "tmp", node), 0o755)
        for path in render.gpu_files(settings, here):
            with open(path, "w", encoding="ascii"):
                pass
        with open("/etc/hosts", encoding="utf-8", errors="replace") as stream:
            self._write("etc/hosts", render.hosts(settings, stream.read()))
        self._write("etc/slurm.conf", render.slurm_conf(settings, here, short, user))
        self._write("etc/gres.conf", render.gres_conf(settings, here))
        if settings["plugstack"]:
            self._write("etc/plugstack.conf", "\n".join(settings["plugstack"]) + "\n")
        handle = os.open(self.folder("etc", "munge.key"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(128))
        self._write("lib/anchor.py", _source(anchor_module))
        self._write("lib/netlink.py", _source(netlink_module))
        setup = {
            "token": state["token"], "state_file": self.folder("sandbox.json"), "control": CONTROL, "prefix": PREFIX,
            "record_file": self.folder("run", "anchor.json"), "hosts_file": self.folder("etc", "hosts"),
            "gpu_files": render.gpu_files(settings, here), "nodes": node_plan(settings["nodes"]),
        }
        self._write("lib/setup.json", json.dumps(setup))

    def _environment(self, state):
        """Return the environment of daemons: small, so that nothing of the caller's leaks into jobs."""
        kept = {name: os.environ[name] for name in ("LANG", "HOME", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
        return dict(kept, PATH=_path(), **{processes.TOKEN: state["token"]})

    def _start_anchor(self, state):
        self._progress("making the namespaces")
        log = self.folder("log", "anchor.log")
        with open(log, "ab") as stream:
            process = subprocess.Popen(
                [sys.executable, "-E", "-s", "-B", self.folder("lib", "anchor.py"), self.folder("lib", "setup.json")],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd="/", start_new_session=True,
                env=self._environment(state),
            )
        deadline = time.monotonic() + self.timeout_s
        while True:
            record = self.folder.record(state)
            if record:
                return record
            if process.poll() is not None or time.monotonic() > deadline:
                self._fail(state, "The namespaces of the sandbox could not be made: " + _anchor_failure(_tail(log)))
            time.sleep(0.01)

    def _fail(self, state, text):
        """Clean up and raise; the logs' last lines are in *text*, for the directory goes."""
        self._tear_down()
        raise Error(text)

    def _start_daemons(self, state):
        self._progress("starting munged and slurmctld")
        self._start_control(state)
        self._progress(f"starting {state['settings']['nodes']} slurmd")
        self._start_slurmds(state, self._names(state))

    def _start_control(self, state):
        short = state["run_folder"]
        if not self.daemon("munged", state):
            self._daemon(
                state, "munged", "--force", f"--key-file={self.folder('etc', 'munge.key')}",
                f"--socket={short}/run/munge.sock", f"--pid-file={self._pid_file('munged')}",
                f"--log-file={self.folder('log', 'munged.log')}", f"--seed-file={self.folder('run', 'munge.seed')}",
            )
            self._wait(lambda: os.path.exists(f"{short}/run/munge.sock") and self.daemon("munged", state), "munged", "munged")
        if not self.daemon("slurmctld", state):
            self._daemon(state, "slurmctld")
            self._wait(lambda: self._slurmctld_listens(state), "slurmctld", "slurmctld")

    def _slurmctld_listens(self, state):
        pid = self.daemon("slurmctld", state)
        return pid and processes.listens(pid, SLURMCTLD_PORT)

    def _daemon(self, state, *argv):
        code, _out, err = self.call(*argv, timeout_s=30, env=self._environment(state))
        if code != 0:
            raise Error(f"{argv[0]} did not start (exit code {code}): {err.strip()[-400:]} {_tail(self.folder('log', argv[0] + '.log'))}")

    def _start_slurmds(self, state, names):
        """Start the slurmd of each node named; a few at once, for a start is work for the processor."""
        log = self.folder("log", "start.log")
        waiting, active = list(names), {}
        deadline = time.monotonic() + self.timeout_s
        with open(log, "ab") as stream:
            while waiting or active:
                while waiting and len(active) < 8:
                    name = waiting.pop(0)
                    active[name] = subprocess.Popen(
                        self.way_in("slurmd", node=name), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                        env=self._environment(state), cwd="/",
                    )
                for name, process in list(active.items()):
                    if process.poll() is None:
                        continue
                    del active[name]
                    if process.returncode != 0:
                        raise Error(f"slurmd of {name} did not start: {_tail(log)}")
                if time.monotonic() > deadline:
                    raise Error(f"slurmd of {', '.join(active)} did not start in {self.timeout_s:g} s: {_tail(log)}")
                time.sleep(0.005)

    def _wait(self, condition, what, log):
        deadline = time.monotonic() + self.timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise Error(f"{what} did not start in {self.timeout_s:g} s: {_tail(self.folder('log', log + '.log'))}")
            time.sleep(0.01)

    def _all_good(self, states, state):
        return all(states.get(name, "gone") in GOOD_STATES for name in self._names(state))

    def _wait_for_nodes(self, state, timeout_s):
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

    def _repair(self):
        """Put back what is missing while jobs go on; False if a restart is needed."""
        state = self.folder.read()
        try:
            for name in list(state["cut"]):
                self._set_link(name, True)
            self._start_control(state)
            self._start_slurmds(state, [name for name in self._names(state) if not self.daemon(name, state)])
            self._wait_for_nodes(state, self.timeout_s / 2)
        except (Error, OSError) as error:
            self._progress(f"repair failed, starting anew: {error}")
            return False
        return True

    # ---- stop

    def stop(self, keep_log=False):
        """End every process of the sandbox and remove what it made; return True if there was anything."""
        if self.folder.read() is None and not self.folder.is_bare():
            return False
        with self.folder.lock(self.timeout_s) as there:
            if not there:
                return False
            had = self.folder.read() is not None
            if had:
                self._tear_down(keep_log)
            self.folder.remove_if_empty()
            return had

    def _tear_down(self, keep_log=False):
        state = self.folder.read()
        record = self.folder.record(state)
        state["phase"] = "stopping"
        self.folder.write(state)
        self._progress("ending all processes")
        namespaces, anchor = set(), None
        if record and state["boot_id"] == _boot_id():
            namespaces = {spaces["net"]["id"] for spaces in [record["control"], *record["nodes"].values()]}
            anchor = record["pid"]
        left = processes.end_all(state["token"], namespaces, anchor)
        if left:
            raise Error(f"Processes of the sandbox do not end: {left}. Try again when they have.", pids=left)
        self.folder.remove(state["run_folder"], keep_log)

    # ---- trouble on purpose

    def _node(self, name, state):
        if name not in self._names(state):
            raise Error(f"There is no node {name}; the sandbox has {render.node_range(state['settings']['nodes'])}.")

    def stop_daemon(self, name, how=signal.SIGTERM, timeout_s=10.0):
        """Stop slurmctld or a node's slurmd; True if it ran. Steps of a node go on."""
        state, _record = self.running()
        if name != "slurmctld":
            self._node(name, state)
        pid = self.daemon(name, state)
        if not pid:
            return False
        os.kill(pid, how)
        deadline = time.monotonic() + timeout_s
        while processes.is_alive(pid):
            if time.monotonic() > deadline:
                raise Error(f"{name} (pid {pid}) did not end in {timeout_s:g} s.")
            time.sleep(0.01)
        return True

    def start_daemon(self, name):
        """Start slurmctld or a node's slurmd; True if it did not run."""
        state, _record = self.running()
        if name != "slurmctld":
            self._node(name, state)
        if self.daemon(name, state):
            return False
        if name == "slurmctld":
            self._start_control(state)
        else:
            self._start_slurmds(state, [name])
        return True

    def set_link(self, name, up):
        """Connect a node to the network or cut it off; True if that changed something."""
        state, _record = self.running()
        self._node(name, state)
        if (name not in state["cut"]) == up:
            return False
        self._set_link(name, up)
        return True

    def _set_link(self, name, up):
        state, record = self.running()
        state["cut"] = sorted(set(state["cut"]) - {name} if up else set(state["cut"]) | {name})
        self.folder.write(state)
        link = anchor_module.link_name(self._names(state).index(name))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                control = record["control"]
                for kind in ("user", "net"):
                    if kind in control:
                        handle = os.open(f"/proc/{record['pid']}/fd/{control[kind]['fd']}", os.O_RDONLY)
                        anchor_module.setns(handle, kind)
                with netlink_module.Netlink() as links:
                    links.set_link(link, up)
                code = 0
            except OSError as error:
                os.write(2, f"sandbox: {error}\n".encode())
            finally:
                os._exit(code)
        if os.waitpid(child, 0)[1] != 0:
            raise Error(f"The link of {name} could not be changed (an ordinary user does this from outside the sandbox).")


def _has_name():
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _anchor_failure(text):
    """Return the anchor's last words and what may help."""
    last = text.splitlines()[-1] if text else "no word from the anchor"
    if "unshare" in last or "mount(" in last or "uid_map" in last or "setgroups" in last:
        last += (
            ". This machine does not let an ordinary user make namespaces (see sysctl user.max_user_namespaces, "
            "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; in a container, its seccomp "
            "profile): change that, or run the sandbox as root."
        )
    return last
