# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time between the start of a step in a container and the begin of its tasks, in which its image is imported."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from ..failures import Error
from ..holder.records import StepRecord
from ..holder.step import srun_file
from ..plan_file import Step

LIMIT_S = 3600.0  # no import takes longer


class Imports:
    """The imports of one wait: deadlines count without them.

    :ivar passed_s: how long at least one of the steps has been importing its image.
    """

    def __init__(self, steps: Iterable[Step], run_dir: str) -> None:
        self.run_dir, self.passed_s = run_dir, 0.0
        self._tasks = {step["name"]: step["ntasks"] for step in steps if step.get("container")}
        self._attempts: dict[str, int] = {}
        self._names = [*self._tasks]  # until the first look
        self._looked = time.monotonic()

    def look(self, records: Iterable[StepRecord]) -> str:
        """Return text about the images that are being imported, "" without one; Error after LIMIT_S.

        :param records: of the steps whose records have changed since the last look, or of more.
        """
        now = time.monotonic()
        self.passed_s += now - self._looked if self._names else 0.0
        self._looked = now
        for record in records:
            if record["name"] in self._tasks:
                self._attempts[record["name"]] = record["attempt"] if record["state"] != "ended" else 0
        self._names = [name for name, attempt in self._attempts.items() if attempt and not self._begun(name, attempt)]
        if not self._names:
            return ""
        more = f" and {len(self._names) - 3} more" if len(self._names) > 3 else ""
        text = f"importing the image: {', '.join(self._names[:3])}{more}"
        if self.passed_s > LIMIT_S:
            raise Error(f"Still {text}, after {LIMIT_S:g} s. Logs are in {self.run_dir}/logs.")
        return text

    def _begun(self, name: str, attempt: int) -> bool:
        """Return whether all tasks of an attempt have begun; it is then no longer looked at."""
        base = srun_file(self.run_dir, name, attempt, "begun")
        begun = all(os.path.exists(f"{base}.{task}") for task in range(self._tasks[name]))
        if begun:
            self._attempts[name] = 0
        return begun
