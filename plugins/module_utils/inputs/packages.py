# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fingerprint of a Python environment: its packages as they were installed. Its own files are too many to read."""

from __future__ import annotations

import glob
import hashlib
import os
import time
from typing import Any

from .fingerprint import Unreadable, content

FOLDERS = ("lib*/python3*/*-packages", "local/lib/python3*/*-packages")
PACKAGES = (".dist-info", ".egg-info", ".egg-link")
# What says which files a package has, and from which commit or directory it is.
RECORDS = ("RECORD", "direct_url.json")


def packages(python: str, limit_s: float = 30.0) -> dict[str, Any]:
    """Return ``{digest, files, bytes, parts}`` of the packages of the interpreter at *python*, or ``{why, missing}``.

    The interpreter is not run. One that is a script, which starts another, is known by its text alone. ``parts`` is
    ``{name of a package with its version: digest}``. Changes in a directory that is installed in editable mode are not
    seen.
    """
    until = time.monotonic() + limit_s
    if not os.path.isfile(python):
        return {"why": f"{python} does not exist", "missing": True}
    try:
        found = [(name, *_of_one(path, until)) for name, path in _installed(_home(python))]
        if not found and _is_script(python):
            found = [(os.path.basename(python), *content(python, until))]
    except Unreadable as error:
        return {"why": str(error), "missing": False}
    except OSError as error:
        return {"why": f"{error.filename or python}: {error.strerror}", "missing": False}
    if not found:
        return {"why": f"no packages are installed beside {python}", "missing": False}
    whole = hashlib.sha256()
    for name, size, sha in found:
        whole.update(f"{name}\0{size}\0{sha}\n".encode("utf-8", "surrogateescape"))
    return {
        "digest": whole.hexdigest()[:16],
        "files": len(found),
        "bytes": sum(size for _name, size, _sha in found),
        "parts": {os.path.basename(name): f"{size}/{sha[:8]}" for name, size, sha in found},
    }


def _is_script(path: str) -> bool:
    with open(path, "rb") as stream:
        return stream.read(2) == b"#!"


def _home(python: str) -> str:
    """Return the directory of the environment of *python*: of a virtual one, else where the interpreter really is."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    return own if os.path.exists(f"{own}/pyvenv.cfg") else os.path.dirname(os.path.dirname(os.path.realpath(python)))


def _installed(home: str) -> list[tuple[str, str]]:
    """Return [(name relative to *home*, path)] of the records of packages, each once."""
    found = {}
    for pattern in FOLDERS:
        for folder in glob.glob(os.path.join(glob.escape(home), pattern)):
            real = os.path.realpath(folder)
            for name in os.listdir(real):
                if name.endswith(PACKAGES):
                    found[os.path.join(real, name)] = os.path.join(os.path.relpath(real, os.path.realpath(home)), name)
    return sorted((name, path) for path, name in found.items())


def _of_one(path: str, until: float) -> tuple[int, str]:
    """Return (size, SHA-256 in hex) of what is recorded of one package."""
    if not os.path.isdir(path):
        return content(path, until)
    size, sha = 0, hashlib.sha256()
    for name in RECORDS:
        one = os.path.join(path, name)
        if os.path.isfile(one):
            length, text = content(one, until)
            size += length
            sha.update(f"{name} {text}\n".encode())
    return size, sha.hexdigest()
