# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File and digest functions that every room shares."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import stat
import tempfile

from .failures import Error
from .json_types import Json, JsonObject


def digest(value: Json) -> str:
    """Return 16 hex digits over the canonical JSON text of *value*."""
    return text_digest(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True))


def text_digest(text: str) -> str:
    """Return 16 hex digits over *text* itself."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def inside(root: str, path: str) -> str:
    """Return the absolute path of *path* below *root*; Error if it would leave it, also through links."""
    whole, top = os.path.realpath(os.path.join(root, path.replace("\0", "/"))), os.path.realpath(root)
    if "\0" in path or not whole.startswith(top + os.sep):
        raise Error(f"The path {path!r} is not inside {root}. Use a path below it.")
    return os.path.join(root, os.path.normpath(path))


def read_object(path: str) -> JsonObject | None:
    """Return the JSON object stored at *path*; None if there is none, or if it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def keep_others_from_writing() -> None:
    """Set the umask of this process: what the user's own allows others to read, but never to write."""
    os.umask(os.umask(0o077) & 0o077 | 0o022)


def doubt(path: str) -> str | None:
    """Return why another user could have written what is at *path*, a file or a directory; None if nobody could.

    Root is trusted, and so is a group that has its owner's name and no other members.
    """
    facts = os.stat(path)
    if facts.st_uid not in (0, os.getuid()):
        return f"{path} belongs to {_user(facts.st_uid)}"
    if facts.st_mode & 0o002 or facts.st_mode & 0o020 and not _is_alone(facts.st_uid, facts.st_gid):
        return f"other users can write to {path}"
    return None


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with the id {uid}"


def _is_alone(uid: int, gid: int) -> bool:
    try:
        owner, group = pwd.getpwuid(uid).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == owner and set(group.gr_mem) <= {owner}


def make_own_folder(path: str) -> None:
    """Make the directory *path*, to which only its owner can write; Error if there is one of another user, or a link.

    Programs that run as the user are in it, and its name may be known beforehand.
    """
    os.makedirs(path, 0o755, exist_ok=True)
    facts = os.lstat(path)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        what = f"belongs to {_user(facts.st_uid)}" if stat.S_ISDIR(facts.st_mode) else "is a link"
        raise Error(f"{path} exists already and {what}. Remove it, or choose another directory.")
    if facts.st_mode & 0o022:
        os.chmod(path, stat.S_IMODE(facts.st_mode) & ~0o022)


def write_text_atomic(path: str, text: str, mode: int = 0o644) -> bool:
    """Write *text* atomically; return True if it changed. No other user can write to the file."""
    same = False
    try:
        with open(path, encoding="utf-8") as stream:
            same, facts = stream.read() == text, os.fstat(stream.fileno())
        if same and facts.st_uid == os.getuid() and not stat.S_IMODE(facts.st_mode) & ~mode:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, 0o755, exist_ok=True)
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
    return not same
