# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a parser of result files returns, and the reading of their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Callable, NamedTuple, Union

from ...json_types import Json, JsonObject
from ...metrics import LATENCIES, STATISTICS
from ..base import Figures


class Recognised(NamedTuple):
    """What a result file says.

    :ivar program: the program that wrote it, for people.
    :ivar figures: ``{name of a metric: value}``, and ``concurrency`` if the file says so; None: no sample.
    :ivar faults: why its figures cannot be valid.
    :ivar doubts: what it does not say, so that nobody can tell whether its figures are valid.
    :ivar disturbances: why its figures are not valid, although those of another measurement may be.
    :ivar models: the models that were asked, as far as it names them.
    """

    program: str
    figures: Figures
    faults: list[str]
    doubts: list[str]
    disturbances: Sequence[str] = ()
    models: Sequence[str] = ()


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
    if not completed:
        return ["no request completed"]
    faults = []
    if not figures.get("total_output_tokens"):
        faults.append("no output tokens were received")
    if not figures.get("duration"):
        faults.append("the duration of the measurement is 0, or missing")
    if planned and isinstance(completed, (int, float)):
        if completed > planned:
            faults.append(f"{completed:g} requests completed, but {planned:g} were planned")
        elif isinstance(failed, (int, float)) and completed + failed < planned:
            faults.append(f"{planned:g} requests were planned, but the result has {completed + failed:g}")
    return faults


def without_samples(figures: Figures) -> Figures:
    """Return *figures* without the latencies of requests of which none completed: they are unknown, not 0."""
    if figures.get("completed"):
        return figures
    empty = {f"{one}_{name}_ms" for name in LATENCIES for one in STATISTICS}
    return {name: None if name in empty else value for name, value in figures.items()}
