# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a backend: an inference engine's keys, flags and rules. Independent of Slurm.

Where the job and the plan both set a value, one rule decides. The plan sets what it computes for each process (ports,
ranks, GPUs, addresses, the model's path), and a note names the job's value that is ignored. The job sets all other
values. No option is passed twice.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Any

from ..log_lines import LogLines
from ..schema.section import TEXTS, Field, Section
from ..schema.text import to_yaml
from ..schema.types import MapOf, Type
from ..topology.options import Option, override, variables
from ..topology.ports import WORKER_FAMILIES
from ..topology.step import make_step, one_file, tcp_check
from . import kv_events, kvbm, profiling, sizes
from .flags import SIZES, settle, spellings
from .modes import LONG_MODE


def environment_fields():
    """Return the three per-mode environment fields that every backend has."""
    return {
        f"{mode}_environment": Field(TEXTS, {}, f"Environment of {mode} workers; {{node}} and {{node_id}} are set.")
        for mode in LONG_MODE.values()
    }


def config_field(key, doc):
    """Return the field of free engine options per mode, called *key*."""
    options = MapOf(Type())
    return Field(
        Section(key, {mode: Field(options, {}, f"Options of {mode} workers.") for mode in LONG_MODE.values()}),
        None,
        doc,
    )


@dataclass(frozen=True)
class Shared:
    """What all workers of one mode have in common, computed once per plan.

    ``config``   the free engine options of the job by their full names: see :meth:`Backend.mode_config`
    ``options``  the options of each command line: see :meth:`Backend.options`
    ``env``      the variables from the job, without those that the plan sets
    ``lost``     ``{full name: (value, path)}`` of the job's options and variables that the plan overrides
    ``events``   the option of KV events without an endpoint, or None: see :func:`kv_events.option`
    """

    config: dict[str, Any]
    options: list[Option]
    env: dict[str, Option]
    lost: dict[str, tuple]
    events: Option | None = None


class Backend:
    """Base class and interface. A subclass sets the class attributes and overrides methods as needed.

    ``type``       the word under ``backend.type``
    ``title``      the engine's name in sentences
    ``section``    the :class:`Section` of ``backend``
    ``config_key`` the key that holds free engine options per mode, for example ``mocker_config``
    ``frontends``  the frontend types that can serve it
    ``aliases``    short forms of engine options, ``{short form: full name}``; names have dashes here
    ``fixed``      engine options that the plan sets
    ``understood`` those of ``fixed`` that need no note, because the plan uses the job's value
    ``fixed_env``  environment variables that the plan sets or leaves unset
    ``log_lines``  the lines of its log that explain a failure (:class:`LogLines`)
    ``read_line``  ``read_line(line, metrics)`` adds the figures in a line of its log, without colours, to
                   :class:`worker_figures.Metrics`; None: its log has no figures
    ``size_options``  ``{parallel size in rollup.json: the option with its value}``
    """

    type = ""
    title = "the engine"
    section = None
    config_key = None
    frontends = ("dynamo",)
    aliases = {}
    fixed = ()
    understood = ("served-model-name",)
    fixed_env = ("CUDA_VISIBLE_DEVICES", "DYN_SYSTEM_PORT")
    log_lines = LogLines()
    read_line = None
    size_options = SIZES

    # ---- before submission

    def problems(self, spec):
        """Return ``[(path, problem, remedy)]`` for cross-field rules; called before submission.

        An engine adds its own problems to these, which cover parallel sizes and KV events.
        """
        return sizes.problems(self, spec) + kv_events.problems(self, spec)

    def gpu_factors(self, spec, mode):
        """Return ``{word: parallel size}`` of the factors of the number of GPUs that a worker of *mode* uses.

        A size that the job does not set is None. Without a table (None) the engine does not count GPUs.
        """

    def uses_all(self, spec, mode):
        """Return whether a worker of *mode* starts only if its sizes use all of its GPUs."""
        return False

    def size_problems(self, spec, mode):
        """Return ``[(option, problem, remedy)]`` of sizes of *mode* that contradict each other; all are above 0."""
        return []

    def notes(self, spec):
        """Return notes on what the plan decided for the user."""
        found = []
        for mode in self.modes(spec):
            where = f"backend.{self.config_key}.{LONG_MODE[mode]}"
            options, twice = self.given(spec, mode)
            own = {"disaggregation-mode": None if mode == "agg" else mode}
            lost = sorted(
                name
                for name, (_key, value) in options.items()
                if name in self.fixed and name not in self.understood and value != own.get(name)
            )
            if lost:
                found.append(f"{where}: {', '.join(lost)}: ignored, the plan sets this.")
            names = {key: name for name, (key, _value) in options.items()}
            for key, value, winner in twice:
                if names[winner] not in self.fixed:
                    found.append(f"{where}: {winner} replaces {key} {value}. Both are names of the same option.")
        for key in [f"backend.{LONG_MODE[mode]}_environment" for mode in self.modes(spec)] + ["environment"]:
            given = spec["backend"][key[8:]] if key.startswith("backend.") else spec["environment"]
            lost = [name for name in self.fixed_variables(spec) if name in given]
            if lost:
                found.append(f"{key}: {', '.join(lost)}: ignored, the plan sets this for each process.")
        return found + self._name_notes(spec) + sizes.notes(self, spec) + self._idle_notes(spec)

    def _name_notes(self, spec):
        """Return a note if the job gives the model several names and the service has only the first."""
        lost = self.served_names(spec)[1:]
        if not lost or self.many_names(spec):
            return []
        return [f"{'.'.join(map(str, self.served_by(spec)))}: only the first name is served, not {', '.join(lost)}."]

    def _idle_notes(self, spec):
        """Return a note for each mode that the job configures but has no workers of."""
        backend, found = spec["backend"], []
        for mode, word in LONG_MODE.items():
            if spec["resources"][f"{mode}_workers"]:
                continue
            keys = [f"resources.gpus_per_{mode}"] if spec["resources"][f"gpus_per_{mode}"] else []
            keys += [f"backend.{self.config_key}.{word}"] if self.given(spec, mode)[0] else []
            keys += [f"backend.{word}_environment"] if backend[f"{word}_environment"] else []
            events = backend.get("kv_events_config")
            if isinstance(events, dict) and (events.get(word) or events.get(mode)):
                keys.append(f"backend.kv_events_config.{word}")
            if keys:
                found.append(f"{', '.join(keys)}: no effect, the job has no {word} workers.")
        if backend.get("kv_events_config") is True and self.modes(spec) == ["agg"]:
            found.append(
                "backend.kv_events_config: true is for prefill and decode workers. Write {aggregated: true} for these."
            )
        return found

    def modes(self, spec):
        """Return the modes of the job's workers."""
        return [mode for mode in LONG_MODE if spec["resources"][f"{mode}_workers"]]

    def given(self, spec, mode):
        """Return the free engine options of *mode* as written in the job: see :func:`flags.settle`."""
        given = spec["backend"].get(self.config_key) if self.config_key else None
        return settle((given or {}).get(LONG_MODE[mode]), self.aliases)

    def place(self, mode, *key):
        """Return the path in the spec of the free engine options of *mode*, or of *key* among them."""
        return ("backend", self.config_key, LONG_MODE[mode], *key)

    def mode_config(self, spec, mode):
        """Return the free engine options of *mode* by their full names, parallel sizes as whole numbers."""
        return {name: value for name, (_key, value) in self.given(spec, mode)[0].items()}

    def served_name(self, spec):
        """Return the model's public name: an option of the first mode that has one, else the last part of the path."""
        return self.served_names(spec)[0]

    def served_names(self, spec):
        """Return all names that the job gives the model, the public one first."""
        for mode in ("prefill", "agg", "decode"):
            name = self.mode_config(spec, mode).get("served-model-name")
            if name:
                return [str(one) for one in name] if isinstance(name, list) else [str(name)]
        return [os.path.basename(spec["model"]["path"].rstrip("/"))]

    def many_names(self, spec):
        """Return whether the service answers to all of :meth:`served_names`."""
        return False

    def served_by(self, spec):
        """Return the path in the spec of the model's public name."""
        for mode in ("prefill", "agg", "decode"):
            key, name = self.given(spec, mode)[0].get("served-model-name", (None, None))
            if name:
                return self.place(mode, key)
        return ("model", "path")

    # ---- placement

    def tasks_per_node(self, spec):
        """Return the number of Slurm tasks per node that the allocation must allow."""
        return 1

    def shares_nodes(self, spec):
        """Return whether prefill and decode workers may be placed on one node."""
        return False

    def port_families(self, spec):
        """Return the families of ports that workers get."""
        return WORKER_FAMILIES + kvbm.families(self, spec)

    def uses_kvbm(self, spec, mode):
        """Return whether workers of *mode* run dynamo's KV block manager."""
        given = {**spec["backend"][f"{LONG_MODE[mode]}_environment"], **spec["environment"]}
        return str(given.get("DYN_CONNECTOR", "")).lower() == "kvbm"

    def splitter(self, spec):
        """Return ``split(endpoint) -> [(node, gpu_indices, start)]``, or None for one process per node."""

    def infra_ports(self, spec):
        """Return the keys of ``ports`` that :meth:`infra_steps` take on the infra node."""
        return ()

    # ---- steps

    def command(self, process, layout, shared):
        """Return the command line of *process*: words, and options with the origins of their values.

        :param shared: the :class:`Shared` of its mode. Options that the plan sets need not name what they replace.
        """
        raise NotImplementedError

    def environment(self, process, layout):
        """Return the engine's own environment of *process*: texts, and variables with the origins of their values.

        The job takes precedence except for ``fixed_env``.
        """
        return {}

    def fixed_variables(self, spec):
        """Return the environment variables that the plan sets in this job."""
        return self.fixed_env

    def options(self, spec, mode, own=()):
        """Return the engine's options of *mode* without per-process ones, each with its origin.

        :param own: options from other keys of the job; the free engine options take precedence.
        """
        given = sorted(self.given(spec, mode)[0].items())
        free = [Option(name, value, self.place(mode, key)) for name, (key, value) in given if name not in self.fixed]
        return override(own, free)

    def shared(self, spec, mode):
        """Return the :class:`Shared` of the workers of *mode*."""
        given, key = self.given(spec, mode)[0], f"{LONG_MODE[mode]}_environment"
        env = {**variables(spec["backend"][key], ("backend", key)), **variables(spec["environment"], ("environment",))}
        lost = {name: (value, self.place(mode, key)) for name, (key, value) in given.items() if name in self.fixed}
        # Also variables that the plan leaves unset: one value for all would be wrong for some.
        for name in self.fixed_variables(spec):
            if name in env:
                lost[name] = env.pop(name)[1:3]
        config = {name: value for name, (_key, value) in given.items()}
        return Shared(config, self.options(spec, mode), env, lost, kv_events.option(self, spec, mode))

    def files(self, layout):
        """Return the engine's configuration files (see :func:`topology.step.one_file`)."""
        modes = sorted({endpoint.mode for endpoint in layout.endpoints})
        options = {
            LONG_MODE[mode]: {option.name: option.value for option in self.options(layout.spec, mode)} for mode in modes
        }
        return [one_file(f"{self.config_key}.yaml", to_yaml(options))] if self.config_key else []

    def infra_steps(self, layout):
        """Return steps that run on the infra node before the workers, in tier head_infra."""
        return []

    def worker_steps(self, layout):
        """Return the steps of all workers: one per process. An engine that launches with MPI overrides this."""
        shared = {mode: self.shared(layout.spec, mode) for mode in self.modes(layout.spec)}
        return [
            self.worker_step(process, layout, shared[process.mode])
            for process in layout.processes
            if self.runs(process)
        ]

    def runs(self, process):
        """Return whether *process* is started; of a simulated endpoint only the leader is."""
        return True

    # ---- readiness

    def checks(self, layout):
        """Return one check per running process: its system port is open."""
        return [
            tcp_check(process.name, layout.address(process.node), process.ports["system"], [process.name])
            for process in layout.processes
            if self.runs(process)
        ]

    def worker_urls(self, layout):
        """Return ``{process name: URL}`` of the leaders that have an HTTP server."""
        return {}

    def instances(self, layout):
        """Return ``{"prefill": n, "decode": n}``: the number of workers the frontend must see. agg counts as decode."""
        return {
            "prefill": len(layout.of_mode("prefill")),
            "decode": len(layout.of_mode("decode")) + len(layout.of_mode("agg")),
        }

    # ---- results

    def command_options(self):
        """Return ``{key of launch_command in rollup.json: names of the option with its value}``."""
        return {
            "model_path": ("model-path", "model"),
            "served_model_name": ("served-model-name", "model-name"),
            "disaggregation_mode": ("disaggregation-mode",),
            **{key: spellings(name, self.aliases) for key, name in self.size_options.items()},
            "port": ("port", "http-port"),
            "max_num_seqs": ("max-num-seqs", "max-running-requests", "max-batch-size"),
            "max_model_len": ("max-model-len", "context-length", "max-seq-len"),
        }

    # ---- shared by all backends

    def worker_step(self, process, layout, shared, nodes=None, **other):
        """Return the step of *process*; *other* overrides keys of the step.

        :param shared: the :class:`Shared` of its mode.
        :param nodes: all nodes of the step; default: the node of the process.
        """
        nodes = list(nodes or [process.node])
        env, lines = self._environment(process, layout, shared, nodes)
        lines += profiling.preamble(process, layout)
        step = {
            "kind": "worker",
            "mode": process.mode,
            "index": process.endpoint.index,
            "rank": process.rank,
            "preamble": "\n".join(lines) or None,
            "log": f"logs/%N_{process.endpoint.name}.out",
            "srun_options": dict(layout.spec["srun_options"]),
        }
        step.update(other)
        argv = self.command(process, layout, shared)
        if shared.lost:
            argv = [instead(one, shared.lost.get(one.name)) if isinstance(one, Option) else one for one in argv]
        return make_step(process.name, "worker", nodes, profiling.wrap(argv, process, layout), env, **step)

    def _environment(self, process, layout, shared, nodes):
        """Return (environment of *process*, shell lines for the values that differ between its *nodes*)."""
        env = {
            "HEAD_NODE_IP": layout.head_address,
            **layout.wiring,
            **layout.observe(process.mode),
            **kvbm.environment(process, layout),
            **self.environment(process, layout),
        }
        lines = []
        for name, variable in shared.env.items():
            value = variable.value
            if "{node" in value:
                if len(nodes) > 1:
                    lines.append(f"export {name}={on_each_node(value, nodes, layout.node_numbers)}")
                value = value.replace("{node}", process.node)
                variable = variable._replace(value=value.replace("{node_id}", str(layout.node_numbers[process.node])))
            env[name] = variable
        env.update(profiling.environment(process, layout))
        if self.sees_only_its_gpus(process, layout):
            env["CUDA_VISIBLE_DEVICES"] = gpus = ",".join(map(str, process.gpu_indices))
            # Slurm sets the variable to all GPUs of the step after it has applied the environment.
            lines.append(f"export CUDA_VISIBLE_DEVICES={gpus}")
        else:
            env.pop("CUDA_VISIBLE_DEVICES", None)
        for name in shared.lost.keys() & env.keys():
            ours = env[name]
            env[name] = instead(ours if isinstance(ours, Option) else Option(name, ours), shared.lost[name])
        return env, lines

    def sees_only_its_gpus(self, process, layout):
        """Return whether CUDA_VISIBLE_DEVICES restricts the process to its GPUs."""
        return len(process.gpu_indices) < layout.spec["resources"]["gpus_per_node"]


def config_dump(process, layout):
    """Return the option that makes a dynamo worker write its configuration to the run's logs."""
    return Option("dump-config-to", f"{layout.run_dir}/logs/{process.node}_{process.name}_config.json")


def instead(ours, lost):
    """Return the option *ours* with ``(value, path)`` of the job's value that it replaces, *lost*, if any."""
    return ours if lost is None or lost[1] == ours.path else ours._replace(lost=lost)


def on_each_node(value, nodes, numbers):
    """Return shell text for *value* with {node} and {node_id}, which differ between *nodes*."""
    text = shlex.quote(value.replace("{node}", "\0").replace("{node_id}", "\1"))
    table_ = " ".join(f"{node}) echo {numbers[node]};;" for node in nodes)
    number = f'$(case "$SLURMD_NODENAME" in {table_} esac)'
    return text.replace("\0", "'\"$SLURMD_NODENAME\"'").replace("\1", f"'\"{number}\"'")
