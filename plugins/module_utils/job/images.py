# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of steps that do not run in the model's: which of them the job uses, and what they are."""

from __future__ import annotations

from ..backends import BACKENDS
from ..benchmarks import BENCHMARKS
from ..frontends import FRONTENDS
from ..topology.layout import worker_nodes
from .cluster import IMAGES
from .cross_checks import mode_problems
from .paths import Paths

NGINX = ("frontend", "nginx_container")
CLIENT = ("benchmark", "container_image")
STORE = ("backend", "mooncake_kv_store", "container")
# Those of services that no step starts yet: there is only a hint when one looks like a short name.
LATER = tuple(path for path in IMAGES[1:] if path not in (NGINX, CLIENT, STORE))


def complete_images(spec, environment):
    """Make these images concrete, in place, and return the problems. Unused ones stay as they are."""
    if spec["cluster"]["container_runtime"] == "none":
        return []
    paths = Paths(environment)
    for path in used(spec):
        table, text = _at(spec, path)
        if text:
            table[path[-1]] = _image(path, text, paths)
        elif path == NGINX:  # the others are the job's own image then
            paths.report(path, "is empty.", "Name an image, or leave it out for the default.")
    for path in LATER:
        _table, text = _at(spec, path)
        if text and "/" not in text:
            paths.image(path, text)
    return paths.problems


def used(spec):
    """Return the paths of the images that a step of the job runs in."""
    benchmark = BENCHMARKS[spec["benchmark"]["type"]]
    wanted = {NGINX: runs_nginx(spec), CLIENT: benchmark.measures, STORE: _at(spec, STORE)[0] is not None}
    return [path for path, is_used in wanted.items() if is_used]


def runs_nginx(spec):
    """Return whether nginx stands before the frontends; False while the workers are not known."""
    frontend, backend = FRONTENDS[spec["frontend"]["type"]], BACKENDS[spec["backend"]["type"]]
    if not frontend.multiple(spec) or frontend.embedded(spec) or mode_problems(spec):
        return False
    return worker_nodes(spec["resources"], backend.shares_nodes(spec)) > 1


def _image(path, text, paths):
    text = paths.replaced(path, text)
    # Registries know this word without a tag, too.
    return text if path == NGINX and text == "nginx" else paths.image(path, text, needed=True)


def _at(spec, path):
    """Return (the section that *path* ends in, the value there); (None, None) when the section is absent."""
    table = spec
    for key in path[:-1]:
        table = (table or {}).get(key)
    return table, (table or {}).get(path[-1])
