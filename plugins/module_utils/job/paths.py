# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolving the paths of a job: environment variables, ~, relative paths, placeholders, and whether they exist."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Callable, Protocol

from ..benchmarks import BENCHMARKS
from ..failures import Code, Finding
from ..json_types import JsonObject, KeyPath
from ..schema.text import expand, find_path
from ..schema.words import nearest
from ..slurm.options import CONTROL, mount_fault
from ..topology.placeholders import NAMES, PLACEHOLDER

# Further paths in which variables are replaced; they may exist on compute nodes only.
PLAIN = tuple(dict.fromkeys(("benchmark", key) for one in BENCHMARKS.values() for key in one.paths))
ELSEWHERE = "or set -e check_paths=false if it exists on the compute nodes only."
WORKSPACE, WORKSPACE_INSIDE = "INFMAX_WORKSPACE", "/infmax-workspace"


class Lookup(Protocol):
    """Looks paths up on the submit host; ``where`` says in messages where that is."""

    where: str

    def exists(self, path: str) -> bool:
        """Return whether *path* exists."""


class Here:
    """Looks up paths on this machine, the submit host."""

    where = "here"  # in messages

    def exists(self, path: str) -> bool:
        """Return whether *path* exists."""
        return os.path.exists(path)


class Environment:
    """What path resolution depends on, so that planning itself stays pure.

    :param variables: environment variables.
    :param folders: where relative paths are looked for: the job file's directory, then the working directory.
    :param check_paths: whether models and programs must exist here; off for paths that exist on compute nodes only.
    :param rehearse: nothing is run, so a feature that no run has is only a note.
    :param cluster_folder: the directory of the cluster file, the first base of the relative paths in it.
    :param lookup: looks up paths on the submit host, see :class:`Here`.
    """

    def __init__(
        self,
        variables: Mapping[str, str] | None = None,
        folders: Sequence[str] | None = None,
        check_paths: bool = True,
        rehearse: bool = False,
        cluster_folder: str | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self.variables = os.environ if variables is None else variables
        self.folders, self.cluster_folder = folders or [os.getcwd()], cluster_folder
        self.check_paths, self.rehearse = check_paths, rehearse
        self.lookup = lookup or Here()
        self.models: tuple[str, ...] = ()
        self.images: tuple[str, ...] = ()
        self.lent: frozenset[KeyPath] = frozenset()
        self.root: str | None = None

    def learn(self, settings: JsonObject, given: Iterable[KeyPath]) -> None:
        """Record the short names of a cluster file, and which values come from it.

        :param settings: the settings of the cluster file.
        :param given: the paths of the job's values that come from the cluster file.
        """
        self.models, self.images = tuple(settings["model_paths"]), tuple(settings["containers"])
        self.lent = frozenset(given)
        self.root = None if settings["configs_dir"] else settings["srtctl_root"]


class Paths:
    """Resolves the paths of one job; ``problems`` are ``[(path, problem, remedy)]``."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.problems: list[Finding] = []

    def report(self, path: KeyPath, problem: str, remedy: str | None = None, code: Code = "invalid") -> None:
        """Add a problem."""
        self.problems.append((path, problem, remedy, code))

    def replaced(self, path: KeyPath, text: str) -> str:
        """Return *text* with its variables replaced; unchanged, with a problem, if one is not set."""
        if "$" not in text:
            return text
        try:
            return expand(text, self.environment.variables)
        except KeyError as error:
            problem = f"names the variable {error.args[0]}, which is not set."
            self.report(path, problem, "Set it, or write ${NAME:-default}.", "unknown_name")
            return text

    def absolute(
        self, path: KeyPath, text: str, program: bool = False, exists: bool = True, names: Collection[str] = ()
    ) -> str:
        """Return *text* as an absolute path; a missing one is reported if it must exist here.

        :param names: short names, to suggest a near one.
        """
        new = self.replaced(path, text)
        if "$" in new or new.startswith("hf:") or program and os.sep not in new:
            return new
        found = find_path(new, self.folders(path))
        if exists and self.environment.check_paths and not self.environment.lookup.exists(found):
            hint = nearest(text, names)
            remedy = f"Did you mean {hint}?" if hint else f"Correct it, {ELSEWHERE}"
            problem = f"is {found}, which does not exist {self.environment.lookup.where}."
            self.report(path, problem, remedy, "not_found")
        return found

    def image(self, path: KeyPath, text: str, needed: bool = False) -> str:
        """Return the image *text*: a registry name unchanged, a file as an absolute path.

        A word that is neither is reported: it would be read as the name of an image that does not exist.

        :param needed: a step uses the image; otherwise only a near miss of a short name is reported.
        """
        if text.startswith(("/", "./", "../", "~")):
            return self.absolute(path, text, names=self.environment.images)
        is_file = text.endswith((".sqsh", ".sif"))
        if not text or any(mark in text for mark in ":#@${") or "/" in text and not is_file:
            return text
        found = find_path(text, self.folders(path))
        is_there = os.path.isfile(found) or self.environment.check_paths and self.environment.lookup.exists(found)
        if is_there or not self.environment.check_paths:
            return found if is_there else text
        hint = nearest(text, self.environment.images)
        if hint or needed:
            problem = f'is "{text}", not a short name in the cluster file, a file, or an image with a tag (NAME:TAG).'
            self.report(path, problem, f"Did you mean {hint}?" if hint else f"Correct it, {ELSEWHERE}", "not_found")
        return text

    def staging(self, path: KeyPath, text: str) -> str:
        """Return *text*, a directory of the compute nodes, with variables and ~ replaced."""
        new = os.path.expanduser(self.replaced(path, text))
        if "$" in new:
            return new
        remedy = "Write a directory such as /scratch/models."
        if not new.startswith("/") or not new.strip("/"):
            self.report(path, f'is "{new}"; expected an absolute path on the compute nodes below /.', remedy)
        return new

    def mount(self, path: KeyPath, host: str, inside: str, runtime: str) -> None:
        """Report a mount that the container runtime would misread, unless something else is wrong with it."""
        if path in {one[0] for one in self.problems}:
            return
        if inside.count(":") > 1:
            self.report(path, f'has "{inside}" inside the container; expected a path and :options.', None)
            return
        fault = mount_fault(host, runtime) or mount_fault(inside.replace(":", "", 1), runtime)
        if fault:
            self.report(path, *fault)

    def folders(self, path: KeyPath) -> Sequence[str]:
        """Return the directories to look for a relative path in: first that of its file."""
        folders = self.environment.folders
        theirs = path[0] == "cluster" or path in self.environment.lent
        if theirs and self.environment.cluster_folder:
            return [self.environment.cluster_folder, folders[-1]]
        return folders

    def mounts(self, spec: JsonObject) -> None:
        """Resolve the mounts of *spec* in place, except for placeholders."""
        cluster, runtime = spec["cluster"], runtime_of(spec)
        extra: list[str] = []
        cluster["default_mounts"] = self._table(
            ("cluster", "default_mounts"), cluster["default_mounts"], False, runtime
        )
        for index, text in enumerate(spec["extra_mount"]):
            path: KeyPath = ("extra_mount", index)
            host, _colon, inside = self.replaced(path, text).partition(":")
            if not host or not (inside or host).startswith("/"):
                self.report(path, f'is "{text}"; expected host:container[:options], both absolute.', None)
            self._braces(path, text, False)
            host = self._host(path, host)
            self.mount(path, host, inside, runtime)
            extra.append(f"{host}:{inside or host}")
        workspace = self.environment.variables.get(WORKSPACE)
        if workspace:
            fault = mount_fault(workspace, runtime)
            if fault or not workspace.startswith("/"):
                wrong = fault[0] if fault else "is no absolute path."
                problem = f"gets {workspace} from the variable {WORKSPACE}, which {wrong}"
                self.report(("extra_mount",), problem, f"Correct or unset {WORKSPACE}.")
            mount = f"{workspace}:{WORKSPACE_INSIDE}"
            extra += [mount] if mount not in extra else []
        spec["extra_mount"] = extra
        spec["container_mounts"] = self._table(("container_mounts",), spec["container_mounts"], True, runtime)

    def _table(self, where: KeyPath, table: Mapping[str, str], placeholders: bool, runtime: str) -> dict[str, str]:
        """Return the mounts of *table*, ``{host: container}``, resolved."""
        found: dict[str, str] = {}
        for host, inside in table.items():
            path = (*where, host)
            self._braces(path, host + inside, placeholders)
            new_host, new_inside = self._host(path, host), self.replaced(path, inside)
            if not new_inside.startswith(("/", "{", "$")):
                problem = f'has "{new_inside}" inside the container; that path must be absolute.'
                self.report(path, problem, "Write host path: container path.")
            self.mount(path, new_host, new_inside, runtime)
            if new_host in found and found[new_host] != new_inside:
                problem = f"is {new_host}, which is already mounted at {found[new_host]} under another spelling."
                self.report(path, problem, "Keep one here; extra_mount can mount a path twice.", "duplicate")
            found[new_host] = new_inside
        return found

    def _braces(self, path: KeyPath, text: str, allowed: bool) -> None:
        """Report unknown placeholders."""
        for word in PLACEHOLDER.findall(text):
            if allowed and word not in NAMES:
                hint = nearest(word, NAMES)
                remedy = f"Did you mean {{{hint}}}?" if hint else f"Known placeholders: {', '.join(NAMES)}."
                self.report(path, f"has {{{word}}}, which is not a known placeholder.", remedy, "unknown_name")
            elif not allowed and word in NAMES:
                problem = f"has {{{word}}}, but only container_mounts may hold placeholders."
                self.report(path, problem, "Write the mount there.")

    def _host(self, path: KeyPath, text: str) -> str:
        new = os.path.expanduser(self.replaced(path, text))
        if new.startswith(("/", "{", "$")) or not new:
            return new
        return find_path(new, self.folders(path))


def runtime_of(spec: JsonObject) -> str:
    """Return the container runtime whose rules mounts follow, also before it is decided and in jobs without one."""
    return "apptainer" if spec["cluster"]["container_runtime"] == "apptainer" else "pyxis"


def _mounted(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Check the directories that every container mounts."""
    paths, folders = Paths(environment), {("model", "path"): spec["model"]["path"]}
    if spec["model"]["container"] and spec["cluster"]["container_runtime"] != "none":
        for key in ("configs_dir", "harness_dir", "data_dir"):
            folders[("cluster", key)] = spec["cluster"][key] or ""
        for path, folder in folders.items():
            if "$" not in folder and not folder.startswith("hf:"):  # an unset variable is already reported
                paths.mount(path, folder, "", runtime_of(spec))
    return paths.problems


def _model(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Resolve the model to an absolute path, or hf: with its name."""
    paths, path, text = Paths(environment), ("model", "path"), spec["model"]["path"]
    remedy = "Write a directory, a short name of the cluster file, or hf:ORG/NAME."
    if not text.strip():
        return [(path, "is empty.", remedy, "missing")]
    found = paths.absolute(path, text, names=environment.models)
    if found.startswith("hf:") and not found[3:].strip():
        paths.report(path, f'is "{found}", without the name of a model.', remedy)
    spec["model"]["path"] = found
    return paths.problems


def _stage_dir(spec: JsonObject, environment: Environment) -> list[Finding]:
    paths = Paths(environment)
    if spec["model"]["stage_dir"]:
        path = ("model", "stage_dir")
        spec["model"]["stage_dir"] = paths.staging(path, spec["model"]["stage_dir"])
        paths.mount(path, spec["model"]["stage_dir"], "", runtime_of(spec))
    return paths.problems


def _container(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Resolve the image; None if the job has none."""
    paths, path, text = Paths(environment), ("model", "container"), spec["model"]["container"]
    if text.lower() in ("none", ""):
        text = None
    else:
        # A variable may also hold the name of an image in a registry.
        text = paths.replaced(path, text)
        if spec["cluster"]["container_runtime"] != "none":
            text = paths.image(path, text, needed=True)
    spec["model"]["container"] = text
    return paths.problems


def _python(spec: JsonObject, environment: Environment) -> list[Finding]:
    paths = Paths(environment)
    if os.sep in spec["python"] or "$" in spec["python"]:
        spec["python"] = paths.absolute(("python",), spec["python"], program=True)
    return paths.problems


def _plain(spec: JsonObject, environment: Environment) -> list[Finding]:
    paths = Paths(environment)
    for section, key in PLAIN:
        if spec[section].get(key):
            spec[section][key] = paths.replaced((section, key), spec[section][key])
    return paths.problems


def _cluster(spec: JsonObject, environment: Environment) -> list[Finding]:
    paths, cluster = Paths(environment), spec["cluster"]
    for key in ("configs_dir", "harness_dir", "data_dir", "output_dir"):
        if cluster[key]:
            cluster[key] = paths.absolute(("cluster", key), cluster[key], exists=False)
    return paths.problems


def _mounts(spec: JsonObject, environment: Environment) -> list[Finding]:
    paths = Paths(environment)
    paths.mounts(spec)
    return paths.problems


def notes(spec: JsonObject, environment: Environment) -> list[str]:
    """Return what the user should know about paths that were left out."""
    root = environment.root
    if not root or spec["cluster"]["configs_dir"]:
        return []
    where = f"does not exist {environment.lookup.where}, so nothing is mounted at /configs"
    return [f"srtctl_root: {root}/configs {where}. Set -e check_paths=false if it exists on the compute nodes only."]


def _configs(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Check configs_dir and the setup script in it; the one derived from srtctl_root may be missing."""
    cluster = spec["cluster"]
    folder, path = cluster["configs_dir"], ("cluster", "configs_dir")
    known = environment.check_paths and folder and "$" not in folder  # an unset variable is already reported
    missing = known and not environment.lookup.exists(folder)
    if missing and not environment.root and spec["model"]["container"] and cluster["container_runtime"] != "none":
        problem = f"is {folder}, which does not exist {environment.lookup.where}, so containers could not mount it."
        return [(path, problem, f"Correct it, {ELSEWHERE}", "not_found")]
    found = _setup_script(spec, environment)
    here = folder and isinstance(environment.lookup, Here) and os.path.isdir(folder)
    if here and os.stat(folder).st_mode & 0o002:
        problem = f"is {folder}, to which every user can write. Its programs and setup scripts would run as you."
        found.append((path, problem, f"Take that right away: chmod o-w {folder}"))
    if missing and environment.root:
        cluster["configs_dir"] = None
    return found


def _leads_out(script: str, folder: str) -> bool:
    """Return whether *script* is a link that leads outside *folder*."""
    top = os.path.realpath(folder)
    found = [os.path.join(folder, below, script) for below in ("", "patches")]
    return any(os.path.exists(one) and not os.path.realpath(one).startswith(top + os.sep) for one in found)


def _setup_script(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Return the problem of a setup script that is outside configs_dir or does not exist, as a list."""
    script, folder = spec["setup_script"], spec["cluster"]["configs_dir"]
    if not script:
        return []
    path = ("setup_script",)
    if os.path.isabs(script) or ".." in script.split("/"):
        return [(path, f"is {script}, which leaves configs_dir.", "Name a file below configs_dir.", "invalid")]
    if CONTROL.search(script):
        return [(path, f"is {script!r}, which has a control character.", "Rename the script.", "invalid")]
    if folder and _leads_out(script, folder):
        return [(path, f"is {script}, a link that leaves configs_dir.", "Name a file below configs_dir.", "invalid")]
    if not folder:
        return [(path, "needs configs_dir, its directory.", "Set configs_dir in srtslurm.yaml.")]
    places = [os.path.join(folder, script), os.path.join(folder, "patches", script)]
    # An unset variable is already reported.
    if not environment.check_paths or "$" in folder or any(map(environment.lookup.exists, places)):
        return []
    return [(path, f"is neither {places[0]} nor {places[1]}.", f"Correct it, {ELSEWHERE}", "not_found")]


# (rule, paths that it writes): each resolves a part of the spec in place, and returns its problems.
COMPLETIONS: tuple[tuple[Callable[[JsonObject, Environment], list[Finding]], tuple[KeyPath, ...]], ...] = (
    (_model, (("model", "path"),)),
    (_stage_dir, (("model", "stage_dir"),)),
    (_container, (("model", "container"),)),
    (_python, (("python",),)),
    (_plain, PLAIN),
    (_cluster, tuple(("cluster", key) for key in ("configs_dir", "harness_dir", "data_dir", "output_dir"))),
    (_mounts, (("cluster", "default_mounts"), ("extra_mount",), ("container_mounts",))),
    (_configs, (("cluster", "configs_dir"),)),
    (_mounted, ()),
)
