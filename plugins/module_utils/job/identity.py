# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``identity``: what a job is expected to run, compared with what it names. The spec, and so the run, keeps it.

``identity.frameworks`` is compared with what ran, when results are rolled up: results/expected_versions.py.
"""

from __future__ import annotations

import re
from typing import Callable

from ..json_types import JsonObject

# In the cache of the hub: .../models--ORG--NAME/snapshots/REVISION
CACHED = re.compile(r"/models--(?P<org>[^/]+?)--(?P<name>[^/]+)(?:/snapshots/(?P<revision>[0-9a-f]{7,40}))?(?:/|$)")
SHORTEST = 7  # digits of a revision that tell it


def notes(spec: JsonObject) -> list[str]:
    """Return what differs from ``identity`` of *spec*, and what cannot be compared."""
    identity = spec["identity"]
    model, image = identity["model"], identity["container"]["image"]
    path = spec["model"]["path"]
    cached = CACHED.search(path)
    repo = path[3:] if path.startswith("hf:") else f"{cached['org']}/{cached['name']}" if cached else None
    revision = cached["revision"] if cached else (repo or "").partition("@")[2] or None
    found = [*_compared("model.repo", model["repo"], repo, "model.path", _same_repo)]
    found += _compared("model.revision", model["revision"], revision, "model.path", _same_revision)
    container = spec["model"]["container"] or ""
    named = None if container.startswith("/") else _plain_image(container)
    found += _compared("container.image", image, named, "model.container", lambda one, two: _plain_image(one) == two)
    return found


def _compared(
    key: str, wanted: str | None, there: str | None, where: str, same: Callable[[str, str], bool]
) -> list[str]:
    if not wanted or there and same(wanted, there):
        return []
    if not there:
        return [f"identity.{key}: kept with the run; {where} does not say which one it is."]
    return [f"identity.{key}: it is {wanted}, but that of {where} is {there}."]


def _same_repo(one: str, two: str) -> bool:
    return one.lower() == two.partition("@")[0].lower()


def _same_revision(one: str, two: str) -> bool:
    return len(one) >= SHORTEST and (one.startswith(two) or two.startswith(one))


def _plain_image(text: str) -> str:
    """Return the name of an image without how it is fetched."""
    return re.sub(r"^(docker|oras|enroot)://", "", text).replace("#", "/").removeprefix("docker.io/")
