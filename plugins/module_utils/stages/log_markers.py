# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in the logs of workers and frontends after which they never become healthy, although their step still runs.

The plan has their patterns in the file of known log lines. A line counts for the attempt that wrote it: logs go on from
one attempt to the next, so of a later attempt only what is new since the first look is read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from ..failures import StepError
from ..holder.fatal_lines import FILE, LONGEST
from ..holder.records import StepRecord
from ..plan_file import Plan

MOST_BYTES = 4 << 20  # that one look reads of one log
WATCHED = ("worker", "frontend")


class Markers:
    """The logs of the steps of *plan*, and how far they have been read."""

    def __init__(self, plan: Plan) -> None:
        texts = [one["content"] for one in plan["files"] if one["path"] == FILE]
        patterns = json.loads(texts[0]).get("markers") or [] if texts else []
        self.pattern = re.compile("|".join(f"(?:{one})" for one in patterns).encode()) if patterns else None
        self.run_dir = plan["run_dir"]
        watched = [step for step in plan["steps"] if step["kind"] in WATCHED and step["critical"]] if patterns else []
        self.logs = {
            step["name"]: [
                (node, os.path.join(self.run_dir, step["log"].replace("%N", node))) for node in step["nodes"]
            ]
            for step in watched
        }
        self.attempts: dict[str, int] = {}
        self.offsets: dict[str, int] = {}

    def look(self, records: Iterable[StepRecord]) -> None:
        """Raise StepError if a step that runs has written such a line.

        :param records: of the steps whose records have changed since the last look, or of more.
        """
        if not self.pattern:
            return
        for record in records:
            if record["name"] in self.logs:
                self._note(record)
        for name in self.attempts:
            for node, path in self.logs[name]:
                line = self._line(path)
                if line:
                    raise StepError(
                        f"Step {name} on {node} runs, but will not become healthy: its log says: {line}. Log: {path}",
                        failed_step=name,
                        failed_node=node,
                        fatal=line,
                        log=path,
                    )

    def _note(self, record: StepRecord) -> None:
        """Take up an attempt that has begun, or forget one that has ended."""
        name, attempt = record["name"], record["attempt"]
        if record["state"] == "ended":
            self.attempts.pop(name, None)
        elif self.attempts.get(name) != attempt:
            self.attempts[name] = attempt
            for _node, path in self.logs[name]:
                self.offsets[path] = 0 if attempt <= 1 else _size(path)

    def _line(self, path: str) -> str | None:
        """Return the first such line among the whole lines that are new in the log at *path*, or None."""
        try:
            with open(path, "rb") as stream:
                stream.seek(self.offsets[path])
                text = stream.read(MOST_BYTES)
        except OSError:
            return None  # it does not exist yet
        whole = text[: text.rfind(b"\n") + 1] if len(text) < MOST_BYTES else text
        self.offsets[path] += len(whole)
        found = self.pattern.search(whole) if self.pattern else None
        if not found:
            return None
        begin = whole.rfind(b"\n", 0, found.start()) + 1
        return whole[begin:].split(b"\n", 1)[0][:LONGEST].decode(errors="replace").strip()


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
