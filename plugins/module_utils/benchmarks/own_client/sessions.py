# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys for sessions: chats of several turns, with pauses between them."""

from __future__ import annotations

import re

from ...failures import Finding
from ...json_types import JsonObject
from ...schema.section import Field
from ...schema.types import Choice, Float, Int, OneOf, Str
from ...topology.options import Option
from . import traffic

NAME = "sessions"
MOST_TURNS, MOST_TOKENS = 10_000, 10_000_000
FIELDS = {
    "turns": Field(
        Int(1, MOST_TURNS), None, "sessions: requests of a session; with dataset_path at most so many of each."
    ),
    "turn_isl": Field(
        Int(1, MOST_TOKENS), None, "sessions: input tokens that a later turn adds to what was said; default: isl."
    ),
    "turn_osl": Field(Int(1, MOST_TOKENS), None, "sessions: output tokens of a later turn; default: osl."),
    "think_time_s": Field(
        Float(0, 1_000_000), None, "sessions: mean pause between an answer and the next turn, in seconds; default: 0."
    ),
    "think_time_shape": Field(
        OneOf(Float(0.001), Choice(traffic.CONSTANT)),
        1.0,
        "sessions: gamma shape of the pauses: 1 is exponential, more is more even; constant: all are equal.",
    ),
    "session_header": Field(
        Str(), None, "sessions: a header of each request that names its session, for routers with session affinity."
    ),
}
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
# Headers by which client and server agree on how bytes are sent.
RESERVED = (
    *("accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type"),
    *("expect", "host", "te", "trailer", "transfer-encoding", "upgrade"),
)


def problems(options: JsonObject, most: int) -> list[Finding]:
    """Return the problems of these keys in the benchmark section *options*, whose kind is sessions.

    :param most: sessions of a point, warm-up included.
    """
    found: list[Finding] = []
    if options["endpoint"] != traffic.CHAT:
        problem = f"is {options['endpoint']}, but sessions are chats."
        found.append((("benchmark", "endpoint"), problem, "Set endpoint to chat.", "conflict"))
    for key in ("turn_isl", "turn_osl"):
        if options["dataset_path"] and options[key] is not None:
            problem = "is set, but the sessions of dataset_path have their own turns."
            found.append((("benchmark", key), problem, "Leave one of them out.", "conflict"))
    if options["think_time_shape"] != 1.0 and not options["think_time_s"]:
        remedy = "Set think_time_s, or leave it out."
        found.append((("benchmark", "think_time_shape"), "is set, but nobody thinks.", remedy, "conflict"))
    header = options["session_header"]
    if header is not None and (not HEADER.match(header) or header.lower() in RESERVED):
        problem = f"is {header!r}, which cannot name a session."
        found.append((("benchmark", "session_header"), problem, "Name a header such as X-Session-ID.", "invalid"))
    if not options["dataset_path"] and options["turns"] and most * options["turns"] > MOST_TOKENS:
        problem = f"is {options['turns']}, and so {most * options['turns']} requests at the highest concurrency."
        found.append((("benchmark", "turns"), problem, f"A point has at most {MOST_TOKENS}.", "out_of_range"))
    return found


def strays(options: JsonObject, kind: str) -> list[Finding]:
    """Return the problem of each of these keys that is set although the *kind* of the load is another."""
    remedy = f"Set dataset_name to {NAME}, or leave it out."
    given = [key for key, field in FIELDS.items() if options[key] != field.default]
    return [(("benchmark", key), f"is set, but dataset_name is {kind}.", remedy, "conflict") for key in given]


def parameters(options: JsonObject, count: int, path: str | None) -> JsonObject:
    """Return what sessions change in the parameters of a point with *count* of them, from the file *path* or random.

    How many requests the sessions of a file are is only known to who reads it.
    """
    random = {
        "num_prompts": count * (options["turns"] or 1),
        "turn_isl": options["turn_isl"],
        "turn_osl": options["turn_osl"],
    }
    return {
        **(random if path is None else {"isl": None, "osl": options["osl"], "num_prompts": None, "dataset": path}),
        "num_sessions": count,
        "turns": options["turns"],
        "think_time_s": options["think_time_s"] or 0.0,
        "think_time_shape": options["think_time_shape"],
        "session_header": options["session_header"],
    }


def words(parameters: JsonObject) -> list[Option]:
    """Return the options of the load client for *parameters*."""

    def said(name: str, key: str, value: object) -> list[Option]:
        return [] if value is None else [Option(name, str(value), ("benchmark", key))]

    thinks, shape = parameters["think_time_s"], parameters["think_time_shape"]
    return [
        *said("sessions", "dataset_path", parameters.get("dataset")),
        *said("turns", "turns", parameters["turns"]),
        *said("turn-isl", "turn_isl", parameters.get("turn_isl")),
        *said("turn-osl", "turn_osl", parameters.get("turn_osl")),
        *said("think-time", "think_time_s", thinks or None),
        *said("think-shape", "think_time_shape", {traffic.CONSTANT: "inf", 1.0: None}.get(shape, shape)),
        *said("session-header", "session_header", parameters["session_header"]),
    ]


def evaluate(raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    """Return why a result is not that of the planned sessions; see :func:`.evaluate.evaluate`."""
    planned, requests = expect["num_sessions"], raw.get("num_prompts") or 0
    if raw.get("num_sessions") is None:
        return [f"the result is of another load: it has no sessions, and the point has {planned}"]
    if raw.get("interrupted"):
        return []
    reasons = []
    ended = (raw.get("completed_sessions") or 0) + (raw.get("failed_sessions") or 0)
    if ended != planned:
        reasons.append(f"{planned} sessions were planned, but {ended} ended")
    if requests < planned or expect.get("dataset") is None and requests != planned * (expect.get("turns") or 0):
        reasons.append(f"{requests} requests are not the turns of {planned} sessions")
    silent, completed = raw.get("unanswered_turns") or 0, raw.get("completed") or 0
    if silent > (1 - min_completed) * completed:
        reasons.append(
            f"{silent} of {completed} answers had no text, only reasoning, tool calls or nothing, so that the turns "
            "after them lack what the model said: increase benchmark.osl and turn_osl"
        )
    return reasons


def evaluate_input(raw: JsonObject, min_completed: float) -> list[str]:
    """Return whether the server counted less than what the user said: the rest is in its template and its answers."""
    cut, completed = raw.get("input_token_outliers") or 0, raw["completed"]
    if cut <= (1 - min_completed) * completed:
        return []
    return [
        f"the server counted fewer prompt tokens than the user alone has said in {cut} of {completed} requests: it "
        "cuts prompts, or a part of it serves another model"
    ]
