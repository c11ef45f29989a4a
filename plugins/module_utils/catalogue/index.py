# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of all runs, kept in SQLite beside them. The files are the truth: a record is made anew when one changed.

The index may be removed at any time. Where it cannot be written, the records are made for this call alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator

from ..json_types import JsonObject
from . import entries

NAME = "runs.sqlite"
VERSION = 2  # of the records
WAIT_S = 5.0  # for another process that writes


def records(output_dir: str, write: bool = True) -> list[JsonObject]:
    """Return the records of all runs below *output_dir*, the newest first.

    :param write: whether the index may be written.
    """
    path = os.path.join(output_dir, NAME)
    found = None
    if write and os.path.isdir(output_dir):
        with contextlib.suppress(sqlite3.Error, OSError, ValueError):
            found = _updated(output_dir, path)
    if found is None:
        found = [one for one in (entries.entry(output_dir, folder) for folder in entries.folders(output_dir)) if one]
    return sorted(found, key=lambda one: (str(one["date"] or ""), str(one["id"])), reverse=True)


def _updated(output_dir: str, path: str) -> list[JsonObject]:
    """Bring the index up to date and return its records; sqlite3.Error if that fails twice."""
    try:
        with _opened(path) as index:
            return _read(index, output_dir)
    except sqlite3.OperationalError:  # locked, or not to be written: what is there stays
        raise
    except (sqlite3.DatabaseError, ValueError):  # no index, or a broken one
        os.unlink(path)
        with _opened(path) as index:
            return _read(index, output_dir)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    index = sqlite3.connect(path, timeout=WAIT_S)
    try:
        with index:  # one transaction
            if index.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                index.execute("DROP TABLE IF EXISTS runs")
                index.execute(f"PRAGMA user_version = {VERSION}")
            index.execute("CREATE TABLE IF NOT EXISTS runs (path TEXT PRIMARY KEY, stamp TEXT, record TEXT)")
            yield index
    finally:
        index.close()


def _read(index: sqlite3.Connection, output_dir: str) -> list[JsonObject]:
    known = {path: (stamp, record) for path, stamp, record in index.execute("SELECT path, stamp, record FROM runs")}
    found, there = [], entries.folders(output_dir)
    for folder in there:
        stamp = entries.stamp(folder)
        before = known.get(folder)
        if before and before[0] == stamp:
            record = json.loads(before[1])
        else:
            record = entries.entry(output_dir, folder)
            index.execute("REPLACE INTO runs VALUES (?, ?, ?)", (folder, stamp, json.dumps(record)))
        found += [record] if record else []
    index.executemany("DELETE FROM runs WHERE path = ?", [(path,) for path in known.keys() - set(there)])
    return found
