# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads a file once, and holds it to its checksum from then on.

The record ``<file>.source.json`` has the SHA-256 of the first download and the addresses that gave this content.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
import urllib.error
from collections.abc import Iterator
from typing import IO, NamedTuple

from ..entry import Context
from ..failures import Error
from ..files import load_json, write_text_atomic
from ..json_types import JsonObject

MOST_BYTES = 16 << 30
SILENT_S = 60.0  # without a byte
PIECE = 1 << 20
GATED = (401, 403)


class _Content(NamedTuple):
    sha256: str
    size: int


def stage(address: str, path: str, ctx: Context, key: str) -> bool:
    """Make *path* the file of *address*; return whether something changed. Error names *key*.

    A file that is there stays, if it is that of its record and came from *address*.
    """
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with _lock(path + ".lock"):
        record = _record(path, key)
        if record and address in record["sources"] and os.path.exists(path):
            return False
        if os.path.exists(path) and not record:
            raise Error(
                f"{key}: {path} exists, but no record says where it comes from. Remove it, or write its path instead "
                f"of {address}."
            )
        handle, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".download.")
        try:
            with os.fdopen(handle, "wb") as stream:
                found = _fetch(address, stream, ctx, key)
            if record and record["sha256"] != found.sha256:
                raise Error(
                    f"{key}: {address} has SHA-256 {found.sha256}, but {path} from {', '.join(record['sources'])} was "
                    f"recorded with {record['sha256']}. Find out which is right; for the new one remove {path} and "
                    f"{path}.source.json."
                )
            before = record or {"sha256": found.sha256, "bytes": found.size, "sources": [], "downloaded_at": _now()}
            sources = list(dict.fromkeys([*before["sources"], address]))
            # The record comes first: without it nothing would hold the file to its checksum.
            write_text_atomic(path + ".source.json", json.dumps({**before, "sources": sources}, indent=1) + "\n")
            os.chmod(new, 0o644)
            os.replace(new, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)
        return True


def held(path: str, key: str) -> str:
    """Return the SHA-256 of the file *path*; Error if it has a record of another one."""
    sha = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for piece in iter(lambda: stream.read(PIECE), b""):
                sha.update(piece)
    except OSError as error:
        raise Error(f"{key}: {path} cannot be read: {error.strerror}.") from None
    record = _record(path, key)
    if record and record["sha256"] != sha.hexdigest():
        raise Error(
            f"{key}: {path} has SHA-256 {sha.hexdigest()}, but {', '.join(record['sources'])} was recorded with "
            f"{record['sha256']}: the file has changed. Remove it and {path}.source.json to download it again."
        )
    return sha.hexdigest()


def _fetch(address: str, stream: IO[bytes], ctx: Context, key: str) -> _Content:
    """Write what *address* gives to *stream*."""
    sha, size = hashlib.sha256(), 0
    # Ansible's, for its proxies and certificates; it takes long to import, and few jobs need it.
    from ansible.module_utils.urls import open_url

    try:
        with open_url(address, http_agent="srt.slurm", timeout=SILENT_S) as answer:
            expected = answer.headers.get("Content-Length")
            for piece in iter(lambda: answer.read(PIECE), b""):
                size += len(piece)
                if size > MOST_BYTES:
                    raise Error(f"{key}: {address} is larger than {MOST_BYTES} bytes. Write the path of a file.")
                sha.update(piece)
                stream.write(piece)
                ctx.progress(f"downloading {address}: {size / 1e6:.0f} MB", every_s=5.0)
    except urllib.error.HTTPError as error:
        if error.code in GATED:
            raise Error(
                f"{key}: {address} is gated: it needs an account (HTTP {error.code}). Accept its terms at its site, "
                "download it with your account, and write the path of the file."
            ) from None
        raise Error(f"{key}: {address} cannot be downloaded: HTTP {error.code} {error.reason}.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise Error(f"{key}: {address} cannot be downloaded: {why}. Write the path of a file if it is here.") from None
    if not size or expected is not None and expected != str(size):
        raise Error(f"{key}: {address} gave {size} bytes of {expected or 'an unknown number'}. Try again.")
    return _Content(sha.hexdigest(), size)


def _record(path: str, key: str) -> JsonObject | None:
    """Return the record of the file *path*, None if it has none."""
    try:
        record = load_json(path + ".source.json")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Error(f"{key}: {path}.source.json cannot be read: {error}.") from None
    if not isinstance(record, dict) or not record.get("sha256") or not isinstance(record.get("sources"), list):
        raise Error(f"{key}: {path}.source.json is not a record of a download. Remove it and {path}.")
    return record


@contextlib.contextmanager
def _lock(path: str) -> Iterator[None]:
    with open(path, "w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
