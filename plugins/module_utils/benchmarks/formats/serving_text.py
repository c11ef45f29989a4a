# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the clients of :mod:`.serving` print at the end of a measurement, where nobody asked them for a result file."""

from __future__ import annotations

import math
import re

from ...json_types import JsonObject
from ...metrics import LATENCIES
from . import serving
from .base import Recognised

BLOCK = re.compile(r"=+ Serving Benchmark Result =+\n(.*?)\n=+(?:\n|$)", re.DOTALL)
LINE = re.compile(r"^([A-Z][\w ()/.-]*?):\s+(\S+)\s*$", re.MULTILINE)
# {what is printed, in small letters: the key of a result file}.
WORDS = {
    "successful requests": "completed",
    "failed requests": "failed",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "total generated tokens (retokenized)": "total_output_tokens_retokenized",
    "request throughput (req/s)": "request_throughput",
    "output token throughput (tok/s)": "output_throughput",
    "peak output token throughput (tok/s)": "max_output_tokens_per_s",
    "total token throughput (tok/s)": "total_token_throughput",
    "max request concurrency": "max_concurrency",
    "maximum request concurrency": "max_concurrency",
    "traffic request rate": "request_rate",
    **{
        f"{said} {title} (ms)": f"{statistic}_{name}_ms"
        for name, titles in {**{one: (one,) for one in LATENCIES}, "e2el": ("e2el", "e2e latency")}.items()
        for title in titles
        for said, statistic in ((one, one) for one in ("mean", "median", "std", "p90", "p95", "p99"))
    },
}  # fmt: skip


def parse(text: str) -> list[Recognised]:
    """Return what each block of results in *text* says, in its order; one that is broken is left out."""
    found = []
    for block in BLOCK.findall(text):
        raw: JsonObject = {}
        for words, value in LINE.findall(block):
            key = WORDS.get(words.strip().lower())
            if key:
                raw[key] = _value(value)
        try:
            one = serving.parse(raw)
        except ValueError:
            continue
        found += [one] if one else []
    return found


def _value(text: str) -> str | float:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return text
    if number in (float("inf"), float("-inf")) or math.isnan(number):
        return text
    return int(number) if number == int(number) else number
