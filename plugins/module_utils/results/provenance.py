# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the results of a run come from: versions, images, nodes and their hardware, Slurm, and mounted sources.

Preflight writes what it learns into ``FILE``, before models load; bench_run adds the state of the nodes after the last
measurement. The rest is in the plan, in ``<job id>.json``, and in the first lines of the logs. What nobody saw is None.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..collection_version import VERSION
from ..files import read_object, regular
from ..json_types import Json, JsonObject
from ..plan_file import Plan

FILE = "provenance.json"
BEGIN = 1 << 18  # bytes of a log in which a program says its version
# {program: what it logs when it starts}.
VERSIONS = {
    "vllm": re.compile(r"(?:vLLM API server version|LLM engine \(v)\s*(\d[\w.+-]*)"),
    "sglang": re.compile(r"\bsglang(?:\[\w+\])?(?:==|[ _]version[:= ]+| v)\s*['\"]?(\d[\w.+-]*)", re.IGNORECASE),
    "tensorrt_llm": re.compile(r"TensorRT[- ]LLM version:\s*(\d[\w.+-]*)", re.IGNORECASE),
    "dynamo": re.compile(
        r"\b(?:ai-)?dynamo(?:-runtime)?(?:==|[ _]version[:= ]+| v)\s*['\"]?(\d[\w.+-]*)", re.IGNORECASE
    ),
    "nats": re.compile(r"\[INF\]\s+Version:\s*(\d[\w.+-]*)"),
    "etcd": re.compile(r'"etcd-version":\s*"(\d[\w.+-]*)"'),
    "nccl": re.compile(r"NCCL version (\d[\w.+-]*)"),
    "cuda_driver": re.compile(r"cudaDriverVersion (\d+)"),
}
WORDS = ("ersion", "==", "engine (v", "sglang v", "dynamo v")  # a line without any of these has no version
SLURM = ("cluster", "partition", "account", "time_limit")


def build(plan: Plan) -> JsonObject:
    """Return the entry ``provenance`` of the rollup of *plan*."""
    seen = read_object(os.path.join(plan["run_dir"], FILE)) or {}
    of_job = seen if seen.get("job_id") == str(plan["job_id"]) else {}
    facts = of_job.get("facts")
    return {
        "collection": VERSION,
        "engines": _versions(plan),
        "container": _container(plan),
        "nodes": [node["name"] for node in plan["nodes"]],
        "facts": {node: one for node, one in facts.items() if isinstance(one, dict)} if isinstance(facts, dict) else {},
        "slurm": _slurm(plan, of_job),
        "mounts": of_job.get("mounts") or [],
    }


def _versions(plan: Plan) -> dict[str, list[str]]:
    """Return ``{program: the versions that logs say}``: several if workers differ."""
    found: dict[str, set[str]] = {}
    for step in plan.get("steps") or ():
        for node in step["nodes"]:
            path = os.path.join(plan["run_dir"], step["log"].replace("%N", node))
            try:
                with open(path, "rb", opener=regular) as stream:
                    text = stream.read(BEGIN).decode("utf-8", "replace")
            except OSError:
                continue
            for line in text.splitlines():
                if any(word in line for word in WORDS):  # a search of each line for each pattern takes long
                    for name, pattern in VERSIONS.items():
                        found.setdefault(name, set()).update(pattern.findall(line))
    return {name: sorted(versions) for name, versions in found.items() if versions}


def _container(plan: Plan) -> JsonObject | None:
    """Return the image of the workers, with what is known of its content."""
    image = (plan["spec"].get("model") or {}).get("container")
    if not image:
        return None
    inputs: Mapping[str, Json] = plan.get("inputs") or {}
    return {"image": image, "fingerprint": (inputs.get("model.container") or {}).get("fingerprint")}


def _slurm(plan: Plan, seen: JsonObject) -> JsonObject:
    """Return what is known of the job in Slurm."""
    about = read_object(os.path.join(plan["run_dir"], f"{plan['job_id']}.json")) or {}
    asked = plan["spec"].get("slurm") or {}
    found: JsonObject = {key: asked.get(key) for key in SLURM}
    found["cluster"] = about.get("slurm_cluster") or found["cluster"]
    found["submitted_at"] = about.get("submitted_at")
    said = seen.get("slurm")
    return {**found, "version": None, **(said if isinstance(said, dict) else {})}


def errors_meanwhile(told: JsonObject) -> list[str]:
    """Return what GPUs and their links had of errors between the two looks at the nodes, one line each.

    :param told: what :func:`build` returns.
    """
    found = []
    for node, looks in sorted(told["facts"].items()):
        before, after = (_errors(looks.get(when)) for when in ("before", "after"))
        logged = isinstance(looks.get("before"), dict) and looks["before"].get("xids") is not None
        for what, number in sorted(after.items()):
            # An Xid that was not in the log is a new one, if the log could be read at all.
            more = number - before.get(what, 0 if logged and what.startswith("Xid") else number)
            if more > 0:
                found.append(f"{node} had {what} meanwhile: {more} more than before the models loaded.")
    return found


def _errors(facts: Json) -> dict[str, int]:
    """Return ``{kind of error: number}`` of a node, those of each GPU apart."""
    if not isinstance(facts, dict):
        return {}
    links, xids = (one if isinstance(one := facts.get(name), dict) else {} for name in ("nvlink_errors", "xids"))
    known = facts.get("gpus")
    gpus = [one for one in known if isinstance(one, dict)] if isinstance(known, list) else []
    found = {f"NVLink {kind} errors": number for kind, number in links.items()}
    found.update({f"Xid {xid} in its kernel's log": number for xid, number in xids.items()})
    for gpu in gpus:
        if gpu.get("ecc_uncorrected") is not None:
            found[f"uncorrected memory errors of GPU {gpu.get('index')}"] = gpu["ecc_uncorrected"]
    return {what: number for what, number in found.items() if isinstance(number, int)}
