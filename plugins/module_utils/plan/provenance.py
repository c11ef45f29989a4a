# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the values of a plan came from, for people: the resolved job, and each step's environment and options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..json_types import Json, JsonObject, KeyPath
from ..plan_file import Plan, Step
from ..schema.source import dotted
from ..topology.options import Option
from ..topology.step import MadeOf

PLAN = "plan"


class Places:
    """Says for a path of the spec where its value is from."""

    def __init__(self, origins: Mapping[str, str] | None) -> None:
        self.origins: Mapping[str, str] = origins or {}
        self.inner: dict[str, str] = {}
        for name, place in self.origins.items():
            # A mapping is where its first key is.
            while "." in name:
                name = name.rpartition(".")[0]
                self.inner.setdefault(name, place)

    def of(self, path: KeyPath) -> str | None:
        """Return the place, or None for a default."""
        for end in range(len(path), 0, -1):
            found = self.origins.get(dotted(path[:end]))
            if found:
                return found
        return self.inner.get(dotted(path))

    def text(self, path: KeyPath) -> str:
        """Return the place of *path*, or that it is a default."""
        return self.of(path) or f"default of {dotted(path)}"


def resolved(spec: JsonObject, origins: Mapping[str, str]) -> str:
    """Return the values of *spec* that are no defaults, one a line, each with its place."""
    rows = []
    for path, value in _leaves(spec, ()):
        name = dotted(path)
        if name in origins:
            rows.append((name, value, origins[name]))
    width = max((len(f"{name}: {value}") for name, value, _place in rows), default=0)
    width = min(width, 90)
    return "".join(f"{f'{name}: {value}':<{width}}  # {place}\n" for name, value, place in rows)


def _leaves(value: Json, path: KeyPath) -> Iterator[tuple[KeyPath, Json]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def remarks(made_of: MadeOf, places: Places) -> dict[str, str]:
    """Return ``{variable or --option: where its value is from}`` of a step; what the plan decides is left out.

    :param made_of: (those :class:`options.Option` of its command line that have an origin, those of its environment).
    :param places: the :class:`Places` of the job's values.
    """
    options, variables = made_of
    found: dict[str, str] = {}
    for name, option in [(f"--{one.name}", one) for one in options] + [(one.name, one) for one in variables]:
        # Of an option that is there twice the first counts.
        found.setdefault(name, _origin(option, places))
    return {name: text for name, text in found.items() if text != PLAN}


def _origin(option: Option, places: Places) -> str:
    """Return where the value of *option* is from, and which value of the job gave way to it if that is another one."""
    origin = places.text(option.path) if option.path else PLAN
    value, path = option.lost or (None, ())
    if value is None or option._replace(value=value).text() == option.text():
        return origin
    return f"{origin}, instead of {_short(option._replace(value=value).text())} in {places.text(path)}"


def _short(text: str, most: int = 60) -> str:
    """Return *text*, cut where it is too long for a remark."""
    return text if len(text) <= most else text[: most - 3] + "..."


def with_remarks(plan: Plan, made_of: Mapping[str, MadeOf], origins: Mapping[str, str] | None) -> JsonObject:
    """Return *plan* with the :func:`remarks` on each step under ``origins``, for what is shown of it.

    :param origins: ``{dotted path: place}`` of the job's values.
    """
    places = Places(origins)

    def told(step: Step) -> JsonObject:
        return {**step, "origins": remarks(made_of[step["name"]], places)}

    points = [{**point, "step": told(point["step"])} for point in plan["benchmark"]["points"]]
    return {**plan, "steps": list(map(told, plan["steps"])), "benchmark": {**plan["benchmark"], "points": points}}
