# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a step to the srun command line and its environment. srun's options are known only here.

No value of the step's environment is ever on a command line. srun passes the environment of its
client on, with two exceptions that a small shell prologue puts right: Slurm sets the variables of
GPUs itself, and a container image may set any. The prologue also raises the limit of open files.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from ..failures import Error
from ..holder.step import BEGUN
from ..json_types import JsonObject
from ..plan_file import Container, Step
from .options import SRUN_FIXED, plain, srun_name

CARRIER = "SRT_ENV_"
# Slurm may pass on a user's low limit of open files. Not more than this: some programs walk through all of them.
FILE_LIMIT = 'ulimit -S -n 1048576 2>/dev/null || ulimit -S -n "$(ulimit -H -n)"'
SET_BY_SLURM = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "GPU_DEVICE_ORDINAL")
# Images that are not registry names for apptainer.
OTHER_SCHEME = re.compile(r"[a-z-]+://|(docker-daemon|docker-archive|oci|oci-archive):")
FILES = (".sif", ".sqsh", ".squashfs", ".simg", ".img", ".tar")
PYXIS_FLAGS = {
    "mount_home": ("container-mount-home", "no-container-mount-home"),
    "entrypoint": ("container-entrypoint", "no-container-entrypoint"),
    "remap_root": ("container-remap-root", "no-container-remap-root"),
    "writable": ("container-writable", "container-readonly"),
}
# The task of a container begins only when its image was imported.
TELL_BEGIN = f'{{ [ -z "${{{BEGUN}-}}" ] || true >"${BEGUN}.${{SLURM_PROCID:-0}}"; }} 2>/dev/null; unset {BEGUN}'
# enroot starts tasks from a login shell, which sets another PATH than the image's.
IMAGE_PATH = (
    '[ ! -r /etc/environment ] || while read -r e; do case "$e" in PATH=?*) '
    'e="${e#PATH=}"; e="${e#\\"}"; PATH="${e%\\"}";; esac; done </etc/environment'
)
EITHER_SHELL = 'exec "$(command -v bash || echo /bin/sh)" -c "$0"'
OPPOSITE = {one: other for yes, no in PYXIS_FLAGS.values() for one, other in ((yes, no), (no, yes))}


def build_srun_argv(step: Step, job_id: str | int, run_dir: str) -> list[str]:
    """Return the complete command line that starts *step*.

    Options of ``step.srun_options`` replace ours of the same name; the ones in SRUN_FIXED are fixed, and mounts of a
    container are added to ours.
    """
    options: dict[str, str | None] = {
        "jobid": str(job_id),
        "overlap": None,
        "nodes": str(len(step["nodes"])),
        "ntasks": str(step["ntasks"]),
        "nodelist": ",".join(step["nodes"]),
        "job-name": step["name"],
        "chdir": run_dir,
        # Because of %N slurmstepd opens the file, so the log continues without the client.
        "output": os.path.join(run_dir.replace("%", "%%"), step["log"]),
        "open-mode": "append",
        "input": "none",
        "mpi": "none",
        "cpu-bind": "none",
        "kill-on-bad-exit": "1",
        "export": "ALL",
    }
    container = step.get("container")
    if container and container["runtime"] == "pyxis":
        options.update(pyxis_options(container, step.get("mounts") or []))
    for key, value in (step.get("srun_options") or {}).items():
        key = srun_name(key)
        if key in SRUN_FIXED:
            raise Error(
                f"step {step['name']}: srun_options.{key} is set by the collection and cannot be changed. Remove it."
            )
        options.pop(OPPOSITE.get(key, ""), None)  # pyxis refuses a flag together with its opposite
        value = plain(value)
        if key == "container-mounts":
            value = ",".join(filter(None, (options.get(key), value)))
        options[key] = value
    return ["srun", *(write_option(key, value) for key, value in options.items()), *task_argv(step)]


def write_option(key: str, value: str | None) -> str:
    """Return an option of srun as a word of its command line; the value None means that it has none."""
    dashes = "-" if len(key) == 1 else "--"
    return dashes + key if value is None else f"{dashes}{key}{'=' if len(key) > 1 else ''}{value}"


def task_argv(step: Step) -> list[str]:
    """Return the command that srun executes on the nodes: the step's command after a shell prologue."""
    argv = [str(word) for word in step["argv"]]
    carried, preamble = carried_names(step), step.get("preamble")
    container = step.get("container")
    lines = [TELL_BEGIN] if container else []
    if container and container["runtime"] == "pyxis":
        lines.append(IMAGE_PATH)
    lines += [FILE_LIMIT, *(f'export {name}="${CARRIER}{name}"; unset {CARRIER}{name}' for name in carried)]
    command, words = '"$@"', ["srt", *argv]
    either = bool(preamble and container and not container.get("bash", True))
    if ":" in argv or either:  # srun reads a lone colon as the separator of two commands
        command, words = shlex.join(argv), []
    elif preamble:  # it may use the positional parameters
        lines, command = ['srt_argv=("$@")', *lines], '"${srt_argv[@]}"'
    text = "\n".join([*lines, *([preamble] if preamble else []), "exec " + command])
    shell = ["/bin/sh", "-c", EITHER_SHELL] if either else ["/bin/bash" if preamble else "/bin/sh", "-c"]
    return contained(container, step.get("mounts") or [], [*shell, text, *words])


def srun_env(step: Step) -> dict[str, str]:
    """Return the variables that the client of *step* gets in addition to the holder's environment."""
    env = {str(k): str(v) for k, v in (step.get("env") or {}).items()}
    for name, value in env.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in value:
            raise Error(f"step {step['name']}: {name!r} cannot be an environment variable.")
    begun = {BEGUN: ""} if step.get("container") else {}  # the holder sets it
    return {**env, **{CARRIER + name: env[name] for name in carried_names(step)}, **begun}


def carried_names(step: Step) -> list[str]:
    """Return the names of variables that have to be set again on the node."""
    contained = bool(step.get("container"))
    return [name for name in (step.get("env") or {}) if contained or name in SET_BY_SLURM]


def start_request(step: Step, job_id: str | int, run_dir: str) -> JsonObject:
    """Return the holder's request for *step*: the data to record, and how to start it."""
    kept = ("name", "tier", "digest", "nodes", "log", "critical", "restarts", "stop_grace_s")
    return dict(
        {key: step.get(key) for key in kept}, srun_argv=build_srun_argv(step, job_id, run_dir), srun_env=srun_env(step)
    )


def printable(step: Step, job_id: str | int, run_dir: str, origins: JsonObject | None = None) -> str:
    """Return the text of a step in check mode: its srun line and its environment.

    :param origins: ``{variable or --option: origin}``; the plan sets the others. None: origins are not shown.
    """

    def remark(name: str) -> str:
        return "" if origins is None else f"  # {origins.get(name, 'plan')}"

    lines = [f"{step['name']} on {','.join(step['nodes'])}", f"  {shlex.join(build_srun_argv(step, job_id, run_dir))}"]
    for name, value in sorted((step.get("env") or {}).items()):
        lines.append(f"  {name}={shlex.quote(str(value))}{remark(name)}")
    if origins is not None:
        flags = [word.partition("=")[0] for word in step["argv"] if word.startswith("--") and word != "--"]
        lines += [f"  {flag}{remark(flag)}" for flag in dict.fromkeys(flags)]
    return "\n".join(lines) + "\n"


def pyxis_options(container: Container, mounts: Sequence[str]) -> dict[str, str | None]:
    """Return the options with which pyxis runs a step in *container* with *mounts*."""
    options: dict[str, str | None] = {"container-image": container["image"]}
    if mounts:
        options["container-mounts"] = ",".join(map(str, mounts))
    for key in ("workdir", "name"):
        if container.get(key):
            options[f"container-{key}"] = str(container.get(key))
    for key, (yes, no) in PYXIS_FLAGS.items():
        default = False if key in ("mount_home", "entrypoint") else None
        if container.get(key, default) is not None:
            options[yes if container.get(key, default) else no] = None
    return options


def contained(container: Container | None, mounts: Sequence[str], argv: list[str]) -> list[str]:
    """Return *argv* in a container runtime that is a separate program. It passes our environment on."""
    if not container or container["runtime"] != "apptainer":
        return argv
    gpus = container.get("gpus") or "nv"
    binds = [word for mount in mounts for word in ("--bind", str(mount))]
    # The node's GPU drivers are mounted, and a setup script writes to memory: images are read-only.
    image = apptainer_image(container["image"])
    return ["apptainer", "exec", "--no-home", "--writable-tmpfs", f"--{gpus}", *binds, image, *argv]


def apptainer_image(text: str) -> str:
    """Return the image *text* as apptainer reads it: it reads a name without a scheme as a file.

    Files and other schemes stay as they are. Of pyxis' form USER@REGISTRY#NAME the user is left out: apptainer has the
    accounts of its registries from ``apptainer registry login``.
    """
    scheme, mark, name = text.rpartition("docker://")
    if scheme or not mark and (OTHER_SCHEME.match(text) or text.startswith(("/", ".", "~")) or text.endswith(FILES)):
        return text
    registry, sign, rest = name.partition("#")
    return "docker://" + (f"{registry.rpartition('@')[2]}/{rest}" if sign else name)
