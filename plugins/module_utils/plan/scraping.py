# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scraper of a point: which pages are read meanwhile, how often, and where it is written to.

It runs beside the program that measures, on the same node and in the same step, with a low priority. Where that
step has no Python, or the scraper ends, the point is measured all the same.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence

from ..backends.base import Backend
from ..json_types import JsonObject
from ..plan_file import PlanFile
from ..plan_profiling import Scraped
from ..services import exporters
from ..services.exporters import PROGRAM
from ..topology.layout import Layout
from ..topology.step import DraftStep, one_file

CONFIG = "programs/scraper.json"
LOGS = "logs"
POINT = "{point}"
MOST_BYTES = 64 << 20  # of a file
TIMEOUT_S = 5.0
MARK = "# beside the program of the point: the scraper"
SHORTEST_S = 0.5  # v1 of the recipes has no shorter interval either
# Metrics of engines, of dynamo and of power; a page has ten times as many. Of histograms the sum and the count stay.
USUAL = (
    r"(?:vllm|sglang|trtllm):|trtllm_|dynamo_component_(?!router_)|dynamo_frontend_(?:requests_total|inflight_requests|"
    r"queued_requests|output_tokens_total|input_sequence_tokens_sum|output_sequence_tokens_sum|cached_tokens_sum|"
    r"disconnected_clients)"
)
POWER = r"DCGM_FI_DEV_(?:POWER_USAGE|SM_CLOCK|MEM_CLOCK|GPU_TEMP|GPU_UTIL)$|node_rapl_joules_total$"
UNWANTED = r"_bucket$|_created$"


def groups(layout: Layout, backend: Backend) -> dict[str, JsonObject]:
    """Return ``{what for: group of pages}`` of the job, as the program reads them; without pages there is no group."""
    spec = layout.spec
    observed, telemetry, tachometer = spec["observability"], spec["telemetry"], spec["observability"]["tachometer"]
    pages, found = _pages(layout, backend), {}
    if (observed["scrape_metrics"] or backend.needs_scraping or spec["benchmark"]["export_node_metrics"]) and pages:
        folder = os.path.splitext(observed["scrape_output"])[0]
        found["metrics"] = _group(layout, folder, max(SHORTEST_S, observed["scrape_interval_seconds"]), pages, USUAL)
    if tachometer["enabled"]:
        own = [*pages, *_exporters(layout, power=None)]
        interval = max(0.1, 1 / tachometer["default_frequency"])
        found["tachometer"] = _group(layout, tachometer["storage_subdir"], interval, own, "")
        found["tachometer"]["metadata"] = dict(tachometer["extra_metadata"])
    if telemetry["enabled"]:
        own = _exporters(layout, power=True)
        found["power"] = _group(layout, telemetry["storage_subdir"], telemetry["default_frequency"], own, POWER)
        found["power"]["timeout_s"] = telemetry["request_timeout_seconds"]
    return {name: group for name, group in found.items() if group["targets"]}


def _group(layout: Layout, folder: str, interval_s: float, targets: list[JsonObject], wanted: str) -> JsonObject:
    return {
        "out": f"{layout.run_dir}/{LOGS}/{folder}/{POINT}.jsonl",
        "interval_s": interval_s,
        "timeout_s": TIMEOUT_S,
        "most_bytes": MOST_BYTES,
        "wanted": wanted,
        "unwanted": UNWANTED,
        "targets": targets,
    }


def _pages(layout: Layout, backend: Backend) -> list[JsonObject]:
    """Return the pages of workers and frontends."""
    found: list[JsonObject] = []
    workers = {process.name: process for process in layout.processes}
    if backend.publishes_metrics(layout.spec):
        for name, where in layout.control.items():
            process = workers[name]
            found.append({"name": name, "node": process.node, "role": process.mode, "url": f"http://{where}/metrics"})
    known = {one["url"] for one in found}
    by_address = {address: node for node, address in layout.addresses.items()}
    urls = [url for url in layout.metrics_urls if url not in known]
    for number, url in enumerate(urls):
        address = url.partition("://")[2].rpartition(":")[0]
        node = by_address.get(address, address)
        found.append({"name": f"frontend_{number}", "node": node, "role": "frontend", "url": url})
    return found


def _exporters(layout: Layout, power: bool | None) -> list[JsonObject]:
    """Return the pages of exporters: of those for power, or of all with *power* None."""
    return [
        {
            "name": f"{one.name}_{node}",
            "node": node,
            "role": one.name,
            "url": f"http://{layout.addresses[node]}:{one.port}/metrics",
        }
        for one in exporters.wanted(layout.spec)
        if power is None or one.power is power
        for node in exporters.nodes(layout)
    ]


def files(found: dict[str, JsonObject]) -> list[PlanFile]:
    """Return the files that the scraper of the *found* groups needs."""
    return [*exporters.program(), one_file(CONFIG, json.dumps([*found.values()], indent=1) + "\n")] if found else []


def notes(layout: Layout, backend: Backend) -> list[str]:
    """Return a note, as a list, where scrape_metrics changes nothing."""
    key = "observability.scrape_metrics"
    if not layout.spec["observability"]["scrape_metrics"]:
        return []
    if not _pages(layout, backend):
        return [f"{key}: no effect, neither workers nor frontends of this job have a page of metrics."]
    return [f"{key}: the pages of {backend.title} are read in any case."] if backend.needs_scraping else []


def without(preamble: str) -> str:
    """Return the *preamble* of a step as it is without the scraper."""
    return preamble.partition(MARK)[0].rstrip("\n")


def join(steps: Sequence[DraftStep], found: dict[str, JsonObject], layout: Layout) -> None:
    """Let the scraper run beside the program of each of *steps*, in place."""
    for step in steps if found else ():
        name, python = step["name"], shlex.quote(str(layout.python))
        words = [f"{layout.run_dir}/{PROGRAM}", "scrape", "--config", f"{layout.run_dir}/{CONFIG}", "--point", name]
        log = shlex.quote(f"{layout.run_dir}/{LOGS}/scraper_{name}.out")
        first = shlex.quote(step["nodes"][0])  # of several nodes, one is enough
        here = f'[ "${{SLURMD_NODENAME:-}}" != {first} ] || ' if len(step["nodes"]) > 1 else ""
        line = (
            f"{MARK}\n{here}if command -v {python} >/dev/null 2>&1; then\n"
            f"  {python} -E {' '.join(map(shlex.quote, words))} --parent $$ </dev/null >{log} 2>&1 &\n"
            f"else echo 'there is no {layout.python} here to scrape metrics with' >{log}; fi"
        )
        step["preamble"] = "\n".join(filter(None, (step["preamble"], line)))


def planned(found: dict[str, JsonObject], layout: Layout) -> Scraped | None:
    """Return where the scrapes of points are, as it stands in the plan; None without a scraper."""
    if not found:
        return None
    paths = {name: os.path.relpath(group["out"], layout.run_dir) for name, group in found.items()}
    return {"paths": paths, "required": required(layout)}


def required(layout: Layout) -> list[str]:
    """Return the readings without which a point is not valid."""
    telemetry = layout.spec["telemetry"]
    if not telemetry["enabled"]:
        return []
    needs = {"power": telemetry["required"], "cpu_power": telemetry["cpu_power"]["required"]}
    return [name for name, one in needs.items() if one]
