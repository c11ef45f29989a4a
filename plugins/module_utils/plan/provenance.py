# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The origins of the values of a plan: of the resolved job, and of each step's environment and options."""

from __future__ import annotations

from ..schema.source import dotted

PLAN = "plan"


class Places:
    """Finds the origin of the value at a path of the spec."""

    def __init__(self, origins):
        self.origins, self.inner = origins or {}, {}
        for name, place in self.origins.items():
            # A mapping has the origin of its first key.
            while "." in name:
                name = name.rpartition(".")[0]
                self.inner.setdefault(name, place)

    def of(self, path):
        """Return the origin, or None for a default."""
        for end in range(len(path), 0, -1):
            found = self.origins.get(dotted(path[:end]))
            if found:
                return found
        return self.inner.get(dotted(path))

    def text(self, path):
        """Return the origin of *path* as text, also for a default."""
        return self.of(path) or f"default of {dotted(path)}"


def resolved(spec, origins):
    """Return the values of *spec* that are not defaults, one per line, each with its origin."""
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
    """Return ``{variable or --option: origin}`` of a step, without those that the plan sets.

    :param made_of: (the :class:`options.Option` with an origin on its command line, those in its environment).
    :param places: the :class:`Places` of the job's values.
    """
    found, (options, variables) = {}, made_of
    for name, option in [(f"--{one.name}", one) for one in options] + [(one.name, one) for one in variables]:
        # If an option appears twice, the first one counts.
        found.setdefault(name, _origin(option, places))
    return {name: text for name, text in found.items() if text != PLAN}


def _origin(option, places):
    """Return the origin of *option*, and the job's value that it replaces if that differs."""
    origin = places.text(option.path) if option.path else PLAN
    value, path = option.lost or (None, None)
    if value is None or option._replace(value=value).text() == option.text():
        return origin
    return f"{origin}, instead of {_short(option._replace(value=value).text())} in {places.text(path)}"


def _short(text, most=60):
    """Return *text*, shortened if it is too long for a note."""
    return text if len(text) <= most else text[: most - 3] + "..."


def with_remarks(plan, made_of, origins):
    """Return *plan* with the :func:`remarks` on each step under ``origins``, for display.

    :param origins: ``{dotted path: origin}`` of the job's values.
    """
    places = Places(origins)

    def told(step):
        return {**step, "origins": remarks(made_of[step["name"]], places)}

    points = [{**point, "step": told(point["step"])} for point in plan["benchmark"]["points"]]
    return {**plan, "steps": list(map(told, plan["steps"])), "benchmark": {**plan["benchmark"], "points": points}}
