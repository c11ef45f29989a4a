# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sa-bench: random prompts of a given length, a data set or a trace at several concurrencies, by our load client."""

from __future__ import annotations

from collections.abc import Mapping

from ..failures import Finding
from ..json_types import JsonObject
from ..metrics import SESSIONS
from ..plan_file import gpu_counts
from ..schema.section import Field
from ..schema.types import Float, Int
from ..supplies.data import Data, binds, path_of
from ..topology.layout import Layout
from . import search
from .base import Point, missing
from .own_client import DEADLINE_S, MOST_REQUESTS, NUM_PROMPTS, ClientBenchmark, command, datasets, traffic

# srtctl asks SGLang (/slow_down) to sleep between its steps until so many requests run that batches are full.
SLOWED = ("slow_down_sleep_time", "slow_down_wait_time")
SESSION_COLUMNS = ("completed_sessions", "mean_first_turn_ttft_ms", "mean_later_turns_ttft_ms")
WHY_NOT_SLOWED = "the figures would be those of an engine that sleeps between its steps."


class SaBench(ClientBenchmark):
    type = "sa-bench"
    key_fields = ("concurrency", "req_rate")
    searches = (search.CONCURRENCY, search.RATE)
    chosen_by = {"concurrencies": "concurrency"}
    described_by = ("isl", "osl", "turns", "think_time_s")
    metrics = (*ClientBenchmark.metrics, *SESSIONS)
    columns = (*ClientBenchmark.columns, *SESSION_COLUMNS)
    optional_columns = SESSION_COLUMNS
    data_keys = ("dataset_path",)
    counted = {"num-prompts": "num_prompts_mult", "num-warmup": "num_warmup_mult"}
    fields = {
        **ClientBenchmark.fields,
        "random_range_ratio": Field(
            Float(0.000001, 1), 0.8, "Lengths vary from this share of isl and osl to the full length."
        ),
        "num_prompts_mult": Field(Int(1), 10, "Requests, or sessions, of a point: this times its concurrency."),
        "num_prompts": NUM_PROMPTS,
        "num_warmup_mult": Field(Int(0), 2, "Warm-up requests, or sessions: this times the concurrency."),
        **traffic.FIELDS,
        **datasets.FIELDS,
        **dict.fromkeys(SLOWED, Field(Float(0), None, "Of srtctl, for SGLang. Runs refuse it: " + WHY_NOT_SLOWED)),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.fields, "concurrencies", "search")

    def problems(self, spec: JsonObject) -> list[Finding]:
        options = spec["benchmark"]
        found = search.option_problems(options, self.metrics, self.searches)
        if found:
            return found
        levels = [level for level, _rate in search.loads(options)]
        found = traffic.problems(options, min(levels, default=options["client_nodes"]))
        most = max((sum(_counts(options, level)) for level in levels), default=0)
        found = found or datasets.problems(options, most)
        if found:
            return found
        for key in ("num_prompts_mult", "num_warmup_mult"):
            most = max((level for level, _rate in search.loads(options)), default=0)
            if most * options[key] > MOST_REQUESTS and not (key == "num_prompts_mult" and options["num_prompts"]):
                problem = f"is {options[key]}, and so {most * options[key]} requests at concurrency {most}."
                remedy = f"A point has at most {MOST_REQUESTS}."
                return [(("benchmark", key), problem, remedy, "out_of_range")]
        return missing(spec, (*datasets.needed(options), *self.levels_key(spec)), self.type)

    def unable(self, spec: JsonObject) -> list[Finding]:
        remedy = "Leave it out. To fill batches before the measurement, set num_warmup_mult higher."
        given = [key for key in SLOWED if spec["benchmark"][key]]
        return [(("benchmark", key), f"is not supported: {WHY_NOT_SLOWED}", remedy) for key in given]

    def wants_chat_template(self, spec: JsonObject) -> bool:
        return super().wants_chat_template(spec) and spec["benchmark"]["endpoint"] != traffic.CHAT

    def data(self, spec: JsonObject) -> list[Data]:
        options = spec["benchmark"]
        if not options["dataset_path"]:
            return []

        def rows(path: str) -> int:
            loads = [_counts(options, level) for level, _rate in search.loads(options)]
            return datasets.rows(options, path, loads, (_deadline_s(options), command.stall_s(options)))

        return [Data("dataset_path", options["dataset_path"], rows=rows)]

    def notes(self, spec: JsonObject) -> list[str]:
        return [*super().notes(spec), *datasets.notes(spec["benchmark"])]

    def points(self, layout: Layout) -> list[Point]:
        return [self._point(layout, *load) for load in search.loads(layout.spec["benchmark"])]

    def _point(self, layout: Layout, concurrency: int, rate: float | None) -> Point:
        options = layout.spec["benchmark"]
        prompts, warmup = _counts(options, concurrency)
        ratio = options["random_range_ratio"] if datasets.makes_lengths(options) else 1.0
        parameters = self.load(layout, concurrency, prompts, warmup, ratio, rate)
        parameters.update(traffic.parameters(options))
        sets = self.data(layout.spec)
        path = path_of(layout.spec, sets[0]) if sets else None
        parameters.update(datasets.parameters(options, path, prompts))
        seen = [bind for one in sets for bind in binds(layout, path_of(layout.spec, one))]
        gpus = gpu_counts(endpoint.as_dict() for endpoint in layout.endpoints)
        result = _result_path(options, gpus, concurrency, rate)
        name, key, label = self.named(concurrency, rate)
        return self.client_point(layout, name, key, label, parameters, result, seen)


def _counts(options: JsonObject, concurrency: int) -> tuple[int, int]:
    """Return (requests, warm-up requests) of the point with *concurrency* requests in flight; or of sessions."""
    prompts = options["num_prompts"] or concurrency * options["num_prompts_mult"]
    each = options["turns"] or 1 if datasets.makes_lengths(options) else 1  # requests, of a session of a file at least
    return max(prompts, -(-search.least_requests(options) // each)), concurrency * options["num_warmup_mult"]


def _deadline_s(options: JsonObject) -> float:
    return float(options["point_timeout_s"] or DEADLINE_S)


def _result_path(options: JsonObject, gpus: Mapping[str, int], concurrency: int, rate: float | None) -> str:
    """Return the path of a point's result in the run directory."""
    stem = f"results_concurrency_{concurrency}_gpus_{gpus['all']}"
    if gpus["prefill"]:
        stem += f"_ctx_{gpus['prefill']}_gen_{gpus['decode']}"
    if rate is not None:
        stem += f"_rate_{rate:g}"
    return f"results/sa-bench_{datasets.folder(options)}/{stem}.json"
