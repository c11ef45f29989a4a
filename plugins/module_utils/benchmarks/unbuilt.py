# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks whose keys are validated, but which this version cannot run yet."""

from __future__ import annotations

from ..failures import Finding
from ..json_types import JsonObject
from ..schema.section import Field
from ..schema.types import Float, Int, ListOf, MapOf, OneOf, Str, Type
from .base import Unmeasured

READS: dict[str, tuple[str, ...]] = {
    "router": ("isl", "osl", "num_requests", "concurrency", "prefix_ratios"),
}


class Unbuilt(Unmeasured):
    """A benchmark that is refused before submission, after its keys are validated; a dry run shows it."""

    def __init__(self, type_: str) -> None:
        self.type = type_

    @property
    def reads(self) -> tuple[str, ...]:
        return READS[self.type]

    def problems(self, spec: JsonObject) -> list[Finding]:
        problems: list[Finding] = []
        if self.type == "router" and spec["frontend"]["type"] != "sglang":
            problem = f"is router, which measures frontend sglang, but the job has {spec['frontend']['type']}."
            problems.append((("benchmark", "type"), problem, None))
        return problems

    def unable(self, spec: JsonObject) -> list[Finding]:
        problem = f"is {self.type}, which this version cannot run yet."
        return [(("benchmark", "type"), problem, "Use sa-bench, custom or manual.")]


TYPES = tuple(READS)

# Keys that these types share; each will own its keys in a file of its own.
FIELDS = {
    "num_requests": Field(Int(1), None, "router: requests."),
    "concurrency": Field(Int(1), None, "router: requests in flight."),
    "prefix_ratios": Field(OneOf(ListOf(Float(0, 1)), Str()), None, "router: shares of the common prefix."),
    "sweep": Field(MapOf(Type()), None, "Accepted for older files; has no effect."),
}
