# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys for what is sent instead of random prompts: a file of prompts (custom), a trace of requests, or sessions."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ...failures import Finding
from ...json_types import JsonObject
from ...load_client.dataset import Dataset, DatasetError
from ...load_client.request_trace import BLOCK_TOKENS, Trace
from ...load_client.session_file import SessionFile
from ...schema.section import Field
from ...schema.types import Bool, Float, Int, Str
from ...topology.options import Option
from .. import search
from . import sessions, traffic

RANDOM, CUSTOM, TRACE, SESSIONS = "random", "custom", "trace", sessions.NAME
KINDS = (RANDOM, CUSTOM, TRACE, SESSIONS)
PATH = ("benchmark", "dataset_path")
FIELDS = {
    "dataset_name": Field(
        Str(), None, "random; custom, or trace, with dataset_path; sessions, with dataset_path or random ones of turns."
    ),
    "dataset_path": Field(
        Str(),
        None,
        "File on shared disk, or its address, with one JSON object a line. custom: prompt or, for a chat, messages; "
        "and output_tokens or max_tokens if osl is not set. sessions: messages with several of the user. "
        "trace: input_length, output_length, hash_ids, timestamp; "
        "longer requests than isl and osl are left out.",
    ),
    "trace_times": Field(
        Bool(), False, "Send each request of a trace at its time; else as fast as the concurrency allows."
    ),
    "trace_speedup": Field(Float(0.001, 1000), 1.0, "With trace_times: so many times as fast as in the trace."),
    "trace_block_size": Field(Int(1, 1_000_000), BLOCK_TOKENS, "Tokens of a block in hash_ids of the trace."),
    **sessions.FIELDS,
}
OF_TRACES = ("trace_times", "trace_speedup", "trace_block_size")


def kind(options: JsonObject) -> str:
    """Return what the benchmark section *options* sends, one of KINDS."""
    name: str = options["dataset_name"] or RANDOM
    return name


def problems(options: JsonObject, most: int) -> list[Finding]:
    """Return the problems of these keys in the benchmark section *options*.

    :param most: requests, or sessions, of a point, warm-up included.
    """
    name = kind(options)
    if name not in KINDS:
        problem = f"is {name}; expected {', '.join(KINDS[:-1])} or {KINDS[-1]}."
        return [(("benchmark", "dataset_name"), problem, None, "not_a_choice")]
    found: list[Finding] = []
    if name == RANDOM and options["dataset_path"]:
        remedy = "Set dataset_name to custom, trace or sessions, or leave the path out."
        found.append((PATH, "is set, but prompts are random.", remedy, "conflict"))
    for key in OF_TRACES:
        if name != TRACE and options[key] != FIELDS[key].default:
            remedy = "Set dataset_name to trace, or leave it out."
            found.append((("benchmark", key), f"is set, but dataset_name is {name}.", remedy, "conflict"))
    if name != SESSIONS:
        found += sessions.strays(options, name)
    if found:
        return found
    if name == SESSIONS:
        return sessions.problems(options, most)
    over_rate = (options["search"] or {}).get("over") == search.RATE
    if options["trace_times"] and (over_rate or options["req_rate"] not in ("inf", 0)):
        problem = "is true, but the job also says how many requests are sent per second."
        remedy = "Leave out req_rate or a search over it, or trace_times."
        found.append((("benchmark", "trace_times"), problem, remedy, "conflict"))
    if options["trace_speedup"] != 1.0 and not options["trace_times"]:
        problem = "is set, but the times of the trace do not count."
        found.append((("benchmark", "trace_speedup"), problem, "Set trace_times to true, or leave it out.", "conflict"))
    return found


def needed(options: JsonObject) -> tuple[str, ...]:
    """Return the keys that such a load needs."""
    name = kind(options)
    if name == SESSIONS:
        return () if options["dataset_path"] else ("isl", "osl", "turns")
    return ("isl", "osl") if name == RANDOM else ("dataset_path",)


def makes_lengths(options: JsonObject) -> bool:
    """Return whether isl and osl are those of random prompts."""
    return kind(options) in (RANDOM, SESSIONS) and not options["dataset_path"]


def rows(options: JsonObject, path: str, loads: Sequence[tuple[int, int]], limits: tuple[float, float]) -> int:
    """Return the number of requests of the file *path*; DatasetError if they are wrong, or too few.

    :param loads: [(requests, warm-up requests)] of the points.
    :param limits: seconds after which a point ends, and after which it does without a token (0: never).
    """
    if kind(options) == SESSIONS:
        found = SessionFile(path, options["osl"], options["turns"])
        found.enough(max((sum(load) for load in loads), default=0))
        return len(found)
    if kind(options) == CUSTOM:
        lines = Dataset(path, options["endpoint"] == traffic.CHAT, options["osl"])
        lines.enough(max((sum(load) for load in loads), default=0))
        return len(lines)
    trace = Trace(path, options["trace_block_size"], options["trace_times"], options["isl"], options["osl"])
    most = max((requests for requests, _warmup in loads), default=0)
    trace.enough(most)
    if options["trace_times"]:
        _check_times(path, trace.times(most, options["trace_speedup"]), limits)
    return len(trace)


def _check_times(path: str, times: Sequence[float], limits: tuple[float, float]) -> None:
    """Raise DatasetError if a point would end before the last request is sent."""
    point_s, stall_s = limits
    if times and times[-1] >= point_s:
        raise DatasetError(
            f"{path}: the last of {len(times)} requests is sent after {times[-1]:.0f} s, and a point ends after "
            f"{point_s:.0f} s: increase benchmark.point_timeout_s or trace_speedup, or send fewer (num_prompts)"
        )
    pause = max((later - one for one, later in zip(times, times[1:])), default=0.0)
    if stall_s and pause >= stall_s:
        raise DatasetError(
            f"{path}: nothing is sent for {pause:.0f} s between two requests, and a point ends after {stall_s:.0f} s "
            "without a token: increase benchmark.stall_timeout_s or trace_speedup"
        )


def parameters(options: JsonObject, path: str | None, count: int) -> JsonObject:
    """Return what the file at *path*, or sessions, change in the parameters of a point of *count* requests."""
    if kind(options) == SESSIONS:
        return sessions.parameters(options, count, path)
    if path is None:
        return {}
    if kind(options) == CUSTOM:
        return {"isl": None, "dataset": path}
    speedup = options["trace_speedup"] if options["trace_times"] else None
    trace = {"block_size": options["trace_block_size"], "speedup": speedup}
    return {"dataset": path, "trace": trace}


def words(parameters: JsonObject) -> list[Option]:
    """Return the options of the load client for *parameters*."""
    path, trace = parameters.get("dataset"), parameters.get("trace")
    if "num_sessions" in parameters:
        return sessions.words(parameters)
    if not trace:
        return [Option("dataset", path, PATH)] if path else []
    speedup = trace["speedup"]
    return [
        Option("trace", path, PATH),
        Option("trace-block-size", trace["block_size"], ("benchmark", "trace_block_size")),
        *([] if speedup is None else [Option("trace-speedup", f"{speedup:g}", ("benchmark", "trace_speedup"))]),
    ]


def notes(options: JsonObject) -> list[str]:
    """Return notes on these keys."""
    if kind(options) not in (CUSTOM, SESSIONS) or not options["dataset_path"]:
        return []
    found = []
    if options["isl"] is not None:
        found.append("benchmark.isl: no effect, the prompts of the data set have their own lengths.")
    if len(search.loads(options)) > 1 or options["repeats"] > 1:
        found.append(
            "benchmark.dataset_path: all points take their prompts from the same file, so a prefix cache may know "
            "those of an earlier point."
        )
    return found


def folder(options: JsonObject) -> str:
    """Return the name of the directory of the results."""
    if makes_lengths(options):
        turns = f"{SESSIONS}_{options['turns']}_" if kind(options) == SESSIONS else ""
        return f"{turns}isl_{options['isl']}_osl_{options['osl']}"
    name = os.path.splitext(os.path.basename(options["dataset_path"] or ""))[0]
    return f"{kind(options)}_" + re.sub(r"[^A-Za-z0-9._-]", "_", name)
