# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the keys of the second layout belong in the first, and its words for the first layout's."""

from __future__ import annotations

import re

from ...backends import BACKENDS
from ...json_types import KeyPath
from ...topology.modes import LONG_MODE
from .reading import Words

# Names of frontends whose meaning or spelling differs, as the second layout has them.
FRONTENDS = {"sglang-router": "sglang"}
RENAMED_OPTIONS = {"set_visible_devices": "set_cuda_visible_devices"}  # of engines
SOURCES = {"pypi": "version", "wheel": "wheel", "git": "git", "rev": "hash"}  # of dynamo
# Keys of a role: those of the mode's counts, and those of the engine's section, by what follows the mode.
COUNTED = {"nodes": "{mode}_nodes", "workers": "{mode}_workers", "gpus": "gpus_per_{mode}"}
OF_ENGINE = {
    "env": "{long}_environment",
    "container": "{long}_container",
    "srun_options": "{long}_srun_options",
    "extra_args": "{long}_extra_args",
}
STORE: KeyPath = ("backend", "mooncake_kv_store")


def of_role(mode: str, engine: str | None) -> dict[str, KeyPath]:
    """Return ``{key of the role *mode*: its path in the first layout}`` for a job of *engine*, None if unknown."""
    long = LONG_MODE[mode]
    paths: dict[str, KeyPath] = {key: ("resources", name.format(mode=mode)) for key, name in COUNTED.items()}
    paths.update({key: ("backend", name.format(long=long)) for key, name in OF_ENGINE.items()})
    if engine in BACKENDS:
        paths["args"] = ("backend", BACKENDS[engine].config_key, long)
    paths["kv_events"] = ("backend", "kv_events_config", long)
    paths["critical"] = ("faults", mode, "critical")
    paths["restart"] = ("faults", mode, "restarts")
    return paths


def table(engine: str | None) -> dict[KeyPath, KeyPath]:
    """Return ``{path in the first layout: path in the second}`` of everything that has another place there."""
    found: dict[KeyPath, KeyPath] = {("backend",): ("engine",)}
    found.update({("backend", old): ("engine", new) for new, old in RENAMED_OPTIONS.items()})
    for mode in LONG_MODE:
        # What faults say of a role keeps its place; only values that a role has are its own.
        found.update({old: ("roles", mode, key) for key, old in of_role(mode, engine).items() if old[0] != "faults"})
    found.update({("dynamo", old): ("dynamo", "source", new) for new, old in SOURCES.items()})
    found[("dynamo", "cargo_patches")] = ("dynamo", "source", "patches")
    for old in ("orchestrator_placement", "dedicated_node"):
        found[("frontend", old)] = ("frontend", "placement", "node")
    for old in ("client_placement", "client_dedicated_node"):
        found[("benchmark", old)] = ("benchmark", "placement", "node")
    found[("infra",)] = ("services",)
    return found


def _role(match: re.Match[str]) -> str:
    return {long: mode for mode, long in LONG_MODE.items()}.get(match[1], match[1])


_MODE = "(prefill|decode|aggregated|agg)"
# Each pattern, and what it becomes; the first come first.
WORDS: tuple[Words, ...] = (
    (re.compile(rf"\bbackend\.{_MODE}_environment\b"), lambda match: f"roles.{_role(match)}.env"),
    (re.compile(rf"\bbackend\.\w+_config\.{_MODE}\b"), lambda match: (
        f"roles.{_role(match)}.{'kv_events' if 'kv_events' in match[0] else 'args'}"
    )),
    (re.compile(r"\bbackend\.kv_events_config\b"), "kv_events of a role"),
    (re.compile(r"\bbackend\.\w+_config\b"), "args of a role"),
    (re.compile(rf"\bbackend\.{_MODE}_(container|srun_options|extra_args)\b"), lambda match: (
        f"roles.{_role(match)}.{match[2]}"
    )),
    (re.compile(r"\bbackend\.mooncake_kv_store\.store_config\b"), "store_config of the service mooncake-master"),
    (re.compile(r"\bbackend\.mooncake_kv_store\.master_extra_args\b"), "args of the service mooncake-master"),
    (re.compile(r"\bbackend\.mooncake_kv_store\b"), "the service mooncake-master"),
    (re.compile(r"\bbackend\.set_cuda_visible_devices\b"), "engine.set_visible_devices"),
    (re.compile(r"\bbackend\.(?=\w)"), "engine."),
    (re.compile(r"(?<![\w.])(?:resources\.)?(prefill|decode|agg)_(nodes|workers)\b"), r"roles.\1.\2"),
    (re.compile(r"(?<![\w.])(?:resources\.)?gpus_per_(prefill|decode|agg)\b"), r"roles.\1.gpus"),
    (re.compile(r"\binfra\.etcd_nats_dedicated_node\b"), "placement.node of the services etcd and nats"),
    (re.compile(r"\binfra\.nats_max_payload_mb\b"), "options.max_payload_mb of the service nats"),
    (re.compile(r"\bfrontend\.(?:orchestrator_placement|dedicated_node)\b"), "frontend.placement.node"),
    (re.compile(r"\bbenchmark\.(?:client_placement|client_dedicated_node)\b"), "benchmark.placement.node"),
    (re.compile(r"\bdynamo\.version\b"), "dynamo.source.pypi"),
    (re.compile(r"\bdynamo\.wheel\b"), "dynamo.source.wheel"),
    (re.compile(r"\bdynamo\.hash\b"), "dynamo.source.rev"),
    (re.compile(r"\bdynamo\.cargo_patches\b"), "dynamo.source.patches"),
    (re.compile(r"\bis sglang, which cannot serve backend\b"), "is sglang-router, which cannot serve engine"),
    (re.compile(r"\bcannot serve backend\b"), "cannot serve engine"),
    (re.compile(r"^(Use (?:\w+ or )*)sglang\.$"), r"\1sglang-router."),
    (re.compile(r": sglang does not use it\b"), ": sglang-router does not use it"),
    (re.compile(r"\bfrontend\.type: sglang\b(?!-)"), "frontend.type: sglang-router"),
)  # fmt: skip
