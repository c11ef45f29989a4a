# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a run's page beside its figures: time, nodes, faults, commands, configuration and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..json_types import Json, JsonObject, is_number
from ..plan_file import Plan
from ..results import commands
from ..results.tables import service_gaps, topology
from . import html, stages
from .html import Html, Section
from .inputs import Run
from .point_tables import rollup_facts
from .stages import Part

MOST_NODES, MOST_COMMANDS, MOST_FAULTS = 1024, 60, 60
TAIL = 20  # lines of a log
# Figures of workers in the table of them, {key in nodes_summary: heading}.
WORKER_FIGURES = {
    "total_batches": "batches", "avg_running_requests": "running, mean", "max_running_requests": "running, max",
    "max_queue_requests": "queue, max", "cache_hit_rate": "cache hits %", "avg_input_throughput": "input tok/s, mean",
    "max_input_throughput": "input tok/s, max", "avg_gen_throughput": "out tok/s, mean",
    "max_gen_throughput": "out tok/s, max", "kv_cache_gb": "KV cache GB", "mem_usage_gb": "memory GB",
}  # fmt: skip


def workers(run: Run) -> Section:
    """Return the figures of each worker over the whole run, from its log."""
    nodes = run.rollup["nodes_summary"].get("nodes") or []
    known = [key for key in WORKER_FIGURES if any(is_number(node.get(key)) for node in nodes)]
    known = [key for key in known if key != "total_batches" or any(node.get(key) for node in nodes)]
    rows = [
        [
            f"{node.get('worker_type')}_{node.get('worker_id')}",
            node.get("node_name"),
            node.get("rank"),
            *(html.tag("td", _number(node.get(key)), class_="n") for key in known),
        ]
        for node in nodes[:MOST_NODES]
    ]
    head = ["worker", "node", "rank", *(WORKER_FIGURES[key] for key in known)]
    note = "Over the whole run, from the logs. Throughputs are those of a rank."
    return Section(
        "workers", "Workers", *([html.table(head, rows), html.tag("p", note, class_="note")] if known else [])
    )


def _number(value: Json) -> str:
    return f"{value:,.1f}".removesuffix(".0") if is_number(value) else "-"


def time_table(parts: Sequence[Part]) -> Html:
    """Return the stages of a run with their share of its time."""
    if not parts:
        return Html()
    total = sum(part.seconds for part in parts)
    rows = []
    for part in parts:
        share = 100 * part.seconds / total
        drawn = html.tag("td", html.tag("span", class_="bar", style=f"width:{share * 2:.1f}px"))
        rows.append([part.name, html.tag("td", f"{part.seconds:,.1f}", class_="n"),
                     html.tag("td", f"{share:.1f}", class_="n"), drawn])  # fmt: skip
    rows.append(["all", html.tag("td", f"{total:,.1f}", class_="n"), html.tag("td", "100.0", class_="n"), ""])
    return html.table(["stage", "seconds", "%", ""], rows)


def submitted(run: Run) -> float | None:
    """Return when the job was submitted, in seconds since 1970, or None."""
    return stages.seconds(run.facts.get("submitted_at"))


def node_map(plan: Plan | None) -> Section:
    """Return which worker has which GPU of which node."""
    if not plan:
        return Section("nodes", "Nodes and GPUs")
    owner: dict[tuple[str, int], tuple[str, str]] = {}
    for endpoint in plan["endpoints"]:
        for node in endpoint["nodes"]:
            for index in endpoint.get("gpu_indices") or ():
                owner[node, index] = (endpoint["name"], endpoint["mode"])
    width = max((node.get("gpus") or 0 for node in plan["nodes"]), default=0)
    rows = []
    for one in plan["nodes"][:MOST_NODES]:
        roles = one.get("roles")
        cells: list[object] = [one["name"], ", ".join(map(str, roles)) if isinstance(roles, list) else ""]
        for index in range(width):
            name, mode = owner.get((one["name"], index), ("", ""))
            shown = name or ("free" if index < (one.get("gpus") or 0) else "")
            cells.append(html.tag("td", shown, class_=f"gpu m-{mode}" if mode else "gpu soft"))
        rows.append(cells)
    head = ["node", "roles", *(f"GPU {index}" for index in range(width))]
    left = len(plan["nodes"]) - len(rows)
    more = html.tag("p", f"and {left} more nodes", class_="note") if left > 0 else ""
    return Section("nodes", "Nodes and GPUs", html.table(head, rows), more)


def faults(run: Run, parts: Sequence[Part]) -> Section:
    """Return what went wrong: the stage that failed, steps that ended unexpectedly, gaps, and the evidence."""
    found: list[object] = []
    failure = run.rollup.get("failure")
    if failure:
        found.append(html.tag("p", html.tag("b", f"{failure.get('task') or failure.get('stage') or 'A stage'}: "),
                              failure.get("msg") or "failed"))  # fmt: skip
    gaps = service_gaps(run.rollup)
    if gaps:
        found += [html.tag("h3", "Service gaps that the job allows"), _list(gaps)]
    lines = [[part.name, stages.stamp(part.end), part.fault] for part in parts if part.fault][:MOST_FAULTS]
    if lines:
        found.append(html.table(["step", "ended (UTC)", "how"], lines, "Steps whose end was not expected"))
    held = [
        [str(one.get("t")), str(one.get("phase")), str(one.get("reason") or one.get("to") or "")]
        for one in run.events
        if one.get("event") == "holder" and one.get("phase") in ("paused", "ending", "requeue")
    ]
    for one in run.evidence:
        about = f"{one['step']} on {one.get('node')}, attempt {one.get('attempt')}: {one.get('reason')}"
        lines_ = one.get("tail")
        tail = [str(line) for line in lines_][-TAIL:] if isinstance(lines_, list) else []
        fatal = html.tag("p", "First fatal line: ", html.tag("code", one["fatal"])) if one.get("fatal") else ""
        found.append(html.details(about, fatal, html.pre("\n".join(tail)), html.tag("p", f"Log: {one.get('log')}")))
    if found and held:
        found.append(html.table(["time (UTC)", "holder", "why"], held[-MOST_FAULTS:]))
    return Section("faults", "Faults and evidence", *found)


def _list(items: Iterable[object]) -> Html:
    return html.tag("ul", *(html.tag("li", item) for item in items))


def command_lines(run: Run) -> Section:
    """Return the command lines of all steps, without secrets."""
    rows: list[tuple[str, str]] = []
    if run.plan:
        steps = [*run.plan["steps"], *(point["step"] for point in run.plan["benchmark"].get("points") or ())]
        rows = [(step["name"], commands.raw(step["argv"])) for step in steps if step.get("argv")]
    else:
        said = [run.rollup.get("benchmark_command") or {}]
        said += [node.get("launch_command") or {} for node in run.rollup["nodes_summary"].get("nodes") or ()]
        kinds = (str(one.get("worker_type") or "benchmark") for one in said)
        rows = [(kind, one["raw_command"]) for kind, one in zip(kinds, said) if one.get("raw_command")]
    parts = [html.details(name, html.pre(line)) for name, line in rows[:MOST_COMMANDS]]
    left = len(rows) - len(parts)
    return Section("commands", "Commands", *parts, html.tag("p", f"and {left} more") if left > 0 else "")


def configuration(run: Run) -> Section:
    """Return the job as it was resolved, and the environments and options of the engine."""
    found: list[object] = [html.details("config.yaml", html.pre(run.config))] if run.config else []
    engine = run.rollup.get("environment_config")
    if engine:
        found.append(html.details("Engine and environments", html.pre(json.dumps(engine, indent=2, sort_keys=True))))
    return Section("config", "Configuration", *found)


def provenance(run: Run) -> Section:
    """Return where the results are from: the job, its inputs, its digests, and notes."""
    rollup = run.rollup
    facts = rollup_facts(rollup)
    facts.append(("topology", topology(rollup)))
    facts.append(("submitted (UTC)", run.facts.get("submitted_at")))
    facts.append(("Slurm cluster", run.facts.get("slurm_cluster")))
    facts += [(f"digest of the {name}", value) for name, value in (rollup.get("digests") or {}).items()]
    for name, one in (rollup.get("inputs") or {}).items():
        facts.append((name, f"{one.get('path')}, fingerprint {one.get('fingerprint') or 'unknown'}"))
    more: JsonObject = {**rollup}
    facts += _flat(more.get("provenance"), "")
    rows = [
        [one["label"], one.get("digest"), (one.get("origin") or {}).get("job_id") or rollup["job_id"],
         one.get("started_at"), one.get("ended_at"), one.get("path")]
        for one in rollup["results"]
    ]  # fmt: skip
    head = ["point", "digest", "measured by job", "began (UTC)", "ended (UTC)", "result"]
    notes = [*(rollup.get("notes") or ()), *run.notes]
    said = [html.tag("h3", "Notes"), _list(notes)] if notes else []
    points = html.details("Points", html.table(head, rows)) if rows else ""
    return Section("provenance", "Provenance", html.facts(facts), points, *said)


def _flat(value: Json, name: str) -> list[tuple[str, object]]:
    """Return the values below *value* with dotted names."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _flat(item, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return [pair for number, item in enumerate(value) for pair in _flat(item, f"{name}[{number}]")]
    return [] if value is None else [(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))]
