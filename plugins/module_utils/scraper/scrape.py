# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads pages again and again, and writes what changed in them to a file of a bounded size.

The file has one JSON object a line::

    {"kind": "begin", "schema_version": 1, "t": ..., "interval_s": 1.0, "targets": [{"name", "node", "role", "url"}]}
    {"kind": "page", "t": ..., "target": "decode_0", "v": {"name{labels}": number}}    only what changed
    {"kind": "error", "t": ..., "target": "decode_0", "error": "..."}                  the first of a row of failures
    {"kind": "end", "t": ..., "pages": ..., "errors": ..., "cut": false}

``t`` is in UTC seconds, when the answer was complete. ``cut``: the file had reached its size, and lacks later pages.
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Callable

from .page import numbers

SCHEMA_VERSION = 1
LARGEST_PAGE = 1 << 23
WAIT_S = 0.2  # between two looks whether to go on
MOST_READERS = 16
END_BYTES = 300  # that are left for the last line


class Output:
    """The file with what pages said, *most* bytes at most."""

    def __init__(self, path: str, most: int) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._stream = open(path, "w", encoding="utf-8")  # noqa: SIM115  until the program ends
        self._most, self._size = most, 0
        self._lock = threading.Lock()
        self.cut = False

    def write(self, kind: str, last: bool = False, **facts: Any) -> bool:
        """Append a line, unless the file is full; return whether it was written."""
        line = json.dumps({"kind": kind, "t": round(time.time(), 3), **facts}, separators=(",", ":")) + "\n"
        with self._lock:
            if not last and (self.cut or self._size + len(line) > self._most - END_BYTES):
                self.cut = True
                return False
            self._size += len(line)
            self._stream.write(line)
            self._stream.flush()
        return True


class Target:
    """A page: ``name``, ``url`` and what was last seen of it."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts, self.name, self.url = facts, str(facts["name"]), str(facts["url"])
        self.seen: dict[str, float] = {}
        self.failing = False


class Scraper:
    """Reads the pages of one group of targets.

    :param config: ``{"out", "interval_s", "timeout_s", "most_bytes", "wanted", "unwanted", "targets", "metadata"}``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._wanted, self._unwanted = re.compile(config["wanted"]), re.compile(config["unwanted"])
        self._targets = [Target(one) for one in config["targets"]]
        self._output = Output(config["out"], int(config["most_bytes"]))
        self._jobs: queue.Queue[Target] = queue.Queue()
        self._busy: dict[str, bool] = {}
        self.pages = self.errors = 0
        self._lock = threading.Lock()

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Read until *goes_on* says no."""
        facts = {"interval_s": self._config["interval_s"], "targets": [one.facts for one in self._targets]}
        self._output.write("begin", schema_version=SCHEMA_VERSION, metadata=self._config.get("metadata") or {}, **facts)
        for _number in range(min(MOST_READERS, len(self._targets))):
            threading.Thread(target=self._reader, daemon=True).start()
        due = time.monotonic()
        while goes_on():
            now = time.monotonic()
            if now >= due:
                due = max(due + float(self._config["interval_s"]), now)
                for target in self._targets:
                    if not self._busy.get(target.name):  # a page that is slow is read less often
                        self._busy[target.name] = True
                        self._jobs.put(target)
            time.sleep(max(0.01, min(WAIT_S, due - time.monotonic())))
        self._output.write("end", last=True, pages=self.pages, errors=self.errors, cut=self._output.cut)

    def _reader(self) -> None:
        while True:
            target = self._jobs.get()
            try:
                self._read(target)
            finally:
                self._busy[target.name] = False

    def _read(self, target: Target) -> None:
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(target.url, timeout=float(self._config["timeout_s"])) as answer:
                text = answer.read(LARGEST_PAGE).decode("utf-8", "replace")
        except (OSError, ValueError, urllib.error.URLError) as error:
            with self._lock:
                self.errors += 1
            if not target.failing:
                self._output.write("error", target=target.name, error=str(error)[:200])
            target.failing = True
            return
        found = numbers(text, self._wanted, self._unwanted)
        changed = {name: value for name, value in found.items() if target.seen.get(name) != value}
        # A page without changes is one too: it says that the values still held.
        if self._output.write("page", target=target.name, v=changed):
            target.seen.update(changed)
            target.failing = False
            with self._lock:
                self.pages += 1


def run_all(configs: list[dict[str, Any]], goes_on: Callable[[], bool]) -> None:
    """Run one :class:`Scraper` for each of *configs* until *goes_on* says no."""
    threads = [threading.Thread(target=Scraper(config).run, args=(goes_on,)) for config in configs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
