# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of sessions: whole ones, and the time to the first token by turns. Pure: no clock, no files."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .quantiles import summary
from .samples import NO_COUNT, Samples

MOST_TURNS = 200  # that have figures of their own; later ones are together


def session_figures(
    samples: Samples, good: Sequence[int], ttfts: Sequence[float | None], percentiles: Sequence[float], planned: int
) -> dict[str, Any]:
    """Return what a result says of sessions.

    :param ttfts: seconds to the first token of each of *good*, None where it is not known.
    :param planned: number of sessions.
    """
    parts: dict[int, tuple[array[float], array[int]]] = {}  # {turn: (TTFTs, prompt tokens)} of completed requests
    groups = {"first_turn_ttft": array("d"), "later_turns_ttft": array("d")}
    for one, value in zip(good, ttfts):
        turn = min(samples.turn[one], MOST_TURNS)
        seconds, tokens = parts.setdefault(turn, (array("d"), array("q")))
        tokens.append(samples.prompt_tokens[one])
        if value is not None:
            seconds.append(value)
            groups["first_turn_ttft" if turn == 1 else "later_turns_ttft"].append(value)
    sent = Counter(min(turn, MOST_TURNS) for turn in samples.turn)
    figures: dict[str, Any] = {}
    for name, values in groups.items():
        figures.update(summary(name, values, percentiles)[0])
    whole = sum(not samples.left[one] for one in good)
    failed = len({samples.session[one] for one, error in enumerate(samples.error) if error})
    return {
        "completed_sessions": whole,
        "failed_sessions": failed,
        "unfinished_sessions": planned - whole - failed,
        "unanswered_turns": sum(samples.unanswered),
        **figures,
        "turn_figures": [_of_turn(turn, count, parts.get(turn), percentiles) for turn, count in sorted(sent.items())],
    }


def _of_turn(
    turn: int, sent: int, part: tuple[Sequence[float], Sequence[int]] | None, percentiles: Sequence[float]
) -> dict[str, Any]:
    seconds, tokens = part or ((), ())
    return {
        "turn": turn,
        "and_later": turn == MOST_TURNS,
        "completed": len(tokens),
        "failed": sent - len(tokens),
        "mean_input_tokens": round(sum(tokens) / len(tokens), 3) if tokens else None,
        **summary("ttft", seconds, percentiles)[0],
    }


def cut_prompts(samples: Samples, good: Sequence[int], differ: Any) -> int:
    """Return how many prompts have fewer tokens, says the server, than what the user alone said in them."""
    return sum(
        samples.tokens_in[one] != NO_COUNT
        and samples.tokens_in[one] < samples.own_tokens[one]
        and differ(samples.tokens_in[one], samples.own_tokens[one])
        for one in good
    )


def spans(samples: Samples) -> tuple[list[float], list[float]]:
    """Return when sessions began, and when they ended."""
    begins: dict[int, float] = {}
    ends: dict[int, float] = {}
    for session, start, last in zip(samples.session, samples.start, samples.last):
        if not math.isnan(start):
            begins[session] = min(start, begins.get(session, start))
            moments = (start,) if math.isnan(last) else (start, last)
            ends[session] = max(*moments, ends.get(session, start))
    return list(begins.values()), [ends[session] for session in begins]
