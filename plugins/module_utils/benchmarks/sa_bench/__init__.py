# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sa-bench: random prompts of a given length at several concurrencies, sent by our load client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ...failures import Error, Finding
from ...files import digest, read_object
from ...json_types import Json, JsonObject
from ...metrics import METRICS, derived
from ...plan_file import PlanFile, PointFields, Step, gpu_counts
from ...programs import folder_of, program_files
from ...schema.section import Field
from ...schema.types import Bool, Choice, Float, Int, OneOf, Str
from ...topology.layout import Layout
from ...topology.options import Option, variables
from ...topology.step import make_step, one_file
from ..base import (
    DONE,
    FAILED,
    PREPARING,
    RUNNING,
    Benchmark,
    Figures,
    Point,
    Progress,
    missing,
    partial_path,
    progress_path,
)
from ..chat_template import CHAT, FILE
from ..load_client import __main__ as load_client
from . import result as result_file
from .client_health import disturbances
from .evaluate import evaluate

MOST_TOKENS = 10_000_000  # of a request: more than any model takes
MOST_REQUESTS = 10_000_000  # of a point: their prompts are made before the first one is sent
CLIENT = folder_of("load_client")

# The load client's names of its phases.
PHASES = {"preparing": PREPARING, "warmup": RUNNING, "running": RUNNING, "done": DONE, "failed": FAILED}


DEADLINE_S, STALL_S = 7200, 900  # defaults of point_timeout_s and stall_timeout_s
PROGRESS = ("done", "total", "tokens", "errors", "output_tok_s", "left_s")  # the numbers in a progress file


class SaBench(Benchmark):
    type = "sa-bench"
    key_fields = ("concurrency",)
    chosen_by = {"concurrencies": "concurrency"}
    described_by = ("isl", "osl")
    paths = ("custom_tokenizer", "dataset_path")
    refused = ("slow_down_sleep_time", "slow_down_wait_time")
    makes_prompts = True
    packages = ("aiohttp", "tokenizers")
    telemetry = True
    metrics = tuple(name for name in METRICS if name in {**result_file.KEYS, **derived({}, {})})
    columns = (
        *("request_throughput", "output_tps", "output_tps_per_gpu", "total_tps_per_gpu"),
        *("mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "mean_e2el_ms"),
    )
    summary = ("output_tps", "mean_ttft_ms", "mean_tpot_ms", "completed", "failed")
    command_options = {
        "base_url": ("base-url",),
        "max_concurrency": ("concurrency", "max-concurrency"),
        "num_prompts": ("num-prompts",),
        "input_len": ("isl", "random-input-len"),
        "output_len": ("osl", "random-output-len"),
    }
    fields = {
        "isl": Field(Int(1, MOST_TOKENS), None, "Input tokens of a request."),
        "osl": Field(Int(1, MOST_TOKENS), None, "Output tokens of a request."),
        "req_rate": Field(OneOf(Float(0), Choice("inf")), "inf", "Requests per second, or inf."),
        "random_range_ratio": Field(
            Float(0.000001, 1), 0.8, "Lengths vary from this share of isl and osl to the full length."
        ),
        "num_prompts_mult": Field(Int(1), 10, "Requests of a point: this times its concurrency."),
        "num_warmup_mult": Field(Int(0), 2, "Warm-up requests: this times the concurrency."),
        "seed": Field(Int(0), 0, "Seed of the random prompts."),
        "dataset_name": Field(Str(), None, "random, or custom with dataset_path."),
        "dataset_path": Field(Str(), None, "File of a custom dataset."),
        "custom_tokenizer": Field(Str(), None, "Tokenizer directory instead of the model's."),
        "use_chat_template": Field(Bool(), True, "Apply the model's chat template to prompts, within isl."),
        "reuse_http_connections": Field(Bool(), None, "Keep connections open between requests; default: yes."),
        "slow_down_sleep_time": Field(
            Float(0), None, "sglang: seconds between slowed steps. Not supported yet: runs refuse it."
        ),
        "slow_down_wait_time": Field(
            Float(0), None, "sglang: seconds before the slow-down. Not supported yet: runs refuse it."
        ),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.fields, "concurrencies")

    def problems(self, spec: JsonObject) -> list[Finding]:
        options = spec["benchmark"]
        if options["dataset_name"] not in (None, "random", "custom"):
            problem = f"is {options['dataset_name']}; expected random or custom."
            return [(("benchmark", "dataset_name"), problem, None, "not_a_choice")]
        for key in ("num_prompts_mult", "num_warmup_mult"):
            most = max(options["concurrencies"] or [0])
            if most * options[key] > MOST_REQUESTS:
                problem = f"is {options[key]}, and so {most * options[key]} requests at concurrency {most}."
                remedy = f"A point has at most {MOST_REQUESTS}."
                return [(("benchmark", key), problem, remedy, "out_of_range")]
        if options["dataset_name"] == "custom":
            return missing(spec, ("dataset_path", "concurrencies"), self.type)
        return missing(spec, ("isl", "osl", "concurrencies"), self.type)

    def unable(self, spec: JsonObject) -> list[Finding]:
        if spec["benchmark"]["dataset_name"] == "custom":
            return [(("benchmark", "dataset_name"), "must be random in this version.", None)]
        return []

    def notes(self, spec: JsonObject) -> list[str]:
        options, found = spec["benchmark"], []
        if options["custom_tokenizer"] and not own_tokenizer(options):
            found.append(
                f"benchmark.custom_tokenizer: {options['custom_tokenizer']} names Python code of another client, which "
                "is not loaded. Prompts are made with the model's tokenizer.json, so the workload differs from that of "
                "the other client where the two tokenizers differ."
            )
        levels = options["concurrencies"] or []
        twice = [str(one) for one in dict.fromkeys(levels) if levels.count(one) > 1]
        if twice:
            found.append(f"benchmark.concurrencies: {', '.join(twice)} is there more than once, and is one point.")
        if from_hub(spec):
            home = hub_home(spec)
            where = f"HF_HOME={home.value}" if home else "HF_HOME is not set"
            found.append(
                f"model.path: the load client reads the tokenizer of {spec['model']['path']} from the Hugging Face "
                f"cache of its node ({where}), or downloads it there. "
                "You can set benchmark.custom_tokenizer to a directory with a tokenizer.json instead."
            )
        if spec["profiling"]["type"] != "none":
            found.append("profiling: every point is measured under a profiler, and is therefore not valid.")
        return found

    def files(self, layout: Layout) -> list[PlanFile]:
        found = [one_file(f"{CLIENT}/{name}", text) for name, text in sorted(program_files(load_client).items())]
        template = _chat_template(layout.spec)
        return [*found, one_file(FILE, json.dumps(template, indent=1) + "\n")] if template else found

    def own_tokenizer(self, spec: JsonObject) -> str | None:
        return own_tokenizer(spec["benchmark"])

    def wants_chat_template(self, spec: JsonObject) -> bool:
        return bool(spec["benchmark"]["use_chat_template"])

    def in_flight(self, point: PointFields) -> int:
        return int(point["key"]["concurrency"])

    def points(self, layout: Layout) -> list[Point]:
        if self.unable(layout.spec):
            return []
        return [self._point(layout, one) for one in dict.fromkeys(layout.spec["benchmark"]["concurrencies"])]

    def _point(self, layout: Layout, concurrency: int) -> Point:
        options, spec = layout.spec["benchmark"], layout.spec
        gpus = gpu_counts(endpoint.as_dict() for endpoint in layout.endpoints)
        name, path = f"bench_c{concurrency}", _result_path(options, gpus, concurrency)
        expect: JsonObject = {
            "num_prompts": concurrency * options["num_prompts_mult"],
            "isl": options["isl"],
            "osl": options["osl"],
        }
        if spec["profiling"]["type"] != "none":
            expect["profiled"] = spec["profiling"]["type"]
        rate = options["req_rate"]
        parameters = {
            "type": self.type,
            "endpoint": "/v1/completions",
            "model": layout.served_name,
            "concurrency": concurrency,
            "num_warmup": concurrency * options["num_warmup_mult"],
            "request_rate": "inf" if rate in ("inf", 0) else rate,
            "random_range_ratio": options["random_range_ratio"],
            "seed": options["seed"],
            "reuse_connections": options["reuse_http_connections"],
            "chat_template": _chat_mark(spec),
            **expect,
        }
        if options["custom_tokenizer"]:
            parameters["tokenizer"] = own_tokenizer(options) or f"the model's, not {options['custom_tokenizer']}"
        result = f"{path}.json"
        progress = progress_path(result)
        files = [Option("result", f"{layout.run_dir}/{result}"), Option("progress", f"{layout.run_dir}/{progress}")]
        step = make_step(
            name,
            "benchmark",
            [layout.roles.bench],
            [
                layout.python,
                *_flags(spec),
                f"{layout.run_dir}/{CLIENT}",
                *_client_options(layout, parameters, gpus),
                *files,
            ],
            _environment(spec),
            kind="benchmark",
            critical=False,
            srun_options=dict(spec["srun_options"]),
            log=f"logs/%N_{name}.out",
        )
        return {
            "name": name,
            "key": {"concurrency": concurrency},
            "label": f"c={concurrency}",
            "parameters": parameters,
            "step": step,
            "result": result,
            "progress": progress,
            "expect": expect,
            "deadline_s": options["point_timeout_s"] or DEADLINE_S,
            "stall_timeout_s": _stall_s(options),
        }

    def step_again(self, step: Step, times: int) -> Step:
        return {**step, "argv": [*step["argv"], "--attempt", str(times)]}

    def progress(self, point: PointFields, content: JsonObject) -> Progress:
        numbers = {key: result_file.amount(content.get(key)) for key in PROGRESS}
        state = str(content.get("state", ""))
        seen = [state, numbers["done"], numbers["tokens"]]
        line = progress_line(point["label"], {"state": state, **numbers})
        when = content.get("updated_at")
        phase = PHASES.get(state, PREPARING)
        return Progress(phase, seen, line, numbers["done"], numbers["total"], when if isinstance(when, str) else None)

    def read(self, path: str) -> JsonObject:
        raw = super().read(path)
        if raw.get("max_concurrency") is None:
            raise Error(f"{path} is not a result of sa-bench: max_concurrency is missing")
        wrong = result_file.problem(raw)
        if wrong:
            raise Error(f"{path} is not a result of sa-bench: {wrong}")
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
        return {**self.description(spec), "concurrencies": [point["key"]["concurrency"] for point in points]}


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


def _result_path(options: JsonObject, gpus: Mapping[str, int], concurrency: int) -> str:
    """Return the path of a point's files in the run directory, without suffixes."""
    stem = f"results_concurrency_{concurrency}_gpus_{gpus['all']}"
    if gpus["prefill"]:
        stem += f"_ctx_{gpus['prefill']}_gen_{gpus['decode']}"
    return f"results/sa-bench_isl_{options['isl']}_osl_{options['osl']}/{stem}"


def _client_options(layout: Layout, parameters: JsonObject, gpus: Mapping[str, int]) -> list[Option]:
    """Return the options of the load client for the point of *parameters*, each with its origin."""
    reuse = parameters["reuse_connections"]

    def said(name: str, value: Json, key: str | None = None) -> Option:
        return Option(name, value, ("benchmark", key or name.replace("-", "_")))

    return [
        Option("base-url", layout.public_url),
        Option("endpoint", parameters["endpoint"]),
        Option("model", layout.served_name, layout.served_by),
        _tokenizer(layout),
        *([Option("chat-template", f"{layout.run_dir}/{FILE}")] if parameters["chat_template"] else []),
        said("isl", parameters["isl"]),
        said("osl", parameters["osl"]),
        said("concurrency", parameters["concurrency"], "concurrencies"),
        said("num-prompts", parameters["num_prompts"], "num_prompts_mult"),
        said("num-warmup", parameters["num_warmup"], "num_warmup_mult"),
        said("request-rate", str(parameters["request_rate"]), "req_rate"),
        said("random-range-ratio", str(parameters["random_range_ratio"])),
        said("seed", parameters["seed"]),
        Option("backend", layout.spec["backend"]["type"], ("backend", "type")),
        Option("gpus", gpus["all"]),
        Option("prefill-gpus", gpus["prefill"] or None),
        Option("decode-gpus", gpus["decode"] or None),
        said("reuse-connections" if reuse else "no-reuse-connections", reuse is not None, "reuse_http_connections"),
        said("stall-timeout", _stall_s(layout.spec["benchmark"]), "stall_timeout_s"),
    ]


def _stall_s(options: JsonObject) -> int:
    """Return after how many seconds without a token a point ends; 0: never."""
    given: int | None = options["stall_timeout_s"]
    return STALL_S if given is None else given


def _chat_template(spec: JsonObject) -> JsonObject | None:
    """Return the text around each prompt, ``{prefix, suffix}``; None if there is none."""
    found: JsonObject | None = spec.get(CHAT)
    return found if found and "prefix" in found else None


def _chat_mark(spec: JsonObject) -> str | bool | None:
    """Return what tells prompts with a chat template from others; None if it cannot be applied, False if unwanted."""
    template = _chat_template(spec)
    return digest(template) if template else None if spec["benchmark"]["use_chat_template"] else False


def _tokenizer(layout: Layout) -> Option:
    """Return the option of the tokenizer: a directory of the job's, or the model as the load client sees it."""
    spec = layout.spec
    if own_tokenizer(spec["benchmark"]):
        return Option("tokenizer", own_tokenizer(spec["benchmark"]), ("benchmark", "custom_tokenizer"))
    given = spec["model"]["path"]
    # The hub's name of the model, or its directory here; a path in a container comes from the plan.
    name = given if from_hub(spec) else layout.source_model
    return Option("tokenizer", name, ("model", "path") if name == given else None)


def _environment(spec: JsonObject) -> dict[str, str | Option]:
    """Return the environment of the load client, with the origins of its values."""
    home = hub_home(spec) if from_hub(spec) else None
    return {
        **({home.name: home} if home else {}),
        **variables(spec["environment"], ("environment",)),
        **variables(spec["benchmark"]["env"], ("benchmark", "env")),
    }


def _flags(spec: JsonObject) -> list[str]:
    """Return the options of the load client's Python: nothing in a user's environment changes it, benchmark.env may."""
    own = any(name.startswith("PYTHON") for name in spec["benchmark"]["env"] or ())
    return [*([] if own else ["-E"]), "-X", "utf8"]


def own_tokenizer(options: JsonObject) -> str | None:
    """Return ``custom_tokenizer`` if it is a directory; public recipes set it to Python classes."""
    name: str | None = options["custom_tokenizer"]
    return name if name and "/" in name else None


def from_hub(spec: JsonObject) -> bool:
    """Return whether the load client gets its tokenizer from the hub or its cache, because no directory is set."""
    path: str = spec["model"]["path"]
    return path.startswith("hf:") and not own_tokenizer(spec["benchmark"])


def hub_home(spec: JsonObject) -> Option | None:
    """Return HF_HOME of the load client: its own, else the workers', where the model is cached; or None."""
    modes = [("backend", f"{mode}_environment") for mode in ("prefill", "decode", "aggregated")]
    for path in (("benchmark", "env"), ("environment",), *modes):
        table = spec
        for key in path:
            table = table.get(key) or {}
        home = table.get("HF_HOME")
        if home and "{" not in home:  # {node} is a worker's
            return Option("HF_HOME", home, (*path, "HF_HOME"))
    return None
