# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret values of environments: stored as references, except in one private file of the run directory.

A reference is the text ``srt-secret:NAME:MARK``. MARK is a keyed hash of the value, so that a new value
restarts its steps although no other file contains the value. The holder replaces references when it starts a step, see
holder/secret_values.py.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Callable

from ..holder.secret_values import FILE, FOLDER, PREFIX, stored
from ..holder.tails import regular
from ..json_types import Json, JsonObject, KeyPath
from .names import is_plain, looks_secret

# The password of the services that are the job's own; store_job_password makes its value.
JOB_PASSWORD = f"{PREFIX}SRT_JOB_PASSWORD"
_ENVIRONMENT = re.compile(r"(.*_)?(env|environment)$")


def is_secret(name: str, value: object) -> bool:
    """Return whether *value* of the environment variable *name* looks like a secret and is not already a reference."""
    return not is_reference(value) and looks_secret(name, value)


def is_reference(value: object) -> bool:
    """Return whether *value* is a reference to a secret."""
    return isinstance(value, str) and value.startswith(PREFIX)


def reference(name: str, value: str, key: bytes | None) -> str:
    """Return the reference for *value*; without a *key* it does not depend on the value."""
    mark = hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:16] if key else ""
    return f"{PREFIX}{name}:{mark}" if mark else f"{PREFIX}{name}"


def is_environment(key: object) -> bool:
    """Return whether the value of *key* is, or should be, an environment."""
    return bool(_ENVIRONMENT.fullmatch(str(key).replace("-", "_")))


def environments(value: Json, path: KeyPath = ()) -> Iterator[tuple[KeyPath, JsonObject]]:
    """Yield (path, dict) of every environment in the JSON-able *value*: keys env, environment, prefill_environment."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, dict) and _ENVIRONMENT.fullmatch(str(name)):
                yield (*path, name), item
            else:
                yield from environments(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from environments(item, (*path, index))


def _holds(value: str, vaulted: Collection[str]) -> bool:
    """Return whether *value* is or contains one of *vaulted*; short ones appear in many texts by chance."""
    return value in vaulted or any(len(text) >= 6 and text in value for text in vaulted)


def conceal(spec: JsonObject, find_key: Callable[[], bytes | None], vaulted: Collection[str] = ()) -> dict[str, str]:
    """Replace secret values in the environments of *spec*, in place; return ``{reference: value}``.

    :param find_key: called once if there is a secret; returns the key of the keyed hash, or None.
    :param vaulted: values from a vault: secret under any name.
    """
    hidden, key, asked = {}, None, False
    for _path, env in environments(spec):
        for name, value in env.items():
            if not (is_secret(name, value) or isinstance(value, str) and value and _holds(value, vaulted)):
                continue
            if not asked:
                key, asked = find_key(), True
            env[name] = reference(name, value, key)
            hidden[env[name]] = value
    return hidden


def exposed(spec: JsonObject, vaulted: Collection[str]) -> Iterator[KeyPath]:
    """Yield the paths of values of *spec* that contain a value of *vaulted*: they must not be written."""

    def search(value: Json, path: KeyPath) -> Iterator[KeyPath]:
        if isinstance(value, dict):
            for name, item in value.items():
                yield from search(item, (*path, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from search(item, (*path, index))
        elif isinstance(value, str) and _holds(value, vaulted):
            yield path

    return search(spec, ())


def misplaced(job: JsonObject, raw: Json, texts: Mapping[str, tuple[str, str]]) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield (path, name, file) of values of *job* outside environments that a template read from encrypted files.

    A value that is written in the job may be equal to an encrypted one by chance.

    :param raw: the job before templating; None: unknown, and any value may come from a template.
    :param texts: ``{text: (name, file)}``, see :func:`telling`.
    """

    def search(value: Json, before: Json, path: KeyPath) -> Iterator[tuple[KeyPath, str, str]]:
        if isinstance(value, dict):
            for name, item in value.items():
                if not (isinstance(item, dict) and is_environment(name)):
                    yield from search(item, before.get(name) if isinstance(before, dict) else before, (*path, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                same = isinstance(before, list) and index < len(before)
                yield from search(item, before[index] if same else before, (*path, index))
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != before:
            for text, (name, file) in texts.items():
                if _holds(str(value), {text}) and not (isinstance(before, str) and text in before):
                    yield path, name, file
                    break

    return search(job, raw, ())


def in_the_open(spec: Json, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths of values of *spec* that look like secrets and are in no environment."""
    if isinstance(spec, dict):
        for name, item in spec.items():
            if not (isinstance(item, dict) and is_environment(name)):
                yield from in_the_open(item, (*path, name))
    elif isinstance(spec, list):
        for index, item in enumerate(spec):
            yield from in_the_open(item, (*path, index))
    elif path and is_secret(str(path[-1]), spec):
        yield path


def telling(
    found: Iterable[tuple[str, str, str]], own: str | None = None, plain: bool = True
) -> dict[str, tuple[str, str]]:
    """Return ``{text: (name, file)}`` of those of *found*, (name, text, file), that must not be shown.

    An encrypted file may also hold values that are not secret: short words, numbers and truth values count only under a
    name that looks secret. The same applies to everything in the job's *own* file; nothing counts if its values may be
    those of the job (*plain*).
    """
    return {
        text: (name, file)
        for name, text, file in found
        if (looks_secret(name, text) and not (plain and file == own))
        or (file != own and len(text) >= 8 and not is_plain(text))
    }


def load_key(output_dir: str, create: bool) -> bytes | None:
    """Return this user's key of *output_dir*, created if *create*; None if it does not exist and cannot be created.

    It is stored beside the runs, so that every machine that sees them makes the same references.
    """
    path = os.path.join(output_dir, f".srt-key-{os.getuid()}")
    for _attempt in range(2):
        try:
            with os.fdopen(regular(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
                key, facts = stream.read(4096), os.fstat(stream.fileno())
            if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
                return None  # another user knows it, or made it
            if len(key) >= 32:
                return key
            os.unlink(path)  # its writer was killed
        except FileNotFoundError:
            pass
        except OSError:
            return None
        if not create:
            return None
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(output_dir, exist_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(os.urandom(32))
            try:
                os.link(temporary, path)  # the first one is kept, and is never read in part
            except OSError as error:
                if error.errno != errno.EEXIST:
                    os.replace(temporary, path)  # a file system without hard links
        except OSError:
            return None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    return None


def store_job_password(run_dir: str) -> bool:
    """Store the value of JOB_PASSWORD unless there is one; return True if that changed the private file.

    It follows from this user's key, so that concurrent controllers store the same. It is a word: NATS reads it from its
    environment as it reads a configuration, where digits may be a number.
    """
    if JOB_PASSWORD in stored(run_dir):
        return False
    key = load_key(os.path.dirname(run_dir), create=True) or secrets.token_bytes(32)
    word = hmac.new(key, f"password of job {os.path.basename(run_dir)}".encode(), hashlib.sha256).hexdigest()[:32]
    return store(run_dir, {JOB_PASSWORD: f"srt{word}"})


def store(run_dir: str, values: Mapping[str, str]) -> bool:
    """Add *values* (``{reference: value}``) to the private file of a run directory; return True if that changed it."""
    if not values:
        return False
    folder = os.path.join(run_dir, FOLDER)
    path = os.path.join(folder, FILE)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    present = stored(run_dir)
    wanted = dict(present, **values)
    if wanted == present:
        return False
    temporary = f"{path}.{os.getpid()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(wanted, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    return True
