# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command on one node of a job: the srun line, and how its exit code is told from srun's.

srun ends with its own errors in the same numbers as a command, and with 0 if the node is lost. So a small shell script
on the node marks on standard error that the command begins, and with which code it ended. It also marks the begin of
standard output, because a site's TaskProlog may have printed there. The command travels in the environment: command
lines can be seen by others, and Slurm's accounting stores them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from ..failures import Error
from ..holder.slurm_calls import clean_env
from ..plan_file import Container
from .options import SRUN_FIXED, SRUN_REFUSED, plain, srun_name
from .srun import contained, pyxis_options, write_option

COMMAND, MARK = "SRT_COMMAND", "SRT_MARK"
# The shell keeps both for itself. The command's own shell may be killed; this one then still tells its code.
SCRIPT = f"""c=${COMMAND} m=${MARK}; unset {COMMAND} {MARK}
cd "${{HOME:-/}}" 2>/dev/null || cd /
printf '%s begins\\n' "$m" >&2; printf '%s begins\\n' "$m"
/bin/sh -c "$c"
printf '\\n%s %s\\n' "$m" "$?" >&2"""
# As a login gives them; a task sets others itself. What else the controller has may be secret, or wrong on a node.
KEPT = re.compile("(HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|SLURM_CONF|ENROOT_.*)$")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# slurmstepd's word, on the command's standard error, that the step was ended, by whom or what ever.
ENDED = re.compile(rb"^slurmstepd-\S+: error: \*\*\* (STEP|JOB) \S+ ON \S+ CANCELLED", re.M)
# Options of srun that would break the protocol, or mean another node.
FIXED = {*SRUN_FIXED, *SRUN_REFUSED, "unbuffered", "label", "kill-on-bad-exit", "multi-prog"}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a command runs: the node of a job, and perhaps a container there.

    :ivar het_group: the component of a heterogeneous job, as text; "" in any other.
    :ivar image: of the container; "" without one.
    :ivar options: further options of srun, ``{name: value}``.
    """

    job_id: str
    node: str
    het_group: str = ""
    image: str = ""
    runtime: str = "pyxis"
    container_name: str = ""
    mounts: Sequence[str] = ()
    options: Mapping[str, str | None] = dataclasses.field(default_factory=dict)


def argv(place: Place, srun: str, step_name: str, reads: bool) -> list[str]:
    """Return the command line for a command in *place*.

    :param srun: path of the program.
    :param step_name: unique, so that the step can be found again.
    :param reads: the command gets our standard input.
    """
    options: dict[str, str | None] = {
        "quiet": None,
        "jobid": place.job_id,
        "overlap": None,
        "nodes": "1",
        "ntasks": "1",
        "nodelist": place.node,
        "job-name": step_name,
        "chdir": "/",  # ours may not be there
        "mpi": "none",
        "cpu-bind": "none",
        "export": "ALL",
    }
    if place.het_group:
        options["het-group"] = place.het_group
    if not reads:
        options["input"] = "none"
    container = _container(place)
    if container and container["runtime"] == "pyxis":
        options.update(pyxis_options(container, place.mounts))
    for name, value in place.options.items():
        key = srun_name(str(name))
        if key in FIXED:
            raise Error(f"srun option {name}: it is set by the connection and cannot be changed. Leave it out.")
        options[key] = plain(value)
    words = [write_option(key, value) for key, value in options.items()]
    return [srun, *words, *contained(container, place.mounts, ["/bin/sh", "-c", SCRIPT])]


def _container(place: Place) -> Container | None:
    if not place.image:
        return None
    container: Container = {"runtime": place.runtime, "image": place.image}
    if place.container_name:
        container["name"] = place.container_name
    return container


def environment(command: str, mark: str, path: str = PATH) -> dict[str, str]:
    """Return the environment of srun for *command*, whose begin and end carry *mark*."""
    kept = {name: value for name, value in clean_env().items() if KEPT.match(name)}
    return {**kept, "PATH": path, COMMAND: command, MARK: mark}


def begins(mark: str) -> bytes:
    """Return the line that both outputs have before the command's own."""
    return f"{mark} begins\n".encode()


@dataclasses.dataclass(frozen=True)
class Heard:
    """What standard error of srun tells so far.

    :ivar begun: whether the command has begun.
    :ivar code: its exit code, None as long as it is not known.
    :ivar errors: what the command wrote there.
    :ivar said: what srun and Slurm wrote before and after it.
    """

    begun: bool
    code: int | None
    errors: bytes
    said: str


def hear(stderr: bytes, mark: str) -> Heard:
    """Return what *stderr* tells about the command whose begin and end carry *mark*."""
    before, found, rest = stderr.partition(begins(mark))
    if not found:
        return Heard(False, None, b"", before.decode(errors="replace").strip())
    end = re.search(rb"\n" + re.escape(mark.encode()) + rb" (\d{1,3})\n", rest)
    if not end:
        return Heard(True, None, rest, (before + rest).decode(errors="replace").strip())
    if int(end[1]) > 128 and ENDED.search(rest):  # the shell was quicker than the signal
        return Heard(True, None, rest, (before + rest[: end.start()]).decode(errors="replace").strip())
    said = (before + rest[end.end() :]).decode(errors="replace").strip()
    return Heard(True, int(end[1]), rest[: end.start()], said)
