# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document that records which of its values are read.

This shows whether a rule's finding depends on a value that is already known to be wrong.
"""

from __future__ import annotations


class Reads:
    """The paths that were read: ``deep`` with all that is below them, ``passed`` only on the way to something below."""

    def __init__(self) -> None:
        self.deep: set[tuple] = set()
        self.passed: set[tuple] = set()

    def clear(self) -> None:
        """Forget all reads."""
        self.deep.clear()
        self.passed.clear()

    def touch(self, wrong: set[tuple]) -> bool:
        """Return whether a value at one of the paths *wrong*, or below one, was read."""
        return any(
            path[: len(bad)] == bad or path in self.deep and bad[: len(path)] == path
            for path in self.deep | self.passed
            for bad in wrong
        )


class Traced(dict):
    """A copy of the mapping *value*, and of those in it, that records in *reads* what is read."""

    def __init__(self, value: dict, reads: Reads, path: tuple = ()) -> None:
        super().__init__(
            (key, Traced(item, reads, (*path, key)) if isinstance(item, dict) else item) for key, item in value.items()
        )
        self._reads, self._path = reads, path

    def _all(self) -> None:
        self._reads.deep.add(self._path)

    def __getitem__(self, key):
        return self.get(key) if key in self else super().__getitem__(key)

    def __contains__(self, key) -> bool:
        there = super().__contains__(key)
        is_mapping = there and isinstance(super().__getitem__(key), Traced)
        (self._reads.passed if is_mapping else self._reads.deep).add((*self._path, key))
        return there

    def get(self, key, default=None):
        return super().get(key, default) if key in self else default

    def __bool__(self) -> bool:
        # One correct entry is enough to make it non-empty, whatever the wrong ones become.
        return bool(len(self))

    def __len__(self) -> int:
        if not super().__len__():
            self._all()
        return super().__len__()

    def __iter__(self):
        self._all()
        return super().__iter__()

    def __eq__(self, other) -> bool:
        self._all()
        return super().__eq__(other)

    def __ne__(self, other) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def keys(self):
        self._all()
        return super().keys()

    def values(self):
        self._all()
        return super().values()

    def items(self):
        self._all()
        return super().items()


def entries(table: dict):
    """Yield the items of *table* for a reader that handles each separately: only the items it reaches count as read."""
    for key in list(dict.keys(table)):
        yield key, table[key]
