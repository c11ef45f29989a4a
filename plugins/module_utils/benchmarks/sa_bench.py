# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""sa-bench: random prompts of a given length at several concurrencies, sent by our own load client."""

from __future__ import annotations

import os

from ..spec.section import Field
from ..spec.types import Bool, Choice, Concurrencies, Float, Int, OneOf, Str
from ..topology.step import make_step, one_file
from .base import Benchmark, gpu_counts, missing

CLIENT = "load_client"


class SaBench(Benchmark):
    type = "sa-bench"
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
        "slow_down_sleep_time": Field(Float(0), None, "sglang: seconds between slowed steps."),
        "slow_down_wait_time": Field(Float(0), None, "sglang: seconds before the slow-down starts."),
    }

    def problems(self, spec):
        problems = missing(spec, ("isl", "osl", "concurrencies"), self.type)
        if spec["benchmark"]["dataset_name"] not in (None, "random"):
            problems.append((("benchmark", "dataset_name"), "can only be random in this version.", None))
        if spec["model"]["path"].startswith("hf:") and not spec["benchmark"]["custom_tokenizer"]:
            problems.append(
                (("benchmark", "custom_tokenizer"), "is missing; the model is no local directory.", "Name a directory.")
            )
        return problems

    def files(self, assets):
        return [one_file(f"{CLIENT}/{name}", text) for name, text in sorted(assets.items())]

    def points(self, layout):
        return [self._point(layout, concurrency) for concurrency in layout.spec["benchmark"]["concurrencies"]]

    def _point(self, layout, concurrency):
        options = layout.spec["benchmark"]
        name = f"bench_c{concurrency}"
        total, prefill, decode = gpu_counts(layout.spec["resources"])
        stem = f"results_concurrency_{concurrency}_gpus_{total}"
        if prefill is not None:
            stem += f"_ctx_{prefill}_gen_{decode}"
        folder = f"results/sa-bench_isl_{options['isl']}_osl_{options['osl']}"
        result, progress = f"{folder}/{stem}.json", f"{folder}/{stem}.progress.json"
        expect = {
            "num_prompts": concurrency * options["num_prompts_mult"],
            "isl": options["isl"],
            "osl": options["osl"],
        }
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
        tokenizer = options["custom_tokenizer"] or layout.model_path
        command = [
            layout.python,
            f"{layout.run_dir}/{CLIENT}",
            *("--base-url", layout.public_url),
            *("--endpoint", parameters["endpoint"]),
            *("--model", layout.served_name),
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
            {"PYTHONUNBUFFERED": "1", **layout.spec["environment"], **options["env"]},
            critical=False,
            srun_options=dict(layout.spec["srun_options"]),
            log=f"logs/%N_{name}.out",
        )
        return {
            "name": name,
            "concurrency": concurrency,
            "parameters": parameters,
            "step": step,
            "result": result,
            "progress": progress,
            "expect": expect,
            "deadline_s": options["point_timeout_s"],
        }


def read_client(folder):
    """Return ``{file name: text}`` of the load client's source in *folder*; empty when there is none."""
    if not os.path.isdir(folder):
        return {}
    assets = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                assets[name] = stream.read()
    return assets
