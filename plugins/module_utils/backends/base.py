# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a backend: an inference engine's keys, flags and rules. Independent of Slurm.

Where the job and the plan both set a value, one rule decides. The plan sets what it computes for each process (ports,
ranks, GPUs, addresses, the model's path), and a note names the job's value that is ignored. The job sets all other
values. No option is passed twice.
"""

from __future__ import annotations

import abc
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..failures import Finding
from ..json_types import Json, JsonObject, KeyPath
from ..plan_file import Check, PlanFile
from ..schema.section import TEXTS, Field, Section
from ..schema.text import to_yaml
from ..schema.types import MapOf, Str, Type
from ..schema.types import Option as SrunOption
from ..schema.words import normal
from ..services import dynamo, kvbm
from ..topology.layout import Layout, Process, Split
from ..topology.modes import LONG_MODE
from ..topology.options import Option, Word, override, variables
from ..topology.ports import WORKER_FAMILIES, Family
from ..topology.step import DraftStep, http_check, make_step, one_file, tcp_check
from . import kv_events, notes, profiling, sizes
from .engine import Engine
from .flags import spellings

# A value of the job that the plan overrides, and its path in the spec.
Lost = tuple[Json, KeyPath]


def environment_fields() -> dict[str, Field]:
    """Return the per-mode fields that every backend has: environment, image and srun options."""
    found: dict[str, Field] = {}
    for mode in LONG_MODE.values():
        text = f"Environment of {mode} workers; {{node}} and {{node_id}} are replaced."
        found[f"{mode}_environment"] = Field(TEXTS, {}, text)
    for mode in LONG_MODE.values():
        found[f"{mode}_container"] = Field(Str(), None, f"Image of {mode} workers instead of model.container.")
        text = f"srun options of {mode} workers, in addition to the job's."
        found[f"{mode}_srun_options"] = Field(MapOf(SrunOption()), {}, text)
    return found


def config_field(key: str, doc: str) -> Field:
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

    config: JsonObject
    options: list[Option]
    env: dict[str, Option]
    lost: dict[str, Lost]
    events: Option | None = None


class Backend(Engine):
    """An :class:`Engine` and what the plan runs of it. A subclass overrides methods as needed."""

    # ---- before submission

    def problems(self, spec: JsonObject) -> list[Finding]:
        """Return ``[(path, problem, remedy)]`` for cross-field rules; called before submission.

        An engine adds its own problems to these, which cover parallel sizes and KV events.
        """
        return sizes.problems(self, spec) + kv_events.problems(self, spec)

    def notes(self, spec: JsonObject) -> list[str]:
        """Return notes on what the plan decided for the user."""
        own = notes.decided(self, spec) + notes.names(self, spec)
        return own + sizes.notes(self, spec) + notes.idle(self, spec)

    # ---- placement

    def tasks_per_node(self, spec: JsonObject) -> int:
        """Return the number of Slurm tasks per node that the allocation must allow."""
        return 1

    def shares_nodes(self, spec: JsonObject) -> bool:
        """Return whether prefill and decode workers may be placed on one node."""
        return False

    def port_families(self, spec: JsonObject) -> tuple[Family, ...]:
        """Return the families of ports that workers get, without those of :meth:`families`."""
        return WORKER_FAMILIES

    def families(self, spec: JsonObject) -> tuple[Family, ...]:
        """Return all families of ports that workers get: the engine's, and that of dynamo's KV block manager."""
        wanted = any(self.uses_kvbm(spec, mode) for mode in self.modes(spec))
        return self.port_families(spec) + ((kvbm.FAMILY,) if wanted else ())

    def splitter(self, spec: JsonObject) -> Split | None:
        """Return what splits an endpoint into processes: ``split(endpoint) -> [(node, gpu_indices, start)]``.

        ``start`` is the first data-parallel rank of the process. None: one process per node.
        """
        return None

    # ---- steps

    @abc.abstractmethod
    def command(self, process: Process, layout: Layout, shared: Shared) -> list[Word]:
        """Return the command line of *process*: words, and options with the origins of their values.

        :param shared: the :class:`Shared` of its mode. Options that the plan sets need not name what they replace.
        """

    def environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        """Return the engine's own environment of *process*: texts, and variables with the origins of their values.

        The job takes precedence except for ``fixed_env``.
        """
        return {}

    def profiler_environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        """Return what the engine's own profiler needs in the environment of *process*, if the job profiles."""
        return {}

    def options(self, spec: JsonObject, mode: str, own: Iterable[Option] = ()) -> list[Option]:
        """Return the engine's options of *mode* without per-process ones, each with its origin.

        :param own: options from other keys of the job; the free engine options take precedence.
        """
        given = sorted(self.given(spec, mode)[0].items())
        free = [Option(name, value, self.place(mode, key)) for name, (key, value) in given if name not in self.fixed]
        return override(own, free)

    def shared(self, spec: JsonObject, mode: str) -> Shared:
        """Return the :class:`Shared` of the workers of *mode*."""
        given, key = self.given(spec, mode)[0], f"{LONG_MODE[mode]}_environment"
        env = {**variables(spec["backend"][key], ("backend", key)), **variables(spec["environment"], ("environment",))}
        lost: dict[str, Lost] = {
            name: (value, self.place(mode, key)) for name, (key, value) in given.items() if name in self.fixed
        }
        # Also variables that the plan leaves unset: one value for all would be wrong for some.
        for name in self.fixed_variables(spec):
            variable = env.pop(name, None)
            if variable and variable.path:
                lost[name] = (variable.value, variable.path)
        config = {name: value for name, (_key, value) in given.items()}
        return Shared(config, self.options(spec, mode), env, lost, kv_events.option(self, spec, mode))

    def files(self, layout: Layout) -> list[PlanFile]:
        """Return the engine's configuration files (see :func:`topology.step.one_file`)."""
        if not self.config_key:
            return []
        content = {mode: self.configuration(layout.spec, mode) for mode in sorted(self.modes(layout.spec))}
        if self.config_per_mode:
            return [one_file(self.config_file(mode), to_yaml(one)) for mode, one in content.items()]
        whole = {LONG_MODE[mode]: one for mode, one in content.items()}
        return [one_file(self.config_file(), to_yaml(whole))]

    def configuration(self, spec: JsonObject, mode: str) -> JsonObject:
        """Return the engine's configuration of *mode*, as :meth:`files` writes it."""
        return {option.name: option.value for option in self.options(spec, mode)}

    def worker_steps(self, layout: Layout) -> list[DraftStep]:
        """Return the steps of all workers: one per process. An engine that launches with MPI overrides this."""
        shared = {mode: self.shared(layout.spec, mode) for mode in self.modes(layout.spec)}
        return [
            self.worker_step(process, layout, shared[process.mode])
            for process in layout.processes
            if self.runs(process)
        ]

    def runs(self, process: Process) -> bool:
        """Return whether *process* is started; of a simulated endpoint only the leader is."""
        return True

    # ---- readiness

    def own_sides(self, layout: Layout) -> list[Process]:
        """Return the processes with their own server: behind dynamo all that run, otherwise leaders."""
        behind = dynamo.serves(layout.spec)
        return [process for process in layout.processes if (self.runs(process) if behind else process.leader)]

    def checks(self, layout: Layout) -> list[Check]:
        """Return one check for each of :meth:`own_sides`: its system port is open, or without dynamo it is healthy."""
        checks = []
        for process in self.own_sides(layout):
            name, host, ports = process.name, layout.address(process.node), process.ports
            if dynamo.serves(layout.spec):
                checks.append(tcp_check(name, host, ports["system"], [name], live="/live"))
            else:
                checks.append(http_check(name, host, ports["http"], "/health", [name]))
        return checks

    def worker_urls(self, layout: Layout) -> dict[str, str]:
        """Return ``{process name: URL}`` of the leaders that have an HTTP port."""
        return {
            process.name: f"http://{layout.address(process.node)}:{process.ports['http']}"
            for process in layout.processes
            if process.leader and "http" in process.ports
        }

    def control(self, layout: Layout) -> dict[str, str]:
        """Return ``{process name: host:port}`` of the leaders that take orders, without dynamo their HTTP port."""
        family = "system" if dynamo.serves(layout.spec) else "http"
        return {
            process.name: f"{layout.address(process.node)}:{process.ports[family]}"
            for process in layout.processes
            if process.leader and family in process.ports
        }

    def publishes_metrics(self, spec: JsonObject) -> bool:
        """Return whether workers publish metrics at ``/metrics`` of the ports of :meth:`control`."""
        return True

    def instances(self, layout: Layout) -> dict[str, int]:
        """Return ``{"prefill": n, "decode": n}``: the number of workers the frontend must see. agg counts as decode."""
        return {
            "prefill": len(layout.of_mode("prefill")),
            "decode": len(layout.of_mode("decode")) + len(layout.of_mode("agg")),
        }

    # ---- results

    def command_options(self) -> dict[str, tuple[str, ...]]:
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

    def log(self, process: Process) -> str:
        """Return the path of the log of *process* below the run directory; ``%N`` is its node."""
        return f"logs/%N_{process.endpoint.name}.out"

    def worker_step(
        self,
        process: Process,
        layout: Layout,
        shared: Shared,
        *,
        nodes: Sequence[str] = (),
        ntasks: int | None = None,
        files: Iterable[str] = (),
        srun_options: Mapping[str, str | None] | None = None,
    ) -> DraftStep:
        """Return the step of *process*.

        :param shared: the :class:`Shared` of its mode.
        :param nodes: all nodes of the step; default: the node of the process.
        :param ntasks: default: one task per node.
        :param files: paths below the run directory of files of the plan that it reads.
        :param srun_options: further ones, over which those of the job take precedence.
        """
        nodes = nodes or [process.node]
        env, lines = self._environment(process, layout, shared, nodes)
        lines += profiling.preamble(process, layout)
        argv = self.command(process, layout, shared)
        if shared.lost:
            argv = [instead(one, shared.lost.get(one.name)) if isinstance(one, Option) else one for one in argv]
        return make_step(
            process.name,
            "worker",
            nodes,
            profiling.wrap(self, argv, process, layout),
            env,
            kind="worker",
            mode=process.mode,
            index=process.endpoint.index,
            rank=process.rank,
            ntasks=ntasks,
            preamble="\n".join(lines) or None,
            files=files,
            srun_options={**(srun_options or {}), **self.srun_options(layout.spec, process.mode)},
            log=self.log(process),
            image=layout.spec["backend"][f"{LONG_MODE[process.mode]}_container"],
        )

    def srun_options(self, spec: JsonObject, mode: str) -> JsonObject:
        """Return the srun options of the job, and those of the workers of *mode*, where false leaves one out."""
        own = spec["backend"][f"{LONG_MODE[mode]}_srun_options"]
        names = {normal(name) for name in own}
        merged = {name: value for name, value in spec["srun_options"].items() if normal(name) not in names}
        merged.update(own)
        return {name: value for name, value in merged.items() if value is not False}

    def _environment(
        self, process: Process, layout: Layout, shared: Shared, nodes: Sequence[str]
    ) -> tuple[dict[str, str | Option], list[str]]:
        """Return (environment of *process*, shell lines for the values that differ between its *nodes*)."""
        env: dict[str, str | Option] = {
            "HEAD_NODE_IP": layout.head_address,
            **layout.wiring,
            **dynamo.observe(layout, process.mode),
            **kvbm.environment(process, layout),
        }
        for one in self.wanted_services(layout.spec):
            env.update(one.environment(process, layout))
        env.update({**self.environment(process, layout), **dynamo.worker_environment(process, layout)})
        lines = []
        for name, variable in shared.env.items():
            value = variable.value
            if "{node" in value:
                if len(nodes) > 1:
                    lines.append(f"export {name}={on_each_node(value, nodes, layout.node_numbers)}")
                value = value.replace("{node}", process.node)
                variable = variable._replace(value=value.replace("{node_id}", str(layout.node_numbers[process.node])))
            env[name] = variable
        if layout.spec["profiling"]["type"] != "none":
            env.update({**profiling.environment(process, layout), **self.profiler_environment(process, layout)})
        if self.sees_only_its_gpus(process, layout):
            env[self.visible_devices(layout.spec)] = gpus = ",".join(map(str, process.gpu_indices))
            # Slurm sets the variable to all GPUs of the step after it has applied the environment.
            lines.append(f"export {self.visible_devices(layout.spec)}={gpus}")
        else:
            env.pop(self.visible_devices(layout.spec), None)
        for name in shared.lost.keys() & env.keys():
            ours = env[name]
            env[name] = instead(ours if isinstance(ours, Option) else Option(name, ours), shared.lost[name])
        return env, lines

    def sees_only_its_gpus(self, process: Process, layout: Layout) -> bool:
        """Return whether CUDA_VISIBLE_DEVICES restricts the process to its GPUs."""
        return bool(len(process.gpu_indices) < layout.spec["resources"]["gpus_per_node"])


def instead(ours: Option, lost: Lost | None) -> Option:
    """Return the option *ours* with ``(value, path)`` of the job's value that it replaces, *lost*, if any."""
    return ours if lost is None or lost[1] == ours.path else ours._replace(lost=lost)


def on_each_node(value: str, nodes: Sequence[str], numbers: Mapping[str, int]) -> str:
    """Return shell text for *value* with {node} and {node_id}, which differ between *nodes*."""
    text = shlex.quote(value.replace("{node}", "\0").replace("{node_id}", "\1"))
    table_ = " ".join(f"{node}) echo {numbers[node]};;" for node in nodes)
    number = f'$(case "$SLURMD_NODENAME" in {table_} esac)'
    return text.replace("\0", "'\"$SLURMD_NODENAME\"'").replace("\1", f"'\"{number}\"'")
