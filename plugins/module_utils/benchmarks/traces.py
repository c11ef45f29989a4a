# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks in which AIPerf replays a trace of requests: mooncake-router at their own times, trace-replay at once.

A trace has a request a line: ``input_length`` and ``output_length``, ``hash_ids`` of blocks, which tell prompts with
a common beginning, and ``timestamp`` in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..failures import Finding
from ..json_types import Json, JsonObject
from ..plan_file import PointFields
from ..schema.section import Field
from ..schema.types import Choice, Int, MapOf, Str, Type
from ..supplies import harness
from ..supplies.data import Data, binds, path_of
from ..topology.layout import Layout
from ..topology.options import Option, Word
from . import contract, search
from .base import Point, missing
from .formats import aiperf
from .formats.aiperf_files import load_of
from .own_client import command
from .program import ProgramBenchmark, Ran, surroundings

# Warms up, in a directory that is removed, and replays: bash -c TEXT replay TOKENIZER WORDS WARM_UP... REPLAY...
# AIPerf's processes that decode prompts find a tokenizer in a cache of the hub alone, whatever directory it is in.
WARM_UP = """\
tokenizer=$1
words=$2
shift 2
aside=$(mktemp -d) || exit 1
trap 'rm -rf -- "$aside"' EXIT
if [ -n "$tokenizer" ]; then
  commit=0000000000000000000000000000000000000000
  cached="$aside/hub/models--job--tokenizer"
  mkdir -p "$cached/refs" "$cached/snapshots/$commit" && printf %s "$commit" > "$cached/refs/main" || exit 1
  for file in "$tokenizer"/*.json "$tokenizer"/*.model "$tokenizer"/*.t* "$tokenizer"/*.jinja; do
    if [ -e "$file" ]; then ln -s -- "$file" "$cached/snapshots/$commit/"; fi
  done
  export HF_HUB_CACHE="$aside/hub" HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
fi
echo "warm-up"
"${@:1:words}" --artifact-dir "$aside/warm-up" || { code=$?; echo "the warm-up failed" >&2; exit "$code"; }
shift "$words"
echo "replay"
"$@" --artifact-dir "$SRT_RESULT_DIR"
"""
PROGRAM = "aiperf"
COLUMNS = (("input_length", "text_input", "messages"),)
DEADLINE_S, STALL_S = 4 * 3600, 1800


class TraceBenchmark(ProgramBenchmark):
    """A benchmark that replays a trace with AIPerf."""

    client: ClassVar[str] = "AIPerf run"
    data_keys: ClassVar[tuple[str, ...]] = ("trace_file",)
    columns: ClassVar[tuple[str, ...]] = (
        *("request_throughput", "request_goodput", "output_tps", "output_tps_per_gpu"),
        *("mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "mean_e2el_ms"),
    )
    optional_columns: ClassVar[tuple[str, ...]] = ("request_goodput",)
    summary: ClassVar[tuple[str, ...]] = ("request_throughput", "output_tps", "mean_ttft_ms", "completed", "failed")
    fields: ClassVar[dict[str, Field]] = {
        "trace_file": Field(
            Str(),
            None,
            "The trace (.jsonl) of trace-replay and mooncake-router: a path, or an address to download once.",
        ),
        "ttft_threshold_ms": Field(Int(1), None, "Goodput: longest time to first token. Default: 2000."),
        "itl_threshold_ms": Field(Int(1), None, "Goodput: longest time between tokens. Default: 25."),
        "aiperf_package": Field(Str(), None, "The aiperf that a custom command installs (AIPERF_PACKAGE)."),
        "aiperf_args": Field(MapOf(Type()), {}, "Additional aiperf options: {name: value, true, or a list}."),
    }
    # (requests in flight, requests) of the warm-up
    warm_up: ClassVar[tuple[int, int]] = (1, 5)

    # ---- before submission

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.fields, "custom_tokenizer")

    def harness(self, spec: JsonObject) -> str | None:
        return PROGRAM

    def data(self, spec: JsonObject) -> list[Data]:
        source = self.source(spec)
        return [Data("trace_file", source, COLUMNS)] if source else []

    def source(self, spec: JsonObject) -> str | None:
        """Return the path or address of the trace, None if the job names none."""
        given: str | None = spec["benchmark"]["trace_file"]
        return given

    def notes(self, spec: JsonObject) -> list[str]:
        options, found = spec["benchmark"], []
        wanted = options["aiperf_package"]
        if wanted:
            version = harness.HARNESSES[PROGRAM].requirement
            found.append(
                f"benchmark.aiperf_package: {wanted} is not installed; the prepared environment has {version}. An "
                "image of your own (benchmark.container_image) may have another one."
            )
        if options["custom_tokenizer"] and not command.own_tokenizer(options):
            found.append(f"benchmark.custom_tokenizer: {options['custom_tokenizer']} is no directory, and is not used.")
        return found

    # ---- the plan

    def replay(self, layout: Layout, name: str, key: JsonObject, label: str, load: Sequence[Word]) -> Point:
        """Return the point that replays the trace with the options *load*."""
        spec, options = layout.spec, layout.spec["benchmark"]
        found, (data,) = harness.find(spec, PROGRAM), self.data(spec)
        program: list[Word] = [*found.argv] if found else [PROGRAM]
        tokenizer = command.tokenizer(layout)
        folder = "" if command.from_hub(spec) else str(tokenizer.value)
        trace = path_of(spec, data)
        common: list[Word] = [
            *program,
            "profile",
            Option("model", layout.served_name, layout.served_by),
            Option("url", layout.public_url),
            *("--endpoint-type", "chat", "--streaming", "--use-server-token-count"),
            tokenizer if not folder else Option("tokenizer", "job/tokenizer"),
            *("--ui", "none", "--no-gpu-telemetry", "--no-server-metrics"),
        ]
        flight, count = self.warm_up
        warm_up = [*common, "--concurrency", str(flight), "--request-count", str(count), "--isl", "128", "--osl", "16"]
        ttft, itl = (options[f"{one}_threshold_ms"] or default for one, default in (("ttft", 2000), ("itl", 25)))
        replay: list[Word] = [
            *common,
            Option("input-file", trace, ("benchmark", "trace_file")),
            *("--custom-dataset-type", "mooncake_trace", "--random-seed", "42"),
            *("--goodput", f"time_to_first_token:{ttft} inter_token_latency:{itl}"),
            *load,
            *(Option(one, value, ("benchmark", "aiperf_args", one)) for one, value in options["aiperf_args"].items()),
        ]
        words = sum(len(word.words()) if isinstance(word, Option) else 1 for word in warm_up)
        argv: list[Word] = ["bash", "-c", WARM_UP, "replay", folder, str(words), *warm_up, *replay]
        mounts = [*binds(layout, trace), *(binds(layout, found.mount) if found and found.mount else [])]
        parameters: JsonObject = {
            **(found.parameters if found else {}),
            "trace": data.source,
            "goodput": [ttft, itl],
            "aiperf_args": options["aiperf_args"],
            "tokenizer": command.own_tokenizer(options),
            "env": {one: value.value for one, value in surroundings(spec).items()},
            **key,
        }
        limits = (options["point_timeout_s"] or DEADLINE_S, _stall_s(options))
        ran = Ran(argv, {**contract.environment(layout), **surroundings(spec)}, binds=mounts)
        return self.program_point(layout, name, key, label, ran, parameters, {}, limits)

    # ---- results

    def read(self, path: str) -> JsonObject:
        raw = super().read(path)
        runs = [one for _name, one in raw["results"] if one.program == aiperf.PROGRAM]
        # --num-profile-runs: several runs of one load. Those of other loads are other points, and stay apart.
        loads = {(load_of(one.run), one.figures.get("concurrency")) for one in runs}
        return {**raw, "results": [("aiperf", aiperf.together(runs))]} if len(runs) > 1 and len(loads) == 1 else raw

    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        """Return why it is not valid; without a result of AIPerf it is not."""
        return super().evaluate(raw, expect, min_completed) or super().doubts(raw)

    def doubts(self, raw: JsonObject) -> list[str]:
        return []


class TraceReplay(TraceBenchmark):
    type = "trace-replay"
    key_fields = ("concurrency",)
    chosen_by = {"concurrencies": "concurrency"}
    searches = (search.CONCURRENCY,)

    @property
    def reads(self) -> tuple[str, ...]:
        return (*super().reads, "concurrencies", "search")

    def problems(self, spec: JsonObject) -> list[Finding]:
        found = search.option_problems(spec["benchmark"], self.metrics, self.searches)
        needed = ("trace_file", *(() if spec["benchmark"]["search"] else ("concurrencies",)))
        return found or missing(spec, needed, self.type)

    def in_flight(self, point: PointFields) -> int:
        return int(point["key"]["concurrency"])

    def points(self, layout: Layout) -> list[Point]:
        return [self._point(layout, level) for level, _rate in search.loads(layout.spec["benchmark"])]

    def _point(self, layout: Layout, level: int) -> Point:
        load: list[Word] = [
            Option("concurrency", level, ("benchmark", "concurrencies")),
            *("--extra-inputs", "ignore_eos:true"),
        ]
        return self.replay(layout, f"bench_c{level}", {"concurrency": level}, f"c={level}", load)


class MooncakeRouter(TraceBenchmark):
    type = "mooncake-router"
    key_fields = ("workload",)
    warm_up = (10, 20)
    fields = {
        **TraceBenchmark.fields,
        "mooncake_workload": Field(
            Choice("mooncake", "conversation", "synthetic", "toolagent"),
            None,
            "mooncake-router: which trace; default: conversation. Its file is trace_file, or <workload>_trace.jsonl in "
            "mooncake-router/ below data_dir.",
        ),
    }

    def source(self, spec: JsonObject) -> str | None:
        folder = spec["cluster"]["data_dir"]
        staged = f"{folder.rstrip('/')}/{self.type}/{workload(spec)}_trace.jsonl" if folder else None
        return super().source(spec) or staged

    def problems(self, spec: JsonObject) -> list[Finding]:
        if self.source(spec):
            return []
        remedy = f"Name the {workload(spec)} trace, a path or an address, or set data_dir in srtslurm.yaml."
        return [(("benchmark", "trace_file"), "is missing.", remedy, "missing")]

    def points(self, layout: Layout) -> list[Point]:
        name = workload(layout.spec)
        return [self.replay(layout, f"bench_{name}", {"workload": name}, name, ["--fixed-schedule"])]


def workload(spec: JsonObject) -> str:
    """Return the name of the workload of mooncake-router."""
    name: str = spec["benchmark"]["mooncake_workload"] or "conversation"
    return name


def _stall_s(options: JsonObject) -> float:
    given: Json = options["stall_timeout_s"]
    return STALL_S if given is None else float(given)
