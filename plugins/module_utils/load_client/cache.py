# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many of the prompt tokens were in the prefix caches: from the metrics of workers, before and after.

A rate is only given if the workers counted the tokens that were sent, no fewer and hardly more.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from typing import Any

# Counters of (cached prompt tokens, prompt tokens): of SGLang, vLLM, older vLLM, TensorRT-LLM (with
# return_perf_metrics), and Dynamo's frontend.
PAIRS = (
    ("sglang:cached_tokens_total", "sglang:prompt_tokens_total"),
    ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"),
    ("vllm:gpu_prefix_cache_hits_total", "vllm:gpu_prefix_cache_queries_total"),
    ("trtllm_prompt_cached_tokens_total", "trtllm_prompt_tokens_total"),
    ("dynamo_frontend_cached_tokens_sum", "dynamo_frontend_input_sequence_tokens_sum"),
)
LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{.*\})?[ \t]+(\S+)")
TIMEOUT_S = 10.0
LATE_S = 5.0  # how long counters may take to show the last request
LEAST, MOST = 0.98, 1.1  # of the tokens that were sent


class CacheWatch:
    """Reads *urls* before and after a measurement.

    A URL with a ``+`` before it is that of a frontend: it counts if the workers have no such metrics.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._groups = [[url for url in urls if url[:1] != "+"], [url[1:] for url in urls if url[:1] == "+"]]
        self._before: list[list[dict[str, float] | str]] = []

    async def begin(self) -> None:
        """Read the counters before the first measured request."""
        self._before = [await read_all(urls) for urls in self._groups]

    async def end(self, sent: int) -> dict[str, Any]:
        """Return what a result says, after *sent* prompt tokens of completed requests."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LATE_S
        while True:
            after = [await read_all(urls) for urls in self._groups]
            found = [grown(*both, sent) for both in zip(self._before, after)]
            good = next((one for one in found if one.get("cache_hit_rate") is not None), None)
            if good or loop.time() > until or not any("few" in one for one in found):
                one = good or next((one for one in found if one["cache_note"]), found[0])
                return {key: value for key, value in one.items() if key != "few"}
            await asyncio.sleep(0.2)


async def read_all(urls: Sequence[str]) -> list[dict[str, float] | str]:
    """Return the counters of each page, or why it cannot be read."""
    import aiohttp

    async def one(session: Any, url: str) -> dict[str, float] | str:
        try:
            async with session.get(url) as response:
                if response.status != 200:
                    return f"{url} answers with status {response.status}"
                return counters(await response.text())
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
            return f"{url} cannot be read: {type(error).__name__} {error}".strip()[:200]

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        return list(await asyncio.gather(*(one(session, url) for url in urls)))


def counters(text: str) -> dict[str, float]:
    """Return ``{name: sum over all labels}`` of the counters of PAIRS in a page of Prometheus."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match and any(match[1] in pair for pair in PAIRS):
            try:
                value = float(match[2])
            except ValueError:
                continue
            if math.isfinite(value):
                found[match[1]] = found.get(match[1], 0.0) + value
    return found


def grown(
    before: Sequence[dict[str, float] | str], after: Sequence[dict[str, float] | str], sent: int
) -> dict[str, Any]:
    """Return the hit rate in per cent between two readings of the same pages, or None and a note why not."""
    nothing: dict[str, Any] = {"cache_hit_rate": None, "cached_tokens": None, "cache_source": None, "cache_note": None}
    broken = [page for page in (*before, *after) if isinstance(page, str)]
    if broken:
        return {**nothing, "cache_note": broken[0]}
    if not after:
        return {**nothing, "cache_note": "no worker publishes metrics"}
    for hits, asked in PAIRS:
        pages = [page for page in after if isinstance(page, dict) and asked in page and hits in page]
        if not pages:
            continue
        if len(pages) < len(after):
            return {**nothing, "cache_note": f"only {len(pages)} of {len(after)} workers have {hits}"}
        tokens, cached = (_grown(name, before, after) for name in (asked, hits))
        if tokens is None or cached is None or not 0 <= cached <= tokens:
            return {**nothing, "cache_note": f"{hits} went back: a worker was started anew"}
        if not LEAST * sent <= tokens <= MOST * sent or not sent:
            note = f"{asked} grew by {tokens:.0f}, but {sent} prompt tokens were sent"
            return {**nothing, "cache_note": note, **({"few": True} if tokens < LEAST * sent else {})}
        rate = round(100 * cached / tokens, 4)
        return {"cache_hit_rate": rate, "cached_tokens": int(cached), "cache_source": hits, "cache_note": None}
    return {**nothing, "cache_note": "the metrics of the workers have no counters of cached prompt tokens", "few": True}


def _grown(
    name: str, before: Sequence[dict[str, float] | str], after: Sequence[dict[str, float] | str]
) -> float | None:
    """Return by how much a counter grew in all; None if it is smaller on one of the pages. It may be new."""
    total = 0.0
    for old, new in zip(before, after):
        if isinstance(old, str) or isinstance(new, str):
            return None
        growth = new[name] - old.get(name, 0.0)
        if growth < 0:
            return None
        total += growth
    return total
