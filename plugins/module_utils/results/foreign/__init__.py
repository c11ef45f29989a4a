# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run directories of srtctl, of any age, read as a rollup: :func:`read`.

Nothing proves that such a result is valid: srtctl looks only at the exit code of its benchmark. So its points have
passed at best.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Sequence
from typing import cast

from ... import metrics
from ...benchmarks import BENCHMARKS
from ...benchmarks.base import Benchmark
from ...benchmarks.formats import in_words
from ...failures import Error
from ...plain_text import cleaned, shown
from ...plan_file import PLAN
from ...secrets.redaction import redact
from .. import completeness, outcome, worker_logs
from ..rollup_file import ROLLUP_SCHEMA_VERSION, PointRecord, Rollup
from ..verdict import PASSED
from . import about, measured, points, settings, workers
from .about import Evidence, Facts
from .measured import Measured

PROGRAM = "srtctl"
# Types of srtctl whose results are of the points of another type here.
TYPES = {"vllm": "sa-bench", "aiperf": "trace-replay", "gsm8k-bench": "gsm8k"}
BY_PROGRAM = {
    "sa-bench": "sa-bench",
    "vllm bench serve": "sa-bench",
    "sglang.bench_serving": "sglang-bench",
    "aiperf": "trace-replay",
}
OTHER = "custom"


def read(path: str, now: str | None = None) -> Rollup:
    """Return the run directory *path* of srtctl as a rollup; Error if it is none, or mixes runs.

    :param now: time of generation (UTC), by default this moment.
    """
    root = _root(os.path.abspath(path))
    facts = about.look(root)
    runs = about.below(root)
    if runs and not facts.metadata:
        names = [os.path.dirname(name) for name in runs]
        raise Error(f"{root} is no run directory, but has some: {', '.join(names[:8])}. Name one of them.")
    found, unknown = measured.look(root)
    if not facts.metadata and not found:
        what = "is no run directory of srtctl: it has neither <job id>.json nor results of a known program"
        raise Error(f"{root} {what}. Name the directory that has both, outputs/<job id>.")
    evidence = [*facts.evidence, *settings.evidence(facts), *measured.evidence(found)]
    _check_one_run(root, evidence)
    benchmark = BENCHMARKS[_type(facts, found)]
    mine, others = points.of(benchmark, found)
    planned = settings.levels(facts)
    chosen, older = measured.newest(mine, "concurrency" in benchmark.key_fields, planned)
    sizes, notes = workers.sizes(facts, found)
    records = points.records(benchmark, chosen, planned, sizes, measured.windows(root))
    points.check_distinct(root, records)
    notes += [*_left(older, others), *([f"{in_words(unknown)}."] if unknown else [])]
    unread = [*facts.notes, *(f"{one.path} cannot be read: {one.why}." for one in chosen if not one.result)]
    return _rollup(root, facts, benchmark, records, (sizes, notes, unread, evidence), now or _now())


def recipe_text(path: str) -> str:
    """Return the recipe of the run directory *path* of srtctl as YAML, without secrets; "" if it cannot be read.

    srtctl keeps the file as its user wrote it, with the values of secrets.
    """
    try:
        import yaml
    except ImportError:
        return ""
    recipe = about.look(path).recipe
    return str(yaml.safe_dump(redact(recipe), sort_keys=False, allow_unicode=True)) if recipe else ""


def _rollup(
    root: str,
    facts: Facts,
    benchmark: Benchmark,
    records: list[PointRecord],
    more: tuple[dict[str, int], list[str], list[str], list[Evidence]],
    now: str,
) -> Rollup:
    """Return the rollup; *more* are the sizes, the notes, what cannot be read, and the evidence."""
    sizes, notes, unread, evidence = more
    backend = facts.text(("", "backend_type"), ("backend", "type")) or workers.engine_of(root) or "unknown"
    nodes, remarks, lost = workers.logs(root, backend)
    reasons = outcome.point_reasons(records) or ([] if records else ["it has no results"])
    passed = [record for record in records if record["state"] == PASSED]
    rollup = {
        "schema_version": ROLLUP_SCHEMA_VERSION,
        "job_id": next((one.value for one in evidence if one.what == "the job"), os.path.basename(root)),
        "job_name": facts.text(("", "job_name"), ("", "name")) or os.path.basename(root),
        "generated_at": now,
        "timezone": "UTC",
        "valid": False,
        "passed": not reasons and bool(passed),
        "invalid_reasons": reasons,
        "run_reasons": [] if records else reasons,
        "failure": None,
        "left_out": [],
        **settings.job_facts(facts, records),
        "backend_type": backend,
        **sizes,
        "is_disaggregated": bool(sizes["prefill_workers"] or sizes["decode_workers"] or sizes["prefill_gpus"]),
        "benchmark_type": benchmark.type,
        **settings.load_facts(facts, benchmark, records),
        "results": records,
        "repeats": [],
        "search": None,
        **metrics.best(passed),
        "started_at": min((one["started_at"] for one in records if one["started_at"]), default=None),
        "ended_at": max((one["ended_at"] for one in records if one["ended_at"]), default=None),
        "nodes_summary": worker_logs.summarise(nodes),
        "environment_config": settings.environment(root, facts, backend),
        "benchmark_command": settings.benchmark_command(root, benchmark.type),
        "digests": None,
        "inputs": {},
        **completeness.entries([*completeness.of_points(records), *unread, *lost]),
        "provenance": settings.provenance(root, facts, nodes),
        "notes": [shown(note) for note in [*notes, *remarks, *unread, *lost]],
        "tags": settings.tags(facts),
        "source": {
            "program": PROGRAM,
            "path": root,
            "benchmark_type": facts.section("benchmark").get("type"),
            "files": facts.files,
        },
    }
    return cast("Rollup", cleaned(rollup))


def _root(path: str) -> str:
    """Return the run directory that *path* is, or whose logs it is; Error if it is none of srtctl's."""
    if not os.path.isdir(path):
        raise Error(f"There is no directory {path}. Name a run directory (run_dir).")
    above = os.path.dirname(path)
    names = os.listdir(above) if os.path.basename(path) == "logs" else []
    root = above if any(about.METADATA.fullmatch(name) or name == "config.yaml" for name in names) else path
    if os.path.exists(os.path.join(root, PLAN)):
        raise Error(f"{root} is a run directory of srt.slurm, not of srtctl: its {PLAN} says what was measured there.")
    return root


def _check_one_run(root: str, evidence: Iterable[Evidence]) -> None:
    """Raise Error if two files are of different runs."""
    first: dict[str, Evidence] = {}
    for one in evidence:
        known = first.setdefault(one.what, one)
        if known.value != one.value:
            raise Error(
                f"{root} has files of different runs: {one.what} is {known.value} in {known.file}, but {one.value} in "
                f"{one.file}. Put the files of each run into a directory of its own."
            )


def _type(facts: Facts, found: Sequence[Measured]) -> str:
    """Return the type here of the benchmark that was run: as the job says, else by the program of the results."""
    said = str(facts.section("benchmark").get("type") or "")
    said = TYPES.get(said, said)
    if said in BENCHMARKS and (BENCHMARKS[said].measures or not found):
        return said
    programs = {one.result.program for one in found if one.result}
    return BY_PROGRAM.get(programs.pop(), OTHER) if len(programs) == 1 else OTHER


def _left(older: Sequence[Measured], others: Sequence[Measured]) -> list[str]:
    """Return notes on results that are no points of the benchmark."""
    notes = []
    if older:
        paths = ", ".join(one.path for one in older[:3])
        notes.append(f"{len(older)} result(s) are of a warm-up or an earlier attempt and are left out: {paths}.")
    for one in others:
        if one.result:
            score = one.result.figures.get("score")
            said = f", score {score:.4f}" if isinstance(score, (int, float)) else ""
            notes.append(f"{one.path} is of another benchmark, {one.result.program}{said}, and no point of this one.")
    return notes


def _now() -> str:
    when = datetime.datetime.now(datetime.timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
