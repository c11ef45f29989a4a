# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a parser of result files returns, and the reading of their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Callable, NamedTuple, Union

from ...json_types import Json, JsonObject
from ...metrics import LATENCIES, METRICS, STATISTICS
from ..base import Figures


class Recognised(NamedTuple):
    """What a result file says.

    :ivar program: the program that wrote it, for people.
    :ivar figures: ``{name of a metric: value}``, and ``concurrency`` if the file says so; None: no sample.
    :ivar faults: why its figures cannot be valid.
    :ivar doubts: what it does not say, so that nobody can tell whether its figures are valid.
    :ivar disturbances: why its figures are not valid, although those of another measurement may be.
    :ivar models: the models that were asked, as far as it names them.
    :ivar run: which of several runs of its program it is of, as its directories say; "" if it is the only one.
    """

    program: str
    figures: Figures
    faults: list[str]
    doubts: list[str]
    disturbances: Sequence[str] = ()
    models: Sequence[str] = ()
    run: str = ""


# {metric: what is wrong with a load in which it is 0}.
NEEDED = {
    "total_output_tokens": "no output tokens were received",
    "duration": "the duration of the measurement is 0, or missing",
}
# Returns what a JSON object says, or None if it is not of this parser's programs; ValueError if it is a broken one.
Parser = Callable[[JsonObject], Union[Recognised, None]]


def number(value: Json) -> float | int | None:
    """Return *value* if it is a number, 0 or more, None if there is none; ValueError if it is something else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{ascii(value)[:60]} is not a number of 0 or more")
    return value


def names(*values: Json) -> list[str]:
    """Return those of *values* that are names, without repetition."""
    return list(dict.fromkeys(value for value in values if isinstance(value, str) and value))


def scaled(value: Json, factor: float) -> float | None:
    """Return the number *value* times *factor*, or None."""
    found = number(value)
    return None if found is None else found * factor


def request_faults(figures: Figures, planned: float | None = None) -> list[str]:
    """Return why the figures of a load cannot be valid: nothing completed, no tokens, no time, other requests.

    :param planned: the number of requests that were to be sent; None: unknown.
    """
    completed, failed = figures.get("completed"), figures.get("failed")
    if completed == 0:
        return ["no request completed"]
    faults = [text for name, text in NEEDED.items() if figures.get(name) == 0]
    if planned and isinstance(completed, (int, float)):
        if completed > planned:
            faults.append(f"{completed:g} requests completed, but {planned:g} were planned")
        elif isinstance(failed, (int, float)) and completed + failed < planned:
            faults.append(f"{planned:g} requests were planned, but the result has {completed + failed:g}")
    return faults


def too_few(figures: Figures, min_completed: float) -> list[str]:
    """Return the reason, as a list, why too many requests failed: *min_completed* is the share that must complete."""
    completed, failed = figures.get("completed"), figures.get("failed")
    if not isinstance(completed, (int, float)) or not isinstance(failed, (int, float)) or not completed:
        return []
    sent = completed + failed
    if completed >= min_completed * sent:
        return []
    return [
        f"{failed:g} of {sent:g} requests did not complete ({100.0 * completed / sent:.1f} % completed, "
        f"{100 * min_completed:g} % are needed)"
    ]


def unsaid(figures: Figures) -> list[str]:
    """Return what the result of a load does not say, although nobody can tell without it whether it is valid."""
    found = [] if figures.get("completed") is not None else ["its result does not say how many requests completed"]
    found += [] if figures.get("failed") is not None else ["its result does not say how many requests failed"]
    return found + [text for name, text in NEEDED.items() if figures.get(name) is None]


# A throughput follows from a sum and the duration. What a program rounds, or begins to count later, is less than this,
# also in a short run.
FITS = 0.5
RATES = {
    "output_tps": ("total_output_tokens",),
    "total_tps": ("total_input_tokens", "total_output_tokens"),
    "request_throughput": ("completed",),
}


def contradictions(figures: Figures) -> list[str]:
    """Return where the throughputs of a load are others than its sums and its duration say: units, or mixed files."""
    seconds, found = figures.get("duration"), []
    for name, parts in RATES.items():
        said, sums = figures.get(name), [figures.get(part) for part in parts]
        amounts = [one for one in sums if isinstance(one, (int, float))]
        if not isinstance(said, (int, float)) or len(amounts) < len(parts) or not isinstance(seconds, (int, float)):
            continue
        expected = sum(amounts) / seconds if seconds else 0.0
        if expected and abs(said - expected) > FITS * expected:
            about = METRICS[name].phrase(said)
            found.append(f"it says {about}, but {sum(amounts):,.0f} in {seconds:.1f} s are {expected:,.1f}")
    return found


def without_samples(figures: Figures) -> Figures:
    """Return *figures* without the latencies that have no sample: they are unknown, not 0.

    Some programs write 0 for the mean of nothing: when no request completed, and for TPOT and ITL when no answer has a
    second token. All of a latency's figures are 0 then, which no measurement gives.
    """
    found = dict(figures)
    for name in LATENCIES:
        keys = [f"{one}_{name}_ms" for one in STATISTICS]
        if not figures.get("completed") or not any(figures.get(key) for key in keys):
            found.update({key: None for key in keys if key in found})
    return found
