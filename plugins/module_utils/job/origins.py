# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The origin of each value of a job: a line of the job file, a setting of the cluster file, or the command line."""

from __future__ import annotations

import os

from ..schema.source import dotted


class Origins:
    """The origin of every value that is not a default, by path.

    :param given: origins that are already known, ``{path: text}``.
    """

    def __init__(self, given=None):
        self.given, self.found = dict(given or {}), {}

    def collect(self, job, source, cluster):
        """Record the leaves of the raw *job*; *cluster* knows which paths the cluster file set."""
        self._walk(job, (), source, {**cluster, **self.given})

    def _walk(self, value, path, source, known, inherited=None):
        inherited = known.get(path, inherited)
        if isinstance(value, dict) and value:
            for key, item in value.items():
                self._walk(item, (*path, key), source, known, inherited)
        elif value is not None:
            self.found[path] = inherited or self._place(source, path)

    def _place(self, source, path):
        file, line = source.where(path)
        name = os.path.basename(file) if file else "the job"
        return f"{name}:{line}" if line else name

    def table(self):
        """Return ``{dotted path: text}``, JSON-able."""
        return {dotted(path): text for path, text in self.found.items()}
