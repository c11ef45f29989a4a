# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulling the image of the sandboxes into an archive before any job is submitted, so that no node waits for it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable

from ..failures import Error
from ..json_types import JsonObject
from .side.storage import Storage

PULL_S = 3600.0
MOST_TEXT = 2000  # characters of what podman said, in an error


def to_be_made(values: JsonObject) -> bool:
    """Return whether the launch pulls the image into image_archive."""
    archive = str(values["image_archive"])
    wanted = values["pull_image"] and archive and values["container_engine"] == "podman"
    return bool(wanted) and not os.path.isfile(archive)


def pull_ahead(values: JsonObject, progress: Callable[[str], None]) -> bool:
    """Make image_archive, if it is to be made and is not there; return whether it was made, Error if it cannot be."""
    archive, image = str(values["image_archive"]), str(values["container_image"])
    if not to_be_made(values):
        return False
    progress(f"pulling {image} into {archive}")
    # A storage of its own, as in the job: nothing of the user's is touched, and nothing is left.
    storage = Storage(str(values["local_dir"]), f"pull-{uuid.uuid4().hex[:6]}", str(values["containers_conf"]))
    made = f"{archive}.{uuid.uuid4().hex[:8]}"
    try:
        storage.make(guarded=False)
        os.makedirs(os.path.dirname(archive), exist_ok=True)
        for words in (["pull", "--quiet", image], ["save", "--quiet", "--output", made, image]):
            _podman(storage, words)
        os.replace(made, archive)
    except OSError as error:
        text = f"image_archive: {image} cannot be pulled into {archive}: {error}. No job was submitted."
        remedy = (
            "Correct container_image, try podman pull on this host, or leave image_archive out to pull on the node."
        )
        raise Error(f"{text} {remedy}") from None
    finally:
        if os.path.exists(made):
            os.unlink(made)
        storage.remove()
    return True


def _podman(storage: Storage, words: list[str]) -> None:
    argv = [storage("bin/podman"), *words]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=storage.environment(),
            timeout=PULL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"podman {words[0]} took longer than {PULL_S:g} s") from None
    if done.returncode:
        raise OSError(f"podman {words[0]}: {done.stderr.strip()[-MOST_TEXT:]}")
