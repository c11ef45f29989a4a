# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a value that Ansible loaded comes from: its file and line, and whether it was encrypted."""

from __future__ import annotations

import contextlib
import functools

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


@functools.cache
def encrypted(path):
    """Return whether the file at *path* is encrypted as a whole."""
    try:
        with open(path or "", "rb") as stream:
            return stream.read(14) == b"$ANSIBLE_VAULT"
    except OSError:
        return False


def vaulted(value, found=None):
    """Return ``{inline, file}``: the texts below *value* that were encrypted one by one, and with their whole file."""
    found = {"inline": set(), "file": set()} if found is None else found
    if isinstance(value, dict):
        for item in value.values():
            vaulted(item, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            vaulted(item, found)
    elif type(value).__name__ in ("EncryptedString", "AnsibleVaultEncryptedUnicode") or (
        VaultedValue and VaultedValue.is_tagged_on(value)
    ):
        with contextlib.suppress(Exception):  # nobody has its password, so nobody has used it either
            found["inline"].add(str(value))
    elif isinstance(value, str) and encrypted(origin(value)[0]):
        found["file"].add(str(value))
    return found


def whole_files(variables, name=""):
    """Yield (name, text, file) of all texts and numbers below *variables* that are from files encrypted as a whole.

    The name is that of the variable, with the keys in it: ``database.password``.
    """
    if isinstance(variables, dict):
        for key, item in variables.items():
            yield from whole_files(item, f"{name}.{key}" if name else str(key))
    elif isinstance(variables, (list, tuple)):
        for item in variables:
            yield from whole_files(item, name)
    elif isinstance(variables, (str, int, float)) and not isinstance(variables, bool):
        file = origin(variables)[0]
        if encrypted(file):
            yield name, str(variables), file


def scalars(variables):
    """Return the texts among *variables*: a vault of a whole structure is seen where the job uses it."""
    kinds = ("EncryptedString", "AnsibleVaultEncryptedUnicode")
    return {n: value for n, value in variables.items() if isinstance(value, str) or type(value).__name__ in kinds}
