# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Mooncake KV store: one master on the infra node; workers get its address in their environment."""

from __future__ import annotations

import json

from ..schema.section import TEXTS, Field, Section, optional
from ..schema.types import ListOf, MapOf, Str, Type
from ..topology.options import Option, as_option, variables
from ..topology.step import make_step, one_file, tcp_check

PORTS = ("mooncake", "mooncake_http", "mooncake_metrics")
WHERE = ("backend", "mooncake_kv_store")
CONFIG = "mooncake_store_config.json"

# Options of the master that the plan sets, by their ports.
PORT_OPTIONS = dict(zip(("port", "http_metadata_server_port", "metrics_port"), PORTS))


def field(store_config=False):
    """Return the field ``mooncake_kv_store``; *store_config*: with the table of that name."""
    fields = {
        "container": Field(Str(), None, "Image of the store; default: the job's."),
        "env": Field(TEXTS, {}, "Environment of the store and of its clients, the workers."),
        "master_extra_args": Field(ListOf(Str()), [], "Further options of mooncake_master."),
    }
    if store_config:
        fields["store_config"] = Field(
            MapOf(Type()), None, f"Content of {CONFIG}, in addition to the master's address."
        )
    return optional(Section("mooncake_kv_store", fields), "A Mooncake KV store for the workers.")


def wanted(spec):
    """Return the settings of the store, or None."""
    return spec["backend"].get("mooncake_kv_store")


def problems(spec, uses):
    """Return a problem if a disaggregated job has a store but no mode transfers through it.

    :param uses: ``uses(mode)`` returns whether the options of that mode name mooncake.
    """
    if not wanted(spec) or spec["resources"]["agg_workers"] or uses("prefill") or uses("decode"):
        return []
    return [
        (
            ("backend", "mooncake_kv_store"),
            "is set, but neither prefill nor decode transfers through mooncake.",
            "Set the transfer backend (sglang) or kv-transfer-config (vllm) to mooncake.",
        )
    ]


def fixed_variables(spec):
    """Return the variables of workers that the plan sets; only the store's ``env`` may name another host."""
    store = wanted(spec)
    if not store:
        return ()
    names = ("MOONCAKE_LOCAL_HOSTNAME", "MOONCAKE_MASTER", "MOONCAKE_TE_META_DATA_SERVER")
    return (*names, "MOONCAKE_CONFIG_PATH") if "store_config" in store else names


def extra(store):
    """Return ``[(option's name, its words)]`` of ``master_extra_args``: a value may be a separate word."""
    found = []
    for word in store["master_extra_args"]:
        if word.startswith("-") and not word[1:2].isdigit():
            found.append((word.lstrip("-").partition("=")[0].replace("-", "_"), [word]))
        elif found and len(found[-1][1]) == 1 and "=" not in found[-1][1][0]:
            found[-1][1].append(word)
        else:
            found.append(("", [word]))
    return found


def notes(spec):
    """Return notes on settings of the store that the plan overrides."""
    store, where, found = wanted(spec), "backend.mooncake_kv_store", []
    if not store:
        return []
    lost = [" ".join(words) for name, words in extra(store) if name in PORT_OPTIONS]
    if lost:
        found.append(f"{where}.master_extra_args: {', '.join(lost)}: ignored, the plan sets this; see ports.mooncake*.")
    names = [name for name in fixed_variables(spec)[1:] if name in store["env"]]
    if names:
        found.append(f"{where}.env: {', '.join(names)}: ignored, the plan sets this for each process.")
    return found


def ports(spec):
    """Return the keys of ``ports`` that the master uses."""
    return PORTS if wanted(spec) else ()


def steps(layout):
    """Return the step of the master, with checks of its three ports."""
    store = wanted(layout.spec)
    if not store:
        return []
    numbers, address = layout.ports, layout.infra_address
    return [
        make_step(
            "mooncake",
            "head_infra",
            [layout.roles.infra],
            master(store, numbers),
            variables(store["env"], (*WHERE, "env")),
            files=[one["path"] for one in files(layout)],
            container=store["container"],
            ready=[tcp_check(key, address, numbers[key], ["mooncake"]) for key in PORTS],
        )
    ]


def master(store, numbers):
    """Return the command line of the master.

    An option that the job also sets is passed once, with the job's value, unless it is a port.
    """
    own = {
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
    argv = ["mooncake_master"]
    for name, value in own.items():
        if not {name, f"no{name}"} & given:
            argv.append(Option(name, value, paths.get(name), tied=True))
    return argv + [as_option(word, (*WHERE, "master_extra_args")) for _name, words in more for word in words]


def files(layout):
    """Return the store's configuration file, for engines that need it."""
    store = wanted(layout.spec)
    if not store or "store_config" not in store:
        return []
    content = {
        **(store["store_config"] or {}),
        "master_server_address": f"{layout.infra_address}:{layout.ports['mooncake']}",
    }
    return [one_file(CONFIG, json.dumps(content, indent=1) + "\n")]


def environment(process, layout):
    """Return a worker's environment for the store, with the origins of its values."""
    store = wanted(layout.spec)
    if not store:
        return {}
    env = {
        "MOONCAKE_LOCAL_HOSTNAME": layout.address(process.node),
        **variables(store["env"], (*WHERE, "env")),
        "MOONCAKE_MASTER": f"{layout.infra_address}:{layout.ports['mooncake']}",
        "MOONCAKE_TE_META_DATA_SERVER": f"http://{layout.infra_address}:{layout.ports['mooncake_http']}/metadata",
    }
    if files(layout):
        env["MOONCAKE_CONFIG_PATH"] = f"{layout.run_dir}/{CONFIG}"
    return env


def names_mooncake(options, key):
    """Return whether option *key* of *options* (by their full names) names mooncake."""
    return "mooncake" in str(options.get(key, "")).lower()
