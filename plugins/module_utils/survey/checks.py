# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of doctor.yml: one a check, with what is wrong and what to do. Facts in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..json_types import JsonObject
from ..slurm.options import Fault
from . import answers

OK, WARNING, BAD, SKIPPED = "ok", "warning", "bad", "skipped"
OLDEST_SLURM, SEGMENTS_SINCE = (22, 5), (23, 11)
OLDEST_NODE_PYTHON = (3, 8)
# What a fault of the site is a check of, by the option of sbatch.
OF_OPTION = {"account": "account", "partition": "partition", "time": "time limit", "nodes": "partition"}
# The checks of a node, by the word of the node check, with what to do about a problem.
OF_NODES = {
    "path": ("files", "Put it on shared disk, or correct its path in srtslurm.yaml or in the job."),
    "image": ("images", "setup.yml -e setup_images=... imports images; or correct the path."),
    "mount": ("files", "Create it on all nodes, or take it out of default_mounts or the job."),
    "port": (
        "ports",
        "End what uses it (a leftover of another job?), or exclude the node (sbatch_directives.exclude).",
    ),
    "clock": ("clocks", "Ask the administrators to repair time synchronisation (chrony, NTP)."),
    "disk": ("disks", "Free some space, or use another output_dir."),
    "shm": ("disks", "Remove old files in /dev/shm, or exclude the node."),
    "gpu": ("GPUs", "Ask the administrators, or exclude the node (sbatch_directives.exclude)."),
    "limit": ("limits", "Ask the administrators for a higher limit of open files."),
    "client": ("Python", "setup.yml -e runtime_dir=DIR makes an environment with what is missing."),
    "network": ("network", "Correct network_interface in srtslurm.yaml, or leave it out."),
    "python": ("versions", "The nodes need Python 3.8 or newer as python3."),
}
NODE_CHECKS = ("shared disk", "clocks", "files", "images", "ports", "GPUs", "disks", "limits", "network", "versions")
ASK_FOR_SLURM = "Run it where sbatch works (srt_slurm_submit_host), or ask the administrators whether slurmctld is up."


class Line(NamedTuple):
    """One check: its name, its state (ok, warning, bad, skipped), what was found, and what to do."""

    check: str
    state: str
    text: str
    remedy: str = ""

    def shown(self, width: int = 12) -> str:
        """Return the line as people see it."""
        mark = {OK: "ok  ", WARNING: "WARN", BAD: "BAD ", SKIPPED: "--  "}[self.state]
        text = f"{mark} {self.check:<{width}} {self.text}"
        return f"{text.rstrip('.')}. -> {self.remedy}" if self.remedy else text


def slurm_version(said: str, uses_segment: bool) -> Line:
    """Return the line on the version of Slurm, ``slurm 23.11.4``."""
    has = answers.version(said)
    text = f"Slurm {said.split()[-1]}" if has else f"unknown version of Slurm: {said.strip() or 'no answer'}"
    if has and has[:2] < OLDEST_SLURM:
        return Line("versions", BAD, text, "22.05 or newer is needed.")
    if has and has[:2] < SEGMENTS_SINCE and uses_segment:
        return Line("versions", BAD, f"{text} has no --segment", "Set use_segment_sbatch_directive: false.")
    return Line("versions", OK if has else WARNING, text)


def of_faults(faults: Iterable[Fault], wanted: Mapping[str, object]) -> list[Line]:
    """Return the lines on account, partition and time limit that the site's *faults* concern, or that are fine.

    :param wanted: ``{option of sbatch: value}`` of what was looked for.
    """
    lines, seen = [], set()
    for option, problem, remedy in faults:
        name = OF_OPTION.get(option, "partition")
        seen.add(name)
        lines.append(Line(name, BAD, f"{option} {problem}".rstrip("."), remedy))
    for name, option in (("account", "account"), ("partition", "partition"), ("time limit", "time")):
        if name not in seen:
            value = wanted.get(option)
            lines.append(Line(name, OK, str(value) if value else "Slurm's default"))
    return lines


def states(name: str, row: Mapping[str, int] | None) -> Line | None:
    """Return the line on a partition none of whose nodes can run a job, or some cannot; None if all can."""
    if row is None:
        return None
    usable, whole = answers.usable(row), sum(row.values())
    listed = ", ".join(f"{count} {state}" for state, count in sorted(row.items()))
    if not usable:
        remedy = (
            f"sinfo --list-reasons --partition={name} says why. Choose another partition, or ask the administrators."
        )
        return Line("partition", BAD, f"no node of {name} can run a job ({listed})", remedy)
    if usable < whole:
        remedy = f"sinfo --list-reasons --partition={name} says why."
        return Line("partition", WARNING, f"{usable} of {whole} nodes of {name} can run jobs ({listed})", remedy)
    return None


def of_nodes(
    problems: Sequence[JsonObject], names: Sequence[str], unchecked: Sequence[str], looked_for: Mapping[str, bool]
) -> list[Line]:
    """Return the lines on what nodes found: one a check and text, with the nodes that have it; the rest is fine.

    :param problems: of the node check, each with ``node``.
    :param unchecked: lines on checks that nodes could not do.
    :param looked_for: ``{check: whether there was anything to look for}`` of those that need a job or a setting.
    """
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for one in problems:
        groups.setdefault((one["check"], one["text"], bool(one["fatal"])), []).append(one["node"])
    lines, seen = [], set()
    for (check, text, fatal), nodes in groups.items():
        name, remedy = OF_NODES.get(check, (check, "Ask the administrators, or exclude the node."))
        seen.add(name)
        more = f" and {len(nodes) - 4} more" if len(nodes) > 4 else ""
        lines.append(Line(name, BAD if fatal else WARNING, f"{', '.join(nodes[:4])}{more}: {text}", remedy))
    for text in unchecked:
        name = OF_NODES.get(text.partition(" ")[0], (text.partition(" ")[0], ""))[0]
        seen.add(name)
        lines.append(Line(name, SKIPPED, text))
    more = " ..." if len(names) > 4 else ""
    there = f"{len(names)} node{'' if len(names) == 1 else 's'} ({', '.join(names[:4])}{more})"
    rest = [name for name in NODE_CHECKS if name not in seen]
    none = "nothing to look for: no job is given, and srtslurm.yaml names none"
    return lines + [Line(name, OK, there) if looked_for.get(name, True) else Line(name, SKIPPED, none) for name in rest]


def network(reports: Iterable[JsonObject], interface: str | None) -> list[JsonObject]:
    """Return the problems of nodes without an address at *interface*, and with a Python that is too old."""
    found: list[JsonObject] = []
    for one in reports:
        names = sorted({name for name, _address in one.get("addresses") or ()})
        if interface and names and interface not in names:
            text = f"network_interface is {interface}; it has {', '.join(names)}"
            found.append({"check": "network", "fatal": True, "text": text, "node": one["node"]})
        has = answers.version(str(one.get("python") or ""))
        if has and has[:2] < OLDEST_NODE_PYTHON:
            found.append({"check": "python", "fatal": True, "text": f"Python {one['python']}", "node": one["node"]})
    return found


def unseen(why: str, folder: str, missing: int, asked: int) -> Line:
    """Return the line on nodes that did not report."""
    about = f"{missing} of {asked} nodes did not report" if missing else "no node reported"
    remedy = (
        f"Do the nodes see {folder} under this path? Give a directory on shared disk with -e shared_dir=DIR; "
        "squeue and sinfo say whether a node was free."
    )
    return Line("shared disk", BAD, f"{about}: {why or 'nothing was written'}", remedy)


def sorted_lines(lines: Sequence[Line]) -> list[Line]:
    """Return the lines, each once, in their order."""
    return list(dict.fromkeys(lines))
