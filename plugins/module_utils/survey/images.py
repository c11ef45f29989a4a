# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of container images, as enroot and files have them."""

from __future__ import annotations

import re

from ..failures import Error

ALIAS = re.compile(r"[A-Za-z0-9][\w.-]*")
SCHEMES = ("docker", "dockerd", "podman")


def is_file(source: str) -> bool:
    """Return whether *source* is the path of an image that is there already, not a name of a registry."""
    return source.startswith(("/", "./"))


def enroot_name(source: str) -> str:
    """Return the name of an image as ``enroot import`` takes it: the registry is apart by ``#``."""
    scheme, mark, name = source.rpartition("://")
    if mark and scheme not in SCHEMES:
        raise Error(f"images: {source}: enroot imports from {', '.join(f'{one}://' for one in SCHEMES)}.")
    if not name or name != name.strip() or " " in name:
        raise Error(f"images: {source!r} is not the name of an image, such as docker://lmsysorg/sglang:v0.5.5.")
    first, slash, rest = name.partition("/")
    if (
        scheme in ("", "docker")
        and "#" not in name
        and slash
        and ("." in first or ":" in first or first == "localhost")
    ):
        name = f"{first}#{rest}"
    return f"{scheme or 'docker'}://{name}"


def file_of(alias: str) -> str:
    """Return the name of the file of the image with the short name *alias*."""
    if not ALIAS.fullmatch(alias):
        raise Error(f"images: the short name {alias!r} may have letters, digits, '.', '_' and '-' only.")
    return f"{alias}.sqsh"
