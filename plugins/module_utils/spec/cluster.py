# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The cluster file (srtslurm.yaml): found, checked, and laid under a job."""

from __future__ import annotations

import copy
import os

from ..failures import Error, SpecError
from .section import TEXTS, Checker, Field, Section
from .source import load_yaml
from .types import Bool, Int, MapOf, Str, Time, Type

FILE_NAME = "srtslurm.yaml"
VARIABLE = "SRTSLURM_CONFIG"

CLUSTER = Section(
    "cluster file",
    {
        "cluster": Field(Str(), doc="Name of the cluster."),
        "default_account": Field(Str(), doc="Account for jobs that name none."),
        "default_partition": Field(Str(), doc="Partition for jobs that name none."),
        "default_time_limit": Field(Time(), doc="Time limit for jobs that name none."),
        "gpus_per_node": Field(Int(1), doc="GPUs of a node, for jobs that do not say it."),
        "network_interface": Field(Str(), doc="Interface whose address the services use."),
        "use_gpus_per_node_directive": Field(Bool(), True, "Ask Slurm for GPUs with --gpus-per-node."),
        "use_segment_sbatch_directive": Field(Bool(), True, "Ask Slurm for one segment with --segment."),
        "use_exclusive_sbatch_directive": Field(Bool(), False, "Ask Slurm for whole nodes with --exclusive."),
        "use_het_jobs": Field(Bool(), False, "Submit disaggregated jobs as heterogeneous jobs."),
        "default_sbatch_directives": Field(TEXTS, {}, "Further directives; the job's own win."),
        "default_health_check": Field(MapOf(Int(0)), {}, "health_check for jobs that have none."),
        "srtctl_root": Field(Str(), doc="Installation of srtctl; its configs/ is used when configs_dir is unset."),
        "configs_dir": Field(Str(), doc="Directory with setup scripts and the nats-server and etcd programs."),
        "output_dir": Field(Str(), doc="Where run directories are made."),
        "python": Field(Str(), doc="Python for workers and frontends that run without a container."),
        "container_runtime": Field(Str(), doc="pyxis, apptainer or none; default pyxis when a job names a container."),
        "model_paths": Field(TEXTS, {}, "Short names of model directories."),
        "containers": Field(TEXTS, {}, "Short names of container images."),
        "cloud": Field(TEXTS, {}, "Where results are copied to."),
        "default_mounts": Field(TEXTS, {}, "Host path to container path, mounted in every job."),
        "default_bash_preamble": Field(Str(), doc="Shell text that runs first in every step."),
        "reporting": Field(MapOf(Type()), {}, "Status, S3 and analysis settings of the site."),
        "telemetry": Field(MapOf(Type()), {}, "Telemetry settings of the site."),
        "nginx_raise_ulimit": Field(Bool(), doc="Default of frontend.nginx_raise_ulimit."),
    },
    doc="Settings of one cluster that all its jobs share.",
)

# What a job's plan may depend on. Site secrets (reporting) and alias tables stay out of the spec.
KEPT = (
    "cluster",
    "network_interface",
    "use_gpus_per_node_directive",
    "use_segment_sbatch_directive",
    "use_exclusive_sbatch_directive",
    "use_het_jobs",
    "configs_dir",
    "output_dir",
    "container_runtime",
    "default_mounts",
    "default_bash_preamble",
)


class Cluster:
    """A checked cluster file. ``settings`` holds every key with its default; ``path`` is None without a file."""

    def __init__(self, settings, path=None):
        self.settings, self.path = settings, path

    def kept(self):
        """Return the settings that become part of the spec."""
        kept = {key: self.settings[key] for key in KEPT}
        if not kept["configs_dir"] and self.settings["srtctl_root"]:
            kept["configs_dir"] = os.path.join(self.settings["srtctl_root"], "configs")
        return kept


def find_cluster_file(given=None, environ=None, start=None):
    """Return the path of the cluster file, or None.

    The order is: *given*, the variable SRTSLURM_CONFIG, then srtslurm.yaml in *start* and upwards. A file that
    was named but does not exist is an Error, never silently ignored.
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
            return path
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def load_cluster(path):
    """Return the :class:`Cluster` of the file at *path* (None: defaults); SpecError names every bad key."""
    document, source = load_yaml(path) if path else ({}, None)
    checker = Checker(source) if source else Checker()
    settings = checker.check(CLUSTER, document)
    if checker.problems:
        raise SpecError(checker.problems)
    return Cluster(settings, path)


def apply_cluster(job, cluster):
    """Return a copy of the raw *job* with the cluster's defaults and aliases; values of the job win.

    A key that the job sets to null stays null: that is how a job refuses a default.
    """
    settings = cluster.settings
    job = copy.deepcopy(job)
    _default(job, "slurm", "account", settings["default_account"])
    _default(job, "slurm", "partition", settings["default_partition"])
    _default(job, "slurm", "time_limit", settings["default_time_limit"])
    _default(job, "resources", "gpus_per_node", settings["gpus_per_node"])
    _default(job, "resources", "het_jobs", settings["use_het_jobs"] or None)
    _default(job, "frontend", "nginx_raise_ulimit", settings["nginx_raise_ulimit"])
    if settings["python"]:
        job.setdefault("python", settings["python"])
    if settings["default_health_check"]:
        job.setdefault("health_check", dict(settings["default_health_check"]))
    if settings["default_sbatch_directives"] and isinstance(job.get("sbatch_directives", {}), dict):
        job["sbatch_directives"] = {**settings["default_sbatch_directives"], **(job.get("sbatch_directives") or {})}
    _alias(job, ("model", "path"), settings["model_paths"])
    for path in (
        ("model", "container"),
        ("frontend", "nginx_container"),
        ("benchmark", "container_image"),
        ("backend", "mooncake_kv_store", "container"),
        ("telemetry", "dcgm_exporter", "container_image"),
        ("observability", "tachometer", "dcgm_exporter", "container_image"),
        ("observability", "tachometer", "node_exporter", "container_image"),
    ):
        _alias(job, path, settings["containers"])
    return job


def _default(job, section, key, value):
    if value is None:
        return
    table = job.setdefault(section, {})
    if table is None:
        table = job[section] = {}
    if isinstance(table, dict):
        table.setdefault(key, value)


def _alias(job, path, table):
    for key in path[:-1]:
        job = job.get(key) if isinstance(job, dict) else None
    if isinstance(job, dict) and isinstance(job.get(path[-1]), str):
        job[path[-1]] = table.get(job[path[-1]], job[path[-1]])
