# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the values of a plan came from, for people: the resolved job, and each step's environment and options."""

from __future__ import annotations

from ..schema.source import dotted

PLAN = "plan"


class Places:
    """Says for a path of the spec where its value is from."""

    def __init__(self, origins):
        self.origins, self.inner = origins or {}, {}
        for name, place in self.origins.items():
            # A mapping is where its first key is.
            while "." in name:
                name = name.rpartition(".")[0]
                self.inner.setdefault(name, place)

    def of(self, path):
        """Return the place, or None for a default."""
        for end in range(len(path), 0, -1):
            found = self.origins.get(dotted(path[:end]))
            if found:
                return found
        return self.inner.get(dotted(path))

    def text(self, path):
        """Return the place of *path*, or that it is a default."""
        return self.of(path) or f"default of {dotted(path)}"


def resolved(spec, origins):
    """Return the values of *spec* that are no defaults, one a line, each with its place."""
    rows = []
    for path, value in _leaves(spec, ()):
        name = dotted(path)
        if name in origins:
            rows.append((name, value, origins[name]))
    width = max((len(f"{name}: {value}") for name, value, _place in rows), default=0)
    width = min(width, 90)
    return "".join(f"{f'{name}: {value}':<{width}}  # {place}\n" for name, value, place in rows)


def _leaves(value, path):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def remarks(made_of, places):
    """Return ``{variable or --option: where its value is from}`` of a step; what the plan decides is left out.

    :param made_of: (those :class:`options.Option` of its command line that have an origin, those of its environment).
    :param places: the :class:`Places` of the job's values.
    """
    found, (options, variables) = {}, made_of
    for name, option in [(f"--{one.name}", one) for one in options] + [(one.name, one) for one in variables]:
        # Of an option that is there twice the first counts.
        found.setdefault(name, _origin(option, places))
    return {name: text for name, text in found.items() if text != PLAN}


def _origin(option, places):
    """Return where the value of *option* is from, and which value of the job gave way to it if that is another one."""
    origin = places.text(option.path) if option.path else PLAN
    value, path = option.lost or (None, None)
    if value is None or option._replace(value=value).text() == option.text():
        return origin
    return f"{origin}, instead of {_short(option._replace(value=value).text())} in {places.text(path)}"


def _short(text, most=60):
    """Return *text*, cut where it is too long for a remark."""
    return text if len(text) <= most else text[: most - 3] + "..."


def with_remarks(plan, made_of, origins):
    """Return *plan* with the :func:`remarks` on each step under ``origins``, for what is shown of it.

    :param origins: ``{dotted path: place}`` of the job's values.
    """
    places = Places(origins)

    def told(step):
        return {**step, "origins": remarks(made_of[step["name"]], places)}

    points = [{**point, "step": told(point["step"])} for point in plan["benchmark"]["points"]]
    return {**plan, "steps": list(map(told, plan["steps"])), "benchmark": {**plan["benchmark"], "points": points}}
