# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The few file and digest habits that every room shares."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile

from .failures import Error

PLAN_SCHEMA_VERSION = 1


def digest(value):
    """Return 16 hex digits over the canonical JSON text of *value*."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def inside(root, path):
    """Return the absolute path of *path* below *root*; Error if it would leave it, also by links that are there."""
    whole, top = os.path.realpath(os.path.join(root, path.replace("\0", "/"))), os.path.realpath(root)
    if "\0" in path or not whole.startswith(top + os.sep):
        raise Error(f"The path {path!r} leaves {root}. Give one below it.")
    return os.path.join(root, os.path.normpath(path))


def write_text_atomic(path, text, mode=0o644):
    """Write *text* so that a reader sees the old or the new file, never a part; return True if it changed."""
    try:
        with open(path, encoding="utf-8") as stream:
            if stream.read() == text:
                return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".tmp_", suffix="_" + os.path.basename(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def load_plan(path):
    """Return the plan stored at *path*; Error if there is none or it is of another schema version."""
    try:
        with open(path, encoding="utf-8") as stream:
            plan = json.load(stream)
        if not isinstance(plan, dict):
            raise ValueError("it is no JSON object")
    except FileNotFoundError:
        raise Error(f"There is no plan at {path}. Run the playbook without --tags, or topology_plan, first.") from None
    except OSError as error:
        raise Error(f"The plan {path} cannot be read: {error.strerror}. Mend that, and run again.") from None
    except ValueError as error:
        raise Error(f"{path} is not a plan: {error}. Remove it and run topology_plan again.") from None
    if plan.get("schema_version") != PLAN_SCHEMA_VERSION:
        raise Error(
            f"{path} has plan schema version {plan.get('schema_version')}, this collection reads "
            f"{PLAN_SCHEMA_VERSION}. End that job with the collection that started it, or run topology_plan again."
        )
    return plan
