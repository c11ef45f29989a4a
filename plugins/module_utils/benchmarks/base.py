# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What a benchmark is: points to measure, each one step on the bench node."""

from __future__ import annotations


class Benchmark:
    """Base class and interface.

    ``type``    the word under ``benchmark.type``
    ``fields``  keys of the ``benchmark`` section that only this benchmark reads
    """

    type = ""
    fields = {}

    @property
    def reads(self):
        """The keys of the ``benchmark`` section that it reads, beside those that every benchmark has."""
        return tuple(self.fields)

    @property
    def measures(self):
        """True when it has points, and so steps of its own."""
        return type(self).points is not Benchmark.points

    def problems(self, spec):
        """Return ``[(path, problem, remedy)]`` for missing or wrong parameters; called before submission."""
        return []

    def unable(self, spec):
        """Return ``[(path, problem, remedy)]`` for what is right, but what this version cannot run yet."""
        return []

    def notes(self, spec):
        """Return sentences about what the benchmark does with the job's values."""
        return []

    def files(self, assets):
        """Return the files that the steps need; ``assets`` is ``{file name: text}`` of the load client."""
        return []

    def points(self, layout):
        """Return the points.

        Each is ``{name, concurrency, parameters, step, result, progress, expect, deadline_s, stall_timeout_s}``.
        ``parameters`` is all that the point's result depends on beside the service itself.
        """
        return []


def missing(spec, keys, type_):
    """Return a problem for each of *keys* that the benchmark section leaves empty."""
    return [
        (("benchmark", key), f"is missing; benchmark type {type_} needs it.", None)
        for key in keys
        if spec["benchmark"][key] is None
    ]


def gpu_counts(resources):
    """Return (total, prefill, decode) GPUs of the workers; prefill and decode are None for aggregated jobs."""
    if resources["agg_workers"]:
        return (resources["agg_nodes"] or 1) * resources["gpus_per_node"], None, None
    prefill = (resources["prefill_workers"] or 0) * (resources["gpus_per_prefill"] or 0)
    decode = (resources["decode_workers"] or 0) * (resources["gpus_per_decode"] or 0)
    return prefill + decode, prefill, decode
