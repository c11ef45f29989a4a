# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sa-bench: random prompts of a given length at several concurrencies, sent by our load client."""

from __future__ import annotations

from collections.abc import Mapping

from ..failures import Finding
from ..json_types import JsonObject
from ..plan_file import gpu_counts
from ..schema.section import Field
from ..schema.types import Float, Int, Str
from ..topology.layout import Layout
from . import search
from .base import Point, missing
from .own_client import MOST_REQUESTS, ClientBenchmark


class SaBench(ClientBenchmark):
    type = "sa-bench"
    key_fields = ("concurrency", "req_rate")
    searches = (search.CONCURRENCY, search.RATE)
    chosen_by = {"concurrencies": "concurrency"}
    described_by = ("isl", "osl")
    paths = (*ClientBenchmark.paths, "dataset_path")
    refused = ("slow_down_sleep_time", "slow_down_wait_time")
    telemetry = True
    counted = {"num-prompts": "num_prompts_mult", "num-warmup": "num_warmup_mult"}
    fields = {
        **ClientBenchmark.fields,
        "random_range_ratio": Field(
            Float(0.000001, 1), 0.8, "Lengths vary from this share of isl and osl to the full length."
        ),
        "num_prompts_mult": Field(Int(1), 10, "Requests of a point: this times its concurrency."),
        "num_warmup_mult": Field(Int(0), 2, "Warm-up requests: this times the concurrency."),
        "dataset_name": Field(Str(), None, "random, or custom with dataset_path."),
        "dataset_path": Field(Str(), None, "File of a custom dataset."),
        "slow_down_sleep_time": Field(
            Float(0), None, "sglang: seconds between slowed steps. Not supported yet: runs refuse it."
        ),
        "slow_down_wait_time": Field(
            Float(0), None, "sglang: seconds before the slow-down. Not supported yet: runs refuse it."
        ),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.fields, "concurrencies", "search")

    def problems(self, spec: JsonObject) -> list[Finding]:
        options = spec["benchmark"]
        if options["dataset_name"] not in (None, "random", "custom"):
            problem = f"is {options['dataset_name']}; expected random or custom."
            return [(("benchmark", "dataset_name"), problem, None, "not_a_choice")]
        found = search.option_problems(options, self.metrics, self.searches)
        if found:
            return found
        for key in ("num_prompts_mult", "num_warmup_mult"):
            most = max((level for level, _rate in search.loads(options)), default=0)
            if most * options[key] > MOST_REQUESTS:
                problem = f"is {options[key]}, and so {most * options[key]} requests at concurrency {most}."
                remedy = f"A point has at most {MOST_REQUESTS}."
                return [(("benchmark", key), problem, remedy, "out_of_range")]
        if options["dataset_name"] == "custom":
            return missing(spec, ("dataset_path", *self.levels_key(spec)), self.type)
        return missing(spec, ("isl", "osl", *self.levels_key(spec)), self.type)

    def unable(self, spec: JsonObject) -> list[Finding]:
        if spec["benchmark"]["dataset_name"] == "custom":
            return [(("benchmark", "dataset_name"), "must be random in this version.", None)]
        return []

    def points(self, layout: Layout) -> list[Point]:
        if self.unable(layout.spec):
            return []
        return [self._point(layout, *load) for load in search.loads(layout.spec["benchmark"])]

    def _point(self, layout: Layout, concurrency: int, rate: float | None) -> Point:
        options = layout.spec["benchmark"]
        prompts, warmup = (concurrency * options[key] for key in ("num_prompts_mult", "num_warmup_mult"))
        parameters = self.load(layout, concurrency, prompts, warmup, options["random_range_ratio"], rate)
        gpus = gpu_counts(endpoint.as_dict() for endpoint in layout.endpoints)
        result = _result_path(options, gpus, concurrency, rate)
        name, key, label = self.named(concurrency, rate)
        return self.client_point(layout, name, key, label, parameters, result)


def _result_path(options: JsonObject, gpus: Mapping[str, int], concurrency: int, rate: float | None) -> str:
    """Return the path of a point's result in the run directory."""
    stem = f"results_concurrency_{concurrency}_gpus_{gpus['all']}"
    if gpus["prefill"]:
        stem += f"_ctx_{gpus['prefill']}_gen_{gpus['decode']}"
    if rate is not None:
        stem += f"_rate_{rate:g}"
    return f"results/sa-bench_isl_{options['isl']}_osl_{options['osl']}/{stem}.json"
