# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a value that Ansible loaded comes from: its file and line, and whether it was encrypted."""

from __future__ import annotations

import contextlib

try:
    # Private, but the only place that knows the line of a value; without it errors name no lines, and a value is
    # known to come from a vault only before it is decrypted.
    from ansible._internal._datatag._tags import Origin, VaultedValue
except ImportError:  # pragma: no cover
    Origin = VaultedValue = None


def origin(value):
    """Return (file, line) of a value or key that Ansible loaded; (None, None) when it came otherwise."""
    tag = Origin.get_tag(value) if Origin else None
    return (tag.path, tag.line_num) if tag else (None, None)


def _still_encrypted(value):
    return type(value).__name__ == "EncryptedString"


class Vaults:
    """Tells what comes from vaults. It remembers which files are encrypted as a whole, for one task."""

    def __init__(self):
        self._known = {}

    def encrypted(self, path):
        """Return whether the file at *path* is encrypted as a whole."""
        if path not in self._known:
            self._known[path] = False
            with contextlib.suppress(OSError), open(path or "", "rb") as stream:
                self._known[path] = stream.read(14) == b"$ANSIBLE_VAULT"
        return self._known[path]

    def texts(self, value, seen=None):
        """Return (the texts below *value* that were encrypted one by one, those from files encrypted as a whole)."""
        inline, whole = set(), set()
        seen = set() if seen is None else seen
        if isinstance(value, (dict, list, tuple)):
            if id(value) in seen:  # aliases of YAML may make it larger than memory
                return inline, whole
            seen.add(id(value))
            for item in value.values() if isinstance(value, dict) else value:
                more = self.texts(item, seen)
                inline |= more[0]
                whole |= more[1]
        elif _still_encrypted(value) or (VaultedValue and VaultedValue.is_tagged_on(value)):
            with contextlib.suppress(Exception):  # nobody has its password, so nobody has used it either
                inline.add(str(value))
        elif isinstance(value, str) and self.encrypted(origin(value)[0]):
            whole.add(str(value))
        return inline, whole

    def whole_files(self, variables, name="", seen=None):
        """Yield (name, text, file) of all texts and numbers below *variables* from files encrypted as a whole.

        The name is that of the variable, with the keys in it: ``database.password``.
        """
        seen = set() if seen is None else seen
        if isinstance(variables, (dict, list, tuple)):
            if id(variables) in seen:  # aliases of YAML may make it larger than memory
                return
            seen.add(id(variables))
            for key, item in variables.items() if isinstance(variables, dict) else ((None, one) for one in variables):
                yield from self.whole_files(item, name if key is None else f"{name}.{key}" if name else str(key), seen)
        elif isinstance(variables, (str, int, float)) and not isinstance(variables, bool):
            file = origin(variables)[0]
            if self.encrypted(file):
                yield name, str(variables), file


def scalars(variables):
    """Return the texts among *variables*: a vault of a whole structure is seen where the job uses it."""
    return {n: value for n, value in variables.items() if isinstance(value, str) or _still_encrypted(value)}
