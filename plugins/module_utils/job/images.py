# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of steps that do not use the model's image: which ones the job needs, and their full names."""

from __future__ import annotations

from ..backends import BACKENDS
from ..benchmarks import BENCHMARKS
from ..failures import Finding
from ..frontends import FRONTENDS
from ..json_types import Json, JsonObject, KeyPath
from ..topology.endpoints import worker_nodes
from ..topology.modes import LONG_MODE
from .cluster import IMAGES
from .cross_checks import mode_problems
from .paths import Environment, Paths

NGINX = ("frontend", "nginx_container")
CLIENT = ("benchmark", "container_image")
STORE = ("backend", "mooncake_kv_store", "container")
WORKERS = {mode: ("backend", f"{long}_container") for mode, long in LONG_MODE.items()}
# Images of services that no step starts yet: only a near miss of a short name is reported.
LATER = tuple(path for path in IMAGES[1:] if path not in (NGINX, CLIENT, STORE, *WORKERS.values()))


def complete_images(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Resolve these images in place, and return the problems. Unused ones are unchanged."""
    if spec["cluster"]["container_runtime"] == "none":
        return []
    paths = Paths(environment)
    for path in used(spec):
        table, text = _at(spec, path)
        if text:
            table[path[-1]] = _image(path, text, paths)
        elif path == NGINX:  # the others then use the job's own image
            paths.report(path, "is empty.", "Name an image, or leave it out for the default.", "missing")
    for index, entry in enumerate(spec["services"]):
        if entry["container"]:
            entry["container"] = _image(("services", index, "container"), entry["container"], paths)
    for path in LATER:
        _table, text = _at(spec, path)
        if text and "/" not in text:
            paths.image(path, text)
    return paths.problems


def used(spec: JsonObject) -> list[KeyPath]:
    """Return the paths in the spec of the images that the job's steps use."""
    benchmark = BENCHMARKS[spec["benchmark"]["type"]]
    wanted = {NGINX: runs_nginx(spec), CLIENT: benchmark.measures, STORE: _at(spec, STORE)[0] is not None}
    wanted.update({path: bool(spec["resources"][f"{mode}_workers"]) for mode, path in WORKERS.items()})
    return [path for path, is_used in wanted.items() if is_used]


def runs_nginx(spec: JsonObject) -> bool:
    """Return whether nginx runs before the frontends; False while the workers are unknown."""
    frontend, backend = FRONTENDS[spec["frontend"]["type"]], BACKENDS[spec["backend"]["type"]]
    if not frontend.multiple(spec) or frontend.embedded(spec) or mode_problems(spec):
        return False
    return worker_nodes(spec["resources"], backend.shares_nodes(spec)) > 1


def _image(path: KeyPath, text: str, paths: Paths) -> str:
    text = paths.replaced(path, text)
    # Registries also have this name without a tag.
    return text if path == NGINX and text == "nginx" else paths.image(path, text, needed=True)


def _at(spec: JsonObject, path: KeyPath) -> tuple[Json, Json]:
    """Return (the section that *path* ends in, the value there); (None, None) when the section is absent."""
    table: Json = spec
    for key in path[:-1]:
        table = (table or {}).get(key)
    return table, (table or {}).get(path[-1])
