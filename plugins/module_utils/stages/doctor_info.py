# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``doctor_info``: whether the cluster, the environment and a job are fine, one line a check."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import cast

from ..entry import Context
from ..failures import Error, SlurmError
from ..json_types import JsonObject
from ..plan.planner import build, imaginary_allocation
from ..plan_file import IMAGINARY_ID, Plan
from ..slurm import commands, script, site
from ..survey import answers, checks, programs
from ..survey.checks import BAD, OK, SKIPPED, WARNING, Line
from . import node_look, node_table, preflight, program_sources
from .cluster_info import STATES

ARGUMENT_SPEC = {
    "jobs": {"type": "list", "elements": "dict", "default": []},
    "job_error": {"type": "str"},
    "cluster_file": {"type": "path"},
    "settings": {"type": "dict"},
    "settings_path": {"type": "path"},
    "cluster_error": {"type": "str"},
    "shared_dir": {"type": "path"},
    "nodes": {"type": "int", "default": 8},
    "wait_s": {"type": "float", "default": 30.0},
}

# What preflight expects of a node unless it is told otherwise.
PREFLIGHT: JsonObject = {name: one.get("default") for name, one in cast("JsonObject", preflight.ARGUMENT_SPEC).items()}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, checks, lines, healthy}``; see the module's documentation."""
    doctor = _Doctor(params, ctx)
    lines = checks.sorted_lines(doctor.lines())
    return {
        "changed": False,
        "checks": [one._asdict() for one in lines],
        "lines": [one.shown() for one in lines],
        "healthy": not any(one.state == BAD for one in lines),
    }


class _Doctor:
    """The checks of one call."""

    def __init__(self, params: JsonObject, ctx: Context) -> None:
        self.params, self.ctx = params, ctx
        self.settings: JsonObject = params["settings"] or {}
        self.jobs: list[JsonObject] = params["jobs"] or []
        self.folder = os.path.abspath(params["shared_dir"] or self.settings.get("output_dir") or os.getcwd())
        while not os.path.isdir(self.folder) and self.folder != "/":
            self.folder = os.path.dirname(self.folder)

    def lines(self) -> list[Line]:
        """Return the line of each check. What cannot be checked without Slurm is skipped."""
        found = [self._cluster_file(), *self._job_file()]
        try:
            said = commands.run(["scontrol", "ping"]).stdout.strip()
            version = commands.run(["scontrol", "--version"]).stdout
            why = "" if " UP" in said.upper() else said
        except SlurmError as error:
            why = error.msg
        if why:
            names = ("account", "partition", "time limit", "sbatch", *checks.NODE_CHECKS)
            rest = [Line(name, SKIPPED, "Slurm does not answer") for name in names]
            return [*found, Line("Slurm", BAD, why, checks.ASK_FOR_SLURM), *self._programs(None), *rest]
        found.append(Line("Slurm", OK, "; ".join(said.splitlines())))
        found.append(checks.slurm_version(version, bool(self.settings.get("use_segment_sbatch_directive", True))))
        options, nodes = self._options()
        found += self._site(options, nodes)
        found += self._nodes(options)
        return found

    def _cluster_file(self) -> Line:
        remedy = "setup.yml writes one (make cluster-setup)."
        if self.params["cluster_error"]:
            return Line("cluster file", BAD, self.params["cluster_error"], remedy)
        if not self.params["settings_path"]:
            return Line("cluster file", WARNING, "there is no srtslurm.yaml here or above", remedy)
        return Line("cluster file", OK, self.params["settings_path"])

    def _job_file(self) -> list[Line]:
        if self.params["job_error"]:
            return [
                Line("job", BAD, self.params["job_error"], "Correct the job file; docs/job-reference.md has all keys.")
            ]
        return [Line("job", OK, one["name"]) for one in self.jobs]

    def _options(self) -> tuple[JsonObject, int]:
        """Return (the options of sbatch, the number of nodes) of the first job, else of the cluster file."""
        if self.jobs:
            request = self.jobs[0]["allocation"]
            return script.directives(request, self.jobs[0]["output_dir"])[0], int(request["nodes"])
        known = self.settings
        pairs = {
            "nodes": 1,
            "partition": known.get("default_partition"),
            "account": known.get("default_account"),
            "time": known.get("default_time_limit"),
            "gpus-per-node": known.get("gpus_per_node") if known.get("use_gpus_per_node_directive", True) else None,
            "segment": 1 if known.get("use_segment_sbatch_directive", True) else None,
        }
        options = {name: value for name, value in pairs.items() if value}
        return {**options, **({"exclusive": None} if known.get("use_exclusive_sbatch_directive") else {})}, 1

    def _site(self, options: JsonObject, nodes: int) -> list[Line]:
        """Return the lines on what the site has, and on whether sbatch takes the options."""
        found = checks.of_faults(site.faults(options, nodes), options)
        table = answers.states(_said(STATES))
        for name in self._partitions(options):
            line = checks.states(name, table.get(name))
            found = [one for one in found if not line or (one.check, one.state) != ("partition", OK)]
            found += [line] if line else []
        left_out = ("output", "chdir", "open-mode", "comment", "job-name", "signal", "no-requeue", "no-kill")
        argv = [
            f"--{key}" if value is None else f"--{key}={value}" for key, value in options.items() if key not in left_out
        ]
        tried = commands.run(
            ["sbatch", "--test-only", "--output=/dev/null", *argv], stdin="#!/bin/sh\ntrue\n", check=False
        )
        if tried.returncode:
            said = " ".join(line.replace("sbatch: error: ", "") for line in tried.stderr.splitlines()[:2])
            remedy = "Correct what it names; make cluster-setup finds out which options this Slurm takes."
            found.append(Line("sbatch", BAD, f"sbatch refuses {' '.join(argv)}: {said}", remedy))
        else:
            found.append(Line("sbatch", OK, f"takes {' '.join(argv) or 'a job without options'}"))
        return found

    def _partitions(self, options: JsonObject) -> list[str]:
        named = str(options.get("partition") or "")
        if named:
            return named.split(",")
        return [one.name for one in site.partitions().values() if one.is_default]

    def _nodes(self, options: JsonObject) -> list[Line]:
        """Return the lines on what idle nodes see."""
        names = self._partitions(options)
        table = answers.states(_said(STATES))
        idle = sum(table.get(name, {}).get("idle", 0) for name in names[:1])
        count = min(self.params["nodes"], idle)
        if count < 1:
            why = (
                f"no node of {names[0] if names else 'the partition'} is idle" if self.params["nodes"] else "not asked"
            )
            return [*self._programs(None), *(Line(name, SKIPPED, why) for name in checks.NODE_CHECKS)]
        limits = {"free_mib": PREFLIGHT["min_free_mib"], "shm_mib": PREFLIGHT["min_shm_mib"]}
        chosen = [
            f"--{key}={options[key]}" for key in ("partition", "account", "qos", "gpus-per-node") if options.get(key)
        ]
        chosen += ["--exclusive"] if "exclusive" in options else []
        self.ctx.progress(f"asking {count} idle nodes")
        wanted = self._wanted(options)
        try:
            found = node_look.look(self.folder, wanted, chosen, count, limits, self.params["wait_s"])
        except OSError as error:
            remedy = "Give a directory on shared disk with -e shared_dir=DIR."
            return [Line("shared disk", BAD, f"{self.folder} cannot be written: {error.strerror}", remedy)]
        missing = count - len(found.reports)
        lost = [checks.unseen(found.why, self.folder, missing if found.reports else 0, count)] if missing else []
        if not found.reports:
            rest = [name for name in checks.NODE_CHECKS if name != "shared disk"]
            return [*lost, *self._programs(None), *(Line(name, SKIPPED, "no node reported") for name in rest)]
        reports = found.reports
        problems: list[JsonObject] = [
            {**one, "node": report["node"]} for report in reports for one in report["problems"]
        ]
        problems += preflight.clocks(reports, found.sent, found.back, PREFLIGHT["clock_skew_s"])
        plain: list[JsonObject] = [dict(one) for one in reports]
        problems += checks.network(plain, self.settings.get("network_interface"))
        arch = reports[0]["facts"].get("arch")
        looked_for = {
            "files": bool(wanted["paths"] or wanted["mounts"]),
            "images": bool(wanted["images"]),
            "ports": bool(wanted["ports"]),
            "GPUs": bool(wanted["gpus"]),
        }
        lines = checks.of_nodes(
            problems, [one["node"] for one in reports], preflight.unchecked(reports, ()), looked_for
        )
        lines = [one for one in lines if not lost or one.check != "shared disk"]
        return [*lost, *lines, *self._programs(arch)]

    def _wanted(self, options: JsonObject) -> JsonObject:
        """Return what each node is to check: of the jobs, else of the cluster file."""
        gpus = options.get("gpus-per-node")
        found: JsonObject = {
            "mounts": list(self.settings.get("default_mounts") or {}),
            "images": [],
            "ports": [],
            "paths": [["configs_dir", path] for path in [self.settings.get("configs_dir")] if path],
            "gpus": int(str(gpus)) if str(gpus or "").isdecimal() else None,
            "idle": True,
        }
        if not self.jobs:
            named = self.settings.get("model_paths") or {}
            found["paths"] += [["model", path] for path in named.values() if str(path).startswith("/")]
            files = [path for path in (self.settings.get("containers") or {}).values() if str(path).startswith("/")]
            found["images"] = files
        for job in self.jobs:
            self._add(found, job)
        return found

    @staticmethod
    def _add(found: JsonObject, job: JsonObject) -> None:
        """Add what the plan of *job* needs on nodes to *found*."""
        run_dir = script.run_dir(job["output_dir"], IMAGINARY_ID)
        plan: Plan = build(job["spec"], imaginary_allocation(job["spec"], run_dir))
        nodes: dict[str, JsonObject] = {one["name"]: {"mounts": [], "images": []} for one in plan["nodes"]}
        ready = node_table.needs(nodes, plan)
        for one in nodes.values():
            found["mounts"] += [path for path in one["mounts"] if path.startswith("/") and not path.startswith(run_dir)]
            found["images"] += one["images"]
        for key in ("mounts", "images"):
            found[key] = list(dict.fromkeys(found[key]))
        model = str(job["spec"]["model"]["path"])
        found["paths"] += [["model", model]] if model.startswith("/") else []
        for check in [*(plan.get("checks") or ()), *ready]:
            found["ports"].append([check["port"], "the job", False])
        found["ports"] = [list(one) for one in dict.fromkeys(tuple(one) for one in found["ports"])]

    def _programs(self, machine: str | None) -> list[Line]:
        """Return the line on nats-server and etcd in configs_dir."""
        folder = self.settings.get("configs_dir")
        root = self.settings.get("srtctl_root")
        folder = folder or (os.path.join(root, "configs") if root else None)
        if not folder:
            return []
        machine, wrong = machine or platform.machine(), []
        for name in programs.PROGRAMS:
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                wrong.append(f"{path} is missing")
                continue
            try:
                own = program_sources.machine_of_file(path)
            except OSError as error:
                wrong.append(f"{path}: {error.strerror}")
                continue
            if own and own != machine:
                wrong.append(f"{path} is for {own}, the nodes are {machine}")
            elif not os.access(path, os.X_OK):
                wrong.append(f"{path} is not executable")
        if wrong:
            remedy = "make cluster-setup installs them (setup.yml --tags programs); images that have them do without."
            return [Line("programs", WARNING, "; ".join(wrong), remedy)]
        return [Line("programs", OK, f"nats-server and etcd in {folder}")]


def _said(argv: Sequence[str]) -> str:
    try:
        done = commands.run(argv, check=False)
    except Error:
        return ""
    return "" if done.returncode else done.stdout
