# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a sweep has its files: ``sweeps/<sweep>`` below the output directory.

``sweep.json``, ``sweep.csv`` and ``sweep.txt`` are about all points. ``variants/<job>`` is the run directory of one
job: its results, plan and rollup stay there, while the run directory of the allocation goes on to the next job.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import re
from collections.abc import Iterator

from .files import read_object, text_digest
from .json_types import JsonObject

SWEEPS, VARIANTS, RECORD, STOP = "sweeps", "variants", "sweep.json", "stop"
COMPARISON = "ab.json"  # of a comparison in turns, which has its variants in such a folder, too
SCHEMA_VERSION = 1
# What is always in sweep.json, and its types.
KEYS = {"name": str, "state": str, "output_dir": str, "points": dict, "left": list, "allocation_names": list,
        "best": list, "jobs": list}  # fmt: skip
LONGEST = 120  # characters of a name; file systems allow 255 bytes


def word(name: str) -> str:
    """Return *name* as the name of a file; two names never have the same one."""
    plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", name.strip())[:LONGEST].lstrip(".-")
    return plain if plain == name.strip() else f"{plain}-{text_digest(name.strip())[:6]}"


def folder_of(output_dir: str, sweep: str) -> str:
    """Return the folder of the sweep called *sweep*."""
    return os.path.join(output_dir, SWEEPS, word(sweep))


def variant_dir(folder: str, name: str) -> str:
    """Return the run directory of the job called *name* in the *folder* of a sweep."""
    return os.path.join(folder, VARIANTS, word(name))


def read_record(folder: str) -> JsonObject | None:
    """Return what sweep.json in the *folder* of a sweep says; None without one of this version."""
    found = read_object(os.path.join(folder, RECORD)) or {}
    same = found.get("schema_version") == SCHEMA_VERSION
    return found if same and all(isinstance(found.get(key), kind) for key, kind in KEYS.items()) else None


def output_dir_of(run_dir: str) -> str:
    """Return the directory below which *run_dir* is: its parent, or that of the sweeps for the job of a sweep."""
    parent = os.path.dirname(os.path.normpath(run_dir))
    above = os.path.dirname(os.path.dirname(parent))
    is_variant = os.path.basename(parent) == VARIANTS and os.path.basename(above) == SWEEPS
    return os.path.dirname(above) if is_variant else parent


def variant_dirs(output_dir: str, name: str | None = None) -> list[str]:
    """Return the run directories of the jobs of sweeps below *output_dir*, or of those called *name*."""
    pattern = glob.escape(word(name)) if name else "*"
    return sorted(glob.glob(os.path.join(glob.escape(output_dir), SWEEPS, "*", VARIANTS, pattern)))


@contextlib.contextmanager
def alone(folder: str) -> Iterator[None]:
    """Keep others from writing the record in *folder* meanwhile, if its file system supports locks."""
    os.makedirs(folder, exist_ok=True)
    lock = os.open(os.path.join(folder, ".lock-record"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
