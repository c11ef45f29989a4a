# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run directory of srtctl says of its job: ``<job id>.json``, of each age, and the recipe beside it.

Until the end of 2025 the file had ``run_metadata`` and ``profiler_metadata``; since then it is flat. The recipe is in
``config.yaml`` (of a variant in ``config_<variant>.yaml``), or in ``recipe.lock.yaml``. Copies of all are in ``logs``.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from ...files import read_object, regular
from ...json_types import Json, JsonObject
from ...topology.modes import MODES

METADATA = re.compile(r"\d+\.json")
RECIPES = ("config_*.yaml", "config.yaml", "recipe.lock.yaml")
MOST_YAML = 1 << 24  # bytes of a recipe
OLDEST = {  # {section: {key: what the oldest form calls it}}, both in run_metadata
    "": {"job_id": "slurm_job_id", "job_name": "job_name", "generated_at": "run_date"},
    "model": {"path": "model_dir", "container": "container"},
    "resources": {key: key for key in (
        "gpu_type", "gpus_per_node", *(f"{mode}_{what}" for mode in MODES for what in ("nodes", "workers"))
    )},
}  # fmt: skip


class Evidence(NamedTuple):
    """One thing that a file says of its run: all files of a run say the same of *what*."""

    what: str
    value: str
    file: str


class Facts(NamedTuple):
    """What is known of the job.

    :ivar metadata: the content of ``<job id>.json`` in its newest form; empty without that file.
    :ivar recipe: the job as it ran, as far as a file says so; empty without one.
    :ivar evidence: what the files say of the run's identity.
    :ivar notes: what could not be read, and why.
    :ivar files: the files that were read, relative to the run directory.
    """

    metadata: JsonObject
    recipe: JsonObject
    evidence: list[Evidence]
    notes: list[str]
    files: list[str]

    def section(self, name: str) -> JsonObject:
        """Return the section *name* of the recipe, with what the metadata says of it."""
        said, added = self.recipe.get(name), self.metadata.get(name)
        given = {key: value for key, value in added.items() if value is not None} if isinstance(added, dict) else {}
        return {**(said if isinstance(said, dict) else {}), **given}

    def text(self, *places: tuple[str, str]) -> str | None:
        """Return the first text in the *places* ``(section, key)``; a section of "" is the metadata itself."""
        for section, key in places:
            value = self.section(section).get(key) if section else self.metadata.get(key, self.recipe.get(key))
            if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value):
                return str(value)
        return None


def count(value: Json) -> int:
    """Return *value* if it is a whole number above 0, else 0: srtctl writes null for what is not set."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def look(root: str) -> Facts:
    """Return what the run directory *root* says of its job."""
    evidence: list[Evidence] = []
    notes: list[str] = []
    files: list[str] = []
    metadata: JsonObject = {}
    for name in _names(root, "*.json"):
        found = read_object(os.path.join(root, name)) if METADATA.fullmatch(os.path.basename(name)) else None
        current = _newest_form(found) if found else None
        if current:
            files.append(name)
            evidence.append(Evidence("the job", str(current["job_id"]), name))
            metadata = metadata or current
    for path, job_id in below(root).items():
        evidence.append(Evidence("the job", job_id, path))
    recipe = _recipe(root, metadata.get("job_name"), evidence, notes, files)
    evidence += _further(root)
    return Facts(metadata, recipe, evidence, notes, files)


def below(root: str) -> dict[str, str]:
    """Return ``{metadata file: job id}`` of the run directories in *root*: it may be the one above them."""
    found = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(root), "*", "*.json"))):
        name = os.path.relpath(path, root)
        if METADATA.fullmatch(os.path.basename(path)) and not name.startswith("logs" + os.sep):
            said = _newest_form(read_object(path) or {})
            found.update({name: str(said["job_id"])} if said else {})
    return found


def _names(root: str, pattern: str) -> list[str]:
    """Return the files of *pattern* in the run directory and its logs, relative to it."""
    base = glob.escape(root)
    found = [*glob.glob(os.path.join(base, pattern)), *glob.glob(os.path.join(base, "logs", pattern))]
    return [os.path.relpath(path, root) for path in sorted(found, key=lambda one: (one.count(os.sep), one))]


def _newest_form(found: JsonObject) -> JsonObject | None:
    """Return metadata of any age in the newest form, None if *found* is something else."""
    old = found.get("run_metadata")
    if isinstance(old, dict):
        new: JsonObject = {}
        for section, keys in OLDEST.items():
            part = {key: old[name] for key, name in keys.items() if old.get(name) is not None}
            new.update(part if not section else {section: part})
        profiler = found.get("profiler_metadata")
        said = dict(profiler) if isinstance(profiler, dict) else {}
        if "req-rate" in said:
            said["req_rate"] = said.pop("req-rate")
        found = {**new, "benchmark": said, "tags": found.get("tags")}
    known = any(isinstance(found.get(key), dict) for key in ("resources", "benchmark"))
    return found if known and isinstance(found.get("job_id"), (str, int)) else None


def _recipe(root: str, name: Json, evidence: list[Evidence], notes: list[str], files: list[str]) -> JsonObject:
    """Return the recipe that was run: of several that which is called *name*, else the only one without variants."""
    found: list[tuple[str, JsonObject]] = []
    for pattern in RECIPES:
        for path in _names(root, pattern):
            try:
                value = mapping_in(os.path.join(root, path))
            except (OSError, ValueError) as error:
                notes.append(f"{path} cannot be read: {error}")
                continue
            lock = value.pop("lock", None)
            slurm = lock.get("slurm") if isinstance(lock, dict) else None
            if isinstance(slurm, dict) and slurm.get("job_id"):
                evidence.append(Evidence("the job", str(slurm["job_id"]), path))
            if "base" not in value and value not in [one for _path, one in found]:
                found.append((path, value))
    named = [one for one in found if name and one[1].get("name") == name]
    chosen = (named or found)[:1] if named or len(found) == 1 else []
    if len(found) > 1 and not chosen:
        notes.append(f"Which of the recipes was run is not known: {', '.join(path for path, _value in found)}.")
    files += [path for path, _value in chosen]
    return chosen[0][1] if chosen else {}


def mapping_in(path: str) -> JsonObject:
    """Return the mapping in a YAML file; ValueError if it has none, or cannot be read here."""
    try:
        import yaml
    except ImportError:
        raise ValueError("this host has no PyYAML (python3-yaml)") from None
    with open(path, encoding="utf-8", opener=regular) as stream:
        text = stream.read(MOST_YAML)
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    if not isinstance(value, dict):
        raise ValueError("it is not a recipe")
    return {str(key): one for key, one in value.items()}


def _further(root: str) -> list[Evidence]:
    """Return which job further files are of: the log of the job, the snapshot of its resources, a rollup."""
    found = []
    for name in _names(root, "sweep_*.log"):
        job = re.fullmatch(r"sweep_(\d+)\.log", os.path.basename(name))
        found += [Evidence("the job", job.group(1), name)] if job else []
    for name in _names(root, "resource_snapshot.json"):
        env: Mapping[str, Json] = (read_object(os.path.join(root, name)) or {}).get("slurm_environment") or {}
        job_id = env.get("SLURM_JOB_ID") if isinstance(env, dict) else None
        found += [Evidence("the job", str(job_id), name)] if job_id else []
    for name in ("logs/rollup.json",):
        job_id = (read_object(os.path.join(root, name)) or {}).get("job_id")
        found += [Evidence("the job", str(job_id), name)] if isinstance(job_id, (str, int)) else []
    return found
