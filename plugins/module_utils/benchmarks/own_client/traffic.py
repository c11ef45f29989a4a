# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys for how requests of the load client are sent and judged: endpoint, arrival times, limits of good requests."""

from __future__ import annotations

from ...failures import Finding
from ...json_types import JsonObject
from ...schema.section import Field, Section, optional
from ...schema.types import Bool, Choice, Float, Int, OneOf
from ...topology.layout import Layout
from ...topology.options import Option
from .. import search

CHAT, COMPLETIONS, CONSTANT, AUTO = "chat", "completions", "constant", "auto"
PATHS = {COMPLETIONS: "/v1/completions", CHAT: "/v1/chat/completions"}
GOODPUT = Section(
    "goodput",
    {
        f"{name}_ms": Field(Float(0.001), None, f"Longest {words}, in milliseconds.")
        for name, words in (
            ("ttft", "time to the first token"),
            ("tpot", "mean time of an output token after the first"),
            ("e2el", "time to the end of the answer"),
        )
    },
    doc="Limits that a good request keeps, all of them. Good requests per second are request_goodput.",
)
FIELDS = {
    "endpoint": Field(
        Choice(COMPLETIONS, CHAT),
        COMPLETIONS,
        "/v1/completions or /v1/chat/completions. In a chat the server applies its template, beside isl.",
    ),
    "burstiness": Field(
        OneOf(Float(0.001), Choice(CONSTANT)),
        1.0,
        "Arrivals at req_rate: 1 is Poisson, less comes in bursts, more evenly (gamma shape); constant: equal gaps.",
    ),
    "clients": Field(
        OneOf(Int(1, 256), Choice(AUTO)),
        1,
        "Processes of the load client, which share each point; auto: one for 256 requests in flight, as far as there "
        "are cores.",
    ),
    "client_nodes": Field(
        Int(1, 256),
        1,
        "Nodes over which clients are spread: that of the load client, then the other nodes of the job in order.",
    ),
    "cool_down_s": Field(
        Float(0), None, "Seconds from the last request until the point ends: answers that are not complete then failed."
    ),
    "save_requests": Field(Bool(), False, "Keep each measured request, as a JSON line, in a file beside the result."),
    "goodput": optional(GOODPUT, "Limits of good requests, which request_goodput counts."),
}


def problems(options: JsonObject, least: int) -> list[Finding]:
    """Return the problems of these keys in the benchmark section *options*.

    :param least: requests in flight of the smallest point.
    """
    found: list[Finding] = []
    over_rate = (options["search"] or {}).get("over") == search.RATE
    if options["burstiness"] != 1.0 and options["req_rate"] in ("inf", 0) and not over_rate:
        problem = f"is {options['burstiness']}, but without req_rate all requests are sent as fast as they can be."
        found.append((("benchmark", "burstiness"), problem, "Set req_rate, or leave it out.", "conflict"))
    if options["endpoint"] == CHAT and not options["use_chat_template"]:
        problem = "is false, but the server applies the chat template to all requests of endpoint chat."
        remedy = "Leave it out, or set endpoint to completions."
        found.append((("benchmark", "use_chat_template"), problem, remedy, "conflict"))
    nodes, clients = options["client_nodes"], options["clients"]
    if clients != AUTO and clients < nodes:
        problem = f"is {clients}, which is too little for client_nodes: {nodes}."
        found.append((("benchmark", "clients"), problem, f"Set it to auto, or to {nodes} or more.", "conflict"))
    if least < nodes:
        problem = f"is {nodes}, but a point has {least} in flight, and each node sends one of them at least."
        found.append((("benchmark", "client_nodes"), problem, f"Use {least} or fewer.", "conflict"))
    if options["goodput"] is not None and not any(options["goodput"].values()):
        remedy = f"Set one of {', '.join(GOODPUT.fields)}."
        found.append((("benchmark", "goodput"), "has no limit.", remedy, "missing"))
    return found


def parameters(options: JsonObject) -> JsonObject:
    """Return what these keys add to the parameters of a point: nothing where they have their defaults."""
    chat = options["endpoint"] == CHAT
    limits = {key: value for key, value in (options["goodput"] or {}).items() if value is not None}
    return {
        **({"endpoint": PATHS[CHAT], "chat_template": False} if chat else {}),
        **({"cool_down_s": options["cool_down_s"]} if options["cool_down_s"] is not None else {}),
        **({"clients": options["clients"]} if options["clients"] != 1 else {}),
        **({"client_nodes": options["client_nodes"]} if options["client_nodes"] != 1 else {}),
        **({"burstiness": options["burstiness"]} if options["burstiness"] != 1.0 else {}),
        **({"goodput": limits} if limits else {}),
    }


def client_nodes(layout: Layout, parameters: JsonObject) -> list[str]:
    """Return the nodes of the load client, the first one is its own."""
    bench = layout.roles.bench
    return [bench, *(node for node in layout.addresses if node != bench)][: parameters.get("client_nodes", 1)]


def words(parameters: JsonObject) -> list[Option]:
    """Return the options of the load client for *parameters*, beside those of every load."""
    shape, limits = parameters.get("burstiness"), parameters.get("goodput") or {}
    found = [Option("burstiness", "inf" if shape == CONSTANT else str(shape), ("benchmark", "burstiness"))]
    clients, cool = parameters.get("clients"), parameters.get("cool_down_s")
    return [
        *([Option("cool-down", cool, ("benchmark", "cool_down_s"))] if cool is not None else []),
        *([Option("clients", str(clients), ("benchmark", "clients"))] if clients else []),
        *(found if shape is not None else []),
        *(
            Option("goodput", f"{key[: -len('_ms')]}:{value:g}", ("benchmark", "goodput", key))
            for key, value in limits.items()
        ),
    ]
