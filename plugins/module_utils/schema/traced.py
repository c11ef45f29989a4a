# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document that records which of its values are read.

This shows whether a rule's finding depends on a value that is already known to be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..json_types import Json, JsonObject, KeyPath

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_keys, dict_values


class Reads:
    """The paths that were read: ``deep`` with all that is below them, ``passed`` only on the way to something below."""

    def __init__(self) -> None:
        self.deep: set[KeyPath] = set()
        self.passed: set[KeyPath] = set()

    def clear(self) -> None:
        """Forget all reads."""
        self.deep.clear()
        self.passed.clear()

    def touch(self, wrong: set[KeyPath]) -> bool:
        """Return whether a value at one of the paths *wrong*, or below one, was read."""
        return any(
            path[: len(bad)] == bad or path in self.deep and bad[: len(path)] == path
            for path in self.deep | self.passed
            for bad in wrong
        )


class Traced(dict[str, Any]):
    """A copy of the mapping *value*, and of those in it, that records in *reads* what is read."""

    def __init__(self, value: JsonObject, reads: Reads, path: KeyPath = ()) -> None:
        super().__init__(
            (key, Traced(item, reads, (*path, key)) if isinstance(item, dict) else item) for key, item in value.items()
        )
        self._reads, self._path = reads, path
        # For each key the set that takes up a read of it, and the path: a plan reads thousands of values.
        self._marks = {
            key: (reads.passed if isinstance(item, Traced) else reads.deep, (*path, key))
            for key, item in dict.items(self)
        }

    def _all(self) -> None:
        self._reads.deep.add(self._path)

    def _mark(self, key: Json) -> None:
        found, path = self._marks.get(key) or (self._reads.deep, (*self._path, key))
        found.add(path)

    def __getitem__(self, key: str) -> Json:
        self._mark(key)
        return super().__getitem__(key)

    def __contains__(self, key: Json) -> bool:
        self._mark(key)
        return super().__contains__(key)

    def get(self, key: str, default: Json = None) -> Json:
        self._mark(key)
        return super().get(key, default)

    def __bool__(self) -> bool:
        # One correct entry is enough to make it non-empty, whatever the wrong ones become.
        return bool(len(self))

    def __len__(self) -> int:
        if not super().__len__():
            self._all()
        return super().__len__()

    def __iter__(self) -> Iterator[str]:
        self._all()
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        self._all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def keys(self) -> dict_keys[str, Json]:
        self._all()
        return super().keys()

    def values(self) -> dict_values[str, Json]:
        self._all()
        return super().values()

    def items(self) -> dict_items[str, Json]:
        self._all()
        return super().items()


def entries(table: JsonObject) -> Iterator[tuple[str, Json]]:
    """Yield the items of *table* for a reader that handles each separately: only the items it reaches count as read."""
    for key in list(dict.keys(table)):
        yield key, table[key]
