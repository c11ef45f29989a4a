# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validity of a result of sa-bench: enough requests completed, and they match the plan."""

from __future__ import annotations

from collections import Counter

from ...json_types import JsonObject
from ...load_client.stats import PROMPT_TOLERANCE, PROMPT_TOLERANCE_TOKENS, differ
from . import sessions
from .result import problem

WARMUP_FAILURES = 0.1  # of its requests: one that is lost while a service gets ready leaves it warm
SIZES = ("isl", "osl", "num_prompts")
OTHER_SIZES = (  # of some points
    *("prefix_ratio", "prefixes", "dataset", "num_sessions", "turns", "turn_isl", "turn_osl"),
    *("think_time_s", "think_time_shape", "session_header"),
)
CLOCK_S = 0.1  # as far as the clocks of two nodes may be unknown: beyond it they did not begin together
USUAL_SHARE = 0.99  # of the requests that must have completed


def evaluate(raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    """Return the reasons why a result is not valid; an empty list if it is valid.

    :param raw: content of the result file.
    :param expect: ``{num_prompts, isl, osl}`` of the point.
        Sizes that a data set decides are None; those of OTHER_SIZES are there if the point has them.
    :param min_completed: share of the requests that must have completed.
    """
    reasons = []
    if raw.get("interrupted"):
        reasons.append(f"the measurement did not complete: {raw.get('reason') or 'interrupted'}")
    reasons += _of_another_load(raw, expect)
    reasons += _requests(raw, expect, min_completed)
    reasons += _warmup(raw)
    reasons += _times(raw, min_completed)
    reasons += _nodes(raw, expect)
    if not (raw.get("duration") or 0) > 0:
        reasons.append("the duration of the measurement is 0")
    if raw.get("completed"):
        reasons += _output(raw)
        reasons += _token_counts(raw, min_completed)
        reasons += _input(raw, expect, min_completed)
        reasons += _models(raw)
    if expect.get("num_sessions") is not None:
        reasons += sessions.evaluate(raw, expect, min_completed)
    return reasons


def own_faults(raw: JsonObject) -> list[str]:
    """Return why a result of the load client is not valid, whatever it was asked for; it may have any content."""
    sizes = SIZES if raw.get("dataset") is None else ("num_prompts",)
    wrong = problem(raw) or next((f"{key} is missing" for key in sizes if raw.get(key) is None), None)
    raw = {**dict.fromkeys(SIZES), **raw}
    return [f"its result is damaged: {wrong}"] if wrong else evaluate(raw, raw, USUAL_SHARE)


def _of_another_load(raw: JsonObject, expect: JsonObject) -> list[str]:
    """Return which sizes of the result are not those of the point: its file may be from elsewhere."""
    planned = {key: expect.get(key) for key in SIZES if expect.get(key) is not None}
    planned.update({key: expect[key] for key in OTHER_SIZES if key in expect})
    other = [f"{key} {raw[key]}" for key, size in planned.items() if raw.get(key) is not None and raw[key] != size]
    told = ", ".join(f"{key} {size}" for key, size in planned.items())
    return [f"the result is of another load: {', '.join(other)}; the point has {told}"] if other else []


def _warmup(raw: JsonObject) -> list[str]:
    """Return whether the warm-up failed: what was measured is then a service that was cold, or was not ready."""
    failed, sent = raw.get("failed_warmup") or 0, raw.get("num_warmup") or 0
    if failed <= WARMUP_FAILURES * sent:
        return []
    return [f"{failed} of {sent} warm-up requests did not complete: the service was measured without its warm-up"]


def _times(raw: JsonObject, min_completed: float) -> list[str]:
    """Return whether requests of a trace were not sent at their times: then it was another load."""
    late, planned = raw.get("late_requests") or 0, raw.get("num_prompts") or 0
    if late <= (1 - min_completed) * planned:
        return []
    return [
        f"{late} of {planned} requests were sent later than the trace says, by up to {raw.get('most_late_s') or 0:.1f} "
        f"s: {raw.get('max_concurrency')} requests in flight are too few (benchmark.concurrencies), or the service is "
        "too slow for it"
    ]


def _nodes(raw: JsonObject, expect: JsonObject) -> list[str]:
    """Return whether the load came from other nodes than planned, or their clocks could not be compared."""
    wanted, nodes = expect.get("client_nodes") or 1, raw.get("client_nodes") or []
    if isinstance(wanted, list):  # of a result that nobody planned
        wanted = len(wanted)
    if wanted > 1 and len(nodes) != wanted and not raw.get("interrupted"):
        return [f"the load was to come from {wanted} nodes, but came from {len(nodes) or 1}"]
    return [
        f"the clock of node {one['node']} is only known to {1000 * one['clock_uncertainty_s']:.0f} ms: its network is "
        "too slow for a load from several nodes"
        for one in nodes
        if one["clock_uncertainty_s"] > CLOCK_S
    ]


def _models(raw: JsonObject) -> list[str]:
    """Return whether several models answered; one may have another name than was asked for."""
    names = raw.get("answering_models") or ()
    return [f"the answers are from several models: {', '.join(names)}"] if len(names) > 1 else []


def _requests(raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    planned, completed = expect["num_prompts"], raw.get("completed") or 0
    if planned is None:  # only who reads the sessions of a file knows how many turns they have
        planned = raw.get("num_prompts") or 0
    sent = completed + (raw.get("failed") or 0)
    if sent < planned and not raw.get("interrupted"):
        return [f"{planned} requests were planned, but the result has {sent}"]
    if not completed:
        return [f"none of {planned} requests completed{_common_errors(raw)}"]
    if completed < min_completed * planned:
        share = 100.0 * completed / planned
        return [
            f"{planned - completed} of {planned} requests did not complete ({share:.1f} % completed, "
            f"{100 * min_completed:g} % are needed){_common_errors(raw)}"
        ]
    return []


def _common_errors(raw: JsonObject, most: int = 3) -> str:
    """Return the most frequent errors as text to append."""
    counts = raw.get("error_counts") or Counter(filter(None, raw.get("errors") or ()))
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return "".join(f"; {count} x {str(error).strip().splitlines()[-1][:200]}" for error, count in common)


def _output(raw: JsonObject) -> list[str]:
    total = raw.get("total_output_tokens")
    if not total:
        return ["no output tokens were received"]
    reasons, short = [], raw.get("short_outputs")
    lengths = raw.get("output_lens")
    if isinstance(lengths, list) and raw.get("requests_listed", True) and sum(lengths) != total:
        reasons.append(f"the output tokens of the requests add up to {sum(lengths)}, but the total is {total}")
    if short and raw.get("ignore_eos", True):
        reasons.append(
            f"{short} responses have fewer tokens than requested, although the end of text was to be ignored"
        )
    return reasons


def _token_counts(raw: JsonObject, min_completed: float) -> list[str]:
    """Return whether the server's counts are at odds with what it sent, for more requests than may fail."""
    count, completed = raw.get("token_mismatches") or 0, raw["completed"]
    if count <= (1 - min_completed) * completed:
        return []
    return [
        f"text and token count disagree in {count} of {completed} responses: the server counted fewer tokens than it "
        "sent, or sent none of those that it counted"
    ]


def _input(raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    """Compare the server's prompt tokens with those that were sent; a chat template adds the same to each."""
    sent, counted = raw.get("total_input_tokens"), raw.get("server_input_tokens")
    completed, isl = raw["completed"], expect.get("isl")
    if raw.get("inexact_prompts"):
        return [f"{raw['inexact_prompts']} prompts do not have the exact number of tokens"]
    if expect.get("num_sessions") is not None:
        return sessions.evaluate_input(raw, min_completed)
    if sent is not None and isl is not None and sent > isl * completed:
        return [f"{sent} prompt tokens were sent, but {completed} requests of {isl} have at most {isl * completed}"]
    if counted is None or not sent:
        return []
    constant = raw.get("min_input_token_difference") == raw.get("max_input_token_difference")
    # The server's template adds the same to each chat, and to those of several messages something for each of these.
    if "chat" in (raw.get("endpoint") or "") and (constant or raw.get("with_messages")):
        return []
    if abs(counted - sent) > max(PROMPT_TOLERANCE * sent, PROMPT_TOLERANCE_TOKENS * completed):
        return [
            f"the server counted {counted} prompt tokens, but {sent} were sent: "
            "the client's tokenizer is not that of the served model"
        ]
    wrong = raw.get("input_token_outliers")
    if wrong is None:  # a result of an older client
        pairs = zip(raw.get("server_input_lens") or (), raw.get("input_lens") or ())
        wrong = sum(differ(one, other) for one, other in pairs if one is not None)
    if wrong > (1 - min_completed) * completed:
        return [
            f"the server counted other prompt tokens than were sent in {wrong} of {completed} requests: it cuts "
            "prompts, or a part of it serves another model"
        ]
    return []
