# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in the command lines of workers and the load client, for rollup.json."""

from __future__ import annotations

import shlex

from ..backends import BACKENDS
from ..benchmarks import BENCHMARKS
from ..secrets.redaction import redact_argv


def worker_command(argv, worker_type, backend_type):
    """Return the ``launch_command`` of a worker; absent options are None."""
    facts = {"worker_type": worker_type, "backend_type": backend_type}
    options = _options(argv, BACKENDS[backend_type].command_options())
    return {"raw_command": raw(argv), "command_type": "worker", **facts, **options}


def benchmark_command(argv, benchmark_type):
    """Return the ``benchmark_command`` of a load client."""
    facts = {"raw_command": raw(argv), "command_type": "benchmark", "benchmark_type": benchmark_type}
    return {**facts, **_options(argv, BENCHMARKS[benchmark_type].command_options)}


def raw(argv):
    """Return the command line as text, without secrets."""
    return " ".join(shlex.quote(word) for word in redact_argv(argv))


def _options(argv, table):
    given, words = {}, list(map(str, argv))
    for index, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            following = words[index + 1] if index + 1 < len(words) else ""
            given[name.replace("_", "-")] = value if equals else following
    return {key: next((_number(given[name]) for name in names if name in given), None) for key, names in table.items()}


def _number(text):
    return int(text) if text.isdigit() else text
