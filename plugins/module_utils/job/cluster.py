# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster file (srtslurm.yaml): found, checked and merged under a job."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Mapping

from ..failures import Error, SpecError
from ..files import doubt
from ..json_types import Json, JsonObject, KeyPath
from ..schema.section import TEXTS, Checker, Field, Section, optional
from ..schema.source import NOWHERE, Source, dotted, load_yaml
from ..schema.spelling import spelt
from ..schema.types import Bool, Choice, Int, MapOf, Str, Time, Type, kind_of
from ..schema.words import normal
from ..slurm.options import sbatch_name
from ..topology.modes import LONG_MODE
from .common_fields import DIRECTIVES, HEALTH_CHECK, NO_EFFECT, REPORTING, STORAGE
from .reporting import storage_faults

FILE_NAME = "srtslurm.yaml"
VARIABLE = "SRTSLURM_CONFIG"

CLUSTER = Section(
    "cluster file",
    {
        "cluster": Field(Str(), doc="Name of the cluster."),
        "default_account": Field(Str(), doc="Account for jobs that name none."),
        "default_partition": Field(Str(), doc="Partition for jobs that name none."),
        "default_time_limit": Field(Time(), doc="Time limit for jobs that name none."),
        "default_container": Field(Str(), doc="Container image, or its short name, for jobs that name none."),
        "default_gpu_type": Field(Str(), doc="GPU type of jobs that name none."),
        "gpus_per_node": Field(Int(1), doc="GPUs of a node, for jobs that do not set it."),
        "network_interface": Field(Str(), doc="Interface whose address the services use."),
        "use_gpus_per_node_directive": Field(Bool(), True, "Ask Slurm for GPUs with --gpus-per-node."),
        "use_segment_sbatch_directive": Field(Bool(), True, "Ask Slurm for one segment with --segment."),
        "use_exclusive_sbatch_directive": Field(Bool(), False, "Ask Slurm for whole nodes with --exclusive."),
        "use_het_jobs": Field(Bool(), False, "Submit disaggregated jobs as heterogeneous jobs."),
        "default_sbatch_directives": Field(DIRECTIVES, {}, "Additional directives; the job's override them."),
        "default_health_check": optional(HEALTH_CHECK, "health_check for jobs that have none."),
        "srtctl_root": Field(Str(), doc="Installation of srtctl; its configs/ is used when configs_dir is unset."),
        "configs_dir": Field(Str(), doc="Directory with setup scripts and the nats-server and etcd programs."),
        "harness_dir": Field(
            Str(), doc="Directory on shared disk with the environments of lm-eval and others that setup.yml prepares."
        ),
        "data_dir": Field(Str(), doc="Directory on shared disk for the data sets that benchmarks download."),
        "output_dir": Field(Str(), doc="Parent of the run directories."),
        "python": Field(Str(), doc="Python for workers and frontends that run without a container."),
        "container_runtime": Field(
            Choice("pyxis", "apptainer", "none"), doc="How containers run; default pyxis when a job names a container."
        ),
        "model_paths": Field(TEXTS, {}, "Short names of model directories."),
        "containers": Field(TEXTS, {}, "Short names of container images."),
        "cloud": optional(STORAGE, "Where playbooks/sync.yml copies runs to."),
        "default_mounts": Field(TEXTS, {}, "Host path to container path, mounted in every job."),
        "default_bash_preamble": Field(Str(), doc="Shell text that runs first in every step."),
        "reporting": optional(REPORTING, "Reports to other systems, for jobs that have no reporting."),
        "telemetry": Field(MapOf(Type()), {}, f"Live charts of srtctl. {NO_EFFECT}"),
        "nginx_raise_ulimit": Field(Bool(), doc="Default of frontend.nginx_raise_ulimit."),
        "visible_devices_env": Field(
            Str(),
            "CUDA_VISIBLE_DEVICES",
            "The variable that names the GPUs that a process sees, such as ROCR_VISIBLE_DEVICES.",
        ),
        "default_gpu_exporter": Field(Choice("dcgm"), None, f"Exporters run where a job names one. {NO_EFFECT}"),
        "git_http_version": Field(Str(), None, f"No service is built from source. {NO_EFFECT}"),
        "preflight": Field(Bool(), None, f"The tag preflight turns that stage on and off. {NO_EFFECT}"),
    },
    doc="Settings of one cluster that all its jobs share.",
)

# The keys of a job and the settings that are their defaults.
DEFAULTS = (
    (("slurm", "account"), "default_account"),
    (("slurm", "partition"), "default_partition"),
    (("slurm", "time_limit"), "default_time_limit"),
    (("model", "container"), "default_container"),
    (("resources", "gpu_type"), "default_gpu_type"),
    (("resources", "gpus_per_node"), "gpus_per_node"),
    (("frontend", "nginx_raise_ulimit"), "nginx_raise_ulimit"),
    (("python",), "python"),
    (("health_check",), "default_health_check"),
    (("reporting",), "reporting"),
)

# The keys of a job that name a container image, possibly by a short name.
IMAGES = (
    ("model", "container"),
    ("frontend", "nginx_container"),
    ("benchmark", "container_image"),
    ("backend", "mooncake_kv_store", "container"),
    *(("backend", f"{mode}_container") for mode in LONG_MODE.values()),
    ("telemetry", "dcgm_exporter", "container_image"),
    ("observability", "tachometer", "dcgm_exporter", "container_image"),
    ("observability", "tachometer", "node_exporter", "container_image"),
    ("observability", "tachometer", "process_exporter", "container_image"),
)

# The settings that a plan may depend on. Credentials (cloud) and alias tables stay out of the spec.
KEPT = (
    "cluster",
    "network_interface",
    "use_gpus_per_node_directive",
    "use_segment_sbatch_directive",
    "use_exclusive_sbatch_directive",
    "use_het_jobs",
    "configs_dir",
    "harness_dir",
    "data_dir",
    "output_dir",
    "container_runtime",
    "default_mounts",
    "default_bash_preamble",
    "visible_devices_env",
)
# What other tools read in such a file and nothing here does, with the reason and the remedy.
FORK = "is a key of AMD's fork of srtctl, which srtctl itself does not have."
UNBUILT = {
    "default_host_setup": (
        "is not built yet: commands on the bare hosts before and after the service.",
        "Leave it out.",
    ),
    "docker_args": ("is not built: jobs run under Slurm.", "Leave it out."),
    "accelerator_vendor": (FORK, "Leave it out; jobs name their gpu_type, or default_gpu_type does."),
    "gpu_sbatch_directive": (
        FORK,
        "For gres write use_gpus_per_node_directive: false and default_sbatch_directives: {gres: gpu:8}.",
    ),
    "runtime_config_transport": (FORK, "Leave it out: run directories are on a shared disk."),
    "record_launch_plan": (FORK, "Leave it out: plan.json is always written."),
}
WITHOUT_EFFECT = ("default_gpu_exporter", "git_http_version", "preflight")


# Older names, from the form in which these settings were under the key ``cluster``.
OLDER = {
    "name": "cluster",
    "account": "default_account",
    "partition": "default_partition",
    "time_limit": "default_time_limit",
    "container": "default_container",
}


class Cluster:
    """A checked cluster file. ``settings`` holds every key with its default; ``path`` is None without a file.

    ``source`` knows the lines of the file, ``notes`` what the user should know about how it was read.
    """

    def __init__(
        self, settings: JsonObject, path: str | None = None, source: Source | None = None, notes: Collection[str] = ()
    ) -> None:
        self.settings, self.path, self.source, self.notes = settings, path, source or NOWHERE, list(notes)

    def place(self, path: KeyPath) -> str:
        """Return ``file:line (key)`` of the setting at *path*, a tuple of keys, for messages."""
        line = self.source.where(path, on_key=True)[1]
        return os.path.basename(self.path or "cluster file") + (f":{line}" if line else "") + f" ({path[0]})"

    def lend(self, source: Source, given: Mapping[KeyPath, KeyPath]) -> Source:
        """Return *source* of a job that knows which values come from this file: *given* of :func:`apply_cluster`.

        Problems with such values then name the line of the cluster file.
        """
        source = source.copied((), ())
        source.borrowed = {path: (self.source, there) for path, there in given.items()}
        source.borrowed.update({("cluster", key): (self.source, (key,)) for key in KEPT})
        if not self.settings["configs_dir"]:
            source.borrowed[("cluster", "configs_dir")] = (self.source, ("srtctl_root",))
        return source

    def kept(self) -> JsonObject:
        """Return the settings that go into the spec."""
        kept = {key: self.settings[key] for key in KEPT}
        if not kept["configs_dir"] and self.settings["srtctl_root"]:
            kept["configs_dir"] = os.path.join(self.settings["srtctl_root"], "configs")
        return kept


def find_cluster_file(
    given: str | None = None, environ: Mapping[str, str] | None = None, start: str | None = None
) -> str | None:
    """Return the path of the cluster file, or None.

    The order is: *given*, the variable SRTSLURM_CONFIG, then srtslurm.yaml in *start* and upwards. A
    missing file that was named is an Error, never ignored. So is one that was found and not named, if another user
    could have written it: it names programs and shell text that run as this user.
    """
    environ = os.environ if environ is None else environ
    for path, origin in ((given, "cluster_file"), (environ.get(VARIABLE), f"the variable {VARIABLE}")):
        if path:
            path = os.path.abspath(os.path.expanduser(path))
            if not os.path.isfile(path):
                raise Error(f"The cluster file {path}, named by {origin}, does not exist.")
            return path
    folder = os.path.abspath(start or os.getcwd())
    while True:
        path = os.path.join(folder, FILE_NAME)
        if os.path.isfile(path):
            _check_trust(path)
            return path
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _check_trust(path: str) -> None:
    """Raise Error if another user could have written the cluster file *path*."""
    for one in dict.fromkeys([os.path.dirname(path), os.path.dirname(os.path.realpath(path)), path]):
        why = doubt(one)
        if why:
            raise Error(
                f"The cluster file {path} was found, but {why}, and what it names would run as you. If you trust it, "
                f"name it: -e cluster_file={path}, or export {VARIABLE}={path}. A file of your own that is named "
                "replaces it."
            )


def load_cluster(path: str | None) -> Cluster:
    """Return the :class:`Cluster` of the file at *path* (None: defaults); SpecError names every bad key."""
    document, source = load_yaml(path) if path else ({}, NOWHERE)
    if not isinstance(document, (dict, type(None))):
        raise Error(f"{path} is {kind_of(document)}; a cluster file is a mapping of keys such as default_account.")
    work = _Modern(spelt(document or {}, source.texts), source)
    work.refuse()
    settings = work.checker.check(CLUSTER, work.document)
    work.checker.problems += source.faults
    work.notes += source.notes
    if not work.checker.problems:
        for key, text, remedy, code in storage_faults(settings["cloud"] or {}):
            work.checker.problem(("cloud", key), code, text, remedy)
    if work.checker.problems:
        raise SpecError(sorted(work.checker.problems, key=lambda one: one["line"] or 0))
    health = settings["default_health_check"]
    if health:
        # Anything the file does not set is a default of the job and is reported as such.
        settings["default_health_check"] = {key: health[key] for key in work.document["default_health_check"]}
    settings["reporting"] = _given(settings["reporting"])
    if settings["telemetry"]:
        work.notes.append(f"{path}: telemetry: it has no effect; status.yml shows how a run goes.")
    for key in WITHOUT_EFFECT:
        if key in work.document:
            work.notes.append(f"{path}: {key}: it has no effect. {CLUSTER.fields[key].doc.partition('.')[0]}.")
    return Cluster(settings, path, work.checker.source, work.notes)


def _given(value: Json) -> Json:
    """Return *value* without the keys that are not set."""
    if not isinstance(value, dict):
        return value
    return {key: _given(item) for key, item in value.items() if item not in (None, [])} or None


class _Modern:
    """Puts settings under ``cluster``, and keys with dashes, into their current form: ``document``, with ``notes``."""

    def __init__(self, document: JsonObject, source: Source) -> None:
        self.document, self.checker = dict(document), Checker(source)
        self.notes: list[str] = []
        nested = self.document.get("cluster")
        if isinstance(nested, dict):
            del self.document["cluster"]
            for key, value in nested.items():
                self.nested(key, value)
        for key in list(self.document):
            new = normal(key)
            if key not in CLUSTER.fields and new in CLUSTER.fields and new not in self.document:
                self.move((key,), new, self.document.pop(key))
            elif new in OLDER and new not in CLUSTER.fields:
                del self.document[key]
                self.checker.unknown(key, (), CLUSTER.fields, f'Did you mean "{OLDER[new]}"?')
        for name in ("default_health_check", "reporting", "cloud"):
            self.dashes((name,), self.document.get(name), CLUSTER.below(name))

    def refuse(self) -> None:
        """Report what is not built, and take it out."""
        for key, (reason, remedy) in UNBUILT.items():
            if key in self.document and self.document.pop(key) not in (None, False, {}, [], {"commands": []}):
                self.checker.problem((key,), "not_supported", reason, remedy, on_key=True)
        launcher = self.document.pop("launcher", None)
        if launcher not in (None, "slurm"):
            text = f"is {launcher}, which is not built: jobs run under Slurm."
            self.checker.problem(("launcher",), "not_supported", text, "Leave it out.")

    def nested(self, key: str, value: Json) -> None:
        new = OLDER.get(normal(key), normal(key))
        if new not in CLUSTER.fields:
            fields = [*OLDER, *(name for name in CLUSTER.fields if name not in OLDER)]
            self.checker.unknown(key, ("cluster",), fields)
        elif self.document.get(new) is None:
            self.move(("cluster", key), new, value)
        else:
            file, line = self.checker.source.where(("cluster", key), on_key=True)
            self.notes.append(f"{file}:{line}: cluster.{key} is ignored because {new} is set too.")

    def move(self, path: KeyPath, new: str, value: Json) -> None:
        """Set *new*, and note that *path* is its older form."""
        file, line = self.checker.source.where(path, True)
        self.notes.append(f"{file}:{line}: {dotted(path)} is the older form of {new}.")
        self.document[new] = value
        self.checker.source = self.checker.source.copied(path, (new,))

    def dashes(self, path: KeyPath, value: Json, section: Section) -> None:
        """Give the keys of a section underscores, as in job files."""
        for key in list(value) if isinstance(value, dict) else ():
            new = normal(key)
            if key not in section.fields and new in section.fields and new not in value:
                value[new] = value.pop(key)
                self.checker.source = self.checker.source.copied((*path, key), (*path, new))
                file, line = self.checker.source.where((*path, key), True)
                self.notes.append(f"{file}:{line}: {dotted((*path, key))} is now written {dotted((*path, new))}.")


def apply_cluster(job: JsonObject, cluster: Cluster) -> tuple[JsonObject, dict[KeyPath, KeyPath]]:
    """Return (copy of the raw *job* with the cluster's defaults and aliases, ``{path: path in the cluster file}``).

    Values of the job take precedence. A job refuses a default by setting the key to null.
    """
    settings = cluster.settings
    given: dict[KeyPath, KeyPath] = {}
    job = copy.deepcopy(job)
    for path, key in DEFAULTS:
        given.update(_default(job, path, settings[key], (key,)))
    if settings["default_sbatch_directives"] and isinstance(job.get("sbatch_directives") or {}, dict):
        own = {sbatch_name(name) for name in job.get("sbatch_directives") or {}}
        for name, value in settings["default_sbatch_directives"].items():
            if sbatch_name(name) not in own:
                there = ("default_sbatch_directives", name)
                given.update(_default(job, ("sbatch_directives", name), value, there))
    given.update(_alias(job, ("model", "path"), settings, "model_paths"))
    services = job.get("services")
    for index, entry in enumerate(services if isinstance(services, list) else ()):
        found = _alias(entry, ("container",), settings, "containers")
        given.update({("services", index, *path): there for path, there in found.items()})
    for image in IMAGES:
        given.update(_alias(job, image, settings, "containers"))
    return job, given


def _default(job: Json, path: KeyPath, value: Json, there: KeyPath) -> dict[KeyPath, KeyPath]:
    """Set *path* of *job*, in place, to the setting *value* unless it is set; return ``{path: there}`` if it was."""
    if value in (None, {}, False):
        return {}
    for name in path[:-1]:
        if job.get(name) is None:
            job[name] = {}
        job = job[name]
        if not isinstance(job, dict):
            return {}
    if path[-1] in job:
        return {}
    job[path[-1]] = copy.deepcopy(value)
    return {path: there}


def _alias(job: Json, path: KeyPath, settings: JsonObject, key: str) -> dict[KeyPath, KeyPath]:
    """Replace a short name at *path* of *job*, in place; return ``{path: its place in the table}`` if there is one."""
    for name in path[:-1]:
        job = job.get(name) if isinstance(job, dict) else None
    table = settings[key]
    short = job.get(path[-1]) if isinstance(job, dict) else None
    if not isinstance(short, str) or short not in table:
        return {}
    job[path[-1]] = table[short]
    return {path: (key, short)}
