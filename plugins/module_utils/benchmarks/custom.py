# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""custom: a command of the user's own, once for each concurrency, or once.

It may leave several results, such as those of a sweep of its own: each is a part of the point with its own verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..failures import Finding
from ..json_types import Json, JsonObject
from ..plan_file import PointFields
from ..schema.section import Field
from ..schema.types import ListOf, OneOf, Str
from ..topology.layout import Layout
from ..topology.placeholders import fill_command, values_of
from ..topology.step import DraftStep
from . import contract, search
from .accuracy.result import empty_answers, read_answers
from .base import Part, Point, about, files_path, missing
from .formats.base import Recognised
from .program import Named, ProgramBenchmark, Ran, broken, said_by, surroundings, too_many

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
        models = [layout.served_name, layout.spec["model"]["path"].removeprefix("hf:")]
        return self.program_point(layout, name, key, label, ran, parameters, {"models": models}, limits)

    # ---- results

    def read(self, path: str) -> JsonObject:
        raw = super().read(path)
        scored = any("score" in one.figures for _name, one in raw["results"])
        return {**raw, "answers": read_answers(files_path(path)) if scored else None}

    def against(self, one: Recognised, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        reasons, answers = super().against(one, raw, expect, min_completed), raw["answers"]
        # Those of the only harness, if it left them.
        return [*reasons, *empty_answers(answers, min_completed)] if answers and "score" in one.figures else reasons

    def of_point(self, results: list[Named], level: Json) -> list[Named]:
        return results  # whatever the command left has to be in order

    def main(self, raw: JsonObject) -> Recognised | None:
        """Return the only result, or of several the only one of the point's concurrency."""
        results, level = [one for _name, one in raw["results"]], raw.get("concurrency")
        mine = [one for one in results if level is not None and one.figures.get("concurrency") == level]
        return results[0] if len(results) == 1 else mine[0] if len(mine) == 1 else None

    def parts(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[Part]:
        def reasons(one: Recognised) -> list[str]:
            return [*self.against(one, raw, expect, min_completed), *one.disturbances]

        several = raw["results"] if _has_several(raw) else ()
        return [Part(name, said_by(one), reasons(one), [*self.doubted(one, raw)]) for name, one in several]

    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        if not _has_several(raw):
            return super().evaluate(raw, expect, min_completed)
        said = [(name, self.against(one, raw, expect, min_completed)) for name, one in raw["results"]]
        return [*broken(raw), *_of_another_level(raw), *_each(said)]

    def disturbances(self, raw: JsonObject) -> list[str]:
        if not _has_several(raw):
            return super().disturbances(raw)
        return _each((name, one.disturbances) for name, one in raw["results"])

    def doubts(self, raw: JsonObject) -> list[str]:
        if not _has_several(raw):
            return super().doubts(raw)
        return [*_each((name, self.doubted(one, raw)) for name, one in raw["results"]), *too_many(raw)]


def _has_several(raw: JsonObject) -> bool:
    return len(raw["results"]) > 1


def _each(said: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Return what is said of each file, with its name."""
    return [about(name, text) for name, texts in said for text in texts]


def _of_another_level(raw: JsonObject) -> list[str]:
    """Return the reason, as a list, why none of several results can be that of the point."""
    level, levels = raw.get("concurrency"), [one.figures.get("concurrency") for _name, one in raw["results"]]
    if level is None or None in levels or level in levels:
        return []
    return [f"none of its {len(levels)} results is of concurrency {level}"]


def _patterns(options: JsonObject) -> list[str]:
    """Return the patterns in result_glob."""
    given = options["result_glob"] or []
    return [given] if isinstance(given, str) else list(given)
