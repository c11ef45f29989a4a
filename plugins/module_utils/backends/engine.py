# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inference engine is, and what it reads of a job: its keys, its options by their full names, its sizes."""

from __future__ import annotations

import abc
import os
from collections.abc import Collection, Mapping
from typing import ClassVar

from ..json_types import Json, JsonObject, KeyPath
from ..log_lines import LogLines
from ..schema.section import Field, Section
from ..services import dynamo, kvbm
from ..services.base import Service
from ..topology.modes import LONG_MODE
from .flags import SIZES, Given, SizeFinding, settle
from .log_figures import LogFigures


class Engine(abc.ABC):
    """What an inference engine is, and what it reads of a job.

    Everywhere ``spec`` is the job's spec, and ``mode`` is prefill, decode or agg.

    ``type``       the word under ``backend.type``
    ``title``      the engine's name in sentences
    ``section``    the :class:`Section` of ``backend``
    ``config_key`` the key that holds free engine options per mode, for example ``mocker_config``
    ``config_per_mode``  whether its configuration is written to one file per mode instead of one with all modes
    ``frontends``  the frontend types that can serve it
    ``aliases``    short forms of engine options, ``{short form: full name}``; names have dashes here
    ``fixed``      engine options that the plan sets
    ``understood`` those of ``fixed`` that need no note, because the plan uses the job's value
    ``fixed_env``  environment variables that the plan sets or leaves unset, besides those of every engine
    ``services``   the side services that it may need (:class:`Service`); their ``fields`` are in its section
    ``ports``      keys of the job's ``ports`` for :meth:`Backend.port_families` of its own, with their fields
    ``components`` the names under which dynamo lists its workers, but for prefill workers
    ``het_jobs``   whether its workers can be in two components of a heterogeneous Slurm job
    ``mpi``        whether a worker is one MPI launch with a task per GPU
    ``profilers``  the values of ``profiling.type`` that it supports, with whether it profiles only when asked over HTTP
    ``log_lines``  the lines of its log that explain a failure (:class:`LogLines`)
    ``figures``    the lines of its log that carry figures (:class:`LogFigures`); None: it has none
    ``needs_scraping``  whether only its metrics page has figures, which are read while a point is measured
    ``size_options``  ``{parallel size in rollup.json: the option with its value}``
    """

    type: ClassVar[str]
    title: ClassVar[str] = "the engine"
    section: ClassVar[Section]
    config_key: ClassVar[str] = ""
    config_per_mode: ClassVar[bool] = False
    frontends: ClassVar[tuple[str, ...]] = (dynamo.FRONTEND,)
    aliases: ClassVar[Mapping[str, str]] = {}
    fixed: ClassVar[Collection[str]] = ()
    understood: ClassVar[Collection[str]] = ("served-model-name",)
    fixed_env: ClassVar[tuple[str, ...]] = ()
    services: ClassVar[tuple[Service, ...]] = ()
    ports: ClassVar[Mapping[str, Field]] = {}
    components: ClassVar[tuple[str, ...]] = dynamo.COMPONENTS
    het_jobs: ClassVar[bool] = False
    mpi: ClassVar[bool] = False
    profilers: ClassVar[Mapping[str, bool]] = {"nsys-time": False}
    log_lines: ClassVar[LogLines] = LogLines()
    figures: ClassVar[LogFigures | None] = None
    needs_scraping: ClassVar[bool] = False
    size_options: ClassVar[Mapping[str, str]] = SIZES

    # ---- its options

    def modes(self, spec: JsonObject) -> list[str]:
        """Return the modes of the job's workers."""
        return [mode for mode in LONG_MODE if spec["resources"][f"{mode}_workers"]]

    def given(self, spec: JsonObject, mode: str) -> tuple[Given, list[tuple[str, Json, str]]]:
        """Return the free engine options of *mode* as written in the job: see :func:`flags.settle`."""
        given = spec["backend"].get(self.config_key)
        return settle((given or {}).get(LONG_MODE[mode]), self.aliases)

    def place(self, mode: str, *key: str) -> KeyPath:
        """Return the path in the spec of the free engine options of *mode*, or of *key* among them."""
        return ("backend", self.config_key, LONG_MODE[mode], *key)

    def mode_config(self, spec: JsonObject, mode: str) -> JsonObject:
        """Return the free engine options of *mode* by their full names, parallel sizes as whole numbers."""
        return {name: value for name, (_key, value) in self.given(spec, mode)[0].items()}

    def fixed_variables(self, spec: JsonObject) -> tuple[str, ...]:
        """Return the environment variables that the plan sets in this job."""
        theirs = [name for one in self.wanted_services(spec) for name in one.fixed_variables(spec)]
        return (self.visible_devices(spec), *dynamo.FIXED, *self.fixed_env, *theirs)

    @staticmethod
    def visible_devices(spec: JsonObject) -> str:
        """Return the variable that names the GPUs that a process sees."""
        name: str = spec["cluster"]["visible_devices_env"]
        return name

    def wanted_services(self, spec: JsonObject) -> list[Service]:
        """Return those of its side services that the job has."""
        return [one for one in self.services if one.wanted(spec)]

    def config_file(self, mode: str = "") -> str:
        """Return the name of the file in the run directory with the engine's configuration of *mode*."""
        return f"{self.config_key}_{mode}.yaml" if self.config_per_mode else f"{self.config_key}.yaml"

    # ---- its sizes

    def gpu_factors(self, spec: JsonObject, mode: str) -> dict[str, int | None] | None:
        """Return ``{word: parallel size}`` of the factors of the number of GPUs that a worker of *mode* uses.

        A size that the job does not set is None. Without a table (None) the engine does not count GPUs.
        """
        return None

    def uses_all(self, spec: JsonObject, mode: str) -> bool:
        """Return whether a worker of *mode* starts only if its sizes use all of its GPUs."""
        return False

    def size_problems(self, spec: JsonObject, mode: str) -> list[SizeFinding]:
        """Return ``[(option, problem, remedy)]`` of sizes of *mode* that contradict each other; all are above 0."""
        return []

    def uses_kvbm(self, spec: JsonObject, mode: str) -> bool:
        """Return whether workers of *mode* run dynamo's KV block manager."""
        return kvbm.named_in({**spec["backend"][f"{LONG_MODE[mode]}_environment"], **spec["environment"]})

    # ---- the model's name

    def served_name(self, spec: JsonObject) -> str:
        """Return the model's public name: an option of the first mode that has one, else the last part of the path."""
        return self.served_names(spec)[0]

    def served_names(self, spec: JsonObject) -> list[str]:
        """Return all names that the job gives the model, the public one first."""
        for mode in ("prefill", "agg", "decode"):
            name = self.mode_config(spec, mode).get("served-model-name")
            if name:
                return [str(one) for one in name] if isinstance(name, list) else [str(name)]
        return [os.path.basename(spec["model"]["path"].rstrip("/"))]

    def many_names(self, spec: JsonObject) -> bool:
        """Return whether the service answers to all of :meth:`served_names`."""
        return False

    def served_by(self, spec: JsonObject) -> KeyPath:
        """Return the path in the spec of the model's public name."""
        for mode in ("prefill", "agg", "decode"):
            key, name = self.given(spec, mode)[0].get("served-model-name", ("", None))
            if name:
                return self.place(mode, key)
        return ("model", "path")
