# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks by type, and the ``benchmark`` section of a job. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from ..json_types import Json, JsonObject
from ..schema.section import TEXTS, Field, Section, optional
from ..schema.types import Bool, Choice, Concurrencies, Int, MapOf, Str, Type
from . import repeats, search
from .accuracy.gpqa import Gpqa
from .accuracy.gsm8k import Gsm8k
from .accuracy.lm_eval import LmEval
from .accuracy.longbenchv2 import LongBenchV2
from .accuracy.mmlu import Mmlu
from .base import Benchmark
from .custom import Custom
from .manual import Manual
from .router import Router
from .sabench import SaBench
from .sglang_bench import SglangBench
from .traces import MooncakeRouter, TraceReplay

ACCURACY: tuple[Benchmark, ...] = (Mmlu(), Gpqa(), Gsm8k(), LongBenchV2(), LmEval())
TRACES: tuple[Benchmark, ...] = (MooncakeRouter(), TraceReplay())
LOADS: tuple[Benchmark, ...] = (SaBench(), SglangBench(), Router())
BENCHMARKS = {one.type: one for one in (Manual(), *LOADS, Custom(), *ACCURACY, *TRACES)}


# The run options that select points.
SELECTING = tuple(dict.fromkeys(option for one in BENCHMARKS.values() for option in one.chosen_by))


def of_plan(plan: Mapping[str, Json]) -> Benchmark:
    """Return the benchmark of *plan*, or of a rollup."""
    return BENCHMARKS[(plan.get("benchmark") or {}).get("type") or plan.get("benchmark_type") or "manual"]


def _read_by(value: JsonObject) -> list[set[str]]:
    """Return the keys of the type that *value* selects, then those of all types."""
    built = {key for one in BENCHMARKS.values() for key in one.fields}
    common = set(SECTION.fields) - built
    chosen = BENCHMARKS.get(str(value.get("type") or "manual"))
    return [common.union(chosen.reads if chosen else ()), built]


SECTION = Section(
    "benchmark",
    {
        "type": Field(Choice(*BENCHMARKS), "manual", "What is measured; manual measures nothing."),
        "concurrencies": Field(
            Concurrencies(), None, 'Requests, or sessions, in flight, one point each: [4, 16] or "4x16".'
        ),
        "point_timeout_s": Field(
            Int(1),
            None,
            "Time limit of a point; one that exceeds it is invalid. Default: 7200; accuracy, traces: 14400; "
            "custom: 86400.",
        ),
        "stall_timeout_s": Field(
            Int(0),
            None,
            "Time limit without any token, of a program of others without a line in its log; 0: none. Default: 900; "
            "traces: 1800; accuracy: 3600; custom: 0.",
        ),
        "stream_output": Field(Bool(), False, "Show the log of the client while it runs, line by line."),
        **repeats.FIELDS,
        "search": optional(search.SECTION, "Find the largest load that keeps objectives, instead of measuring a list."),
        **{key: field for one in BENCHMARKS.values() for key, field in one.fields.items()},
        "sweep": Field(MapOf(Type()), None, "Accepted for older files; has no effect."),
        "client_placement": Field(Choice("head", "first_decode", "last_decode"), "head", "Node of the load client."),
        "client_dedicated_node": Field(Bool(), False, "A dedicated node for the load client."),
        "colocate_with_frontend": Field(Bool(), True, "The dedicated services share one node."),
        "container_image": Field(Str(), None, "Image of the client instead of the job's."),
        "env": Field(TEXTS, {}, "Environment of the client."),
        "export_node_metrics": Field(
            Bool(), False, "Write the figures of the workers, over all and for each point, to node_metrics.csv."
        ),
    },
    doc="What is measured once the service is up.",
    read_by=_read_by,
)
