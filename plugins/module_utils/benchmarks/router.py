# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""router: prompts that share prefixes, a point for each share, with the hit rate of the workers' prefix caches."""

from __future__ import annotations

from collections.abc import Iterable

from ..failures import Finding
from ..json_types import Json, JsonObject
from ..metrics import CACHES
from ..plan_file import PointFields
from ..schema.section import Field
from ..schema.types import Float, Int, ListOf, OneOf, Str
from ..topology.layout import Layout
from ..topology.options import Option
from .base import Point
from .own_client import MOST_REQUESTS, ClientBenchmark, traffic

ISL, OSL, REQUESTS, CONCURRENCY, PREFIXES = 14000, 200, 200, 20, 20
RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)


class Router(ClientBenchmark):
    type = "router"
    key_fields = ("prefix_ratio",)
    described_by = ("isl", "osl", "num_requests", "concurrency", "num_prefixes")
    metrics = (*ClientBenchmark.metrics, *CACHES)
    columns = ("cache_hit_rate", "logged_cache_hit_rate", *ClientBenchmark.columns)
    optional_columns = ("logged_cache_hit_rate",)
    summary = ("cache_hit_rate", *ClientBenchmark.summary)
    counted = {"num-prompts": "num_requests", "num-warmup": "concurrency"}
    fields = {
        **ClientBenchmark.fields,
        **traffic.FIELDS,
        "num_requests": Field(Int(1, MOST_REQUESTS), None, "router: requests of a point; default: 200."),
        "concurrency": Field(Int(1, MOST_REQUESTS), None, "router: requests in flight; default: 20."),
        "prefix_ratios": Field(
            OneOf(ListOf(Float(0, 1)), Str()),
            None,
            'router: shares of isl that prompts have in common, one point each: [0.1, 0.5] or "0.1 0.5"; default: '
            "0.1 0.3 0.5 0.7 0.9.",
        ),
        "num_prefixes": Field(
            Int(1, 100_000), PREFIXES, "router: different prefixes; each prompt begins with one of them."
        ),
    }

    def problems(self, spec: JsonObject) -> list[Finding]:
        options = spec["benchmark"]
        found = traffic.problems(options, options["concurrency"] or CONCURRENCY)
        try:
            chosen = ratios(options)
        except ValueError as error:
            remedy = 'Write a list of numbers from 0 to 1, such as [0.1, 0.5], or "0.1 0.5".'
            return [*found, (("benchmark", "prefix_ratios"), f"has {error}.", remedy, "invalid")]
        if not chosen:
            found.append((("benchmark", "prefix_ratios"), "is empty.", "Name a share, such as 0.5.", "missing"))
        return found

    def points(self, layout: Layout) -> list[Point]:
        return [self._point(layout, ratio) for ratio in ratios(layout.spec["benchmark"])]

    def _point(self, layout: Layout, ratio: float) -> Point:
        options = layout.spec["benchmark"]
        level: int = options["concurrency"] or CONCURRENCY
        parameters = {
            **self.load(layout, level, options["num_requests"] or REQUESTS, level, 1.0),
            **traffic.parameters(options),
            "isl": options["isl"] or ISL,
            "osl": options["osl"] or OSL,
            "prefix_ratio": ratio,
            "prefixes": options["num_prefixes"],
        }
        name = f"bench_p{ratio:g}".replace(".", "p").replace("-", "m")
        result = f"results/{self.type}/prefix_ratio_{ratio:g}.json"
        return self.client_point(layout, name, {"prefix_ratio": ratio}, f"prefix={ratio:g}", parameters, result)

    def client_argv(self, layout: Layout, parameters: JsonObject, result: str) -> list[str | Option]:
        return [
            *super().client_argv(layout, parameters, result),
            Option("prefix-ratio", str(parameters["prefix_ratio"]), ("benchmark", "prefix_ratios")),
            Option("prefixes", parameters["prefixes"], ("benchmark", "num_prefixes")),
            *(Option("metrics-url", url) for url in _metrics_urls(layout)),
        ]

    def in_flight(self, point: PointFields) -> int:
        return int(point["parameters"]["concurrency"])

    def description(self, spec: JsonObject) -> JsonObject:
        given = super().description(spec)
        usual: dict[str, Json] = {"isl": ISL, "osl": OSL, "num_requests": REQUESTS, "concurrency": CONCURRENCY}
        return {key: usual.get(key) if value is None else value for key, value in given.items()}

    def facts(self, spec: JsonObject, points: Iterable[PointFields]) -> JsonObject:
        shares = [point["key"]["prefix_ratio"] for point in points]
        return {**self.description(spec), "prefix_ratios": [*dict.fromkeys(shares)]}


def ratios(options: JsonObject) -> list[float]:
    """Return the shares of the points of the benchmark section *options*; ValueError for a text that is none."""
    given = options["prefix_ratios"]
    if given is None:
        return list(RATIOS)
    found = []
    for word in given.replace(",", " ").split() if isinstance(given, str) else given:
        try:
            ratio = float(word)
        except ValueError:
            ratio = -1.0
        if not 0 <= ratio <= 1:
            raise ValueError(f'"{word}", which is no share from 0 to 1')
        found.append(float(f"{ratio:.6g}"))
    return list(dict.fromkeys(found))


def _metrics_urls(layout: Layout) -> list[str]:
    """Return where the workers that read prompts publish metrics, and the frontends, each with a + before it."""
    leaders = [process for process in layout.processes if process.leader and process.name in layout.control]
    pages = {process.name: f"http://{layout.control[process.name]}/metrics" for process in leaders}
    workers = [pages[process.name] for process in leaders if process.mode != "decode"]
    frontends = [f"+{url}" for url in layout.metrics_urls if url not in pages.values()]
    return [*(url for url in workers if url in layout.metrics_urls), *frontends]
