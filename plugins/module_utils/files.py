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
import struct
import tempfile

from .failures import Error
from .holder.tails import Irregular, regular
from .json_types import Json, JsonObject

MOST_JSON = 1 << 28  # bytes of a file
ACL = "system.posix_acl_"  # and access or default: the extended attribute of an access control list
ACL_OWNER = 1  # the tag of the entry about the owner in an access control list


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


def load_json(path: str) -> Json:
    """Return the JSON value stored at *path*; OSError if it cannot be read, ValueError if it is not JSON, or too much.

    NaN and Infinity are not JSON.
    """
    with open(path, "rb", opener=regular) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > MOST_JSON:
            raise ValueError(f"it has {size} bytes, {MOST_JSON} at most can be read")
        content = stream.read(MOST_JSON)
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(word: str) -> Json:
    raise ValueError(f"{word} is not a number")


def read_object(path: str) -> JsonObject | None:
    """Return the JSON object stored at *path*; None if there is none, or if it cannot be read."""
    try:
        value = load_json(path)
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
    # With an access control list these are the rights of all whom it names.
    group = facts.st_mode & 0o020
    if facts.st_mode & 0o002 or group and (_acl(path, "access") or not _is_alone(facts.st_uid, facts.st_gid)):
        return f"other users can write to {path}"
    return None


def _acl(path: str, kind: str) -> bytes:
    """Return an access control list (*kind*: access or default) as Linux stores it, b"" if there is none."""
    try:
        return os.getxattr(path, ACL + kind)
    except (OSError, AttributeError):  # another system has no such function
        return b""


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
    # A group does not list those whose primary group it is.
    members = {*group.gr_mem, *(one.pw_name for one in pwd.getpwall() if one.pw_gid == gid)}
    return group.gr_name == owner and members <= {owner}


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
    _inherit_no_writing(path)


def _inherit_no_writing(path: str) -> None:
    """Take from the default access control list of a directory the right of others to write.

    The directory has the list from the one above it, and what is made in the directory gets its rights from the list,
    whatever the umask.
    """
    acl, entry = _acl(path, "default"), struct.Struct("<HHI")  # a tag, rights, an id; before them a version
    entries = [entry.unpack_from(acl, at) for at in range(4, len(acl), entry.size)]
    kept = [(tag, rights if tag == ACL_OWNER else rights & ~2, who) for tag, rights, who in entries]
    if kept != entries:
        try:
            os.setxattr(path, ACL + "default", acl[:4] + b"".join(entry.pack(*one) for one in kept))
        except OSError:  # it names somebody who does not exist here; then the umask decides
            os.removexattr(path, ACL + "default")


def write_text_atomic(path: str, text: str, mode: int = 0o644) -> bool:
    """Write *text* atomically; return True if it changed. No other user can write to the file."""
    same = False
    try:
        with open(path, encoding="utf-8", opener=regular) as stream:
            same, facts = stream.read() == text, os.fstat(stream.fileno())
        if same and facts.st_uid == os.getuid() and not stat.S_IMODE(facts.st_mode) & ~mode:
            return False
    except (FileNotFoundError, Irregular, UnicodeDecodeError):
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
