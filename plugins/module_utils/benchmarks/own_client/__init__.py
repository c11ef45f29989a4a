# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks have in common whose load is sent by our load client."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import ClassVar

from ...failures import Error
from ...files import read_object
from ...json_types import JsonObject
from ...load_client import __main__ as load_client
from ...metrics import METRICS, derived
from ...plan_file import PlanFile, PointFields, Step, gpu_counts
from ...programs import folder_of, program_files
from ...schema.section import Field
from ...schema.types import Bool, Choice, Float, Int, OneOf, Str
from ...topology.layout import Layout
from ...topology.options import Option
from ...topology.step import DraftStep, make_step, one_file
from ..base import DONE, FAILED, PREPARING, RUNNING, Benchmark, Figures, Point, Progress, partial_path, progress_path
from ..chat_template import FILE
from . import command, traffic
from . import result as result_file
from .client_health import disturbances
from .evaluate import OTHER_SIZES, SIZES, evaluate

MOST_TOKENS = 10_000_000  # of a request: more than any model takes
MOST_REQUESTS = 10_000_000  # of a point: their prompts are made before the first one is sent
CLIENT = folder_of("load_client")
NUM_PROMPTS = Field(
    Int(1, MOST_REQUESTS),
    None,
    "Requests, or sessions, of a point. Default: sa-bench num_prompts_mult times its concurrency, sglang-bench 128.",
)
EXPECTED = (*SIZES, *OTHER_SIZES, "client_nodes")  # of the parameters of a point
DEADLINE_S = 7200  # default of point_timeout_s

# The load client's names of its phases.
PHASES = {"preparing": PREPARING, "warmup": RUNNING, "running": RUNNING, "done": DONE, "failed": FAILED}
PROGRESS = ("done", "total", "tokens", "errors", "output_tok_s", "left_s")  # the numbers in a progress file


class ClientBenchmark(Benchmark):
    """A type of benchmark whose load is sent by the load client. It plans with :meth:`client_point`."""

    paths: ClassVar[tuple[str, ...]] = ("custom_tokenizer",)
    makes_prompts: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("aiohttp", "tokenizers")
    metrics: ClassVar[tuple[str, ...]] = tuple(
        name for name in METRICS if name in {**result_file.KEYS, **derived({}, {})}
    )
    columns: ClassVar[tuple[str, ...]] = (
        *("request_throughput", "output_tps", "output_tps_per_gpu", "total_tps_per_gpu"),
        *("mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "mean_e2el_ms"),
    )
    summary: ClassVar[tuple[str, ...]] = ("output_tps", "mean_ttft_ms", "mean_tpot_ms", "completed", "failed")
    command_options: ClassVar[dict[str, tuple[str, ...]]] = {
        "base_url": ("base-url",),
        "max_concurrency": ("concurrency", "max-concurrency"),
        "num_prompts": ("num-prompts",),
        "input_len": ("isl", "random-input-len"),
        "output_len": ("osl", "random-output-len"),
    }
    fields: ClassVar[dict[str, Field]] = {
        "isl": Field(Int(1, MOST_TOKENS), None, "Input tokens of a request."),
        "osl": Field(Int(1, MOST_TOKENS), None, "Output tokens of a request."),
        "req_rate": Field(OneOf(Float(0), Choice("inf")), "inf", "Requests, or sessions, per second, or inf."),
        "seed": Field(Int(0), 0, "Seed of the random prompts."),
        "custom_tokenizer": Field(Str(), None, "Tokenizer directory instead of the model's."),
        "use_chat_template": Field(Bool(), True, "Apply the model's chat template to prompts, within isl."),
        "reuse_http_connections": Field(Bool(), None, "Keep connections open between requests; default: yes."),
    }
    # {name of an option of the load client: key of the benchmark section from which its number follows}
    counted: ClassVar[dict[str, str]] = {}

    # ---- before submission

    def notes(self, spec: JsonObject) -> list[str]:
        options, found = spec["benchmark"], []
        if options["custom_tokenizer"] and not command.own_tokenizer(options):
            found.append(
                f"benchmark.custom_tokenizer: {options['custom_tokenizer']} names Python code of another client, which "
                "is not loaded. Prompts are made with the model's tokenizer.json, so the workload differs from that of "
                "the other client where the two tokenizers differ."
            )
        levels = options["concurrencies"] or []
        twice = [str(one) for one in dict.fromkeys(levels) if levels.count(one) > 1]
        if twice:
            found.append(f"benchmark.concurrencies: {', '.join(twice)} is there more than once, and is one point.")
        if command.from_hub(spec):
            home = command.hub_home(spec)
            where = f"HF_HOME={home.value}" if home else "HF_HOME is not set"
            found.append(
                f"model.path: the load client reads the tokenizer of {spec['model']['path']} from the Hugging Face "
                f"cache of its node ({where}), or downloads it there. "
                "You can set benchmark.custom_tokenizer to a directory with a tokenizer.json instead."
            )
        return found

    def own_tokenizer(self, spec: JsonObject) -> str | None:
        return command.own_tokenizer(spec["benchmark"])

    def wants_chat_template(self, spec: JsonObject) -> bool:
        return bool(spec["benchmark"]["use_chat_template"])

    # ---- the plan

    def files(self, layout: Layout) -> list[PlanFile]:
        found = [one_file(f"{CLIENT}/{name}", text) for name, text in sorted(program_files(load_client).items())]
        template = command.chat_template(layout.spec)
        return [*found, one_file(FILE, json.dumps(template, indent=1) + "\n")] if template else found

    def in_flight(self, point: PointFields) -> int:
        return int(point["key"]["concurrency"])

    def levels_key(self, spec: JsonObject) -> tuple[str, ...]:
        """Return the key that says which concurrencies are measured, () if a search finds them."""
        return () if spec["benchmark"]["search"] else ("concurrencies",)

    def counts_prompts(self, spec: JsonObject) -> bool:
        """Return whether the job says how many requests each point has."""
        return "num_prompts" in self.fields and bool(spec["benchmark"]["num_prompts"])

    def named(self, concurrency: int, rate: float | None) -> tuple[str, JsonObject, str]:
        """Return (name, key, label) of the point of a load; *rate* is None for that of the job."""
        if rate is None:
            return f"bench_c{concurrency}", {"concurrency": concurrency}, f"c={concurrency}"
        name = f"bench_c{concurrency}_q{rate:g}".replace(".", "p")
        return name, {"concurrency": concurrency, "req_rate": rate}, f"c={concurrency} rate={rate:g}"

    def load(
        self,
        layout: Layout,
        concurrency: int,
        num_prompts: int,
        num_warmup: int,
        ratio: float,
        rate: float | None = None,
    ) -> JsonObject:
        """Return the parameters of a load: *num_prompts* requests, *concurrency* of them at a time.

        :param ratio: lengths vary from this share of isl and osl to the full length.
        :param rate: requests per second, default: the job's.
        """
        options, spec = layout.spec["benchmark"], layout.spec
        rate = options["req_rate"] if rate is None else rate
        parameters = {
            "type": self.type,
            "endpoint": "/v1/completions",
            "model": layout.served_name,
            "concurrency": concurrency,
            "num_warmup": num_warmup,
            "request_rate": "inf" if rate in ("inf", 0) else rate,
            "random_range_ratio": ratio,
            "seed": options["seed"],
            "reuse_connections": options["reuse_http_connections"],
            "chat_template": command.chat_mark(spec),
            "num_prompts": num_prompts,
            "isl": options["isl"],
            "osl": options["osl"],
        }
        if spec["profiling"]["type"] != "none":
            parameters["profiled"] = spec["profiling"]["type"]
        if options["custom_tokenizer"]:
            own = command.own_tokenizer(options)
            parameters["tokenizer"] = own or f"the model's, not {options['custom_tokenizer']}"
        return parameters

    def client_argv(self, layout: Layout, parameters: JsonObject, result: str) -> list[str | Option]:
        """Return the command line of the load client, with origins; *result* is relative to the run directory."""
        nodes = traffic.client_nodes(layout, parameters)
        table = ",".join(f"{node}={layout.addresses[node]}" for node in nodes)
        gpus = gpu_counts(endpoint.as_dict() for endpoint in layout.endpoints)
        counted = {**self.counted, **({"num-prompts": "num_prompts"} if self.counts_prompts(layout.spec) else {})}
        lines = f"{layout.run_dir}/{os.path.splitext(result)[0]}.requests.jsonl"
        saved = "save_requests" in self.fields and layout.spec["benchmark"]["save_requests"]
        return [
            layout.python,
            *command.flags(layout.spec),
            f"{layout.run_dir}/{CLIENT}",
            *command.options(layout, parameters, gpus, counted),
            *([Option("nodes", table, ("benchmark", "client_nodes"))] if len(nodes) > 1 else []),
            Option("result", f"{layout.run_dir}/{result}"),
            Option("progress", f"{layout.run_dir}/{progress_path(result)}"),
            *([Option("save-requests", lines, ("benchmark", "save_requests"))] if saved else []),
        ]

    def client_point(
        self,
        layout: Layout,
        name: str,
        key: JsonObject,
        label: str,
        parameters: JsonObject,
        result: str,
        binds: Sequence[str] = (),
    ) -> Point:
        """Return the point *name* whose load has the *parameters* of :meth:`load`, with its result at *result*."""
        options, nodes = layout.spec["benchmark"], traffic.client_nodes(layout, parameters)
        # Of several nodes the first one ends the others in order, and says which one was lost.
        alone = {"kill-on-bad-exit": "0"} if len(nodes) > 1 else {}
        step = make_step(
            name,
            "benchmark",
            nodes,
            self.client_argv(layout, parameters, result),
            command.environment(layout.spec),
            kind="benchmark",
            critical=False,
            srun_options={**layout.spec["srun_options"], **alone},
            log=f"logs/%N_{name}.out",
            binds=binds,
        )
        return {
            "name": name,
            "key": key,
            "label": label,
            "parameters": parameters,
            "step": step,
            "result": result,
            "progress": progress_path(result),
            "expect": {one: parameters[one] for one in EXPECTED if one in parameters},
            "deadline_s": options["point_timeout_s"] or DEADLINE_S,
            "stall_timeout_s": command.stall_s(options),
        }

    def step_repeated(self, step: DraftStep, number: int) -> DraftStep:
        return {**step, "argv": [*step["argv"], "--repeat", str(number)]}

    def interpreter(self, step: Step, run_dir: str) -> list[str]:
        argv, program = step["argv"], f"{run_dir}/{CLIENT}"
        if program not in argv:
            return []
        end = argv.index(program)
        begin = end - len(command.FLAGS)
        begin -= 1 if argv[begin - 1] == command.ALONE else 0
        return argv[begin - 1 : end]

    # ---- while it is measured, and results

    def step_again(self, step: Step, times: int) -> Step:
        return {**step, "argv": [*step["argv"], "--attempt", str(times)]}

    def progress(self, point: PointFields, content: JsonObject) -> Progress:
        numbers = {key: result_file.amount(content.get(key)) for key in PROGRESS}
        state = str(content.get("state", ""))
        seen = [state, numbers["done"], numbers["tokens"]]
        line = progress_line(point["label"], {"state": state, **numbers})
        when = content.get("updated_at")
        if content.get("thinking") and not content.get("running"):
            seen.append(when)  # nothing is awaited but the end of a pause
        phase = PHASES.get(state, PREPARING)
        return Progress(phase, seen, line, numbers["done"], numbers["total"], when if isinstance(when, str) else None)

    def read(self, path: str) -> JsonObject:
        raw = super().read(path)
        if raw.get("max_concurrency") is None:
            raise Error(f"{path} is not a result of the load client: max_concurrency is missing")
        wrong = result_file.problem(raw)
        if wrong:
            raise Error(f"{path} is not a result of the load client: {wrong}")
        return raw

    def read_partial(self, path: str) -> JsonObject | None:
        raw = read_object(partial_path(path))
        return None if raw is None or result_file.problem(raw) else raw

    def why_partial(self, raw: JsonObject) -> str | None:
        return raw.get("reason")

    def figures(self, raw: JsonObject) -> Figures:
        return result_file.figures(raw)

    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        return evaluate(raw, expect, min_completed)

    def disturbances(self, raw: JsonObject) -> list[str]:
        return disturbances(raw)

    def evaluate_partial(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        # Only a total lack of tokens is worth reporting in addition.
        return [] if raw.get("completed") else self.evaluate(dict(raw, interrupted=False), expect, min_completed)

    def facts(self, spec: JsonObject, points: Iterable[PointFields]) -> JsonObject:
        levels = (point["key"]["concurrency"] for point in points)
        return {**self.description(spec), "concurrencies": [*dict.fromkeys(levels)]}


def progress_line(label: str, content: JsonObject) -> str:
    """Return one line such as ``c=16 120/160 done, 812 tok/s, 0 errors, 3 s left``."""
    if content.get("state") == "preparing" or not content.get("done"):
        return f"{label} starting"
    errors = content.get("errors")
    warmup = "warm-up " if content.get("state") == "warmup" else ""
    parts = [
        f"{label} {warmup}{content.get('done')}/{content.get('total')} done",
        f"{content.get('output_tok_s') or 0:.0f} tok/s",
        "1 error" if errors == 1 else f"{errors} errors",
    ]
    if content.get("left_s"):
        parts.append(f"{content['left_s']:.0f} s left")
    return ", ".join(parts)
