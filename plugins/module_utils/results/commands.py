# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What a command line of a worker or of the load client says, for rollup.json."""

from __future__ import annotations

import shlex

from ..secrets.redaction import redact_argv

WORKER_OPTIONS = {
    "model_path": ("model-path", "model"),
    "served_model_name": ("served-model-name", "model-name"),
    "disaggregation_mode": ("disaggregation-mode",),
    "tp_size": ("tp-size", "tensor-parallel-size", "tp"),
    "pp_size": ("pp-size", "pipeline-parallel-size", "pp"),
    "dp_size": ("dp-size", "data-parallel-size", "dp"),
    "ep_size": ("ep-size", "expert-parallel-size", "ep"),
    "port": ("port", "http-port"),
    "max_num_seqs": ("max-num-seqs", "max-running-requests", "max-batch-size"),
    "max_model_len": ("max-model-len", "context-length", "max-seq-len"),
}
BENCHMARK_OPTIONS = {
    "base_url": ("base-url",),
    "max_concurrency": ("concurrency", "max-concurrency"),
    "num_prompts": ("num-prompts",),
    "input_len": ("isl", "random-input-len"),
    "output_len": ("osl", "random-output-len"),
}


def worker_command(argv, worker_type, backend_type):
    """Return the ``launch_command`` of a worker; options that the command does not have are None."""
    facts = {"worker_type": worker_type, "backend_type": backend_type}
    return {"raw_command": raw(argv), "command_type": "worker", **facts, **_options(argv, WORKER_OPTIONS)}


def benchmark_command(argv, benchmark_type):
    """Return the ``benchmark_command`` of a load client."""
    facts = {"raw_command": raw(argv), "command_type": "benchmark", "benchmark_type": benchmark_type}
    return {**facts, **_options(argv, BENCHMARK_OPTIONS)}


def raw(argv):
    """Return the command line as text, without secrets."""
    return " ".join(shlex.quote(word) for word in redact_argv(argv))


def _options(argv, table):
    given, words = {}, list(map(str, argv))
    for index, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            following = words[index + 1] if index + 1 < len(words) else ""
            given[name.replace("_", "-")] = value if equals else following
    return {key: next((_number(given[name]) for name in names if name in given), None) for key, names in table.items()}


def _number(text):
    return int(text) if text.isdigit() else text
