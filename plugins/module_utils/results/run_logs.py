# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All worker logs of a run: read by several processes when they are large, and only what is new in them.

What was read is remembered in one file of the run directory. It is of no use, and ignored, if it does not fit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Union

from ..backends.worker_figures import Window
from ..files import read_object
from ..json_types import JsonObject
from . import worker_logs
from .worker_logs import LogState

CACHE = "worker_logs.cache.json"
LARGE = 1 << 26  # bytes that are worth several processes
MOST_PROCESSES = 8

Outcome = Union[LogState, OSError]


def read_logs(
    backend: str, paths: Sequence[str], windows: Sequence[Window], cache: Mapping[str, LogState]
) -> dict[str, Outcome]:
    """Return ``{path: what the log says, or why it cannot be read}``; a log that does not exist is not in it."""
    sizes = {path: _unread(path, cache.get(path)) for path in dict.fromkeys(paths)}
    shares = _shares(sizes)
    found: dict[str, Outcome] = {}
    for share in _forked(backend, shares, windows, cache) if len(shares) > 1 else ():
        found.update(share)
    for path in sizes:
        if path not in found:
            outcome = _read(backend, path, windows, cache.get(path))
            if outcome is not None:
                found[path] = outcome
    return found


def _unread(path: str, known: LogState | None) -> int:
    try:
        size = os.stat(path).st_size
    except OSError:
        return 0
    return max(0, size - known.offset) if known else size


def _shares(sizes: Mapping[str, int]) -> list[list[str]]:
    """Return the paths that each of several processes reads; one share if that is not worth it."""
    large = [path for path, size in sizes.items() if size]
    count = min(len(large), len(os.sched_getaffinity(0)), MOST_PROCESSES)
    if count < 2 or sum(sizes.values()) < LARGE:
        return [large]
    shares: list[list[str]] = [[] for _number in range(count)]
    for path in sorted(large, key=lambda one: -sizes[one]):
        min(shares, key=lambda share: sum(sizes[one] for one in share)).append(path)
    return shares


def _read(backend: str, path: str, windows: Sequence[Window], known: LogState | None) -> Outcome | None:
    """Return what a log says, or why it cannot be read; None if it does not exist."""
    try:
        try:
            return worker_logs.read_log(backend, path, windows, known)
        except (ValueError, TypeError, KeyError, AttributeError):  # what was remembered is of another shape
            if known is None:
                raise
            return worker_logs.read_log(backend, path, windows)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error


def _forked(
    backend: str, shares: Iterable[Sequence[str]], windows: Sequence[Window], cache: Mapping[str, LogState]
) -> list[dict[str, LogState]]:
    """Return what processes of their own found in the *shares*. What one does not find, the caller reads itself.

    They only read files and write to a pipe, so it does not matter what threads the caller has.
    """
    running = []
    for share in shares:
        source, target = os.pipe()
        try:
            child = os.fork()
        except OSError:
            os.close(source)
            os.close(target)
            break
        if child == 0:
            _child(backend, share, windows, cache, source, target)
        os.close(target)
        running.append((child, source))
    found = []
    for child, source in running:
        with os.fdopen(source, "rb") as stream:
            text = stream.read()
        os.waitpid(child, 0)
        found.append(dict(_states(text)))
    return found


def _child(
    backend: str,
    share: Sequence[str],
    windows: Sequence[Window],
    cache: Mapping[str, LogState],
    source: int,
    target: int,
) -> None:
    """Read the logs of a share, write what they say to *target*, and end this process."""
    code = 1
    try:
        os.close(source)
        outcomes = {path: _read(backend, path, windows, cache.get(path)) for path in share}
        kept = {path: one._asdict() for path, one in outcomes.items() if isinstance(one, LogState)}
        with os.fdopen(target, "wb") as stream:
            stream.write(json.dumps(kept).encode())
        code = 0
    finally:
        os._exit(code)


def _states(text: bytes) -> Iterable[tuple[str, LogState]]:
    try:
        return [(path, LogState(**one)) for path, one in json.loads(text or b"{}").items()]
    except (ValueError, TypeError, AttributeError):
        return []


def load_cache(run_dir: str) -> dict[str, LogState]:
    """Return what is remembered of the logs in *run_dir*, by path."""
    found = read_object(os.path.join(run_dir, CACHE)) or {}
    return dict(_states(json.dumps(found).encode()))


def cache_text(states: Mapping[str, LogState]) -> str:
    """Return the content of the file that :func:`load_cache` reads."""
    kept: JsonObject = {path: one._asdict() for path, one in states.items()}
    return json.dumps(kept) + "\n"
