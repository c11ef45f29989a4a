# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the run options ``set`` and ``unset`` change in raw jobs, by paths such as ``benchmark.isl``.

The paths are those of the file's own layout. A change is made in each variant of a file, before its sweep is filled in.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence

from .. import run_options
from ..failures import Problem, SpecError
from ..json_types import Json, JsonObject, KeyPath
from ..schema.source import Source, dotted, parse_yaml
from ..schema.spelling import spelt
from ..schema.types import kind_of
from .selection import Variant

SET, UNSET = "-e set", "-e unset"
PART = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")


class Changes:
    """Values to set and paths to remove.

    :param given: ``[(path, value)]``, dotted; a text is read as YAML, but a mapping stays text.
    :param removed: dotted paths.
    """

    def __init__(self, given: Sequence[tuple[str, Json]] = (), removed: Sequence[str] = ()) -> None:
        self.problems: list[Problem] = []
        self.given = [(self._path(path, "set"), self._value(path, value)) for path, value in given]
        self.removed = [self._path(path, "unset") for path in removed]
        if self.problems:
            raise SpecError(self.problems)

    def _path(self, text: str, option: str) -> KeyPath:
        path: list[str | int] = []
        for part in text.split("."):
            match = PART.fullmatch(part)
            if not match:
                self._say(option, text, "is not a path in a job.", "Write keys with dots between them: benchmark.isl.")
                return ()
            path += [match[1], *map(int, re.findall(r"\d+", match[2]))]
        return tuple(path)

    def _value(self, path: str, value: Json) -> Json:
        if not isinstance(value, str):
            return value
        if not value.strip():  # nothing, as after a colon
            return None
        try:
            found, source = parse_yaml(value, SET)
        except SpecError as error:
            self._say("set", path, error.problems[0]["problem"], "Put text with special characters in quotes.")
            return None
        return value if isinstance(found, dict) else spelt(found, source.texts)

    def _say(self, option: str, path: str, text: str, remedy: str) -> None:
        file = "extra vars"
        self.problems.append(
            {
                "file": file,
                "line": None,
                "path": f"{option} {path}",
                "code": "invalid",
                "problem": text,
                "remedy": remedy,
            }
        )

    def made_in(self, variants: Sequence[Variant]) -> list[Variant]:
        """Return *variants* with the changes made; SpecError if a path cannot be set, or is in none of them."""
        if not self.given and not self.removed:
            return list(variants)
        found = []
        gone: set[KeyPath] = set()
        for suffix, job, source in variants:
            if isinstance(job, dict):
                job, source = copy.deepcopy(job), source.copied((), ())
                # A mapping may be removed and set anew.
                gone.update(path for path in self.removed if _removed(job, path))
                for path, value in self.given:
                    source.given(path[: self._set(job, path, value)], SET)
            found.append((suffix, job, source))
        for path in self.removed:
            if path not in gone:
                self._say("unset", dotted(path), "is not in the job.", "Name a key that it has, or leave it out.")
        if self.problems:
            raise SpecError(self.problems)
        return found

    def _set(self, job: JsonObject, path: KeyPath, value: Json) -> int:
        """Set *path* in *job*; return how many keys of it lead to the first that was not there, or to its end."""
        parent: Json = job
        new = len(path)
        for index, key in enumerate(path):
            last = index == len(path) - 1
            if isinstance(key, int):
                if not isinstance(parent, list) or key >= len(parent):
                    text = f"names item {key} of what is {kind_of(parent)}."
                    self._say("set", dotted(path), text, "Name an item that is there.")
                    return new
            elif not isinstance(parent, dict):
                text = f"leads through {dotted(path[:index])}, which is {kind_of(parent)}."
                self._say("set", dotted(path), text, "Name keys of mappings.")
                return new
            elif not last and parent.get(key) is None:
                parent[key], new = {}, min(new, index + 1)
            if last:
                parent[key] = copy.deepcopy(value)
            else:
                parent = parent[key]
        return new


def _removed(job: Json, path: KeyPath) -> bool:
    """Remove *path* from *job*; return whether it was there."""
    for key in path[:-1]:
        try:
            job = job[key]
        except (KeyError, IndexError, TypeError):
            return False
    if isinstance(job, dict) and path[-1] in job:
        del job[path[-1]]
        return True
    if isinstance(job, list) and isinstance(path[-1], int) and path[-1] < len(job):
        del job[path[-1]]
        return True
    return False


NO_CHANGES = Changes()


def changes_of(params: JsonObject) -> Changes:
    """Return what the options ``set`` and ``unset`` among *params* change; SpecError if they are unusable."""
    given: dict[str, Json] = {}
    for name in ("set", "unset"):
        try:
            value = params.get(name)
            given[name] = [] if value is None or value == [] else run_options.OPTIONS[name].parse(value)
        except run_options.Unusable as error:
            problem = Source("extra vars").problem((name,), "invalid", error.problem, error.remedy)
            raise SpecError([problem]) from None
    return Changes(list(given["set"]), given["unset"])
