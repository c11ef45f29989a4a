# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validity of a result of sa-bench: enough requests completed, and they match the plan."""

from __future__ import annotations

from collections import Counter

from ...json_types import JsonObject

PROMPT_TOLERANCE = 0.02  # of the prompt tokens sent ...
PROMPT_TOLERANCE_TOKENS = 8  # ... or this many tokens per request, whichever is more


def evaluate(raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    """Return the reasons why a result is not valid; an empty list if it is valid.

    :param raw: content of the result file.
    :param expect: ``{num_prompts, isl, osl, profiled}`` of the point; ``profiled`` is the profiler that ran, if any.
    :param min_completed: share of the requests that must have completed.
    """
    reasons = []
    if expect.get("profiled"):
        reasons.append(f"the workers were profiled ({expect['profiled']}) during the measurement")
    if raw.get("interrupted"):
        reasons.append(f"the measurement did not complete: {raw.get('reason') or 'interrupted'}")
    reasons += _requests(raw, expect, min_completed)
    if not (raw.get("duration") or 0) > 0:
        reasons.append("the duration of the measurement is 0")
    if raw.get("completed"):
        reasons += _output(raw)
        reasons += _token_counts(raw, min_completed)
        reasons += _input(raw, expect)
    return reasons


def _requests(raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    planned, completed = expect["num_prompts"], raw.get("completed") or 0
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
    counts = Counter(filter(None, raw.get("errors") or ()))
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return "".join(f"; {count} x {str(error).strip().splitlines()[-1][:200]}" for error, count in common)


def _output(raw: JsonObject) -> list[str]:
    total = raw.get("total_output_tokens")
    if not total:
        return ["no output tokens were received"]
    reasons, short = [], raw.get("short_outputs")
    lengths = raw.get("output_lens")
    if isinstance(lengths, list) and sum(lengths) != total:
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


def _input(raw: JsonObject, expect: JsonObject) -> list[str]:
    """Compare the server's prompt tokens with those that were sent; a chat template adds the same to each."""
    sent, counted = raw.get("total_input_tokens"), raw.get("server_input_tokens")
    completed, isl = raw["completed"], expect["isl"]
    if raw.get("inexact_prompts"):
        return [f"{raw['inexact_prompts']} prompts do not have the exact number of tokens"]
    if sent is not None and sent > isl * completed:
        return [f"{sent} prompt tokens were sent, but {completed} requests of {isl} have at most {isl * completed}"]
    if counted is None or not sent:
        return []
    constant = raw.get("min_input_token_difference") == raw.get("max_input_token_difference")
    if constant and "chat" in (raw.get("endpoint") or ""):
        return []
    if abs(counted - sent) > max(PROMPT_TOLERANCE * sent, PROMPT_TOLERANCE_TOKENS * completed):
        return [
            f"the server counted {counted} prompt tokens, but {sent} were sent: "
            "the client's tokenizer is not that of the served model"
        ]
    return []
