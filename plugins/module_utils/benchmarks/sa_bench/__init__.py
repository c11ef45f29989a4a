# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""sa-bench: random prompts of a given length at several concurrencies, sent by our own load client."""

from __future__ import annotations

from ...metrics import METRICS
from ...schema.section import Field
from ...schema.types import Bool, Choice, Concurrencies, Float, Int, OneOf, Str
from ...topology.step import make_step, one_file, option
from ..base import (
    DONE,
    FAILED,
    PREPARING,
    RUNNING,
    Benchmark,
    Progress,
    gpu_counts,
    missing,
    partial_path,
    progress_path,
)
from . import result as result_file
from .evaluate import evaluate

CLIENT = "load_client"  # its folder in the run directory


# What the load client calls its phases.
PHASES = {"preparing": PREPARING, "warmup": RUNNING, "running": RUNNING, "done": DONE, "failed": FAILED}


class SaBench(Benchmark):
    type = "sa-bench"
    key_fields = ("concurrency",)
    chosen_by = {"concurrencies": "concurrency"}
    metrics = tuple(METRICS)
    columns = (
        *("request_throughput", "output_tps", "total_tps_per_gpu"),
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
        "isl": Field(Int(1), None, "Input tokens of a request."),
        "osl": Field(Int(1), None, "Output tokens of a request."),
        "concurrencies": Field(Concurrencies(), None, 'Requests in flight, one point each: [4, 16] or "4x16".'),
        "req_rate": Field(OneOf(Float(0), Choice("inf")), "inf", "Requests per second, or inf."),
        "random_range_ratio": Field(Float(0.000001, 1), 0.8, "Lengths vary between this share of isl and osl and all."),
        "num_prompts_mult": Field(Int(1), 10, "Requests of a point: this times its concurrency."),
        "num_warmup_mult": Field(Int(0), 2, "Warm-up requests: this times the concurrency."),
        "seed": Field(Int(0), 0, "Seed of the random prompts."),
        "dataset_name": Field(Str(), None, "random, or custom with dataset_path."),
        "dataset_path": Field(Str(), None, "File of a custom dataset."),
        "custom_tokenizer": Field(Str(), None, "Tokenizer directory instead of the model's."),
        "use_chat_template": Field(Bool(), True, "Accepted for old files; prompts are random tokens of exact length."),
        "reuse_http_connections": Field(Bool(), None, "Keep connections open between requests; default: yes."),
        "point_timeout_s": Field(Int(1), 7200, "A point that takes longer is ended and invalid."),
        "stall_timeout_s": Field(Int(0), 900, "A point without any token for so long is ended; 0: never."),
        "slow_down_sleep_time": Field(Float(0), None, "sglang: seconds between slowed steps. Not yet: runs refuse it."),
        "slow_down_wait_time": Field(Float(0), None, "sglang: seconds before the slow-down. Not yet: runs refuse it."),
    }

    def problems(self, spec):
        options = spec["benchmark"]
        if options["dataset_name"] not in (None, "random", "custom"):
            problem = f"is {options['dataset_name']}, expected is random or custom."
            return [(("benchmark", "dataset_name"), problem, None)]
        if options["dataset_name"] == "custom":
            return missing(spec, ("dataset_path", "concurrencies"), self.type)
        return missing(spec, ("isl", "osl", "concurrencies"), self.type)

    def unable(self, spec):
        options, found = spec["benchmark"], []
        if options["dataset_name"] == "custom":
            found.append((("benchmark", "dataset_name"), "can only be random in this version.", None))
        return found

    def notes(self, spec):
        options, found = spec["benchmark"], []
        if options["custom_tokenizer"] and not own_tokenizer(options):
            found.append(
                f"benchmark.custom_tokenizer: {options['custom_tokenizer']} names Python code of another client; "
                "prompts are made with the model's own tokenizer."
            )
        if from_hub(spec):
            home = hub_home(spec)
            found.append(
                f"model.path: the load client takes the tokenizer of {spec['model']['path']} from the Hugging Face "
                f"cache of its node ({f'HF_HOME={home}' if home else 'HF_HOME is not set'}), or downloads it there; "
                "benchmark.custom_tokenizer can name a directory with a tokenizer.json instead."
            )
        if spec["profiling"]["type"] != "none":
            found.append("profiling: every point is measured under a profiler, and marked as not valid for that.")
        return found

    def files(self, assets):
        return [one_file(f"{CLIENT}/{name}", text) for name, text in sorted(assets.items())]

    def points(self, layout):
        if self.unable(layout.spec):
            return []
        return [self._point(layout, concurrency) for concurrency in layout.spec["benchmark"]["concurrencies"]]

    def _point(self, layout, concurrency):
        options = layout.spec["benchmark"]
        name = f"bench_c{concurrency}"
        total, prefill, decode = gpu_counts(layout.spec["resources"])
        stem = f"results_concurrency_{concurrency}_gpus_{total}"
        if prefill is not None:
            stem += f"_ctx_{prefill}_gen_{decode}"
        folder = f"results/sa-bench_isl_{options['isl']}_osl_{options['osl']}"
        result = f"{folder}/{stem}.json"
        progress = progress_path(result)
        expect = {
            "num_prompts": concurrency * options["num_prompts_mult"],
            "isl": options["isl"],
            "osl": options["osl"],
        }
        if layout.spec["profiling"]["type"] != "none":
            expect["profiled"] = layout.spec["profiling"]["type"]
        rate, reuse = options["req_rate"], options["reuse_http_connections"]
        parameters = {
            "type": self.type,
            "endpoint": "/v1/completions",
            "model": layout.served_name,
            "concurrency": concurrency,
            "num_warmup": concurrency * options["num_warmup_mult"],
            "request_rate": "inf" if rate in ("inf", 0) else rate,
            "random_range_ratio": options["random_range_ratio"],
            "seed": options["seed"],
            "reuse_connections": reuse,
            **expect,
        }
        tokenizer = own_tokenizer(options) or layout.source_model
        home = {}
        if own_tokenizer(options):
            parameters["tokenizer"] = tokenizer
        elif from_hub(layout.spec):
            tokenizer = layout.spec["model"]["path"]
            home = {"HF_HOME": hub_home(layout.spec)} if hub_home(layout.spec) else {}
        command = [
            layout.python,
            f"{layout.run_dir}/{CLIENT}",
            *("--base-url", layout.public_url),
            *("--endpoint", parameters["endpoint"]),
            *option("--model", layout.served_name),
            *("--tokenizer", tokenizer),
            *("--isl", options["isl"]),
            *("--osl", options["osl"]),
            *("--concurrency", concurrency),
            *("--num-prompts", expect["num_prompts"]),
            *("--num-warmup", parameters["num_warmup"]),
            *("--request-rate", parameters["request_rate"]),
            *("--random-range-ratio", options["random_range_ratio"]),
            *("--seed", options["seed"]),
            *("--backend", layout.spec["backend"]["type"]),
            *("--gpus", total),
            *(("--prefill-gpus", prefill, "--decode-gpus", decode) if prefill is not None else ()),
            *(() if reuse is None else ("--reuse-connections",) if reuse else ("--no-reuse-connections",)),
            *("--stall-timeout", options["stall_timeout_s"]),
            *("--result", f"{layout.run_dir}/{result}"),
            *("--progress", f"{layout.run_dir}/{progress}"),
        ]
        step = make_step(
            name,
            "benchmark",
            [layout.roles.bench],
            command,
            {"PYTHONUNBUFFERED": "1", **home, **layout.spec["environment"], **options["env"]},
            critical=False,
            srun_options=dict(layout.spec["srun_options"]),
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
            "deadline_s": options["point_timeout_s"],
            "stall_timeout_s": options["stall_timeout_s"],
        }

    def progress(self, point, content):
        state = content.get("state")
        seen = [state, content.get("done"), content.get("tokens")]
        line = progress_line(point["label"], content)
        return Progress(PHASES.get(state, PREPARING), seen, line, content.get("done"), content.get("total"))

    def read(self, path):
        return result_file.load_result(path)

    def read_partial(self, path):
        return result_file.load_partial(partial_path(path))

    def why_partial(self, raw):
        return raw.get("reason")

    def figures(self, raw):
        return result_file.figures(raw)

    def evaluate(self, raw, expect, min_completed):
        return evaluate(raw, expect, min_completed)

    def evaluate_partial(self, raw, expect, min_completed):
        # Only that nothing at all came is worth telling besides.
        return [] if raw.get("completed") else self.evaluate(dict(raw, interrupted=False), expect, min_completed)


def progress_line(label, content):
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


def own_tokenizer(options):
    """Return ``custom_tokenizer`` if it is a directory; public recipes have names of Python classes there."""
    name = options["custom_tokenizer"]
    return name if name and "/" in name else None


def from_hub(spec):
    """Tell whether the load client gets its tokenizer from the hub or its cache, as no directory is named."""
    return spec["model"]["path"].startswith("hf:") and not own_tokenizer(spec["benchmark"])


def hub_home(spec):
    """Return HF_HOME of the load client: its own, else that of the workers, who have the model there; or None."""
    modes = [spec["backend"].get(f"{mode}_environment") for mode in ("prefill", "decode", "aggregated")]
    for table in (spec["benchmark"]["env"], spec["environment"], *modes):
        home = (table or {}).get("HF_HOME")
        if home and "{" not in home:  # {node} is a worker's
            return home
    return None
