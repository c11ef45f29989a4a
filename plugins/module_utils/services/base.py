# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a side service, which a backend or a frontend needs. Independent of Slurm."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Callable, ClassVar

from ..failures import Finding
from ..json_types import JsonObject
from ..log_lines import LogLines
from ..plan_file import PlanFile
from ..schema.section import Field
from ..topology.layout import Layout, Process
from ..topology.options import Option
from ..topology.step import DraftStep


class Service(abc.ABC):
    """Programs that run on the infra node before the workers, for a backend or a frontend.

    Other methods than ``wanted`` are called only for jobs that want it.

    ``fields``     the keys of the job that it reads, by name
    ``ports``      the keys of the job's ``ports`` that it uses on the infra node, with their fields
    ``log_lines``  the lines of its log that explain a failure (:class:`LogLines`)
    ``reached_by`` the variables that name its address; a step with one of them does not work without it
    """

    fields: Mapping[str, Field] = {}
    ports: ClassVar[Mapping[str, Field]] = {}
    log_lines: ClassVar[LogLines] = LogLines()
    reached_by: ClassVar[frozenset[str]] = frozenset()

    def wanted(self, spec: JsonObject) -> bool:
        """Return whether the job has it, if its backend or frontend may need it."""
        return True

    def problems(self, spec: JsonObject, options: Callable[[str], JsonObject]) -> list[Finding]:
        """Return ``[(path, problem, remedy)]`` for cross-field rules; called before submission.

        :param options: ``options(mode)`` returns the free engine options of a mode by their full names.
        """
        return []

    def notes(self, spec: JsonObject) -> list[str]:
        """Return notes on what the plan decided for the user."""
        return []

    def fixed_variables(self, spec: JsonObject) -> tuple[str, ...]:
        """Return the variables that the plan sets for the workers of a backend with this service."""
        return ()

    def environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        """Return what a worker of a backend with this service has in its environment, with the origins of values."""
        return {}

    @abc.abstractmethod
    def steps(self, layout: Layout) -> list[DraftStep]:
        """Return its steps, in tier head_infra, each with the checks that it must pass as ``ready``."""

    def files(self, layout: Layout) -> list[PlanFile]:
        """Return its configuration files, with paths below the run directory."""
        return []
