# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Mooncake KV store: one master on the infra node; workers get its address in their environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Callable

from ..failures import Finding
from ..json_types import JsonObject
from ..plan_file import PlanFile
from ..schema.section import TEXTS, Field, Section, optional, port
from ..schema.types import ListOf, MapOf, Str, Type
from ..topology.layout import Layout, Process
from ..topology.options import Option, Word, as_option, variables
from ..topology.step import DraftStep, make_step, one_file, tcp_check
from .base import Service

WHERE = ("backend", "mooncake_kv_store")
CONFIG = "mooncake_store_config.json"

# Options of the master that the plan sets, with the keys of their ports.
PORT_OPTIONS = {
    "port": "mooncake",
    "http_metadata_server_port": "mooncake_http",
    "metrics_port": "mooncake_metrics",
}


class Mooncake(Service):
    """The store.

    :param transfer: the engine option that names what prefill and decode transfer through.
    :param store_config: the engine reads a configuration file, to which the job may add.
    """

    ports = {
        "mooncake": port(8700, "Mooncake master."),
        "mooncake_http": port(8701, "Mooncake metadata server."),
        "mooncake_metrics": port(8702, "Mooncake metrics."),
    }

    def __init__(self, transfer: str, store_config: bool = False) -> None:
        self.transfer, self.store_config = transfer, store_config
        keys = {
            "container": Field(Str(), None, "Image of the store; default: the job's."),
            "env": Field(TEXTS, {}, "Environment of the store and of its clients, the workers."),
            "master_extra_args": Field(ListOf(Str()), [], "Further options of mooncake_master."),
        }
        if store_config:
            keys["store_config"] = Field(
                MapOf(Type()), None, f"Content of {CONFIG}, in addition to the master's address."
            )
        section = Section("mooncake_kv_store", keys)
        self.fields = {"mooncake_kv_store": optional(section, "A Mooncake KV store for the workers.")}

    def wanted(self, spec: JsonObject) -> bool:
        return bool(spec["backend"]["mooncake_kv_store"])

    def problems(self, spec: JsonObject, options: Callable[[str], JsonObject]) -> list[Finding]:
        """Return a problem if a disaggregated job has a store but no mode transfers through it."""
        modes = ("prefill", "decode")
        if spec["resources"]["agg_workers"] or any(self.transfer_is_mooncake(options(mode)) for mode in modes):
            return []
        return [
            (
                WHERE,
                "is set, but neither prefill nor decode transfers through mooncake.",
                f"Set the option {self.transfer} to mooncake.",
            )
        ]

    def transfer_is_mooncake(self, options: JsonObject) -> bool:
        """Return whether the engine *options* (by their full names) say that caches travel through Mooncake."""
        return "mooncake" in str(options.get(self.transfer, "")).lower()

    def notes(self, spec: JsonObject) -> list[str]:
        store, where = spec["backend"]["mooncake_kv_store"], ".".join(WHERE)
        found = []
        lost = [" ".join(words) for name, words in extra(store) if name in PORT_OPTIONS]
        if lost:
            ignored = f"{', '.join(lost)}: ignored, the plan sets this; see ports.mooncake*."
            found.append(f"{where}.master_extra_args: {ignored}")
        # Only the store's own environment may name another host.
        names = [name for name in self.fixed_variables(spec)[1:] if name in store["env"]]
        if names:
            found.append(f"{where}.env: {', '.join(names)}: ignored, the plan sets this for each process.")
        return found

    def fixed_variables(self, spec: JsonObject) -> tuple[str, ...]:
        names = ("MOONCAKE_LOCAL_HOSTNAME", "MOONCAKE_MASTER", "MOONCAKE_TE_META_DATA_SERVER")
        return (*names, "MOONCAKE_CONFIG_PATH") if self.store_config else names

    def environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        store, address, ports = layout.spec["backend"]["mooncake_kv_store"], layout.infra_address, layout.ports
        env: dict[str, str | Option] = {
            "MOONCAKE_LOCAL_HOSTNAME": layout.address(process.node),
            **variables(store["env"], (*WHERE, "env")),
            "MOONCAKE_MASTER": f"{address}:{ports['mooncake']}",
            "MOONCAKE_TE_META_DATA_SERVER": f"http://{address}:{ports['mooncake_http']}/metadata",
        }
        if self.store_config:
            env["MOONCAKE_CONFIG_PATH"] = f"{layout.run_dir}/{CONFIG}"
        return env

    def steps(self, layout: Layout) -> list[DraftStep]:
        store, numbers = layout.spec["backend"]["mooncake_kv_store"], layout.ports
        return [
            make_step(
                "mooncake",
                "head_infra",
                [layout.roles.infra],
                master(store, numbers),
                variables(store["env"], (*WHERE, "env")),
                files=[one["path"] for one in self.files(layout)],
                image=store["container"],
                ready=[tcp_check(key, layout.infra_address, numbers[key], ["mooncake"]) for key in self.ports],
            )
        ]

    def files(self, layout: Layout) -> list[PlanFile]:
        if not self.store_config:
            return []
        content = {
            **(layout.spec["backend"]["mooncake_kv_store"]["store_config"] or {}),
            "master_server_address": f"{layout.infra_address}:{layout.ports['mooncake']}",
        }
        return [one_file(CONFIG, json.dumps(content, indent=1) + "\n")]


def extra(store: JsonObject) -> list[tuple[str, list[str]]]:
    """Return ``[(option's name, its words)]`` of ``master_extra_args``: a value may be a separate word."""
    found: list[tuple[str, list[str]]] = []
    for word in store["master_extra_args"]:
        if word.startswith("-") and not word[1:2].isdigit():
            found.append((word.lstrip("-").partition("=")[0].replace("-", "_"), [word]))
        elif found and len(found[-1][1]) == 1 and "=" not in found[-1][1][0]:
            found[-1][1].append(word)
        else:
            found.append(("", [word]))
    return found


def master(store: JsonObject, numbers: Mapping[str, int]) -> list[Word]:
    """Return the command line of the master.

    An option that the job also sets is passed once, with the job's value, unless it is a port.
    """
    own: JsonObject = {
        "port": numbers["mooncake"],
        "enable_http_metadata_server": "true",
        "http_metadata_server_port": numbers["mooncake_http"],
        "eviction_high_watermark_ratio": 0.9,
        "default_kv_lease_ttl": 10000,
        "rpc_thread_num": 16,
        "enable_metric_reporting": "true",
        "metrics_port": numbers["mooncake_metrics"],
    }
    paths = {name: ("ports", key) for name, key in PORT_OPTIONS.items()}
    more = [(name, words) for name, words in extra(store) if name not in PORT_OPTIONS]
    given = {name for name, _words in more}
    argv: list[Word] = ["mooncake_master"]
    for name, value in own.items():
        if not {name, f"no{name}"} & given:
            argv.append(Option(name, value, paths.get(name), tied=True))
    return argv + [as_option(word, (*WHERE, "master_extra_args")) for _name, words in more for word in words]
