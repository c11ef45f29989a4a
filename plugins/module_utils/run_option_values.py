# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of run options, parsed strictly.

Each parser takes the raw value, text or not, and raises :class:`Unusable` for anything ambiguous.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from typing import Callable

from ansible.module_utils.parsing.convert_bool import boolean as ansible_boolean

from .json_types import Json

NUMBER = re.compile(r"[1-9][0-9]*")
UNSET = "is empty, as an unset variable of the shell is."
MOST_RETRIES = 1000
MOST_PERCENT = 1000.0
SHORTEST_LEASE_S = 15.0  # a working controller may send no request for some seconds


class Unusable(ValueError):
    """An invalid value: the problem and the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem, self.remedy = problem, remedy


def job_id(value: Json) -> str:
    """Return the job id as text."""
    text = _text(value, "Set the id of the job, or leave job_id out.")
    if NUMBER.fullmatch(text):
        return text
    component = re.fullmatch(r"([1-9][0-9]*)\+[0-9]+", text)
    if component:
        remedy = f"Use the whole job: job_id={component[1]}."
        raise Unusable(f"is {text}, one component of the heterogeneous job {component[1]}.", remedy)
    task = re.fullmatch(r"([1-9][0-9]*)_[0-9]+", text)
    if task:
        remedy = f"Use the task's own id, which squeue --jobs={text} --format=%A shows."
        raise Unusable(f"is {text}, a task of the job array {task[1]}.", remedy)
    raise Unusable(f"is {_shown(text)}, which is not a valid job id.", "Use the id that squeue shows, such as 4711.")


def concurrencies(value: Json) -> list[int]:
    """Return concurrencies, each once: of one number, "4,16", "4x16" or a list; [] of []."""
    remedy = "Use positive numbers, such as 4,16."
    if isinstance(value, (list, tuple)):
        items = [_text(item, remedy) for item in value]
    else:
        text = _text(value, "Set the concurrencies to measure, such as 4,16, or leave it out to measure all.")
        inner = re.fullmatch(r"\[(.*)\]", text)
        items = [item.strip() for item in re.split("[,x]", inner[1] if inner else text)]
    wrong = [item for item in items if not NUMBER.fullmatch(item)]
    if wrong:
        alone = len(items) == 1 and not isinstance(value, (list, tuple))
        problem = f"is {_shown(value)}" if alone else f"has {', '.join(map(_shown, wrong))} in it"
        raise Unusable(f"{problem}, which is not a concurrency.", remedy)
    return list(dict.fromkeys(map(int, items)))


def _number(least: int, what: str) -> Callable[[Json], int]:
    """Return the parser of a number of *what*, *least* or more."""

    def parse(value: Json) -> int:
        remedy = f"Use a whole number from {least} to {MOST_RETRIES}."
        text = _text(value, remedy)
        if not re.fullmatch("[0-9]{1,4}", text) or not least <= int(text) <= MOST_RETRIES:
            raise Unusable(f"is {_shown(text)}, which is not a number of {what}.", remedy)
        return int(text)

    return parse


retries, parallel, repeats = _number(0, "retries"), _number(1, "allocations"), _number(3, "repeats")


def count(value: Json) -> int:
    """Return a whole number, 0 or more."""
    remedy = "Use a whole number, 0 or more."
    text = _text(value, remedy)
    if not re.fullmatch("[0-9]{1,9}", text):
        raise Unusable(f"is {_shown(text)}.", remedy)
    return int(text)


def boolean(value: Json) -> bool:
    """Return a truth value by Ansible's own rule."""
    remedy = "Use true or false."
    _text(value, remedy)
    try:
        return ansible_boolean(value)
    except TypeError:
        raise Unusable(f"is {_shown(value)}.", remedy) from None


def seconds(value: Json, least: str = "") -> float:
    """Return a time in seconds, 0 or more."""
    remedy = f"Use seconds{least}."
    text = _text(value, remedy)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise Unusable(f"is {_shown(text)}, not a time.", remedy)
    return number


def percent(value: Json) -> float:
    """Return a difference in percent as a number above zero: of 5, "5" or "5 %"."""
    remedy = "Use percent, such as 2 or 0.5."
    text = _text(value, remedy)
    number = _decimal(text.strip().removesuffix("%"))
    if not 0 < number < MOST_PERCENT:
        raise Unusable(f"is {_shown(text)}, not a difference above 0 and below {MOST_PERCENT:g} %.", remedy)
    return number


def hours(value: Json) -> float:
    """Return a number of hours, above zero."""
    remedy = "Use a number above 0, such as 8 or 0.5."
    text = _text(value, remedy)
    number = _decimal(text)
    if not 0 < number < float("inf"):
        raise Unusable(f"is {_shown(text)}, not a number of hours.", remedy)
    return number


def moment(value: Json) -> str:
    """Return a day or time (UTC) as it is written, or how long ago it is: "2026-11-30", "7d", "12h"."""
    remedy = (
        "Use a day or a time (UTC), such as 2026-11-30 or 2026-11-30T12:00, or how long ago it is, such as 7d or 12h."
    )
    text = _text(value, remedy).strip()
    if re.fullmatch("[1-9][0-9]{0,4}[dh]", text):
        return text
    try:
        datetime.datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        raise Unusable(f"is {_shown(text)}.", remedy) from None
    return text


def since(value: str, now: datetime.datetime) -> str:
    """Return the time (UTC, ISO 8601 without zone) that :func:`moment` returned *value* for."""
    if value[-1] in "dh":
        ago = datetime.timedelta(**{"days" if value[-1] == "d" else "hours": int(value[:-1])})
        return (now - ago).strftime("%Y-%m-%dT%H:%M:%S")
    when = datetime.datetime.fromisoformat(value.removesuffix("Z"))
    if when.tzinfo:
        when = when.astimezone(datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S")


def _decimal(text: str) -> float:
    """Return *text* as a number, -1 if it is none."""
    try:
        return float(text)
    except ValueError:
        return -1.0


def lease(value: Json) -> float:
    """Return the seconds for which a job continues without a controller."""
    number = seconds(value, f", {SHORTEST_LEASE_S:g} or more")
    if number < SHORTEST_LEASE_S:
        problem = f"is {value} seconds, so that a job could end while its playbook is running."
        raise Unusable(problem, f"Use {SHORTEST_LEASE_S:g} or more.")
    return number


def keep(value: Json) -> tuple[bool, float | None]:
    """Return whether the service stays up after the run, and the lease if the value is one, in seconds."""
    text = "" if value is None else str(value).strip().lower()
    if text in ("", "none"):
        return False, None
    try:
        return ansible_boolean(text), None
    except TypeError:
        pass
    if not re.search("[0-9]", text):
        remedy = f"Use true, false, or the seconds to keep the nodes, {SHORTEST_LEASE_S:g} or more."
        raise Unusable(f"is {_shown(text)}.", remedy)
    return True, lease(text)


def tags(value: Json) -> list[str]:
    """Return words: of a list, or of text with commas between them."""
    items = value if isinstance(value, (list, tuple)) else str(value or "").split(",")
    return [str(item).strip() for item in items if str(item).strip()]


def assignments(value: Json) -> list[list[Json]]:
    """Return ``[[path, value]]`` of PATH=VALUE, of a list of these, or of a mapping; [] of []."""
    remedy = "Write set=PATH=VALUE, such as set=benchmark.isl=1024; for several a list or a mapping of them."
    if isinstance(value, dict):
        return [[str(path), one] for path, one in value.items()]
    found: list[list[Json]] = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(item, (list, tuple)) and len(item) == 2:  # it is parsed already
            found.append([str(item[0]), item[1]])
            continue
        path, sign, text = str(item).partition("=")
        if not isinstance(item, str) or not sign or not path.strip():
            raise Unusable(f"is {_shown(str(item))}, which is no PATH=VALUE.", remedy)
        found.append([path.strip(), text.strip()])
    return found


def key_paths(value: Json) -> list[str]:
    """Return paths of keys: of a list, or of text with commas between them."""
    items = value if isinstance(value, (list, tuple)) else str(value or "").split(",")
    found = [str(item).strip() for item in items]
    if not found or not all(found):
        raise Unusable(UNSET, "Write unset=PATH, such as unset=benchmark.isl, or leave it out.")
    return found


def text_value(value: Json) -> str:
    """Return the text *value*, which must not be empty."""
    return _text(value, "Set a value, or leave it out.")


def output_dir(value: Json) -> str:
    """Return the parent of run directories; Slurm must accept it literally."""
    text = _text(value, "Set a directory, or leave output_dir out.")
    if any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in text):
        problem = f"is {text!r}, with a line break or control character, which Slurm does not accept."
        raise Unusable(problem, "Choose a directory without one.")
    if "\\" in text:
        problem = f"is {text}, with a backslash: Slurm would not replace %j in the path of the output."
        raise Unusable(problem, "Choose a directory without one.")
    if re.search(r"%.*%\d*[Nnts]", text):  # Slurm loses the second %% of such a pattern
        problem = f"is {text}, with % and later %N, %n, %t or %s: Slurm would not write the logs of steps there."
        raise Unusable(problem, "Choose a directory without them.")
    return text


def unchecked(value: Json) -> Json:
    """Return *value* unchanged: its reader validates it."""
    return value


def _text(value: Json, remedy: str) -> str:
    """Return *value* as text; Unusable if it is empty."""
    if value is None or isinstance(value, str) and not value.strip():
        raise Unusable(UNSET, remedy)
    return str(value)


def _shown(value: Json) -> str:
    """Return *value* for a message, on one line and not too long."""
    text = ascii(str(value)) if not str(value).isprintable() or value in ("", " ") else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
