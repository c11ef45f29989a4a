# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a frontend, the HTTP side of the service. Independent of Slurm."""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from ..failures import Finding
from ..json_types import Json, JsonObject
from ..log_lines import LogLines
from ..plan_file import Check, PlanFile
from ..schema.section import Field
from ..schema.words import normal
from ..services.base import Service
from ..topology.layout import Layout
from ..topology.options import Option, Word, variables
from ..topology.step import DraftStep, http_check, make_step

ARGS = ("frontend", "args")


class Frontend(abc.ABC):
    """One type of frontend: what it runs, and what must be true before it counts as up.

    ``type``        the word under ``frontend.type``
    ``fields``      keys of the ``frontend`` section that only this frontend reads
    ``services``    the side services that it may need (:class:`Service`)
    ``fixed``       command line options that the plan sets: those in ``frontend.args`` are ignored with a note
    ``refused``     those of ``fixed`` that would change the service: ``frontend.args`` must not have them
    ``ports``       keys of the job's ``ports`` that each frontend uses on its node in addition to its HTTP port, with
                    their fields
    ``log_lines``   the lines of its log that explain a failure (:class:`LogLines`)
    """

    type: ClassVar[str]
    fields: ClassVar[dict[str, Field]] = {}
    services: ClassVar[tuple[Service, ...]] = ()
    fixed: ClassVar[tuple[str, ...]] = ()
    refused: ClassVar[tuple[str, ...]] = ()
    ports: ClassVar[Mapping[str, Field]] = {}
    log_lines: ClassVar[LogLines] = LogLines()

    # ---- before submission

    def problems(self, spec: JsonObject) -> list[Finding]:
        """Return ``[(path, problem, remedy)]`` for cross-field rules; called before submission."""
        remedy = "Leave it out. Workers follow from resources; other settings are keys of the job."
        return [
            (("frontend", "args", key), "is set by the plan; another value would change the service.", remedy)
            for key, value in spec["frontend"]["args"].items()
            if _among(key, self.refused) and value is not None and value is not False
        ]

    def args(self, spec: JsonObject) -> JsonObject:
        """Return ``frontend.args`` without the options that the plan sets."""
        return {key: value for key, value in spec["frontend"]["args"].items() if not _among(key, self.fixed)}

    def options(self, spec: JsonObject, own: Iterable[Option]) -> list[Option]:
        """Return the command line options: *own*, overridden by ``frontend.args`` unless the plan sets them."""
        args = spec["frontend"]["args"]
        given = [Option(str(key).lstrip("-"), _value(value), (*ARGS, key)) for key, value in args.items()]
        by_name = {normal(option.name): option for option in given}
        found = []
        for option in own:
            theirs = by_name.get(normal(option.name))
            if _among(option.name, self.fixed):
                found.append(option._replace(lost=(theirs.value, theirs.path) if theirs and theirs.path else None))
            elif theirs is None:
                found.append(option)
        return found + [option for option in given if not _among(option.name, self.fixed)]

    def environment(self, spec: JsonObject) -> dict[str, Option]:
        """Return the frontends' environment from the job, with the origins of its values."""
        return {
            **variables(spec["environment"], ("environment",)),
            **variables(spec["frontend"]["env"], ("frontend", "env")),
        }

    def frontend_steps(
        self,
        layout: Layout,
        argv: Sequence[Word],
        env: Mapping[str, str | Option],
        *,
        files: Iterable[str] = (),
        srun_options: Mapping[str, str | None] | None = None,
    ) -> list[DraftStep]:
        """Return a step for each frontend node, with one command line; see :func:`topology.step.make_step`."""
        return [
            make_step(
                frontend_name(index),
                "frontend",
                [node],
                argv,
                env,
                kind="frontend",
                index=index,
                files=files,
                srun_options=srun_options,
            )
            for index, node in enumerate(layout.frontends)
        ]

    def notes(self, spec: JsonObject) -> list[str]:
        """Return notes on what the plan decided for the user."""
        given = spec["frontend"]["args"]
        lost = [str(key) for key in given if _among(key, self.fixed) and given[key] not in (None, False)]
        found = []
        if lost:
            found.append(f"frontend.args: {', '.join(lost)}: ignored, the plan sets this; set ports under ports.")
        return found + self._embedded_notes(spec)

    def _embedded_notes(self, spec: JsonObject) -> list[str]:
        """Return notes on settings that have no effect because the worker is the public endpoint."""
        if not self.embedded(spec):
            return []
        options, found = spec["frontend"], []
        idle = [f"frontend.{key}" for key in ("env", *self.fields) if options[key]]
        if self.args(spec):
            idle.insert(0, "frontend.args")
        if idle:
            keys = ", ".join(idle)
            found.append(f"{keys}: no effect, the worker is the public endpoint and no frontend runs.")
        shared = spec["benchmark"]["colocate_with_frontend"] and (
            spec["benchmark"]["client_dedicated_node"] or spec["infra"]["etcd_nats_dedicated_node"]
        )
        if options["dedicated_node"] and not shared:
            found.append("frontend.dedicated_node: the worker is the public endpoint, so that node stays idle.")
        return found

    def embedded(self, spec: JsonObject) -> bool:
        """Return whether the only worker is the public endpoint, so that no frontend runs."""
        return False

    def multiple(self, spec: JsonObject) -> bool:
        """Return whether several frontends may run behind nginx."""
        return bool(spec["frontend"]["enable_multiple_frontends"])

    # ---- the plan

    def metrics_urls(self, layout: Layout) -> list[str]:
        """Return where the frontends publish their metrics."""
        return []

    def wiring(self, layout: Layout) -> dict[str, str | Option]:
        """Return the environment that connects every worker and frontend of the job, with the origins of its values."""
        return {}

    @abc.abstractmethod
    def steps(self, layout: Layout) -> list[DraftStep]:
        """Return the frontends' steps, without nginx: one on each of ``layout.frontends``, in this order."""

    def files(self, layout: Layout) -> list[PlanFile]:
        """Return the frontends' configuration files, with paths below the run directory."""
        return []

    @abc.abstractmethod
    def ready_checks(self, layout: Layout, instances: Mapping[str, int], index: int) -> list[Check]:
        """Return the checks of frontend *index*, which counts ``layout.frontends`` from 0.

        If the worker is the public endpoint there is no frontend, and this is called once, for index 0.

        :param instances: the number of workers per mode that it must see (:meth:`backends.base.Backend.instances`).
        """

    def checks(self, layout: Layout, instances: Mapping[str, int], workers: Sequence[str]) -> list[Check]:
        """Return all checks of the HTTP side.

        :param instances: see :meth:`ready_checks`.
        :param workers: names of the workers' steps.

        Each frontend must see the workers and the model and must answer a request: a router can report ready and
        still answer 503. The public port is checked last.
        """
        checks: list[Check] = []
        for index in range(len(layout.frontends)):
            checks.extend(self.ready_checks(layout, instances, index))
        direct = []
        if layout.nginx:
            for index, node in enumerate(layout.frontends):
                name = frontend_name(index)
                before = [check["name"] for check in checks if name in check["steps"]]
                host, steps = layout.address(node), [name, *workers]
                direct.append(completion(f"{name}_token", layout, host, layout.frontend_port, steps, before))
        first = "nginx" if layout.nginx else frontend_name(0) if layout.frontends else layout.processes[0].name
        if not layout.frontends:
            checks.extend(self.ready_checks(layout, instances, 0))
        last = completion(
            "token",
            layout,
            layout.head_address,
            layout.ports["frontend"],
            [first],
            [check["name"] for check in checks + direct],
        )
        return checks + direct + [last]


def frontend_name(index: int) -> str:
    """Return the name of the step of frontend *index*."""
    return f"frontend_{index}"


def completion(name: str, layout: Layout, host: str, port: int, steps: Sequence[str], after: Sequence[str]) -> Check:
    """Return the check that requests one token."""
    path: str = "/v1/completions"
    prompt: JsonObject = {"prompt": "Hello"}
    if any(url.startswith("grpc://") for url in layout.worker_urls.values()):
        # With gRPC workers the router supports chat only; it answers 501 to the other.
        path, prompt = "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}]}
    return http_check(
        name,
        host,
        port,
        path,
        steps,
        method="POST",
        headers={"Content-Type": "application/json"},
        body={"model": layout.served_name, **prompt, "max_tokens": 1, "stream": False},
        timeout_s=30,
        expect=[{"label": "tokens", "path": "usage.completion_tokens", "min": 1}],
        after=after,
    )


def _among(key: str, names: Iterable[str]) -> bool:
    """Return whether the option *key* is one of *names*, however it is spelt."""
    return normal(str(key).lstrip("-")) in {normal(name) for name in names}


def _value(value: Json) -> Json:
    """Return a value of ``frontend.args`` as a router reads it: true, false and null unchanged, others as JSON text."""
    if value is None or isinstance(value, bool):
        return value
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
