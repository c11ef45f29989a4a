# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold between settings, and of the files that they name, before anything is submitted."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from ..slurm.options import seconds
from .reading import Settings
from .settings import RESERVED_CPUS
from .side.environment import PLACEHOLDER, read_env

# Podman's runroot has 50 characters at most; ours adds "/skyrl-UID-JOBID/run".
MOST_LOCAL = 20
DATA = ("train_data", "val_data")
OUTPUT = ("checkpoint_dir", "rollout_dir")


class Slots(NamedTuple):
    """The sandboxes that training wants at once, and how many the runtime has room for."""

    wanted: int
    room: int
    text: str


def slots(values: dict[str, object]) -> Slots:
    """Return the arithmetic of the runtime's slots."""
    number = {name: int(str(values[name])) for name in ("train_batch_size", "rollout_n", "cpus_for_runtime")}
    per_worker, most = int(str(values["cpus_per_worker"])), values.get("max_parallel_agents")
    batch, rollouts, cpus = number.values()
    wanted = batch * rollouts
    room = max(0, cpus - RESERVED_CPUS) // per_worker
    text = f"train_batch_size {batch} x rollout_n {rollouts} = {wanted}"
    if most is not None and int(str(most)) < wanted:
        wanted = int(str(most))
        text += f", at most max_parallel_agents {wanted} at once"
    text += (
        f"; (cpus_for_runtime {cpus} - {RESERVED_CPUS} for the server) / cpus_per_worker {per_worker} = {room} slots"
    )
    return Slots(wanted, room, text)


def check(settings: Settings, sides: tuple[str, ...], smoke: bool) -> None:
    """Record in *settings* what does not hold."""
    if not settings.problems:  # else the values are not all usable
        _times(settings)
        if len(sides) == 2 and not smoke:
            _slots(settings)
        if "training" in sides:
            _gpus(settings)
            if not smoke:
                _data(settings)
            _environment(settings)
        if "runtime" in sides:
            _local_dir(settings)
            _files_of_containers(settings)


def _files_of_containers(settings: Settings) -> None:
    for name in ("containers_conf", "image_archive"):
        path, made = str(settings.values[name]), name == "image_archive" and settings.values["pull_image"]
        if path and not os.path.isfile(path) and (not made or os.path.exists(path)):
            remedy = "Correct the path, or leave it out."
            if name == "image_archive":
                remedy = "Correct the path, or set pull_image to have it made before the jobs are submitted."
            settings.problem(name, "not_found", f"{path} does not exist, or is no file.", remedy)
    if settings.values["pull_image"] and not settings.values["container_image"]:
        settings.problem("pull_image", "missing", "is set, and container_image is not.", "Name the image to pull.")


def _local_dir(settings: Settings) -> None:
    path = str(settings.values["local_dir"])
    if not path.startswith("/"):
        settings.problem(
            "local_dir", "invalid", f"is {path}, which is no absolute path.", "Name a directory of the nodes."
        )
    elif settings.values["container_engine"] == "podman" and len(path) > MOST_LOCAL:
        problem = f"is {path}, longer than {MOST_LOCAL} characters: podman takes no longer directory of its state."
        settings.problem("local_dir", "invalid", problem, "Choose a shorter one, such as /tmp.")


def _slots(settings: Settings) -> None:
    found = slots(settings.values)
    if found.wanted > found.room:
        per_worker = int(settings.values["cpus_per_worker"])
        needed = found.wanted * per_worker + RESERVED_CPUS
        name = "max_parallel_agents" if "max_parallel_agents" in settings.given else "train_batch_size"
        settings.problem(
            name,
            "no_room",
            f"No available worker slots: {found.wanted} wanted, {found.room} there ({found.text}).",
            f"Set cpus_for_runtime to {needed} or more, max_parallel_agents to {max(found.room, 1)} or less, or lower "
            "cpus_per_worker, train_batch_size or rollout_n.",
        )


def _gpus(settings: Settings) -> None:
    values = settings.values
    gpus = int(values["gpu_nodes"]) * int(values["gpus_per_node"])
    for name in ("tp_size", "sp_size"):
        if gpus % int(values[name]):
            problem = f"is {values[name]}, which does not divide the {gpus} GPUs (gpu_nodes x gpus_per_node)."
            settings.problem(name, "conflict", problem, f"Choose a divisor of {gpus}.")


def _times(settings: Settings) -> None:
    values = settings.values
    limit = seconds(values["time_limit"]) or 0
    if "training_complete_timeout" not in settings.given:
        values["training_complete_timeout"] = max(limit, int(values["training_complete_timeout"]))
    elif int(values["training_complete_timeout"]) < limit:
        problem = f"is {values['training_complete_timeout']} s, less than time_limit ({limit} s)."
        remedy = f"Set it to {limit} or more: the runtime must not end before training."
        settings.problem("training_complete_timeout", "conflict", problem, remedy)
    if int(values["warning_s"]) >= limit:
        problem = f"is {values['warning_s']} s, and time_limit only {limit} s."
        settings.problem("warning_s", "conflict", problem, "Lower it, or raise time_limit.")
    elif int(values["drain_timeout_s"]) >= int(values["warning_s"]):
        problem = f"is {values['drain_timeout_s']} s, which is not less than warning_s ({values['warning_s']} s)."
        settings.problem(
            "drain_timeout_s", "conflict", problem, "Lower it: the checkpoint needs the rest of that time."
        )


def _data(settings: Settings) -> None:
    command = str(settings.values["training_command"])
    for name in (*DATA, *OUTPUT):
        path, wanted = str(settings.values[name] or ""), f"{{{name}}}" in command
        if not path and wanted:
            hint = "data_dir or " if name in DATA else ""
            settings.problem(name, "missing", "is not set, and the trainer needs it.", f"Set {hint}{name}.")
        elif path and name in DATA and not os.path.exists(path):
            settings.problem(name, "not_found", f"{path} does not exist.", "Correct the path, or create the file.")
        elif path and name in OUTPUT and os.path.exists(path) and not os.path.isdir(path):
            settings.problem(name, "invalid", f"{path} is not a directory.", "Name a directory.")


def _environment(settings: Settings) -> None:
    path, required = str(settings.values["env_file"] or ""), settings.values["required_env"]
    text = ""
    if path:
        try:
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
        except (OSError, UnicodeDecodeError) as error:
            settings.problem("env_file", "not_found", f"{path} cannot be read: {error}.", "Name a readable .env file.")
            return
    found = read_env(text)
    lacking = [name for name in required if not found.get(name)]
    if lacking:
        where = path or "env_file, which is not set"
        problem = f"asks for {', '.join(lacking)}, which {where} does not set."
        settings.problem(
            "required_env", "missing", problem, f"Set it there; a value with {PLACEHOLDER} counts as unset."
        )


def private_copy(path: str) -> str:
    """Return the content of training.env: the variables of a .env file that count, one a line."""
    if not path:
        return ""
    with open(path, encoding="utf-8") as stream:
        return "".join(f"{name}={value}\n" for name, value in read_env(stream.read()).items())


def quoted(words: list[str]) -> str:
    """Return a command as a person would type it."""
    return shlex.join(words)
