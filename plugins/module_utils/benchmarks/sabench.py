# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sa-bench: random prompts of a given length at several concurrencies, sent by our load client."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..failures import Finding
from ..json_types import JsonObject
from ..load_client.dataset import Dataset
from ..plan_file import gpu_counts
from ..schema.section import Field
from ..schema.types import Float, Int, Str
from ..supplies.data import Data, binds, path_of
from ..topology.layout import Layout
from . import search
from .base import Point, missing
from .own_client import MOST_REQUESTS, ClientBenchmark, traffic

# srtctl asks SGLang (/slow_down) to sleep between its steps until so many requests run that batches are full.
SLOWED = ("slow_down_sleep_time", "slow_down_wait_time")
WHY_NOT_SLOWED = "the figures would be those of an engine that sleeps between its steps."


class SaBench(ClientBenchmark):
    type = "sa-bench"
    key_fields = ("concurrency", "req_rate")
    searches = (search.CONCURRENCY, search.RATE)
    chosen_by = {"concurrencies": "concurrency"}
    described_by = ("isl", "osl")
    data_keys = ("dataset_path",)
    telemetry = True
    counted = {"num-prompts": "num_prompts_mult", "num-warmup": "num_warmup_mult"}
    fields = {
        **ClientBenchmark.fields,
        "random_range_ratio": Field(
            Float(0.000001, 1), 0.8, "Lengths vary from this share of isl and osl to the full length."
        ),
        "num_prompts_mult": Field(Int(1), 10, "Requests of a point: this times its concurrency."),
        "num_warmup_mult": Field(Int(0), 2, "Warm-up requests: this times the concurrency."),
        **traffic.FIELDS,
        "dataset_name": Field(Str(), None, "random, or custom with dataset_path."),
        "dataset_path": Field(
            Str(),
            None,
            "Data set on shared disk, or its address: one JSON object a line, with prompt or, for a chat, messages; "
            "with output_tokens or max_tokens if osl is not set.",
        ),
        **dict.fromkeys(SLOWED, Field(Float(0), None, "Of srtctl, for SGLang. Runs refuse it: " + WHY_NOT_SLOWED)),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.fields, "concurrencies", "search")

    def problems(self, spec: JsonObject) -> list[Finding]:
        options = spec["benchmark"]
        if options["dataset_name"] not in (None, "random", "custom"):
            problem = f"is {options['dataset_name']}; expected random or custom."
            return [(("benchmark", "dataset_name"), problem, None, "not_a_choice")]
        found = search.option_problems(options, self.metrics, self.searches) or traffic.problems(options)
        if found:
            return found
        for key in ("num_prompts_mult", "num_warmup_mult"):
            most = max((level for level, _rate in search.loads(options)), default=0)
            if most * options[key] > MOST_REQUESTS:
                problem = f"is {options[key]}, and so {most * options[key]} requests at concurrency {most}."
                remedy = f"A point has at most {MOST_REQUESTS}."
                return [(("benchmark", key), problem, remedy, "out_of_range")]
        needed = ("dataset_path",) if _is_custom(options) else ("isl", "osl")
        return missing(spec, (*needed, *self.levels_key(spec)), self.type) or _dataset_conflicts(options)

    def unable(self, spec: JsonObject) -> list[Finding]:
        remedy = "Leave it out. To fill batches before the measurement, set num_warmup_mult higher."
        given = [key for key in SLOWED if spec["benchmark"][key]]
        return [(("benchmark", key), f"is not supported: {WHY_NOT_SLOWED}", remedy) for key in given]

    def wants_chat_template(self, spec: JsonObject) -> bool:
        return super().wants_chat_template(spec) and spec["benchmark"]["endpoint"] != traffic.CHAT

    def data(self, spec: JsonObject) -> list[Data]:
        options = spec["benchmark"]
        if not _is_custom(options) or not options["dataset_path"]:
            return []

        def rows(path: str) -> int:
            lines = Dataset(path, options["endpoint"] == traffic.CHAT, options["osl"])
            lines.enough(max((sum(_counts(options, level)) for level, _rate in search.loads(options)), default=0))
            return len(lines)

        return [Data("dataset_path", options["dataset_path"], rows=rows)]

    def notes(self, spec: JsonObject) -> list[str]:
        options, found = spec["benchmark"], super().notes(spec)
        if _is_custom(options) and options["isl"] is not None:
            found.append("benchmark.isl: no effect, the prompts of the data set have their own lengths.")
        if _is_custom(options) and (len(search.loads(options)) > 1 or options["repeats"] > 1):
            found.append(
                "benchmark.dataset_path: all points take their prompts from the same file, so a prefix cache may know "
                "those of an earlier point."
            )
        return found

    def points(self, layout: Layout) -> list[Point]:
        return [self._point(layout, *load) for load in search.loads(layout.spec["benchmark"])]

    def _point(self, layout: Layout, concurrency: int, rate: float | None) -> Point:
        options = layout.spec["benchmark"]
        prompts, warmup = _counts(options, concurrency)
        parameters = self.load(layout, concurrency, prompts, warmup, options["random_range_ratio"], rate)
        parameters.update(traffic.parameters(options))
        sets = self.data(layout.spec)
        if sets:
            parameters.update(isl=None, random_range_ratio=1.0, dataset=path_of(layout.spec, sets[0]))
        seen = [bind for one in sets for bind in binds(layout, path_of(layout.spec, one))]
        gpus = gpu_counts(endpoint.as_dict() for endpoint in layout.endpoints)
        result = _result_path(options, gpus, concurrency, rate)
        name, key, label = self.named(concurrency, rate)
        return self.client_point(layout, name, key, label, parameters, result, seen)


def _counts(options: JsonObject, concurrency: int) -> tuple[int, int]:
    """Return (requests, warm-up requests) of the point with *concurrency* requests in flight."""
    prompts, warmup = (concurrency * options[key] for key in ("num_prompts_mult", "num_warmup_mult"))
    return max(prompts, search.least_requests(options)), warmup


def _is_custom(options: JsonObject) -> bool:
    return bool(options["dataset_name"] == "custom")


def _dataset_conflicts(options: JsonObject) -> list[Finding]:
    """Return the problem, as a list, of a data set that is not used."""
    if not _is_custom(options) and options["dataset_path"]:
        remedy = "Set dataset_name to custom, or leave the path out."
        return [(("benchmark", "dataset_path"), "is set, but prompts are random.", remedy, "conflict")]
    return []


def _result_path(options: JsonObject, gpus: Mapping[str, int], concurrency: int, rate: float | None) -> str:
    """Return the path of a point's result in the run directory."""
    stem = f"results_concurrency_{concurrency}_gpus_{gpus['all']}"
    if gpus["prefill"]:
        stem += f"_ctx_{gpus['prefill']}_gen_{gpus['decode']}"
    if rate is not None:
        stem += f"_rate_{rate:g}"
    folder = f"isl_{options['isl']}_osl_{options['osl']}"
    if _is_custom(options):
        name = os.path.splitext(os.path.basename(options["dataset_path"] or ""))[0]
        folder = "custom_" + re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return f"results/sa-bench_{folder}/{stem}.json"
