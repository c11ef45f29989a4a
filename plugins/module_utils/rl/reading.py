# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From files and options to the settings of a run, each with its origin; all problems at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from ..failures import Code, Error, Problem, SpecError
from ..json_types import Json, JsonObject
from ..schema.section import Checker
from ..schema.source import Source, load_yaml
from ..schema.words import nearest
from .conf_file import Conf
from .settings import SETTINGS, key_of, variable

# Settings that the environment of the launcher gives, as in the original.
FROM_ENVIRONMENT = ("skyrl_debug", "skyrl_jobs_base", "skyrl_project_root", "skyrl_coord_dir")
PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
PREFIX = "rl_"  # of extra vars: rl_model sets the model
Place = tuple[str, "int | None"]


class Layer(NamedTuple):
    """Settings of one place; later layers count more. ``folder``: what relative paths are relative to."""

    values: JsonObject
    places: dict[str, Place]
    folder: str
    prefix: str = ""


class Settings:
    """The settings of a run: ``values``, the ``origins`` of each in words, and ``problems``.

    ``given`` are the names that somebody has set.
    """

    def __init__(self, layers: list[Layer], environ: Mapping[str, str], cwd: str) -> None:
        self.values: JsonObject = {name: one.default for name, one in SETTINGS.items()}
        self.origins = dict.fromkeys(SETTINGS, "default")
        self.problems: list[Problem] = []
        self.given: set[str] = set()
        self.places: dict[str, Place] = {}
        self.path_of: dict[str, str] = {}
        own = {name: environ[variable(name)] for name in FROM_ENVIRONMENT if environ.get(variable(name))}
        names = {name: (f"environment variable {variable(name)}", None) for name in own}
        for layer in [Layer(own, dict(names), cwd), *layers]:
            self._lay(layer)
        self._fill()

    def problem(self, name: str, code: Code, problem: str, remedy: str) -> None:
        """Record a problem with the value of a setting."""
        file, line = self.places.get(name, ("settings", None))
        path = self.path_of.get(name, name)
        self.problems.append(
            {"file": file, "line": line, "path": path, "code": code, "problem": problem, "remedy": remedy}
        )

    def _lay(self, layer: Layer) -> None:
        for written, value in layer.values.items():
            name = key_of(written)
            self.places[name] = layer.places.get(written, ("extra vars", None))
            self.path_of[name] = f"{layer.prefix}{written}"
            if name not in SETTINGS:
                near = nearest(name, SETTINGS)
                remedy = f"Did you mean {layer.prefix}{near}?" if near else "docs/rl.md lists the settings."
                self.problem(name, "unknown_key", "is not a setting of an RL run.", remedy)
            elif value is not None:
                self._set(name, value, layer.folder)

    def _set(self, name: str, value: Json, folder: str) -> None:
        checker = Checker(Source(None))
        fit = checker.check(SETTINGS[name].type, value, (name,))
        for one in checker.problems:
            self.problem(name, one["code"], one["problem"], one.get("remedy") or "docs/rl.md describes the setting.")
        if checker.problems:
            return
        if isinstance(fit, str) and any(ord(sign) < 32 for sign in fit) and name != "setup":
            self.problem(name, "invalid", "has a line break or a control character.", "Write it on one line.")
            return
        if SETTINGS[name].path and fit and not str(fit).startswith("{"):
            fit = os.path.normpath(os.path.join(folder, os.path.expanduser(str(fit))))
        self.values[name] = fit
        self.given.add(name)
        file, line = self.places[name]
        self.origins[name] = f"{file}:{line}" if line else file

    def _fill(self) -> None:
        """Fill data_dir into the paths of the data."""
        for name in ("train_data", "val_data"):
            text = str(self.values[name] or "")
            folder = str(self.values["data_dir"] or "")
            if "{data_dir}" in text:
                self.values[name] = text.replace("{data_dir}", folder) if folder else ""

    def words(self, name: str, more: Mapping[str, str]) -> list[str]:
        """Return the words of a command with its placeholders filled in; *more* are further ones.

        A word ``key={name}`` whose setting has no value is left out.
        """
        from .settings import text_of

        known = {**{one: text_of(value) for one, value in self.values.items()}, **more}
        found = []
        for word in split(self.values[name]):
            keys = [key for key in PLACEHOLDER.findall(word) if key in known]
            for key in set(PLACEHOLDER.findall(word)) - set(keys):
                near = nearest(key, known, 0.8)
                if near:
                    self.problem(
                        name, "unknown_name", f"has {{{key}}}, which is no setting.", f"Did you mean {{{near}}}?"
                    )
            if len(keys) == 1 and not known[keys[0]] and re.fullmatch(r"[^={}]*=\{\w+\}", word):
                continue
            found.append(PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), word))
        return found


def split(command: Json) -> list[str]:
    """Return the words of a command that is a list, or text in the shell's syntax."""
    import shlex

    if isinstance(command, list):
        return [str(one) for one in command]
    try:
        return shlex.split(str(command))
    except ValueError as error:
        raise Error(f"The command {command!r} cannot be split into words: {error}.") from None


def file_layer(path: str) -> Layer:
    """Return the settings of a YAML file, at its top or below ``rl``; SpecError if it is unusable."""
    path = os.path.abspath(os.path.expanduser(path))
    content, source = load_yaml(path)
    if source.faults:
        raise SpecError(source.faults)
    under: tuple[str, ...] = ()
    if isinstance(content, dict) and "rl" in content:
        outside = sorted(str(key) for key in content if key != "rl")
        content, under = content["rl"], ("rl",)
        if outside:
            problem = f"stands beside rl, where nothing is read: {', '.join(outside)}."
            raise SpecError([source.problem((outside[0],), "unknown_key", problem, "Move it below rl.", on_key=True)])
    if not isinstance(content, dict):
        raise SpecError([source.problem(under, "wrong_type", "is no mapping of settings.", "Write NAME: value lines.")])
    places = {str(key): (path, source.where((*under, key), on_key=True)[1]) for key in content}
    values = {str(key): value for key, value in content.items()}
    return Layer(values, places, os.path.dirname(path))


def conf_layer(path: str, environ: Mapping[str, str]) -> tuple[Layer, list[Problem]]:
    """Return the settings of a .conf file and its problems. Names that are no settings may serve other lines."""
    name, path = path, os.path.abspath(os.path.expanduser(path))
    if "/" not in name and not os.path.exists(path):  # as the original: NAME means config/NAME.conf
        path = os.path.abspath(os.path.join("config", f"{name}.conf"))
    try:
        with open(path, encoding="utf-8") as stream:
            conf = Conf(stream.read(), path, environ)
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"rl_conf: {path} cannot be read: {error}. Give the path of a .conf file.") from None
    known = {name: value for name, value in conf.values.items() if key_of(name) in SETTINGS or name not in conf.used}
    places: dict[str, Place] = {name: (path, conf.lines[name]) for name in known}
    # An empty value means that the setting is not set, as in the original.
    return Layer({name: value or None for name, value in known.items()}, places, os.path.dirname(path)), conf.problems


def read(params: Mapping[str, Json], environ: Mapping[str, str], cwd: str) -> Settings:
    """Return the settings that the parameters of a module name: of a file, a .conf file, and single ones.

    SpecError if a file cannot be used at all.
    """
    layers: list[Layer] = []
    problems: list[Problem] = []
    if params.get("file") and params.get("conf"):
        raise Error("rl_file and rl_conf are both set. Give one of them; -e rl_NAME=value changes single settings.")
    if params.get("conf"):
        layer, problems = conf_layer(str(params["conf"]), environ)
        layers.append(layer)
    if params.get("file"):
        layers.append(file_layer(str(params["file"])))
    places = {name: (str(file), line) for name, (file, line) in (params.get("places") or {}).items()}
    for values, prefix in ((params.get("settings") or {}, ""), (params.get("overrides") or {}, PREFIX)):
        own = {name: places[prefix + name] for name in values if prefix + name in places}
        folders = {os.path.dirname(file) for file, line in own.values() if line}
        layers.append(Layer(values, own, folders.pop() if len(folders) == 1 else cwd, prefix))
    settings = Settings(layers, environ, cwd)
    settings.problems[:0] = problems
    return settings
