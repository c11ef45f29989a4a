# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the results depend on, as the nodes see them: all must see the same, and the plan names them.

Where the nodes see other files than the host of the plan, or only they see them, the run is planned again with what
they see: the steps and the points then have other digests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..benchmarks import of_plan
from ..benchmarks.chat_template import CHAT, rendered
from ..files import make_own_folder, write_text_atomic
from ..inputs import __main__ as program
from ..job import inputs
from ..json_types import JsonObject
from ..plan import scraping
from ..plan.planner import Planner
from ..plan_file import Allocation, Plan
from ..programs import folder_of, program_files
from . import registry
from .node_check.main import Report

PROGRAM = folder_of("inputs")


def copy_program(folder: str) -> None:
    """Write the program that reads the files on the nodes to *folder*."""
    make_own_folder(folder)
    for name, text in program_files(program).items():
        write_text_atomic(f"{folder}/{name}", text)


def wanted(plan: Plan) -> dict[str, JsonObject]:
    """Return {node: {paths: {key: path}, chat: directory or None}} of what each node is to read."""
    spec = plan.get("spec") or {}
    found: dict[str, JsonObject] = {one["name"]: {"paths": {}, "chat": None} for one in plan["nodes"]}
    own = inputs.TOKENIZER in (spec.get(inputs.INPUTS) or {})
    folder = inputs.chat_folder(spec) if (spec.get(CHAT) or {}).get("unreadable") else None
    for step in [*plan["steps"], *(point["step"] for point in plan["benchmark"]["points"])]:
        for node in (name for name in step["nodes"] if name in found):
            for key, one in (spec.get(inputs.INPUTS) or {}).items():
                # A frontend may run where nobody needs the model's files.
                idle = key == inputs.MODEL and (step["kind"] == "frontend" or own and step["kind"] == "benchmark")
                if one["path"].startswith("/") and not idle and inputs.reads(key, one["path"], step):
                    found[node]["paths"][key] = one["path"]
            if step.get("kind") == "benchmark":
                found[node]["chat"] = folder
    return found


def clients(plan: Plan) -> dict[str, JsonObject]:
    """Return {node: {argv, env, packages}} of the Python that runs the load client, without a container.

    A preamble may set up another environment, which is not looked at.
    """
    found: dict[str, JsonObject] = {}
    benchmark, points = of_plan(plan), (plan.get("benchmark") or {}).get("points") or []
    packages = benchmark.packages
    for step in (point["step"] for point in points if packages):
        python = benchmark.interpreter(step, plan["run_dir"])
        if step.get("container") or scraping.without(step.get("preamble") or "") or not python:
            continue
        env = {name: value for name, value in step["env"].items() if name.startswith(("PATH", "PYTHON", "LD_"))}
        found.update(dict.fromkeys(step["nodes"], {"argv": python, "env": env, "packages": packages}))
    return found


def only_there(plan: Plan) -> bool:
    """Return whether files of *plan* exist on the nodes only, so that they may change unseen."""
    table = (plan.get("spec") or {}).get(inputs.INPUTS) or {}
    return any(one["path"].startswith("/") and not one["here"] for one in table.values())


def problems(plan: Plan, reports: Sequence[Report]) -> list[JsonObject]:
    """Return the problems of files that are missing on nodes, or that differ between them."""
    found: list[JsonObject] = []
    table = (plan.get("spec") or {}).get(inputs.INPUTS) or {}
    prompts = inputs.TOKENIZER if inputs.TOKENIZER in table else inputs.MODEL
    points = plan["benchmark"]["points"] if of_plan(plan).makes_prompts else []
    bench = {node for point in points for node in point["step"]["nodes"]}
    for key, one in table.items():
        seen = _seen(reports, key)
        for node, what in seen.items():
            if what.get("missing") and key in (inputs.MODEL, inputs.TOKENIZER):
                found.append(_problem(node, f"{key}: {what['why']}"))
            elif key == prompts and _no_tokenizer(what) and node in bench:
                text = f"{key}: {one['path']} has no {inputs.TOKENIZER_FILE}, with which prompts are made"
                found.append(_problem(node, text))
        known = {node: what for node, what in seen.items() if what.get("digest")}
        count = Counter(what["digest"] for what in known.values())
        if len(count) < 2:
            continue
        most = count.most_common(1)[0][0]
        first = next(node for node, what in known.items() if what["digest"] == most)
        for node, what in known.items():
            if what["digest"] != most:
                names = _different(known[first]["parts"], what["parts"])
                found.append(_problem(node, f"{key}: it sees other files at {one['path']} than {first}{names}"))
    return found


def _no_tokenizer(seen: JsonObject) -> bool:
    """Return whether a directory certainly has no file of a tokenizer; a path may be that file itself."""
    return bool(seen.get("parts")) and not {".", inputs.TOKENIZER_FILE} & set(seen["parts"])


def _problem(node: str, text: str) -> JsonObject:
    return {"check": "files", "fatal": True, "text": text, "node": node}


def _seen(reports: Sequence[Report], key: str) -> dict[str, JsonObject]:
    """Return {node: what it found} of the nodes that were to read the input *key*."""
    found = {}
    for one in reports:
        answer = one["inputs"].get("found", {}).get(key)
        if answer:
            found[one["node"]] = answer
    return found


def _different(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Return the names that differ, as text to append."""
    names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name) and name != ".")
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""


def learned(plan: Plan, reports: Sequence[Report]) -> tuple[Plan, list[str]]:
    """Return (the plan with what the nodes see; the same object if that is known), and notes for the user."""
    spec = plan.get("spec") or {}
    if not spec.get(inputs.INPUTS):
        return plan, []
    table, notes = {}, []
    tags = registry.digests(
        one["path"]
        for key, one in spec[inputs.INPUTS].items()
        if key in inputs.IMAGE_KEYS and not one["path"].startswith("/") and not inputs.known(spec, key)
    )
    for key, one in spec[inputs.INPUTS].items():
        seen, path = _seen(reports, key), one["path"]
        why = [what["why"] for what in seen.values() if not what.get("digest")]
        why += [one["inputs"]["why"] for one in reports if seen and one["inputs"].get("why")]
        if why:
            notes.append(f"{key}: the files at {path} have no fingerprint on the nodes: {why[0]}")
        if path in tags:
            one = {**one, "nodes": tags[path]}
        table[key] = one if not seen else _input(one, None if why else next(iter(seen.values())))
        if table[key].get("nodes") and one["here"]:
            notes.append(f"{key}: the nodes see other files at {path} than the host of the plan; theirs count")
    new = {**spec, inputs.INPUTS: table}
    raw = next((one["inputs"]["chat"] for one in reports if one["inputs"].get("chat")), None)
    if raw:
        new[CHAT] = rendered(raw)
        notes += inputs.chat_notes(new)
    return (plan if new == spec else _again(plan, new)), notes


def _input(before: JsonObject, seen: JsonObject | None) -> JsonObject:
    """Return an input after the nodes have looked: *seen* is what all of them found, None without a fingerprint."""
    if seen is None:  # what is read here says nothing about nodes that cannot read it
        return {"path": before["path"], "here": None}
    if seen["digest"] == before["here"]:
        return {key: value for key, value in before.items() if key != "nodes"}
    return {**before, "nodes": seen["digest"], "files": seen["files"], "bytes": seen["bytes"]}


def _again(plan: Plan, spec: JsonObject) -> Plan:
    """Return the plan of *spec* on the nodes of *plan*, with its ports."""
    planner = Planner(spec)
    allocation: Allocation = {
        "id": plan["job_id"],
        "name": plan["name"],
        "run_dir": plan["run_dir"],
        "nodes": [{"name": one["name"], "address": one["address"]} for one in plan["nodes"]],
    }
    new, _origins = planner.plan_with_origins(planner.layout(allocation, plan))
    return {**new, "health_timeout_s": plan["health_timeout_s"]}
