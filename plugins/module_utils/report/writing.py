# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the pages: report.html and rollup.svg of a run, report.html of a sweep, index.html of an output directory."""

from __future__ import annotations

import glob
import os
import re
from typing import Callable

from .. import sweep_folders
from ..failures import Error
from ..files import write_text_atomic
from ..json_types import JsonObject
from . import drawing, index_page, inputs, point_charts, points, run_page, sweep_page
from .index_page import Entry
from .style import LIGHT
from .sweep_page import Sweep

PAGE, PICTURE, INDEX = "report.html", "rollup.svg", "index.html"
MOST_BYTES = 5 * (1 << 20)


def write_run(run_dir: str) -> list[str]:
    """Write the page of the run in *run_dir* and its picture; return the paths that changed. Error, OSError."""
    run = inputs.read_run(run_dir)
    changed = _write(os.path.join(run_dir, PAGE), _fitting(lambda brief: run_page.page(run, brief)))
    for spec in _picture(run):
        changed += _write(os.path.join(run_dir, PICTURE), _alone(drawing.svg(spec)))
    return changed


def _picture(run: inputs.Run) -> list[JsonObject]:
    """Return the specification of rollup.svg, as a list: throughput against latency; [] without such figures."""
    found = points.of_rollup(run.rollup, str(run.rollup["job_name"]))
    for y in ("output_tps_per_gpu", "output_tps"):
        chart = point_charts.pair(found, "picture", "Throughput and latency", "median_e2el_ms", y, False)
        if chart:
            return [{**chart.spec, "title": {"text": str(run.rollup["job_name"]), "color": "var(--text)"}}]
    return []


def _alone(svg: str) -> str:
    """Return a drawing as a file of its own: colours as they are on a light page, with a background."""
    svg = re.sub(r"var\(--(\w+)\)", lambda found: LIGHT[found[1]], svg)
    end = svg.index(">") + 1
    return f'{svg[:end]}<rect width="100%" height="100%" fill="{LIGHT["back"]}"/>{svg[end:]}\n'


def write_sweep(folder: str) -> list[str]:
    """Write the page of the sweep in *folder*; return the paths that changed. Error, OSError."""
    record = sweep_folders.read_record(folder)
    if record is None:
        raise Error(f"{folder} has no {sweep_folders.RECORD} of this version. Set run_dir to the folder of a sweep.")
    runs, faults = {}, {}
    for job in record["jobs"]:
        run_dir = sweep_folders.variant_dir(folder, str(job["name"]))
        if os.path.exists(os.path.join(run_dir, inputs.ROLLUP)):
            try:
                runs[job["name"]] = inputs.read_run(run_dir, whole=False)
            except Error as error:
                faults[job["name"]] = error.msg
    text = _fitting(lambda brief: sweep_page.page(Sweep(folder, record, runs, faults), brief))
    return _write(os.path.join(folder, PAGE), text)


def write_index(output_dir: str) -> list[str]:
    """Write the list of all runs below *output_dir*; return the paths that changed. Error, OSError."""
    entries, unread = [], []
    for name, path in _run_dirs(output_dir):
        full = os.path.join(output_dir, path)
        try:
            rollup = inputs.read_run(full, whole=False).rollup
        except Error as error:
            unread.append(f"{name}: {error.msg}")
            continue
        entries.append(Entry(name, path, rollup, os.path.exists(os.path.join(full, PAGE))))
    return _write(os.path.join(output_dir, INDEX), index_page.page(output_dir, entries, unread, _sweeps(output_dir)))


def _sweeps(output_dir: str) -> list[str]:
    """Return the folders of the sweeps that have a page, below *output_dir*."""
    found = glob.glob(os.path.join(glob.escape(output_dir), sweep_folders.SWEEPS, "*", PAGE))
    return sorted(os.path.relpath(os.path.dirname(path), output_dir) for path in found)


def _run_dirs(output_dir: str) -> list[tuple[str, str]]:
    """Return [(name, path below *output_dir*)] of the runs that have a rollup: those of jobs, and those of sweeps."""
    names = sorted(entry.name for entry in os.scandir(output_dir) if entry.is_dir(follow_symlinks=False))
    found = [(name, name) for name in names if name != sweep_folders.SWEEPS]
    for full in sweep_folders.variant_dirs(output_dir):
        path = os.path.relpath(full, output_dir)
        sweep = os.path.basename(os.path.dirname(os.path.dirname(full)))
        found.append((f"{sweep}/{os.path.basename(full)}", path))
    return [one for one in found if os.path.exists(os.path.join(output_dir, one[1], inputs.ROLLUP))]


def _fitting(made: Callable[[bool], str]) -> str:
    """Return a page as a whole, or the brief one if that is too large; *made* returns one of them."""
    whole = made(False)
    return whole if len(whole.encode()) <= MOST_BYTES else made(True)


def _write(path: str, text: str) -> list[str]:
    if len(text.encode()) > MOST_BYTES:
        raise Error(f"{path} would have {len(text.encode()):,} bytes, {MOST_BYTES:,} at most. It was not written.")
    return [path] if write_text_atomic(path, text) else []
