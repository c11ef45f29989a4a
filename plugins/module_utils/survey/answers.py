# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Slurm's commands print about a cluster, as values. Nothing here runs a command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

FIELD = re.compile(r"(?:^|\s)([A-Za-z][\w/:-]*)=")
SETTING = re.compile(r"^\s*([\w/-]+)\s*=\s?(.*?)\s*$")
# The flags that sinfo adds to a state: not responding, powered down, in maintenance, ...
FLAGS = "*~#!%$@^-+"
# The states of a node that can run a job, now or later.
USABLE = ("idle", "mixed", "allocated", "completing", "planned")
NOTHING = ("", "(null)", "N/A", "None", "NONE", "UNLIMITED")


def settings(text: str) -> dict[str, str]:
    """Return ``{name: value}`` of ``scontrol show config``; a value that is not set is ""."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = SETTING.match(line)
        if match:
            found.setdefault(match[1], "" if match[2] in NOTHING[:3] else match[2])
    return found


def records(text: str) -> list[dict[str, str]]:
    """Return a record of each line of ``scontrol --oneliner show node`` or ``partition``.

    Values may have blanks. What an administrator wrote comes last, as Reason, and does not replace a field before it.
    """
    found = []
    for line in text.splitlines():
        names = list(FIELD.finditer(line))
        ends = [match.start() for match in names[1:]] + [len(line)]
        record: dict[str, str] = {}
        for match, end in zip(names, ends):
            record.setdefault(match[1], line[match.end() : end].strip())
        if record:
            found.append(record)
    return found


def in_partition(nodes: Iterable[Mapping[str, str]], name: str) -> list[Mapping[str, str]]:
    """Return the records of the nodes that belong to the partition *name*."""
    return [one for one in nodes if name in one.get("Partitions", "").split(",")]


def architecture(nodes: Iterable[Mapping[str, str]]) -> str | None:
    """Return the architecture of most of *nodes*, None if none has registered."""
    count: dict[str, int] = {}
    for one in nodes:
        arch = one.get("Arch", "")
        if arch not in NOTHING:
            count[arch] = count.get(arch, 0) + 1
    return max(sorted(count), key=count.__getitem__) if count else None


def states(text: str) -> dict[str, dict[str, int]]:
    """Return ``{partition: {state: nodes}}`` of ``sinfo --format=%P|%T|%D``, without the flags of a state.

    The state of a node that does not respond is ``down``, whatever it was before.
    """
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        name, state, count = (part.strip() for part in (line.split("|") + ["", ""])[:3])
        if not count.isdecimal():
            continue
        word = "down" if state.endswith("*") else state.rstrip(FLAGS).lower()
        row = found.setdefault(name.rstrip("*"), {})
        row[word] = row.get(word, 0) + int(count)
    return found


def usable(row: Mapping[str, int]) -> int:
    """Return how many nodes of ``{state: nodes}`` can run a job, now or later."""
    return sum(count for state, count in row.items() if state in USABLE)


def mpi_types(text: str) -> list[str]:
    """Return the types that ``srun --mpi=list`` names: one a line, or after a colon, with or without ``srun: ``."""
    found: list[str] = []
    for line in text.splitlines():
        line = line.strip().removeprefix("srun:").strip()
        words = line.rpartition(":")[2].replace(",", " ").split() if "available:" in line else line.split()
        if len(words) == 1 or "available:" in line:
            found += [word for word in words if re.fullmatch(r"[a-z][a-z0-9_]*", word)]
    return list(dict.fromkeys(found))


def has_option(text: str, name: str) -> bool:
    """Return whether the help *text* of a command names the option *name*, such as --segment."""
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text))


def first_word(text: str) -> str | None:
    """Return the first word of the first line that has one."""
    words = text.split()
    return words[0] if words and words[0] not in NOTHING else None


def version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version such as ``slurm 23.11.4-2``; () if there are none."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part) if match else ()
