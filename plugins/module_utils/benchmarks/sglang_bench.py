# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sglang-bench: the load of SGLang's own client, sent by that client where it is installed, else by ours."""

from __future__ import annotations

import os

from ..failures import Finding
from ..json_types import JsonObject
from ..plan_file import PlanFile, PointFields, Step
from ..topology.layout import Layout
from ..topology.options import Option, Word
from ..topology.step import DraftStep
from . import contract, search
from .base import Figures, Point, Progress, files_path, missing, progress_path
from .formats import serving
from .own_client import DEADLINE_S, NUM_PROMPTS, ClientBenchmark, command
from .program import ProgramBenchmark, Ran

# Runs the client of the engine if Python has it, else ours: CHOOSE PYTHON WORDS ENGINE... OURS...
CHOOSE = """\
python=$1
words=$2
shift 2
find='import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)'
for client in sglang.benchmark.serving sglang.bench_serving; do  # the new name, and the old one
  if "$python" -c "$find" "$client" 2> /dev/null; then
    echo "$client of $(command -v "$python") sends the load"
    exec "$python" -m "$client" "${@:1:words}"
  fi
done
echo "sglang is not installed for $python: the load client of srt.slurm sends the same load"
shift "$words"
exec "$@"
"""
PROMPTS = 128
OWN = "load_client.json"
SEEDS_APART = 1_000_003  # of two measurements of a point by the same service
SHORT = 0.02  # share of the tokens that may be missing: the client counts them with its own tokenizer


class SglangBench(ProgramBenchmark, ClientBenchmark):
    type = "sglang-bench"
    key_fields = ("concurrency", "req_rate")
    searches = (search.CONCURRENCY, search.RATE)
    chosen_by = {"concurrencies": "concurrency"}
    described_by = ("isl", "osl")
    columns = ClientBenchmark.columns
    optional_columns = ()
    summary = ClientBenchmark.summary
    metrics = (*ClientBenchmark.metrics, "measured_by")
    client = "load client"
    fields = {
        **{key: field for key, field in ClientBenchmark.fields.items() if key != "use_chat_template"},
        "num_prompts": NUM_PROMPTS,
    }
    stall_margin_s = ClientBenchmark.stall_margin_s

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.fields, "concurrencies", "search")

    def wants_chat_template(self, spec: JsonObject) -> bool:
        return False

    def problems(self, spec: JsonObject) -> list[Finding]:
        found = search.option_problems(spec["benchmark"], self.metrics, self.searches)
        return found or missing(spec, ("isl", "osl", *self.levels_key(spec)), self.type)

    def files(self, layout: Layout) -> list[PlanFile]:
        return [*ClientBenchmark.files(self, layout), *ProgramBenchmark.files(self, layout)]

    def points(self, layout: Layout) -> list[Point]:
        return [self._point(layout, *load) for load in search.loads(layout.spec["benchmark"])]

    def _point(self, layout: Layout, concurrency: int, rate: float | None) -> Point:
        options, spec = layout.spec["benchmark"], layout.spec
        # As SGLang's client sends it: full lengths, no warm-up.
        parameters = {
            **self.load(
                layout,
                concurrency,
                max(options["num_prompts"] or PROMPTS, search.least_requests(options)),
                0,
                1.0,
                rate,
            ),
            "chat_template": False,
        }
        name, key, label = self.named(concurrency, rate)
        own = _own(f"results/{self.type}/{name}.json")
        ours = self.client_argv(layout, parameters, own)
        engine = self._engine(layout, parameters, f"{layout.run_dir}/{os.path.dirname(own)}/bench_serving.jsonl")
        length = sum(len(word.words()) if isinstance(word, Option) else 1 for word in engine)
        argv: list[Word] = ["bash", "-c", CHOOSE, "choose", layout.python, str(length), *engine, *ours]
        env = {"SRT_CONCURRENCY": str(concurrency), **contract.environment(layout), **command.environment(spec)}
        limits = (options["point_timeout_s"] or DEADLINE_S, command.stall_s(options))
        expect: JsonObject = {one: parameters[one] for one in ("num_prompts", "isl", "osl")}
        point = self.program_point(layout, name, key, label, Ran(argv, env), parameters, expect, limits)
        return {**point, "progress": progress_path(own)}

    def _engine(self, layout: Layout, parameters: JsonObject, output: str) -> list[Word]:
        """Return the options of SGLang's client."""

        def said(name: str, value: object, key: str | None = None) -> Option:
            return Option(name, value, ("benchmark", key or name.replace("-", "_")))

        return [
            *("--backend", "sglang-oai"),
            Option("base-url", layout.public_url),
            Option("model", layout.served_name, layout.served_by),
            command.tokenizer(layout),
            # Without a data set of others, which would have to be downloaded: random tokens.
            *("--dataset-name", "random-ids"),
            said("random-input-len", parameters["isl"], "isl"),
            said("random-output-len", parameters["osl"], "osl"),
            *("--random-range-ratio", "1"),
            said("max-concurrency", parameters["concurrency"], "concurrencies"),
            said("num-prompts", parameters["num_prompts"]),
            said("request-rate", str(parameters["request_rate"]), "req_rate"),
            said("seed", parameters["seed"]),
            *("--warmup-requests", "0", "--output-details"),
            Option("output-file", output),
        ]

    # ---- while it is measured: only our client has a progress file

    def step_again(self, step: Step, times: int) -> Step:
        return ClientBenchmark.step_again(self, {**step, "argv": _with_other_seed(step, times)}, times)

    def step_repeated(self, step: DraftStep, number: int) -> DraftStep:
        return ClientBenchmark.step_repeated(self, {**step, "argv": _with_other_seed(step, 1000 * number)}, number)

    def progress(self, point: PointFields, content: JsonObject) -> Progress:
        return ClientBenchmark.progress(self, point, content)

    # ---- results: of our client, or of the engine's

    def read(self, path: str) -> JsonObject:
        raw = ProgramBenchmark.read(self, path)
        own = _own(path)
        return {**raw, "own": ClientBenchmark.read(self, own)} if os.path.exists(own) else raw

    def read_partial(self, path: str) -> JsonObject | None:
        own = ClientBenchmark.read_partial(self, _own(path))
        return {"own": own} if own else None

    def why_partial(self, raw: JsonObject) -> str | None:
        return ClientBenchmark.why_partial(self, raw["own"])

    def evaluate_partial(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        return ClientBenchmark.evaluate_partial(self, raw["own"], expect, min_completed)

    def disturbances(self, raw: JsonObject) -> list[str]:
        return (
            ClientBenchmark.disturbances(self, raw["own"]) if "own" in raw else ProgramBenchmark.disturbances(self, raw)
        )

    def figures(self, raw: JsonObject) -> Figures:
        if "own" in raw:
            return {**ClientBenchmark.figures(self, raw["own"]), "measured_by": serving.OURS}
        return ProgramBenchmark.figures(self, raw)

    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        if "own" in raw:
            return ClientBenchmark.evaluate(self, raw["own"], expect, min_completed)
        figures, reasons = self.figures(raw), super().evaluate(raw, expect, min_completed)
        completed, wanted = figures.get("completed"), expect["num_prompts"]
        if not isinstance(completed, (int, float)) or not completed:
            return reasons or ProgramBenchmark.doubts(self, raw)
        if completed < min_completed * wanted and not any("did not complete" in one for one in reasons):
            reasons.append(f"{wanted} requests were planned, but {completed:g} completed")
        for what, each in (("input", expect["isl"]), ("output", expect["osl"])):
            tokens = figures.get(f"total_{what}_tokens")
            if isinstance(tokens, (int, float)) and abs(tokens - each * completed) > SHORT * each * completed:
                reasons.append(f"{tokens:g} {what} tokens are not {each} for each of {completed:g} requests")
        return reasons

    def doubts(self, raw: JsonObject) -> list[str]:
        """Return nothing: how many requests failed follows from the plan, and a missing result is a reason."""
        return []


def _with_other_seed(step: Step, number: int) -> list[str]:
    """Return the words of *step* with another seed of the engine's client; ours has options for that."""
    argv = list(step["argv"])
    at = argv.index("--seed") + 1  # our words come after those of the engine
    argv[at] = str(int(argv[at]) + SEEDS_APART * number)
    return argv


def _own(result: str) -> str:
    """Return the path of our client's result, beside the *result* of the point."""
    return f"{files_path(result)}/{OWN}"
