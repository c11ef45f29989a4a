# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""custom: a command of the user's own, once for each concurrency, or once."""

from __future__ import annotations

from ..failures import Finding
from ..json_types import JsonObject
from ..plan_file import PointFields
from ..schema.section import Field
from ..schema.types import ListOf, OneOf, Str
from ..topology.layout import Layout
from ..topology.placeholders import fill_command, values_of
from ..topology.step import DraftStep
from . import contract, search
from .base import Point, missing
from .program import ProgramBenchmark, Ran, surroundings

POST_EVAL = "post_eval"
DEADLINE_S = 24 * 3600  # without point_timeout_s; the job's own time limit usually ends it before


class Custom(ProgramBenchmark):
    type = "custom"
    key_fields = ("concurrency", "part")
    searches = (search.CONCURRENCY,)
    chosen_by = {"concurrencies": "concurrency"}
    client = "command"
    fields = {
        "command": Field(
            Str(),
            None,
            "custom: the command, for bash -lc. It passes with exit code 0, and is valid only with a result file of a "
            "known program.",
        ),
        "result_glob": Field(
            OneOf(Str(), ListOf(Str())),
            None,
            "custom: absolute paths of the result files that the command leaves, with *, ? and **. Files below "
            "$SRT_RESULT_DIR are read anyway.",
        ),
        POST_EVAL: Field(
            Str(), None, "custom: another command, for bash -lc, that runs after all points and is told as one of them."
        ),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.fields, "concurrencies", "search", "aiperf_package")

    def problems(self, spec: JsonObject) -> list[Finding]:
        options = spec["benchmark"]
        found = missing(spec, ("command",), self.type) + search.option_problems(options, self.metrics, self.searches)
        for key in ("command", POST_EVAL):
            if options[key] is not None and not options[key].strip():
                found.append((("benchmark", key), "is empty.", None, "missing"))
        for pattern in _patterns(options):
            if not pattern.startswith("/"):
                remedy = "Write it as the command sees it, such as /logs/*.json. Files in $SRT_RESULT_DIR need none."
                found.append((("benchmark", "result_glob"), f"has {pattern}, which is not an absolute path.", remedy))
        return found

    def repeatable(self, point: PointFields) -> bool:
        return point["key"].get("part") != POST_EVAL

    def step_repeated(self, step: DraftStep, number: int) -> DraftStep:
        return {**step, "env": {**step["env"], "SRT_REPEAT": str(number)}}

    def in_flight(self, point: PointFields) -> int:
        return int(point["key"].get("concurrency") or 0)

    def points(self, layout: Layout) -> list[Point]:
        options = layout.spec["benchmark"]
        levels = [level for level, _rate in search.loads(options)]
        points = [self._command(layout, level) for level in levels] or [self._command(layout, None)]
        return [*points, self._post_eval(layout, max(levels, default=None))] if options[POST_EVAL] else points

    def _command(self, layout: Layout, level: int | None) -> Point:
        key: JsonObject = {} if level is None else {"concurrency": level}
        env = {} if level is None else {"SRT_CONCURRENCY": str(level)}
        name, label = (f"bench_c{level}", f"c={level}") if level is not None else ("bench_custom", "custom")
        return self._point(layout, "command", name, key, label, env)

    def _post_eval(self, layout: Layout, level: int | None) -> Point:
        env = {"MODEL_NAME": layout.served_name}
        if level is not None:
            env["EVAL_CONC"] = str(level)
        return self._point(layout, POST_EVAL, "bench_post_eval", {"part": POST_EVAL}, POST_EVAL, env)

    def _point(self, layout: Layout, option: str, name: str, key: JsonObject, label: str, env: dict[str, str]) -> Point:
        options, own = layout.spec["benchmark"], surroundings(layout.spec)
        values = {
            **values_of(layout),
            "endpoint": layout.public_url,
            "concurrency": str(key.get("concurrency", "")),
        }
        if not key.get("concurrency"):
            del values["concurrency"]
        package = {"AIPERF_PACKAGE": options["aiperf_package"]} if options["aiperf_package"] else {}
        ran = Ran(
            ["bash", "-lc", fill_command(options[option], values)],
            {**contract.environment(layout), **env, **package, **own},
            [fill_command(pattern, values) for pattern in _patterns(options)],
        )
        parameters = {
            "command": options[option],
            "env": {one: value.value for one, value in own.items()},
            "image": options["container_image"],
            "result_glob": _patterns(options),
            **key,
        }
        limits = (options["point_timeout_s"] or DEADLINE_S, options["stall_timeout_s"] or 0)
        return self.program_point(layout, name, key, label, ran, parameters, {}, limits)


def _patterns(options: JsonObject) -> list[str]:
    """Return the patterns in result_glob."""
    given = options["result_glob"] or []
    return [given] if isinstance(given, str) else list(given)
