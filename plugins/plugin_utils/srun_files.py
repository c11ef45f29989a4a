# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files to and from a node through the standard streams of a step, with their sizes checked, or on shared disk."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import shutil

from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes

NOT_FOUND = 44  # exit code of a command below, for a file that is not there


def _quoted(path):
    """Return *path* for a shell: any bytes, and a name that looks like an option too."""
    text = os.fsdecode(to_bytes(path))
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def put_command(path):
    """Return the command that writes its standard input to *path* and prints how many bytes that has."""
    return f"cat > {_quoted(path)} && wc -c < {_quoted(path)}"


def check_put(heard, output, size, source, path):
    """Raise AnsibleError unless the command of :func:`put_command` wrote *size* bytes."""
    said = heard.errors.decode(errors="replace").strip()
    if heard.code:
        raise AnsibleError(f"{source} could not be copied to {path}: {said or f'exit code {heard.code}'}")
    written = output.decode(errors="replace").strip()
    if written != str(size):
        raise AnsibleError(f"{source} has {size} bytes, and {path} got {written or 'none'}: the copy is not complete.")


def fetch_command(path):
    """Return the command that prints the size of *path*, a line end, and so many bytes of it."""
    file = _quoted(path)
    return f'[ -e {file} ] || exit {NOT_FOUND}; n=$(wc -c < {file}) && echo $n && head -c "$n" < {file}'


class Fetched:
    """Writes the output of :func:`fetch_command` to a file, which appears when it is complete.

    A context manager: what is not complete is removed.
    """

    def __init__(self, path, target):
        self._path, self._target = path, to_bytes(target)
        self._partial = self._target + b".part-" + secrets.token_hex(4).encode()
        self._head, self._size, self._written = b"", None, 0

    def __enter__(self):
        handle = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        self._stream = os.fdopen(handle, "wb")
        return self

    def __exit__(self, *_exception):
        self._stream.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._partial)

    def write(self, piece):
        """Take the next piece of output."""
        if self._size is None:
            self._head += piece
            line, end, piece = self._head.partition(b"\n")
            if not end:
                return
            self._size = int(line) if re.fullmatch(rb"\s*[0-9]+\s*", line) else -1
        self._stream.write(piece)
        self._written += len(piece)

    def check(self, heard):
        """Keep the file if all of it came; AnsibleFileNotFound or AnsibleError otherwise."""
        if heard.code == NOT_FOUND:
            raise AnsibleFileNotFound(f"There is no file {self._path} on the node.")
        if heard.code:
            said = heard.errors.decode(errors="replace").strip() or f"exit code {heard.code}"
            raise AnsibleError(f"{self._path} could not be read: {said}")
        if self._size != self._written:
            came = f"{self._path} has {self._size} bytes, and {self._written} came"
            raise AnsibleError(f"{came}: the copy is not complete.")
        self._stream.close()
        os.replace(self._partial, self._target)


def is_shared(path, folders):
    """Return whether *path* is below one of the shared *folders*, and its own folder is there."""
    real = os.path.realpath(to_bytes(path))
    below = any(real.startswith(os.path.join(os.path.realpath(to_bytes(folder)), b"")) for folder in folders)
    return os.path.isabs(to_bytes(path)) and below and os.path.isdir(os.path.dirname(real))


def copy_here(source, target):
    """Copy a file on disk that the controller and the nodes share."""
    try:
        shutil.copyfile(to_bytes(source), to_bytes(target))
    except FileNotFoundError as error:
        raise AnsibleFileNotFound(f"There is no file {source}, or no folder for {target}.") from error
    except (OSError, shutil.SameFileError) as error:
        raise AnsibleError(f"{source} could not be copied to {target}: {error}") from error
