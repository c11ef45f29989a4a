# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plan.json says of profiling and scraping: its types. Times are in seconds."""

from __future__ import annotations

from typing import TypedDict

from .json_types import JsonObject


class Order(TypedDict):
    """An HTTP request (POST) to a part of the service, sent once: see holder/calls.py.

    ``paths`` are tried in order as long as the server does not know them.
    """

    name: str
    host: str
    port: int
    paths: list[str]
    body: JsonObject
    timeout_s: float


class ProfiledFiles(TypedDict):
    """Files that profiling the process ``name`` leaves: at least one matches ``patterns``, below the run directory."""

    name: str
    patterns: list[str]


class Profiling(TypedDict):
    """How each point is profiled: ``type`` is the profiler, ``folder`` holds its files (below the run directory).

    ``start`` and ``stop`` are sent before and after its load; a worker in ``limited`` stops by itself after some steps.
    ``window_s`` is (delay, duration) of a profiler that begins with the workers, else None.
    """

    type: str
    folder: str
    start: list[Order]
    stop: list[Order]
    limited: list[str]
    files: list[ProfiledFiles]
    window_s: list[float] | None


EXPORTER = "exporter"  # the kind of steps that only tell of the nodes: no point depends on them


class Scraped(TypedDict):
    """Files with what the scraper read while a point was measured, by purpose: metrics, tachometer, power.

    The paths are below the run directory, with {point} for the point's name. Points without those in ``required`` are
    not valid.
    """

    paths: dict[str, str]
    required: list[str]
