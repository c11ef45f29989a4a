# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the log line that explains why a program ended, and the kind of fault.

Every candidate has a *rank*. The first line of the highest rank counts, because one fault causes others. A line after
which the program continued is not the cause, and neither is one below the log level error.

Here is what all programs have in common. The words of engines, frontends and services are in FILE.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from .places import PROGRAMS

# In the run directory: the lines of the programs of this service, see log_lines.py.
FILE = f"{PROGRAMS}/fatal_lines.json"

# Ranks. A mere hint of a fault decides nothing, and of several hints the last one counts.
PLAIN, CLEAR, OPEN, HINT = 4.0, 3.0, 2.0, 1.0
RANKS = {"plain": PLAIN, "clear": CLEAR, "open": OPEN, "hint": HINT}
LONGEST = 2000  # characters of a line that are searched and kept

# (rank, kind, pattern). A log has lines of several programs: a worker's has those of its engine, dynamo, NCCL and
# MPI. The first match of the highest rank counts.
PATTERNS = (
    # The node: drivers and CUDA.
    (
        PLAIN,
        "gpu",
        r"\bXid\b|uncorrectable (?:NVLink|ECC)|NVLINK_UNCORRECTABLE|ECC error|fallen off the bus|GPU is lost|"
        r"no CUDA-capable device|No CUDA GPUs are available|CUDA-capable device\(s\) is/are busy|"
        r"\bdevices? unavailable|\bhardware error\b|NVML: (?:Unknown|Driver)|CUDA driver initialization failed|"
        r"system not yet initialized|Unable to determine the device handle",
    ),
    (
        PLAIN,
        "gpu_memory",
        r"(?:CUDA|HIP) out of memory|OutOfMemoryError|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|"
        r"CUDA (?:runtime )?error\b.*out of memory|Cuda failure.*out of memory",
    ),
    (PLAIN, "memory", r"oom[-_ ]kill|std::bad_alloc|\bMemoryError\b|[Cc]annot allocate memory"),
    (PLAIN, "disk", r"(?i:no space left on device|disk quota exceeded)"),
    (CLEAR, "disk", r"(?i:read-only file system)"),
    (PLAIN, "port", r"(?i:address already in use)|EADDRINUSE|error while attempting to bind on address"),
    (
        CLEAR,
        "crash",
        r"Segmentation fault|SIGSEGV|\bBus error\b|core dumped|terminate called|panicked at|Fatal Python error|"
        r"illegal memory access|device-side assert|unspecified launch failure",
    ),
    (CLEAR, "memory", r"(?i:out of memory)"),
    # Python, Rust, Go and shells.
    (
        PLAIN,
        "usage",
        r"unrecognized arguments|error: argument |invalid choice: |error: unexpected argument|"
        r"unknown (?:option|flag|shorthand flag)\b|flag provided but not defined|No such option: |unrecognized option",
    ),
    (
        CLEAR,
        "missing",
        r"\b(?:FileNotFoundError|ModuleNotFoundError|ImportError)\b|command not found|can't open file|"
        r"cannot open shared object file|execve\(\).*No such file|exec: \S+: not found",
    ),
    (CLEAR, "permission", r"\bPermissionError\b|execve\(\).*Permission denied"),
    # NCCL and MPI.
    (
        CLEAR,
        "nccl",
        r"NCCL error|nccl(?:System|Internal|Remote|InvalidUsage|UnhandledCuda)Error|\bDistBackendError\b|"
        r"[Ww]atchdog caught collective operation timeout",
    ),
    (CLEAR, "mpi", r"PMIX ERROR|OPAL ERROR|ORTE_ERROR|\bMPI_ERR_|PML add procs failed|Failed: MPI error"),
    (HINT, "mpi", r"MPI_ABORT was invoked|Primary job +terminated normally"),
    # Models.
    (
        CLEAR,
        "missing",
        r"RepositoryNotFoundError|is not a local folder and is not a valid model identifier|"
        r"does not appear to have a file named|LocalEntryNotFoundError",
    ),
    # Containers. The cause is in what pyxis quotes, indented, from the log of enroot or of an importer.
    (PLAIN, "missing", r"pyxis: {2,}.*(?:\[ERROR\]|enroot-\w+:).*No such file or directory"),
    (PLAIN, "fatal", r"pyxis: {2,}.*(?:\[ERROR\]|enroot-\w+: )"),
    (CLEAR, "fatal", r"pyxis: .*(?:[Ff]ailed|[Cc]ouldn't|[Cc]ould not)|enroot-\w+: .*rror"),
    # Symptoms of faults elsewhere, and words that also appear in harmless lines.
    (HINT, "connection", r"(?i:connection refused|connection reset by peer)|Connection\w*Error\b|BrokenPipeError"),
    (HINT, "missing", r"No such file or directory"),
    (HINT, "permission", r"(?i:permission denied)"),
    (HINT, "fatal", r"^Killed$|Traceback \(most recent call last\)"),
)
# Every line that a pattern may match has one of these words: most lines have none, and matching is slow.
WORDS = (
    "error", "exception", "interrupt", "exit", "timeout", "xid", "uncorrectable", "fallen off", "is lost", "no cuda",
    "unavailable", "nvml", "driver init", "not yet init", "device handle", "memory", "bad_alloc", "oom", "no space",
    "quota", "read-only", "address", "segmentation", "sigsegv", "dumped", "terminate", "panic", "illegal", "assert",
    "launch failure", "unrecognized", "invalid", "unexpected", "unknown", "not defined", "no such", "not found",
    "can't open", "cannot open", "execve", "denied", "nccl", "collective", "pml add", "mpi", "watchdog", "not a local",
    "not appear", "fail", "emerg", "pyxis", "enroot", "refused", "reset by", "killed", "traceback", "fatal", "crit",
    "ftl", "[err]",
)  # fmt: skip
# Lines that only report that another process has failed.
ECHOES = (
    r"\b(?:EOFError|KeyboardInterrupt|CancelledError|BrokenPipeError|SystemExit)\b",
    r"subprocess exited|remote process exited",
)
EXCEPTION = re.compile(r"(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Timeout)|Error|Exception)(?:: |:?$)")
CHAIN = re.compile("During handling of the above exception|The above exception was the direct cause")
# What a multi-process program, a launcher or a logger writes before the text of a line.
PREFIXES = (
    r"\d+: ",  # srun --label
    r"\[(?:rank)?\d+(?:,\d+)?\](?:<std(?:out|err)>)?: ?",  # torchrun, mpirun
    r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[.,]?\d*Z?(?: [A-Z]+\d+)*\]? ",  # a time
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The log level, as the only group of each.
LEVELS = (
    r"(?:^|[\s\[(|:-])(TRACE|DEBUG|DBG|INFO|INF|NOTICE|WARN(?:ING)?|WRN|ERROR|ERR|CRITICAL|CRIT|FATAL|FTL|EMERG)(?=[\s\]):|]|$)",
    r"\"level\": ?\"(\w+)\"",  # JSON
    r"^(?:\[\w+\]:)?\[?([IWEF])\d{3,4} \d\d:",  # glog, torch
    r"^(?:\S+:\d+: )?[A-Z]\w*(Warning): ",  # Python's warnings
)
LEVEL_WITHIN = 100  # the log level is among this many first characters
WARNINGS = ("W", "WRN", "WARN", "WARNING", "NOTICE", "N", "ALERT")
WORK = ("T", "TRACE", "V", "D", "DEBUG", "DBG", "I", "INF", "INFO")
LAST_WORDS = ("F", "FTL", "FATAL", "C", "CRIT", "CRITICAL", "EMERG", "PANIC")
# A program that logged this many lines of ordinary work after a fault survived it. The ranks of an engine that lost one
# also log some lines; a program ended by an external signal logs only a few.
WENT_ON, WENT_ON_UNTIL_KILLED = 20, 5
# Faults that programs can survive: then such a line is only a hint. Lost hardware stays lost.
ENDURED = ("missing", "permission", "port", "connection", "usage", "fatal")


class Patterns:
    """What lines tell: the general patterns, and those of the programs of a service.

    :param more: the content of FILE: what is in :class:`log_lines.LogLines`, of all programs together.
    """

    def __init__(self, more: Mapping[str, Any] | None = None) -> None:
        more = more or dict.fromkeys(("fatal", "words", "work", "prefixes", "levels", "echoes"), ())
        rows = [*PATTERNS, *((RANKS[rank], kind, text) for rank, kind, text in more["fatal"])]
        self.rows = [(rank, kind, re.compile(text)) for rank, kind, text in sorted(rows, key=lambda row: -row[0])]
        self.words = (*WORDS, *more["words"])
        self.prefix = re.compile(f"(?:{'|'.join((*PREFIXES, *more['prefixes']))})+")
        self.echo = re.compile("|".join((*ECHOES, *more["echoes"])))
        self._level = re.compile("|".join((*LEVELS, *more["levels"])))
        self._work = [re.compile(text) for text in more["work"]]

    def find(self, text: str) -> tuple[float, str] | None:
        """Return (rank, kind) of the first pattern that matches *text*, the highest rank first; or None."""
        return next(((rank, kind) for rank, kind, pattern in self.rows if pattern.search(text)), None)

    def level_of(self, text: str) -> str:
        """Return the log level of a line, in capitals; "" without one."""
        found = self._level.search(text[:LEVEL_WITHIN])
        return next((word.upper() for word in found.groups() if word), "") if found else ""

    def works(self, line: str) -> bool:
        """Return whether *line* is one of ordinary work."""
        return self.level_of(line) in WORK or any(pattern.match(line) for pattern in self._work)


GENERAL = Patterns()


def load(run_dir: str) -> Patterns:
    """Return the Patterns for the service of a run; the general ones if FILE is missing or unusable."""
    try:
        with open(os.path.join(run_dir, FILE), encoding="utf-8") as stream:
            return Patterns(json.load(stream))
    except (OSError, ValueError, KeyError, TypeError, re.error):
        return GENERAL


class Line:
    """A line that may describe a fault."""

    def __init__(self, rank: float, kind: str, text: str) -> None:
        self.rank, self.kind, self.text = rank, kind, text


def rank_of(line: str, patterns: Patterns = GENERAL) -> tuple[float, str] | None:
    """Return (rank, kind) of the fault in a line, or None."""
    line = line[:LONGEST]
    small = line.lower()
    if not any(word in small for word in patterns.words):
        return None
    line = COLOUR.sub("", line).rstrip()
    prefix = patterns.prefix.match(line)
    text = line[prefix.end() :] if prefix else line
    exception = EXCEPTION.match(text)
    level = patterns.level_of(prefix.group() if exception and prefix else "" if exception else line)
    if "NCCL WARN" in line:  # NCCL's level for its errors, but also for harmless lines
        found = patterns.find(line)
        return found if found and found[1] in ("gpu", "gpu_memory") else (HINT, "nccl")
    if level in WARNINGS or level in WORK:
        return None
    found = patterns.find(text) or (patterns.find(line) if prefix else None)
    if patterns.echo.search(text):
        return (HINT, found[1] if found else "fatal") if not found or found[0] < PLAIN else found
    if found and found[0] > HINT:
        return found
    if exception:
        return found if found and found[1] == "connection" else (OPEN, found[1] if found else "fatal")
    if level in LAST_WORDS:
        return OPEN, found[1] if found else "fatal"
    return found or ((HINT, "fatal") if level else None)


def cause(lines: list[str], killed: bool = False, patterns: Patterns = GENERAL) -> Line | None:
    """Return the Line that best explains why the program that wrote *lines* ended, or None.

    :param killed: an external signal ended it. Then a fault only counts if the program did not continue after it.
    :param patterns: those of the service, see :func:`load`.
    """
    ranks = [rank_of(line, patterns) for line in lines]
    after = [0] * (len(lines) + 1)  # lines of ordinary work from there on
    for index in range(len(lines) - 1, -1, -1):
        after[index] = after[index + 1] + (not ranks[index] and patterns.works(lines[index]))
    found: list[Line] = []
    last, chained = None, False
    for index, line in enumerate(lines):
        chained = chained or bool(CHAIN.search(line))
        named = ranks[index]
        if not named:
            continue
        rank, kind = named
        if killed and (rank < OPEN or after[index + 1] > WENT_ON_UNTIL_KILLED):
            continue
        if after[index + 1] > WENT_ON and rank > HINT:
            rank = HINT if kind in ENDURED else rank - 1
        one = Line(rank, kind, COLOUR.sub("", line[:LONGEST]).strip())
        found.append(one)
        if rank > HINT:
            if chained and last:  # this exception was caused by the one before: of equal ones the last counts
                last.rank -= 0.5
            last, chained = one, False
    highest = max((one.rank for one in found), default=None)
    best = [one for one in found if one.rank == highest]
    if not best:
        return None
    one = best[0] if best[0].rank > HINT else best[-1]
    prefix = patterns.prefix.match(one.text)
    if prefix and EXCEPTION.match(one.text[prefix.end() :]):
        one.text = one.text[prefix.end() :]
    return one
