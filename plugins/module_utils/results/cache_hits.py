# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hit rate of prefix caches as the logs of workers have it, beside the one from their counters.

The lines in the window of a point must be about the prompt tokens that were sent: a rate over other requests is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..backends import BACKENDS
from ..benchmarks import of_plan
from ..json_types import Json, JsonObject
from ..plan_file import Plan
from .rollup_file import PointRecord

RATE, SOURCE = "logged_cache_hit_rate", "logged_cache_source"
# Stamps of lines are in whole seconds, so those of some requests may be just outside of the window.
LEAST, MOST = 0.9, 1.1  # of the prompt tokens that were sent
# The words of the lines that say it.
WORDS = {
    "sglang": "#cached-token and #new-token",
    "trtllm": "cached_kv_tokens and num_ctx_tokens",
    "vllm": "Prefix cache hit rate",
}


def add(records: Sequence[PointRecord], plan: Plan) -> None:
    """Add the hit rate from the logs to the *records* of points whose benchmark has one.

    ``workers`` of a record has the figures of workers in its window.
    """
    if RATE not in of_plan(plan).metrics:
        return
    readers = [one["name"] for one in plan["endpoints"] if one["mode"] != "decode"]
    backend = plan["spec"]["backend"]["type"]
    for record in records:
        if record.get("completed"):
            record.update(from_logs(record.get("workers") or (), readers, backend, record.get("total_input_tokens")))


def from_logs(figures: Sequence[JsonObject], readers: Sequence[str], backend: str, sent: Json) -> JsonObject:
    """Return the rate in per cent with its source, or None with the reason.

    :param figures: those of workers in the window of a point: ``name`` and keys of ``nodes[]``.
    :param readers: the names of the workers that read prompts.
    :param sent: prompt tokens of the completed requests.
    """
    words = WORDS.get(backend)
    if not words:
        return _nothing(f"the logs of {BACKENDS[backend].title} do not have it")
    mine = {name: [one for one in figures if _is_of(one["name"], name)] for name in readers}
    silent = [name for name in readers if not any(one.get("cache_hit_rate") is not None for one in mine[name])]
    if silent or not readers:
        return _nothing(f"no line about {words} in the window of the point: {', '.join(silent) or 'no worker'}")
    told = [one for name in readers for one in mine[name]]
    new, cached = (sum(one.get(key) or 0 for one in told) for key in ("total_new_tokens", "total_cached_tokens"))
    if not new + cached:
        return _of_shares([one["cache_hit_rate"] for one in told if one.get("cache_hit_rate") is not None], words)
    if not isinstance(sent, (int, float)) or not LEAST * sent <= new + cached <= MOST * sent:
        return _nothing(f"the lines in the window are about {new + cached} prompt tokens, but {sent} were sent")
    return {RATE: round(100 * cached / (new + cached), 4), SOURCE: f"{words} in the logs of {len(readers)} workers"}


def _of_shares(rates: Sequence[float], words: str) -> JsonObject:
    """Return the rate of an engine that logs no counts, only shares: those of several workers cannot be added."""
    if len(rates) > 1:
        return _nothing(f"{len(rates)} workers log a share ({words}) without the tokens that it is of")
    return {RATE: rates[0], SOURCE: f"{words} in the log of 1 worker, over its last requests, also earlier ones"}


def _is_of(step: str, worker: str) -> bool:
    """Return whether the process *step* is one of *worker*, which may have several."""
    return step == worker or step.startswith(f"{worker}_")


def _nothing(why: str) -> JsonObject:
    return {RATE: None, SOURCE: why}
