# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power of the GPUs in the window of a point, and the energy of an output token.

Readings count as a step function: each holds until the next one. An energy is given only if the readings of all nodes
cover the window without a gap of more than three seconds, and its begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..backends.worker_figures import Window
from ..backends.worker_series import Series
from ..json_types import JsonObject
from ..plan_file import Plan, gpu_counts
from .scraped import Page, Scrape, scraped_path

MOST_GAP_S = 3.0
CPU_ROLE = "cpu_power_exporter"  # of a page without GPUs
_POWER = re.compile(r"^DCGM_FI_DEV_POWER_USAGE\{(.*)\}$")
_GPU = re.compile(r'(?:^|,)\s*gpu="([^"]*)"')
# Packages: the counters of cores and of graphics are parts of theirs.
_CPU = re.compile(r'^node_rapl_joules_total\{(?:.*,)?name="package-')


def of_point(plan: Plan, point: str, during: Window | None, tokens: float | None) -> JsonObject | None:
    """Return the energy of *point*, ``{window, gpus, gpu_joules, ...}``; None if power is not read in this job.

    ``note`` says why a figure is None.

    :param tokens: output tokens in the window.
    """
    path = scraped_path(plan, "power", point)
    if not path:
        return None
    nothing: JsonObject = {"begin": None, "end": None, "gpus": 0, "gpu_joules": None, "avg_gpu_watts": None,
                           "cpu_joules": None, "joules_per_output_token": None, "note": None}  # fmt: skip
    if during is None:
        return {**nothing, "note": "the point has no window"}
    begin, end = during
    scrape = Scrape(path)
    found = {**nothing, "begin": begin, "end": end}
    found["cpu_joules"] = _cpus(scrape, begin, end)
    problem = _problem(scrape, begin, end)
    gpus = [(page, name) for page in _pages(scrape) for name in page.values if _POWER.match(name)]
    wanted = gpu_counts(plan["endpoints"])["all"]
    found["gpus"] = len(gpus)
    if not problem and len(gpus) < wanted:
        problem = f"the power of {len(gpus)} GPUs was read, and the workers have {wanted}"
    if problem:
        return {**found, "note": problem}
    energies = [_energy(page.values[name], begin, end) for page, name in gpus]
    known = [one for one in energies if one is not None]
    if len(known) < len(energies):
        return {**found, "note": "the first reading of a GPU came after the point had begun"}
    joules = sum(known)
    found.update(gpu_joules=round(joules, 3), avg_gpu_watts=round(joules / (end - begin), 3) if end > begin else None)
    if tokens:
        found["joules_per_output_token"] = round(joules / tokens, 6)
    return found


def _problem(scrape: Scrape, begin: float, end: float) -> str | None:
    """Return why the readings do not cover a window, or None."""
    if scrape.problem:
        return scrape.problem
    own = {str(page.facts["name"]) for page in _pages(scrape)}
    lacking = [name for name in scrape.lacks(begin, end, MOST_GAP_S) if name in own]
    if not own:
        return "nothing was read"
    if lacking:
        error = scrape.pages[lacking[0]].error
        return f"{lacking[0]} was not read every {MOST_GAP_S:g} s" + (f": {error}" if error else "")
    return None


def _energy(samples: list[tuple[float, float]], begin: float, end: float) -> float | None:
    """Return the joules of a power in watts from *begin* to *end*; None if it is not known at the begin."""
    known = [one for one in samples if one[0] <= begin]
    # The first reading may come just after the begin, like all others.
    late = [one for one in samples if begin < one[0] <= begin + MOST_GAP_S]
    if not known and not late:
        return None
    level, at, total = (known[-1] if known else late[0])[1], begin, 0.0
    for time, watts in samples:
        if begin < time < end:
            total += level * (time - at)
            level, at = watts, time
    return total + level * (end - at)


def why_no_cpus(plan: Plan, point: str) -> str:
    """Return what is known of why the energy of the CPUs is not."""
    path = scraped_path(plan, "power", point)
    scrape = Scrape(path) if path else None
    errors = [page.error for page in scrape.pages.values() if page.error] if scrape else []
    return errors[0] if errors else "not all nodes have counters that could be read at the begin and the end"


def _pages(scrape: Scrape) -> list[Page]:
    """Return the pages that tell of GPUs: all but those of an exporter of CPUs alone."""
    return [page for page in scrape.pages.values() if page.facts.get("role") != CPU_ROLE]


def _cpus(scrape: Scrape, begin: float, end: float) -> float | None:
    """Return the joules of the CPU packages of all nodes in a window; None if one is not known."""
    grown: dict[str, list[float | None]] = {str(page.facts.get("node")): [] for page in scrape.pages.values()}
    for page in scrape.pages.values():
        names = [name for name in page.values if _CPU.match(name)]
        grown[str(page.facts.get("node"))] += [_growth(page.values[name], begin, end) for name in names]
    known = [one for node in grown.values() for one in node if one is not None]
    if not grown or not all(grown.values()) or len(known) < sum(map(len, grown.values())):
        return None
    return round(sum(known), 3)


def _growth(samples: list[tuple[float, float]], begin: float, end: float) -> float | None:
    """Return by how much a counter grew in a window; None if it was not read near both ends, or began anew."""
    values = [value for time, value in samples if begin - MOST_GAP_S <= time <= end + MOST_GAP_S]
    if any(later < earlier for earlier, later in zip(values, values[1:])):
        return None
    first, last = _between(samples, begin), _between(samples, end)
    return last - first if first is not None and last is not None else None


def _between(samples: list[tuple[float, float]], when: float) -> float | None:
    """Return a counter at a time, as it grew between the readings around it; None without one near enough."""
    before = next((one for one in reversed(samples) if one[0] <= when), None)
    behind = next((one for one in samples if one[0] >= when), None)
    near = [one for one in (before, behind) if one and abs(one[0] - when) <= MOST_GAP_S]
    if before and behind and behind[0] > before[0] and near:
        return before[1] + (behind[1] - before[1]) * (when - before[0]) / (behind[0] - before[0])
    return near[0][1] if near else None


def series(scrape: Scrape) -> Iterator[JsonObject]:
    """Yield the power of each GPU over time as in series.json."""
    for page in scrape.pages.values():
        for name, samples in page.values.items():
            match = _POWER.match(name)
            if match:
                gpu = _GPU.search(match[1])
                buckets = Series()
                buckets.add([time for time, _watts in samples], {"watts": [watts for _time, watts in samples]})
                yield {
                    "node": page.facts.get("node"),
                    "gpu": gpu[1] if gpu else None,
                    **buckets.record({"watts": "watts"}),
                }
