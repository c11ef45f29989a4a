# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the results of a job depend on: models, tokenizers, images or packages, and the chat template.

Planning reads no files. :func:`with_inputs` adds to the planned spec what they are: ``spec["inputs"]`` is ``{key in the
job: Input}``, and ``spec["chat_template"]`` the text around each prompt. Files that exist on the nodes only are read
there by preflight, which plans again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypedDict

from ..backends import BACKENDS
from ..benchmarks import BENCHMARKS
from ..benchmarks.chat_template import CHAT, rendered
from ..inputs.main import PYTHON, look
from ..json_types import Json, JsonObject, KeyPath
from ..plan_file import PlanInput
from ..schema.source import dotted
from ..supplies.data import path_of
from . import images

INPUTS = "inputs"
TOKENIZER_FILE = "tokenizer.json"  # the load client reads no other form
HERE_S = 10.0  # for each path, where the plan is made
MODEL, TOKENIZER, IMAGE = "model.path", "benchmark.custom_tokenizer", "model.container"
IMAGE_KEYS = tuple(map(dotted, (("model", "container"), images.NGINX, images.CLIENT, images.STORE)))
# Engine options with such names may be paths of further models: of drafts, adapters, tokenizers, templates.
OPTION = re.compile(r"model|draft|lora|tokenizer|template", re.IGNORECASE)
DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")


class _Found(TypedDict, total=False):
    nodes: str
    files: int
    bytes: int


class Input(_Found):
    """One of these files or directories.

    ``path`` is that on the hosts, or the name of an image in a registry, or of a model on the hub. ``here`` is its
    fingerprint where the plan is made, None if it cannot be read there; ``nodes`` that on the nodes, if it is another.
    """

    path: str
    here: str | None


def with_inputs(spec: JsonObject, before: JsonObject | None = None) -> JsonObject:
    """Return *spec* with its inputs as they are here.

    :param before: the spec of the plan that is replaced; what the nodes said of the same files is kept.
    """
    paths, folder = wanted(spec), chat_folder(spec)
    answer = look({key: path for key, path in paths.items() if path.startswith("/")}, folder, HERE_S)
    table: dict[str, Input] = {}
    for key, path in paths.items():
        seen, named = answer["found"].get(key) or {}, DIGEST.search(path)
        table[key] = {"path": path, "here": named[1] if named else seen.get("digest")}
        if seen.get("digest"):
            table[key]["files"], table[key]["bytes"] = seen["files"], seen["bytes"]
        old: Input | None = ((before or {}).get(INPUTS) or {}).get(key)
        if old and old.get("nodes") and (old["path"], old["here"]) == (path, table[key]["here"]):
            table[key] = old
    found: JsonObject = {**spec, INPUTS: table}
    if folder:
        found[CHAT] = _chat(answer["chat"], (before or {}).get(CHAT), table)
    return found


def _chat(raw: JsonObject, before: JsonObject | None, table: Mapping[str, Input]) -> JsonObject:
    """Return the chat template: as it is here, or else as a node said."""
    if table[MODEL]["path"].startswith("hf:") and TOKENIZER not in table:
        return {"why": f"the files of {table[MODEL]['path']} are not known before workers and load client load them"}
    known = before and not before.get("unreadable")
    return before if raw.get("unreadable") and before and known and _on_nodes(table) else rendered(raw)


def _on_nodes(table: Mapping[str, Input]) -> bool:
    return any(one.get("nodes") for key, one in table.items() if key in (MODEL, TOKENIZER))


def wanted(spec: JsonObject) -> dict[str, str]:
    """Return ``{key in the job: path on the hosts, or name in a registry or on the hub}``."""
    found: dict[str, str] = {MODEL: spec["model"]["path"]}
    if spec["cluster"]["container_runtime"] != "none":
        for path in (("model", "container"), *images.used(spec)):
            image: Json = spec
            for part in path:
                image = (image or {}).get(part)
            # A proxy's registry tag is the version of the proxy.
            if image and (path != images.NGINX or str(image).startswith("/")):
                found[dotted(path)] = str(image)
    elif spec["python"].startswith("/"):  # the engine and the load client are packages of its environment
        found[PYTHON] = spec["python"]
    benchmark = BENCHMARKS[spec["benchmark"]["type"]]
    own = benchmark.own_tokenizer(spec)
    found.update({TOKENIZER: own} if own else {})
    found.update(_options(spec))
    on_host = {key: path if key in (MODEL, *IMAGE_KEYS) else host_path(spec, path) for key, path in found.items()}
    on_host.update({f"benchmark.{one.key}": path_of(spec, one) for one in benchmark.data(spec)})
    return {key: path for key, path in on_host.items() if path}


def _options(spec: JsonObject) -> dict[str, str]:
    """Return ``{key: path as the engine sees it}`` of further models among the options of the engine."""
    key = BACKENDS[spec["backend"]["type"]].config_key
    found = {}
    for path, value in _texts((spec["backend"].get(key) if key else None) or {}, ("backend", key)):
        if value.startswith("/") and any(OPTION.search(str(part)) for part in path[3:]):
            found[dotted(path)] = value
    return found


def _texts(value: Json, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _texts(item, (*path, key))
    if isinstance(value, str):
        yield path, value


def host_path(spec: JsonObject, inside: str) -> str | None:
    """Return the path on the hosts of *inside*, a path as a step of the job sees it; None if it is in the image."""
    if spec["cluster"]["container_runtime"] == "none":
        return inside
    cluster = spec["cluster"]
    pairs = [(spec["model"]["path"], "/model"), (cluster["configs_dir"] or "", "/configs")]
    pairs += [*cluster["default_mounts"].items(), *(text.split(":", 1) for text in spec["extra_mount"])]
    pairs += [*spec["container_mounts"].items()]
    table = {where.partition(":")[0].rstrip("/"): host for host, where in pairs if host.startswith("/")}
    for where in sorted(table, key=len, reverse=True):
        if inside == where or inside.startswith(where + "/"):
            return str(table[where]).rstrip("/") + inside[len(where) :]
    return None


def chat_folder(spec: JsonObject) -> str | None:
    """Return the directory with the chat template of the job's prompts; None if they have none, or it is unknown."""
    benchmark = BENCHMARKS[spec["benchmark"]["type"]]
    if not benchmark.wants_chat_template(spec):
        return None
    own = benchmark.own_tokenizer(spec)
    return (host_path(spec, own) if own else spec["model"]["path"]) or own


def fingerprint(one: Input) -> str | None:
    """Return the fingerprint of an :class:`Input` that counts, None if it is unknown."""
    return one.get("nodes") or one["here"]


def known(spec: JsonObject, key: str) -> str | None:
    """Return the fingerprint of the input *key* of a planned spec, None if it is unknown."""
    one = (spec.get(INPUTS) or {}).get(key)
    return fingerprint(one) if one else None


def unknown(spec: JsonObject) -> list[str]:
    """Return the keys of the inputs that nobody could read: points that depend on them count in their own run only."""
    return [key for key, one in (spec.get(INPUTS) or {}).items() if not fingerprint(one)]


def reads(key: str, path: str, step: Mapping[str, object]) -> bool:
    """Return whether *step*, a step of a plan, depends on the input *key*."""
    container = step.get("container")
    if key in IMAGE_KEYS:
        return isinstance(container, dict) and container["image"] == path
    if key in (MODEL, PYTHON):
        return step.get("kind") in ("worker", "frontend", "benchmark")
    return step.get("kind") == ("benchmark" if key.startswith("benchmark.") else "worker")


def of_step(spec: JsonObject, step: Mapping[str, object]) -> dict[str, str]:
    """Return ``{key: fingerprint}`` of the known inputs of *step*."""
    table: Mapping[str, Input] = spec.get(INPUTS) or {}
    found = {key: fingerprint(one) for key, one in table.items() if reads(key, one["path"], step)}
    return {key: text for key, text in found.items() if text}


def summary(spec: JsonObject) -> dict[str, PlanInput]:
    """Return the inputs of a planned spec for the plan and the records of a run."""
    return {
        key: {"path": one["path"], "fingerprint": fingerprint(one)} for key, one in (spec.get(INPUTS) or {}).items()
    }


def lines(spec: JsonObject) -> str:
    """Return the inputs of a planned spec, one a line, for the user."""
    found = []
    for key, one in (spec.get(INPUTS) or {}).items():
        size = f", {one['files']} files, {one['bytes'] / 1e9:.3g} GB" if one.get("files") else ""
        found.append(f"{key}: {one['path']}  fingerprint {fingerprint(one) or 'not known yet'}{size}\n")
    return "".join(found)


def chat_notes(spec: JsonObject, here_only: bool = False) -> list[str]:
    """Return a note, as a list, that the chat template is not applied.

    :param here_only: not if the nodes may have files that are not here.
    """
    found: JsonObject = spec.get(CHAT) or {}
    why = None if here_only and found.get("unreadable") else found.get("why")
    return [f"benchmark.use_chat_template: not applied, prompts are plain text: {why}."] if why else []


def notes(spec: JsonObject) -> list[str]:
    """Return notes on what is not known of the inputs of a planned spec."""
    found = [
        f"{key}: it is not known which version of {spec[INPUTS][key]['path']} runs, so the points of this run are not "
        "used for others. A local file or directory has a fingerprint"
        + (", and so has NAME@sha256:DIGEST." if key in IMAGE_KEYS else ".")
        for key in unknown(spec)
    ]
    return found + chat_notes(spec)
