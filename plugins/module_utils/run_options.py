# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What a person gives beside the job (``-e job_id=N``, ``-e concurrencies=4,16``), read to the letter.

Each reader takes the value as it came, text or not, and raises :class:`Unusable` for what it could only guess at.
"""

from __future__ import annotations

import re
import unicodedata

NUMBER = re.compile(r"[1-9][0-9]*")
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
UNSET = "is empty, as an unset variable of the shell is."
MOST_RETRIES = 1000


class Unusable(ValueError):
    """A value that no run could mean: what is wrong with it, and what to do."""

    def __init__(self, problem, remedy):
        super().__init__(f"{problem} {remedy}")
        self.problem, self.remedy = problem, remedy


def job_number(value):
    """Return the number of a job as text."""
    text = _text(value, "Give the number of the job, or leave job_id out.")
    if NUMBER.fullmatch(text):
        return text
    part = re.fullmatch(r"([1-9][0-9]*)\+[0-9]+", text)
    if part:
        remedy = f"Give the whole job: job_id={part[1]}."
        raise Unusable(f"is {text}, one part of the heterogeneous job {part[1]}.", remedy)
    task = re.fullmatch(r"([1-9][0-9]*)_[0-9]+", text)
    if task:
        remedy = f"Give the task's own number, which squeue --jobs={text} --format=%A shows."
        raise Unusable(f"is {text}, a task of the job array {task[1]}.", remedy)
    raise Unusable(f"is {_shown(text)}, which is no number of a job.", "Give the one that squeue shows, such as 4711.")


def levels(value):
    """Return concurrencies as a list of numbers, each once: of one number, "4,16", "4x16" or a list; [] of []."""
    remedy = "Give numbers above 0, such as 4,16."
    if isinstance(value, (list, tuple)):
        items = [_text(item, remedy) for item in value]
    else:
        text = _text(value, "Give the concurrencies to measure, such as 4,16, or leave it out to measure all.")
        inner = re.fullmatch(r"\[(.*)\]", text)
        items = [item.strip() for item in re.split("[,x]", inner[1] if inner else text)]
    wrong = [item for item in items if not NUMBER.fullmatch(item)]
    if wrong:
        alone = len(items) == 1 and not isinstance(value, (list, tuple))
        problem = f"is {_shown(value)}" if alone else f"has {', '.join(map(_shown, wrong))} in it"
        raise Unusable(f"{problem}, which is no concurrency.", remedy)
    return list(dict.fromkeys(map(int, items)))


def retries(value):
    """Return how often a job may begin again."""
    remedy = f"Give a whole number from 0 to {MOST_RETRIES}."
    text = _text(value, remedy)
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) > MOST_RETRIES:
        raise Unusable(f"is {_shown(text)}, which is no number of retries.", remedy)
    return int(text)


def truth(value):
    """Return a truth value."""
    remedy = "Give true or false."
    word = _text(value, remedy).lower()
    if word not in (*TRUE, *FALSE):
        raise Unusable(f"is {_shown(value)}.", remedy)
    return word in TRUE


def given(value):
    """Return the text *value*, which must not be empty."""
    return _text(value, "Give it a value, or leave it out.")


def output_dir(value):
    """Return the parent of run directories; Slurm must be able to take it as it is."""
    text = _text(value, "Give a directory, or leave output_dir out.")
    if any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in text):
        problem = f"is {text!r}, with a line break or control character, which Slurm cannot take."
        raise Unusable(problem, "Choose a directory without one.")
    if "\\" in text:
        problem = f"is {text}, with a backslash: Slurm would take %j in the path of the output as it stands."
        raise Unusable(problem, "Choose a directory without one.")
    return text


def _text(value, remedy):
    """Return *value* as text; Unusable if there is none."""
    if value is None or isinstance(value, str) and not value.strip():
        raise Unusable(UNSET, remedy)
    return str(value)


def _shown(value):
    """Return *value* for a message, on one line and not too long."""
    text = ascii(str(value)) if not str(value).isprintable() or value in ("", " ") else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
