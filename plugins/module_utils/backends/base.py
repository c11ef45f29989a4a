# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What a backend is: an inference engine's keys, flags and rules. It knows nothing of Slurm."""

from __future__ import annotations

import os

from ..spec.section import TEXTS, Field
from ..topology.ports import WORKER_FAMILIES
from ..topology.step import make_step, tcp_check

# The mode's name in job files where it differs from the one in step names.
LONG_MODE = {"prefill": "prefill", "decode": "decode", "agg": "aggregated"}


def environment_fields():
    """Return the three per-mode environment fields that every backend has."""
    return {
        f"{mode}_environment": Field(TEXTS, {}, f"Environment of {mode} workers; {{node}} and {{node_id}} are set.")
        for mode in LONG_MODE.values()
    }


class Backend:
    """Base class and interface. A subclass sets the class attributes and overrides what differs.

    ``type``       the word under ``backend.type``
    ``section``    the :class:`Section` of ``backend``
    ``config_key`` the key that holds free engine options per mode, for example ``mocker_config``
    ``frontends``  the frontend types that can serve it
    """

    type = ""
    section = None
    config_key = None
    frontends = ("dynamo",)

    def problems(self, spec):
        """Return ``[(path, problem, remedy)]`` for rules that cross fields; called before submission."""
        return []

    def notes(self, spec):
        """Return sentences about what the plan decided for the user."""
        return []

    def mode_config(self, spec, mode):
        """Return the free engine options of *mode* as the job has them."""
        table = spec["backend"].get(self.config_key) if self.config_key else None
        return (table or {}).get(LONG_MODE[mode]) or {}

    def served_name(self, spec):
        """Return the model's public name: an option of the first mode that names one, else the path's last part."""
        for mode in ("prefill", "agg", "decode"):
            config = self.mode_config(spec, mode)
            for key in ("served-model-name", "served_model_name"):
                if config.get(key):
                    return str(config[key])
        return os.path.basename(spec["model"]["path"].rstrip("/"))

    def tasks_per_node(self, spec):
        """Return how many Slurm tasks a node of the allocation must offer."""
        return 1

    def shares_nodes(self, spec):
        """Tell whether prefill and decode workers may be placed on one node."""
        return False

    def port_families(self, spec):
        """Return the kinds of ports that workers get."""
        return WORKER_FAMILIES

    def checks(self, layout):
        """Return one check a process that runs: its system port is open."""
        return [
            tcp_check(process.name, layout.address(process.node), process.ports["system"], [process.name])
            for process in layout.processes
            if self.runs(process)
        ]

    def worker_urls(self, layout):
        """Return ``{process name: URL}`` of the leaders that answer HTTP themselves."""
        return {}

    def files(self, layout):
        """Return the engine's configuration files (see :func:`topology.step.one_file`)."""
        return []

    def runs(self, process):
        """Tell whether *process* is started; a simulated endpoint has only its leader."""
        return True

    def instances(self, layout):
        """Return ``{"prefill": n, "decode": n}``: how many workers the frontend must see. agg counts as decode."""
        return {
            "prefill": len(layout.of_mode("prefill")),
            "decode": len(layout.of_mode("decode")) + len(layout.of_mode("agg")),
        }

    def command(self, process, layout):
        """Return the argv of *process*."""
        raise NotImplementedError

    def environment(self, process, layout):
        """Return the engine's own environment of *process*; the job's environment may override it."""
        return {}

    def worker_steps(self, layout):
        """Return the steps of all workers: one a process. An engine that launches by MPI overrides this."""
        numbers = {node: str(index) for index, node in enumerate(layout.roles.workers)}
        steps = []
        for process in layout.processes:
            if not self.runs(process):
                continue
            env = {"HEAD_NODE_IP": layout.head_address, **layout.wiring, **self.environment(process, layout)}
            env.update(self.user_environment(process.mode, layout.spec, process.node, numbers[process.node]))
            preamble = None
            if process.endpoint.gpus < layout.spec["resources"]["gpus_per_node"]:
                env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, process.endpoint.gpu_indices))
                # Slurm sets the variable to all GPUs of the step after it has taken over the environment.
                preamble = f"export CUDA_VISIBLE_DEVICES={env['CUDA_VISIBLE_DEVICES']}"
            steps.append(
                make_step(
                    process.name,
                    "worker",
                    [process.node],
                    self.command(process, layout),
                    env,
                    preamble=preamble,
                    log=f"logs/%N_{process.endpoint.name}.out",
                    srun_options=dict(layout.spec["srun_options"]),
                )
            )
        return steps

    def user_environment(self, mode, spec, node, number):
        """Return the job's environment for a worker: per mode, then the job's own, placeholders filled in."""
        given = {**spec["backend"][f"{LONG_MODE[mode]}_environment"], **spec["environment"]}
        return {key: value.replace("{node}", node).replace("{node_id}", number) for key, value in given.items()}
