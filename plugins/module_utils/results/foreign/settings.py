# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the job of a run of srtctl was to be: model, load, engines and their environment."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Mapping, Sequence

from ...benchmarks import BENCHMARKS
from ...benchmarks.base import Benchmark
from ...files import read_object
from ...json_types import Json, JsonObject
from ...secrets.redaction import redact
from ...topology.modes import LONG_MODE, MODES
from .. import commands
from ..rollup_file import PointRecord
from . import workers
from .about import Evidence, Facts, count, mapping_in


def evidence(facts: Facts) -> list[Evidence]:
    """Return what the metadata and the recipe say of the run: both are of the same."""
    found: list[Evidence] = []
    first, last = (facts.files[0], facts.files[-1]) if facts.files else ("", "")
    for said, name in ((facts.metadata, first), (facts.recipe, last)):
        load, resources = said.get("benchmark"), said.get("resources")
        if isinstance(load, dict):
            lengths = [_number(load.get(key)) for key in ("isl", "osl")]
            if None not in lengths:
                found.append(Evidence("isl and osl", f"{lengths[0]} and {lengths[1]}", name))
        for mode in MODES if isinstance(resources, dict) else ():
            number = count((resources or {}).get(f"{mode}_workers"))
            found += [Evidence(f"the number of {mode} workers", str(number), name)] if number else []
    return found


def levels(facts: Facts) -> list[int]:
    """Return the concurrencies that the job asks for, [] if nothing says so."""
    said = facts.section("benchmark").get("concurrencies")
    words = said.replace(",", "x").split("x") if isinstance(said, str) else said if isinstance(said, list) else [said]
    numbers = [_number(word) for word in words]
    return list(dict.fromkeys(one for one in numbers if one))


def _number(value: Json) -> int | None:
    """Return a whole number that may be text, None for anything else."""
    if isinstance(value, str) and value.strip().isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def job_facts(facts: Facts, records: Sequence[PointRecord]) -> JsonObject:
    """Return the job's model, engine and hardware."""
    path = facts.text(("model", "path"))
    return {
        "model_path": path,
        "model_name": facts.text(("model", "served_name")) or os.path.basename((path or "").rstrip("/")) or None,
        "precision": facts.text(("model", "precision")),
        "gpu_type": facts.text(("resources", "gpu_type")),
        "gpus_per_node": count(facts.section("resources").get("gpus_per_node")) or None,
        "frontend_type": facts.text(("", "frontend_type"), ("frontend", "type")),
    }


def load_facts(facts: Facts, benchmark: Benchmark, records: Sequence[PointRecord]) -> JsonObject:
    """Return the data on all points that a benchmark of this type has in a rollup."""
    said = facts.section("benchmark")
    found = {key: _number(said.get(key)) if key in ("isl", "osl") else said.get(key) for key in benchmark.described_by}
    measured = [one["concurrency"] for one in records if one.get("concurrency") is not None]
    return {**found, "concurrencies": measured} if "concurrency" in benchmark.key_fields else found


def environment(root: str, facts: Facts, backend_type: str) -> Json:
    """Return environment and engine configuration per mode, without secrets."""
    backend = facts.section("backend")
    engine = backend.get(f"{backend_type}_config")
    found: JsonObject = {}
    for mode, long_mode in LONG_MODE.items():
        given = backend.get(f"{long_mode}_environment")
        found[f"{long_mode}_environment"] = given if isinstance(given, dict) else {}
        of_mode = engine.get(long_mode) if isinstance(engine, dict) else None
        with contextlib.suppress(OSError, ValueError):
            of_mode = mapping_in(os.path.join(root, "logs", f"{backend_type}_config_{mode}.yaml"))
        found[f"{long_mode}_engine_config"] = of_mode or {}
    given = facts.recipe.get("environment")
    found["environment"] = given if isinstance(given, dict) else {}
    found["backend_options"] = {
        key: value for key, value in backend.items() if value is not None and not isinstance(value, (dict, list))
    }
    return redact(found)


def benchmark_command(root: str, benchmark_type: str) -> JsonObject | None:
    """Return the command of the benchmark, if its log begins with it."""
    path = os.path.join(root, "logs", "benchmark.out")
    words = workers.command_in([path]) if os.path.isfile(path) else []
    return commands.benchmark_command(words, benchmark_type) if words and benchmark_type in BENCHMARKS else None


def tags(facts: Facts) -> list[str]:
    """Return the tags of the job."""
    said = facts.metadata.get("tags")
    return [str(one) for one in said] if isinstance(said, list) else []


def provenance(root: str, facts: Facts, nodes: Iterable[Mapping[str, Json]]) -> JsonObject:
    """Return what the files say of where the results come from; see ``results/provenance.py``."""
    prints = [
        one
        for path in sorted(glob.glob(os.path.join(glob.escape(root), "logs", "fingerprint_*.json")))
        for one in [read_object(path)]
        if one
    ]
    engines: dict[str, list[str]] = {}
    for one in prints:
        frameworks = one.get("frameworks")
        for name, version in (frameworks if isinstance(frameworks, dict) else {}).items():
            known = engines.setdefault(str(name), [])
            known += [str(version)] if version and str(version) not in known else []
    return {
        "collection": None,
        "engines": {name: found for name, found in engines.items() if found},
        "container": facts.text(("model", "container")),
        "nodes": list(dict.fromkeys(str(one["node_name"]) for one in nodes)),
        "facts": {
            str(one["hostname"]): {key: one.get(key) for key in ("gpu", "cuda_version", "nccl_version", "os", "arch")}
            for one in prints
            if one.get("hostname")
        },
        "slurm": None,
        "mounts": [],
    }
