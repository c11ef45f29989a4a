# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch would do: the two jobs, their scripts and the files of the coordination directory. Starts nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from ..failures import Error, SpecError
from ..files import digest
from ..json_types import Json, JsonObject
from ..programs import program_files
from . import checks, scripts
from .reading import Settings, read, split
from .settings import RUNTIME, SETTINGS, SIDES, TRAINING, exported
from .side import __main__ as program

CONFIG = "settings.json"  # the copy of the settings in the coordination directory


class Launch(NamedTuple):
    """A launch that may be submitted.

    ``documents`` is what the program of each side reads, ``digests`` are over all that matters for its job.
    """

    settings: Settings
    sides: tuple[str, ...]
    base: str
    documents: dict[str, JsonObject]
    digests: dict[str, str]
    runtime_url: str

    @property
    def values(self) -> JsonObject:
        """Return the settings' values."""
        return self.settings.values

    @property
    def smoke(self) -> bool:
        """Return whether it only sees that both commands work."""
        return any(document["smoke"] for document in self.documents.values())

    @property
    def name(self) -> str:
        """Return the name of the run."""
        return str(self.values["name"])

    def script(self, side: str, folder: str) -> str:
        """Return the sbatch script of a side for a coordination directory."""
        return scripts.render(self.values, side, folder, self.digests[side])


def base_of(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the parent of the coordination directories."""
    values = settings.values
    home = environ.get("HOME") or os.path.expanduser("~")
    root = str(values["skyrl_project_root"] or home)
    return str(values["skyrl_jobs_base"] or os.path.join(root, ".skyrl_jobs"))


def sides_of(params: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the sides that are to be submitted; Error if the options contradict each other."""
    url = str(params.get("runtime_url") or "")
    alone = [f"rl_{name}" for name in ("training_only", "skip_runtime") if params.get(name)]
    if url and not url.startswith(("http://", "https://")):
        raise Error(f"rl_runtime_url: {url} is no address of a server. Write http://HOST:PORT.")
    if params.get("runtime_only") and (alone or url):
        other = alone[0] if alone else "rl_runtime_url"
        raise Error(f"rl_runtime_only and {other} are both set. Leave one of them out.")
    if alone and not url and not params.get("smoke"):
        raise Error(f"{alone[0]} needs the address of a runtime. Add -e rl_runtime_url=http://HOST:PORT.")
    if params.get("runtime_only"):
        return (RUNTIME,)
    return (TRAINING,) if alone or url else SIDES


def prepare(params: Mapping[str, Json], environ: Mapping[str, str], cwd: str, stamp: str) -> Launch:
    """Return the launch that *params* ask for; SpecError with all that is wrong.

    :param stamp: the time of the launch, YYYYmmdd-HHMMSS.
    """
    sides, smoke, url = sides_of(params), bool(params.get("smoke")), str(params.get("runtime_url") or "")
    settings = read(params, environ, cwd)
    checks.check(settings, sides, smoke)
    values = settings.values
    if smoke:  # it has jobs of its own beside those of the run
        values["name"] = f"{values['name']}-smoke"
    documents = {side: _document(settings, side, smoke, url) for side in sides} if not settings.problems else {}
    if settings.problems:
        raise SpecError(settings.problems)
    digests = {side: _digest(values, side, documents[side]) for side in sides}
    if not values["wandb_experiment"]:  # after the digests: it is another one each time
        values["wandb_experiment"] = f"skyrl-{stamp}"
        if TRAINING in sides:
            documents[TRAINING] = _document(settings, TRAINING, smoke, url)
    return Launch(settings, sides, base_of(settings, environ), documents, digests, url)


def _document(settings: Settings, side: str, smoke: bool, url: str) -> JsonObject:
    """Return what the program of a side reads."""
    values = settings.values
    common = {"smoke": smoke, "dir": values["skyrl_project_root"], "local_dir": values["local_dir"]}
    common["drain_timeout_s"] = values["drain_timeout_s"]
    if side == RUNTIME:
        return {
            **common,
            "command": settings.words("runtime_command", {"port": "{port}"}),
            "port": values["runtime_port"],
            "port_is_fixed": "runtime_port" in settings.given and bool(values["runtime_port"]),
            "start_timeout_s": values["runtime_start_timeout"],
            "complete_timeout_s": values["training_complete_timeout"],
            "container_engine": values["container_engine"],
            "containers_conf": values["containers_conf"],
            "image_archive": values["image_archive"],
            "image": values["container_image"] if values["pull_image"] and not values["image_archive"] else "",
        }
    words = settings.words("smoke_command" if smoke else "training_command", {})
    return {
        **common,
        "command": words if smoke else [*words, *values["training_overrides"]],
        "ray_command": split(values["ray_command"]),
        "ready_timeout_s": values["runtime_ready_timeout"],
        "warning_s": values["warning_s"],
        "chain": 0 if smoke else values["chain"],
        "runtime_url": url,
    }


def _digest(values: JsonObject, side: str, document: JsonObject) -> str:
    """Return a digest over all that matters for a side's job."""
    script = scripts.directives(values, side, "", "")
    return digest([script, exported(values, side), values["setup"], values["env_file"], document])


def files_of(launch: Launch, folder: str) -> dict[str, str]:
    """Return ``{name: text}`` of the files that the launcher writes, but for the key and the copy of .env."""
    found = {f"{side}.sbatch": launch.script(side, folder) for side in launch.sides}
    found.update({f"{side}.json": json.dumps(launch.documents[side], indent=1) + "\n" for side in launch.sides})
    record = {
        "name": launch.name,
        "sides": list(launch.sides),
        "digests": launch.digests,
        "runtime_url": launch.runtime_url,
        "settings": launch.values,
        "origins": launch.settings.origins,
    }
    found[CONFIG] = json.dumps(record, indent=1) + "\n"
    found.update({f"{scripts.PROGRAM}/{name}": text for name, text in program_files(program).items()})
    return found


def shown(launch: Launch, folder: str) -> str:
    """Return all that a launch would do, as text for a person."""
    lines = [f"coordination directory: {folder}", f"jobs: {', '.join(launch.sides)}"]
    if launch.sides == SIDES:
        lines.append(f"slots: {checks.slots(launch.values).text}")
    lines += ["", "settings:"]
    for name in SETTINGS:
        lines.append(f"  {name} = {json.dumps(launch.values[name])}  ({launch.settings.origins[name]})")
    for side in launch.sides:
        command = checks.quoted(launch.documents[side]["command"])
        lines += ["", f"command of {side}: {command}", "", f"{side}.sbatch:", launch.script(side, folder)]
    return "\n".join(lines)
