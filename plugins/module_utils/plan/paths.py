# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Paths of a job made concrete: environment variables, ~, relative paths, placeholders, and whether they exist."""

from __future__ import annotations

import os
import re

from ..spec.text import expand, find_path
from ..spec.words import nearest

# What container_mounts may name; the plan knows the values.
PLACEHOLDERS = ("job_id", "run_name", "head_node_ip", "log_dir", "model_path", "container_image", "gpus_per_node")
PLACEHOLDER = re.compile(r"(?<!\$)\{([^{}]*)\}")

# Further paths and images in which variables are replaced, but which may exist on compute nodes only.
PLAIN = (
    ("model", "stage_dir"),
    ("frontend", "nginx_container"),
    ("benchmark", "container_image"),
    ("benchmark", "custom_tokenizer"),
    ("benchmark", "dataset_path"),
    ("benchmark", "trace_file"),
)
WORKSPACE, WORKSPACE_INSIDE = "INFMAX_WORKSPACE", "/infmax-workspace"


class Environment:
    """What resolving paths may look at, so that planning itself stays pure.

    :param variables: environment variables.
    :param folders: where relative paths are looked for: the job file's directory, then the working directory.
    :param check_paths: whether models and programs must exist here; off for paths of compute nodes only.
    :param rehearse: nothing is run, so that what this version cannot run yet is only a note.
    """

    def __init__(self, variables=None, folders=None, check_paths=True, rehearse=False):
        self.variables = os.environ if variables is None else variables
        self.folders = folders or [os.getcwd()]
        self.check_paths, self.rehearse = check_paths, rehearse


class Paths:
    """Resolves the paths of one job; ``report(path, problem, remedy)`` takes problems."""

    def __init__(self, environment, report):
        self.environment, self.report = environment, report

    def replaced(self, path, text):
        """Return *text* with its variables replaced; as it is when one is not set, which is reported."""
        if "$" not in text:
            return text
        try:
            return expand(text, self.environment.variables)
        except KeyError as error:
            problem = f"names the variable {error.args[0]}, which is not set."
            self.report(path, problem, "Set it, or write ${NAME:-default}.")
            return text

    def absolute(self, path, text, program=False, exists=True):
        """Return *text* as an absolute path; a missing one is reported if it must exist here."""
        if text.startswith("hf:"):
            return text
        new = self.replaced(path, text)
        if "$" in new or program and os.sep not in new:
            return new
        found = find_path(new, self.environment.folders)
        if exists and self.environment.check_paths and not os.path.exists(found):
            remedy = "Correct it, or give -e check_paths=false if only the compute nodes have it."
            self.report(path, f"is {found}, which does not exist here.", remedy)
        return found

    def mounts(self, spec):
        """Make the mounts of *spec* concrete in place, except for placeholders."""
        cluster = spec["cluster"]
        cluster["default_mounts"] = {
            self._host(("cluster", "default_mounts", host), host): inside
            for host, inside in cluster["default_mounts"].items()
        }
        extra = []
        for index, text in enumerate(spec["extra_mount"]):
            host, _colon, inside = self.replaced(("extra_mount", index), text).partition(":")
            if not host or not (inside or host).startswith("/"):
                problem = f'is "{text}"; a mount is host:container[:options], both absolute.'
                self.report(("extra_mount", index), problem, None)
            if "," in text:
                self.report(("extra_mount", index), "has a comma, by which srun would split it.", "Mount another path.")
            host = self._host(("extra_mount", index), host)
            extra.append(f"{host}:{inside or host}")
        if self.environment.variables.get(WORKSPACE):
            mount = f"{self.environment.variables[WORKSPACE]}:{WORKSPACE_INSIDE}"
            extra += [mount] if mount not in extra else []
        spec["extra_mount"] = extra
        table = {}
        for host, inside in spec["container_mounts"].items():
            path = ("container_mounts", host)
            for word in PLACEHOLDER.findall(host + inside):
                if word not in PLACEHOLDERS:
                    hint = nearest(word, PLACEHOLDERS)
                    remedy = f"Did you mean {{{hint}}}?" if hint else f"Known are: {', '.join(PLACEHOLDERS)}."
                    self.report(path, f"has {{{word}}}, which is no placeholder.", remedy)
            if not inside.startswith(("/", "{", "$")):
                self.report(path, f'has "{inside}" inside the container; that path must be absolute.', None)
            if "," in host + inside or ":" in host:
                self.report(path, "has a comma or a colon, by which srun would split it.", "Mount another path.")
            table[self._host(path, host)] = self.replaced(path, inside)
        spec["container_mounts"] = table

    def _host(self, path, text):
        new = os.path.expanduser(self.replaced(path, text))
        if new.startswith(("/", "{", "$")) or not new:
            return new
        return find_path(new, self.environment.folders)


def complete_paths(spec, environment, report):
    """Make the paths of *spec* concrete, in place."""
    paths, model, cluster = Paths(environment, report), spec["model"], spec["cluster"]
    if model["container"].lower() in ("none", ""):
        model["container"] = None
    model["path"] = paths.absolute(("model", "path"), model["path"])
    if os.sep in spec["python"] or "$" in spec["python"]:
        spec["python"] = paths.absolute(("python",), spec["python"], program=True)
    container = model["container"]
    if container and container.startswith(("/", "./", "../", "~", "$")):
        container = paths.replaced(("model", "container"), container)
        # A variable may as well hold the name of an image in a registry.
        if container.startswith(("/", ".", "~")):
            container = paths.absolute(("model", "container"), container)
        model["container"] = container
    for section, key in PLAIN:
        if spec[section].get(key):
            spec[section][key] = paths.replaced((section, key), spec[section][key])
    for key in ("configs_dir", "output_dir"):
        if cluster[key]:
            cluster[key] = paths.absolute(("cluster", key), cluster[key], exists=False)
    paths.mounts(spec)
    _setup_script(spec, environment, report)


def _leads_out(script, folder):
    """Tell whether a link leads from *script* to somewhere outside of *folder*."""
    top = os.path.realpath(folder)
    found = [os.path.join(folder, below, script) for below in ("", "patches")]
    return any(os.path.exists(one) and not os.path.realpath(one).startswith(top + os.sep) for one in found)


def _setup_script(spec, environment, report):
    """Check that the setup script is inside configs_dir, and there."""
    script, folder = spec["setup_script"], spec["cluster"]["configs_dir"]
    if not script:
        return
    path = ("setup_script",)
    if os.path.isabs(script) or ".." in script.split("/"):
        report(path, f"is {script}, which leaves configs_dir.", "Name a file below configs_dir.")
    elif re.search(r"[\x00-\x1f\x7f]", script):
        report(path, f"is {script!r}, which has a control character.", "Rename the script.")
    elif folder and _leads_out(script, folder):
        report(path, f"is {script}, a link that leaves configs_dir.", "Name a file below configs_dir.")
    elif not folder:
        report(path, "needs configs_dir, the directory it is in.", "Set configs_dir in srtslurm.yaml.")
    elif environment.check_paths:
        places = [os.path.join(folder, script), os.path.join(folder, "patches", script)]
        if not any(map(os.path.isfile, places)):
            remedy = "Correct it, or give -e check_paths=false if only the compute nodes have it."
            report(path, f"is neither {places[0]} nor {places[1]}.", remedy)
