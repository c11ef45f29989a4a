# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the load client, and what else its step needs."""

from __future__ import annotations

from collections.abc import Mapping

from ...files import digest
from ...json_types import Json, JsonObject
from ...topology.layout import Layout
from ...topology.options import Option, variables
from ..chat_template import CHAT, FILE
from . import datasets, traffic

ALONE, FLAGS = "-E", ("-X", "utf8")  # options of Python
STALL_S = 900  # default of stall_timeout_s


def options(
    layout: Layout, parameters: JsonObject, gpus: Mapping[str, int], counted: Mapping[str, str]
) -> list[Option]:
    """Return the options of the load client for the point of *parameters*, each with its origin.

    :param counted: ``{name of an option: key of the benchmark section from which its number follows}``.
    """
    reuse = parameters["reuse_connections"]

    def said(name: str, value: Json, key: str | None = None) -> Option:
        key = counted.get(name, key) or name.replace("-", "_")
        return Option(name, value, ("benchmark", key))

    return [
        Option("base-url", layout.public_url),
        Option("endpoint", parameters["endpoint"]),
        Option("model", layout.served_name, layout.served_by),
        tokenizer(layout),
        *([Option("chat-template", f"{layout.run_dir}/{FILE}")] if parameters["chat_template"] else []),
        *datasets.words(parameters),
        said("isl", parameters["isl"]),
        said("osl", parameters["osl"]),
        said("concurrency", parameters["concurrency"], "concurrencies"),
        said("num-prompts", parameters.get("num_sessions", parameters["num_prompts"])),
        said("num-warmup", parameters["num_warmup"]),
        said("request-rate", str(parameters["request_rate"]), "req_rate"),
        *traffic.words(parameters),
        said("random-range-ratio", str(parameters["random_range_ratio"])),
        said("seed", parameters["seed"]),
        Option("backend", layout.spec["backend"]["type"], ("backend", "type")),
        Option("gpus", gpus["all"]),
        Option("prefill-gpus", gpus["prefill"] or None),
        Option("decode-gpus", gpus["decode"] or None),
        said("reuse-connections" if reuse else "no-reuse-connections", reuse is not None, "reuse_http_connections"),
        said("stall-timeout", stall_s(layout.spec["benchmark"]), "stall_timeout_s"),
    ]


def stall_s(options: JsonObject) -> int:
    """Return after how many seconds without a token a point ends; 0: never."""
    given: int | None = options["stall_timeout_s"]
    return STALL_S if given is None else given


def chat_template(spec: JsonObject) -> JsonObject | None:
    """Return the text around each prompt, ``{prefix, suffix}``; None if there is none."""
    found: JsonObject | None = spec.get(CHAT)
    return found if found and "prefix" in found else None


def chat_mark(spec: JsonObject) -> str | bool | None:
    """Return what tells prompts with a chat template from others; None if it cannot be applied, False if unwanted."""
    template = chat_template(spec)
    return digest(template) if template else None if spec["benchmark"]["use_chat_template"] else False


def tokenizer(layout: Layout) -> Option:
    """Return the option of the tokenizer: a directory of the job's, or the model as the load client sees it."""
    spec = layout.spec
    if own_tokenizer(spec["benchmark"]):
        return Option("tokenizer", own_tokenizer(spec["benchmark"]), ("benchmark", "custom_tokenizer"))
    given = spec["model"]["path"]
    # The hub's name of the model, or its directory here; a path in a container comes from the plan.
    name = given if from_hub(spec) else layout.source_model
    return Option("tokenizer", name, ("model", "path") if name == given else None)


def environment(spec: JsonObject) -> dict[str, str | Option]:
    """Return the environment of the load client, with the origins of its values."""
    home = hub_home(spec) if from_hub(spec) else None
    return {
        **({home.name: home} if home else {}),
        **variables(spec["environment"], ("environment",)),
        **variables(spec["benchmark"]["env"], ("benchmark", "env")),
    }


def flags(spec: JsonObject) -> list[str]:
    """Return the options of the load client's Python: nothing in a user's environment changes it, benchmark.env may."""
    own = any(name.startswith("PYTHON") for name in spec["benchmark"]["env"] or ())
    return [*([] if own else [ALONE]), *FLAGS]


def own_tokenizer(options: JsonObject) -> str | None:
    """Return ``custom_tokenizer`` if it is a directory; public recipes set it to Python classes."""
    name: str | None = options["custom_tokenizer"]
    return name if name and "/" in name else None


def from_hub(spec: JsonObject) -> bool:
    """Return whether the load client gets its tokenizer from the hub or its cache, because no directory is set."""
    path: str = spec["model"]["path"]
    return path.startswith("hf:") and not own_tokenizer(spec["benchmark"])


def hub_home(spec: JsonObject) -> Option | None:
    """Return HF_HOME of the load client: its own, else the workers', where the model is cached; or None."""
    modes = [("backend", f"{mode}_environment") for mode in ("prefill", "decode", "aggregated")]
    for path in (("benchmark", "env"), ("environment",), *modes):
        table = spec
        for key in path:
            table = table.get(key) or {}
        home = table.get("HF_HOME")
        if home and "{" not in home:  # {node} is a worker's
            return Option("HF_HOME", home, (*path, "HF_HOME"))
    return None
