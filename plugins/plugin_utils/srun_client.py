# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One srun and what goes through it: data in, output, a password, deadlines; and no step that stays behind."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import selectors
import signal
import subprocess
import time

from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder import slurm_calls
from ansible_collections.srt.slurm.plugins.module_utils.slurm.remote_command import begins, hear

TICK_S = 0.5  # how often deadlines and the controller are looked at
END_S = 8.0  # for a step to end after SIGTERM
GONE_S = 30.0  # for a step to leave the list after SIGKILL
CHUNK = 1 << 16
PR_SET_PDEATHSIG = 1


class TooLong(Error):
    """A deadline has passed, and the step was ended."""


class Abandoned(Error):
    """The controller has ended, and so was the step."""


class NoEscalation(Error):
    """The password for become is missing or wrong, and the step was ended."""


def _libc():
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None


LIBC = _libc()  # before the fork: in the child nothing may be loaded


def _tied():
    """Let srun end, and with it the step, when this process is killed. Runs between fork and exec."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Escalation:
    """What become wants: its password sent when it asks, and standard input kept back until it has let us through.

    :param become: Ansible's plugin, None without become.
    """

    def __init__(self, become):
        self._become = become if become is not None and become.success else None
        self._asks = bool(self._become) and self._become.expect_prompt()
        self._sent = False
        self._heard = 0

    def open(self, output):
        """Return whether the command may get its standard input: *output* is what was written so far."""
        return not self._asks or self._become.check_success(output)

    def answer(self, output, errors):
        """Return the password if it is asked for, else b""; raise NoEscalation if it was wrong."""
        if not self._asks or self._become.check_success(output):
            return b""
        asked = self._become.check_password_prompt(output) or self._become.check_password_prompt(errors[self._heard :])
        if self._sent:
            if self._become.check_incorrect_password(output + errors) or asked:
                raise NoEscalation(f"The password for {self._become.name} is wrong.")
            return b""
        if not asked:
            return b""
        self._sent, self._heard = True, len(errors)
        return os.fsencode(self._become.get_option("become_pass") or "") + b"\n"

    def check(self, output, errors):
        """Raise NoEscalation if the command ended because there was no password, or a wrong one."""
        if self._become and not self._become.check_success(output):
            if self._become.check_missing_password(output + errors):
                raise NoEscalation(f"{self._become.name} needs a password. Give it with -K or ansible_become_password.")
            if self._become.check_incorrect_password(output + errors):
                raise NoEscalation(f"The password for {self._become.name} is wrong.")

    def without_traces(self, output, errors):
        """Return both without the word that told us of the success, and without the prompt."""
        if not self._become:
            return output, errors
        before, _word, after = output.partition(os.fsencode(self._become.success) + b"\n")
        if self._sent and isinstance(self._become.prompt, str):
            errors = errors.replace(os.fsencode(self._become.prompt) + b"\n", b"", 1)
        return before + after, errors


class Client:
    """A running srun.

    :param argv: its command line, with the step's name *name* in the job *job_id*.
    :param mark: of the command's begin and end, see remote_command.
    :param source: bytes or a file for its standard input, or None.
    :param sink: called with each piece of standard output; otherwise it is kept in ``output``.
    """

    def __init__(self, argv, env, job_id, name, mark, source=None, sink=None, escalation=None):
        self._job_id, self._name, self._mark, self._sink = job_id, name, mark, sink
        self._escalation = escalation or Escalation(None)
        self.output, self.errors = bytearray(), bytearray()
        self._head = b""  # of standard output, until the command begins
        self._begun_at, self._started_at = None, time.monotonic()
        self._pending = source if isinstance(source, bytes) else b""
        stdin = subprocess.PIPE if isinstance(source, bytes) else subprocess.DEVNULL if source is None else source
        # In our process group: Ansible ends it as a whole.
        self.process = subprocess.Popen(
            argv, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_tied
        )

    def talk(self, begin_s, limit_s):
        """Wait for the end of the command; return what was :func:`heard <hear>`, and srun's own exit code.

        :param begin_s: seconds for the command to begin.
        :param limit_s: seconds for the command; 0: no limit.
        """
        try:
            with selectors.DefaultSelector() as selector:
                for stream in (self.process.stdout, self.process.stderr):
                    selector.register(stream, selectors.EVENT_READ)
                if self.process.stdin:
                    os.set_blocking(self.process.stdin.fileno(), False)
                while any(key.events == selectors.EVENT_READ for key in selector.get_map().values()):
                    self._step(selector)
                    self._check(begin_s, limit_s)
            code = self._wait(begin_s, limit_s)
        finally:
            self.end()
        heard = hear(bytes(self.errors), self._mark)
        self._escalation.check(bytes(self.output), heard.errors)
        return heard, code

    def _step(self, selector):
        self._offer(selector)
        for key, _events in selector.select(TICK_S):
            if key.fileobj is self.process.stdin:
                self._write(selector)
                continue
            piece = os.read(key.fd, CHUNK)
            if not piece:
                selector.unregister(key.fileobj)
            elif key.fileobj is self.process.stderr:
                self.errors += piece
            else:
                self._take(piece)

    def _take(self, piece):
        """Keep a piece of standard output, or hand it on; what came before the command is dropped."""
        if self._head is not None:
            self._head += piece
            _before, begun, piece = self._head.partition(begins(self._mark))
            if not begun:
                return
            self._head = None
        if self._sink:
            self._sink(piece)
        else:
            self.output += piece

    def _offer(self, selector):
        """Let standard input be written as soon as there is something to write, and end it after that."""
        stdin = self.process.stdin
        if stdin is None or stdin.closed or stdin in {key.fileobj for key in selector.get_map().values()}:
            return
        password = self._escalation.answer(bytes(self.output), bytes(self.errors))
        if password:
            with contextlib.suppress(BrokenPipeError):
                os.write(stdin.fileno(), password)
        elif self._escalation.open(bytes(self.output)):
            if self._pending:
                selector.register(stdin, selectors.EVENT_WRITE)
            else:
                self._close_input()

    def _write(self, selector):
        try:
            self._pending = self._pending[os.write(self.process.stdin.fileno(), self._pending[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the command does not read it
            self._pending = b""
        if not self._pending:
            selector.unregister(self.process.stdin)
            self._close_input()

    def _close_input(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def _check(self, begin_s, limit_s):
        now = time.monotonic()
        if self._begun_at is None and hear(bytes(self.errors), self._mark).begun:
            self._begun_at = now
        if self._begun_at is None and now > self._started_at + begin_s:
            said = self.errors.decode(errors="replace").strip()
            raise TooLong(f"The command did not begin within {begin_s:g} s. {said}".strip())
        took_s = now - self._begun_at if self._begun_at is not None else 0.0
        if took_s > begin_s and not self._escalation.open(bytes(self.output)):
            raise TooLong(f"become did not succeed within {begin_s:g} s.")
        if limit_s and took_s > limit_s:
            raise TooLong(f"The command took longer than {limit_s:g} s and was ended.")
        controller = multiprocessing.parent_process()
        if controller is not None and controller.pid != os.getppid():
            raise Abandoned("Ansible's main process has ended.")

    def _wait(self, begin_s, limit_s):
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(TICK_S)
            self._check(begin_s, limit_s)

    def end(self):
        """End srun and its step, if it still runs. An error of Slurm then is not one of the command."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_S)
            end_steps(self._job_id, self._name)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


def end_steps(job_id, name):
    """Kill the steps of a job that are called *name*, and wait until Slurm lists none."""
    listed = slurm_calls.call(slurm_calls.CALL_S, "squeue", "--all", "--noheader", f"--jobs={job_id}", "--format=%A")
    # The components of a heterogeneous job have ids of their own.
    slurm = slurm_calls.Slurm(job_id, listed.stdout.split() if listed and not listed.returncode else [job_id])
    until = time.monotonic() + GONE_S
    while True:
        steps = slurm.steps()
        left = [step for step, called in (steps or {}).items() if called == name]
        if (steps is not None and not left) or time.monotonic() > until:
            return
        if left:
            slurm.signal(left, "KILL")
        time.sleep(TICK_S)
