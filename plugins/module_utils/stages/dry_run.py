# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module dry_run: plans each job on imaginary nodes, as text and as a directory of files."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterable, Iterator

from ..entry import Context
from ..failures import SpecError
from ..files import write_text_atomic
from ..holder.lease import LEASE_S
from ..job import inputs
from ..job.layouts import in_words
from ..job.preparation import with_content
from ..json_types import JsonObject
from ..plan.mounts import listed
from ..plan.planner import Planner, imaginary_allocation
from ..plan.printer import configurations, node_map, summary
from ..plan.provenance import Places, remarks, resolved
from ..plan_file import IMAGINARY_ID, PLAN, PlanFile, Step
from ..slurm import script, srun
from .point_files import chosen
from .topology_plan import to_text

ARGUMENT_SPEC = {
    "jobs": {"type": "list", "elements": "dict", "required": True},
    "origins": {"type": "list", "elements": "dict", "default": []},
    "notes": {"type": "list", "elements": "str", "default": []},
    "problems": {"type": "list", "elements": "dict", "default": []},
    "path": {"type": "path", "default": "dry-runs"},
    "output_dir": {"type": "path"},
    "lease_s": {"type": "float", "default": LEASE_S},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, jobs: [{name, path, plan, points, tags, files}], diff}``; in check mode nothing is written.

    ``diff`` has one record per job, with everything worth reading before a job uses GPU hours. SpecError, with these
    jobs, if there are ``problems`` of others.
    """
    shown, rows, stamp = [], [], time.strftime("%Y%m%d_%H%M%S")
    origins = params["origins"] or [{}] * len(params["jobs"])
    for job, job_origins in zip(params["jobs"], origins):
        rehearsal = Rehearsal(job, job_origins, params)
        path = None
        if not ctx.check_mode:
            path = free_folder(os.path.abspath(params["path"]), job["name"], stamp)
            for name, text, mode in rehearsal.files(params["notes"]):
                write_text_atomic(os.path.join(path, name), text, mode)
        rows.append(
            {
                "name": job["name"],
                "path": path,
                "plan": summary(rehearsal.plan),
                "node_map": node_map(rehearsal.plan),
                "points": [point["label"] for point in rehearsal.points],
                "left_out": rehearsal.left_out,
                "tags": rehearsal.tags,
                "files": [name for name, _text, _mode in rehearsal.files(())],
            }
        )
        if ctx.diff:
            header = path or f"{job['name']}: nothing was submitted or written"
            shown.append({"before": "", "after": rehearsal.text(), "before_header": "", "after_header": header})
    # Ansible shows the diff of changed tasks only.
    result = {"changed": True, "jobs": rows}
    if ctx.diff:
        result["diff"] = shown
    if params.get("problems"):
        raise SpecError(params["problems"], **result)
    return result


def free_folder(parent: str, name: str, stamp: str) -> str:
    """Return ``parent/<name>_<stamp>``, with a number if that exists."""
    base = os.path.join(parent, f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}_{stamp}")
    path, number = base, 1
    while os.path.exists(path):
        number += 1
        path = f"{base}_{number}"
    return path


class Rehearsal:
    """One job, planned on imaginary nodes.

    :ivar points: the points that would be measured.
    :ivar left_out: the labels of the others.
    """

    def __init__(self, job: JsonObject, origins: JsonObject, params: JsonObject) -> None:
        self.job, self.origins, self.places, self.spec = job, origins, Places(origins), job["spec"]
        output_dir = os.path.abspath(params["output_dir"] or job["output_dir"])
        planned = inputs.with_inputs(with_content(self.spec))
        planner = Planner(planned)
        self.layout = planner.layout(imaginary_allocation(planned, script.run_dir(output_dir, IMAGINARY_ID)))
        self.plan, self.made_of = planner.plan_with_origins(self.layout)
        self.script, self.notes = script.render(job["allocation"], output_dir, params["lease_s"])
        self.points, self.tags = chosen(self.plan, params), job["metadata"].get("tags") or []
        self.left_out = [point["label"] for point in self.plan["benchmark"]["points"] if point not in self.points]

    @property
    def steps(self) -> list[Step]:
        """All steps that would run, those of the benchmark's points last."""
        return self.plan["steps"] + [point["step"] for point in self.points]

    def configs(self) -> list[PlanFile]:
        """Return the engine, NATS and nginx configuration files of the plan."""
        return configurations(self.plan)

    def text(self) -> str:
        """Return the text about the job for the user."""
        parts = [
            ("nodes, GPUs and ports", node_map(self.plan)),
            ("the job", in_words(resolved(self.spec, self.origins), self.spec)),
        ]
        parts.append(("notes", "".join(f"{note}\n" for note in [*self.notes, *self.plan["notes"]])))
        parts.append(("sbatch_script.sh", self.script))
        parts += [(one["path"], one["content"]) for one in self.configs()]
        parts.append(("mounts", listed(self.layout)))
        parts.append(("files that the results depend on", inputs.lines(self.plan["spec"])))
        parts.append(("steps", "".join(map(self.printable, self.steps))))
        parts.append(("points", self.point_lines()))
        parts.append(("tags", "".join(f"{tag}\n" for tag in self.tags)))
        return "".join(f"---- {title}\n{text.rstrip()}\n" for title, text in parts if text)

    def printable(self, step: Step) -> str:
        """Return the srun line of *step*, its environment and its options, each with its origin."""
        made_of = remarks(self.made_of[step["name"]], self.places)
        known = {name: in_words(text, self.spec) for name, text in made_of.items()}
        return srun.printable(step, IMAGINARY_ID, self.plan["run_dir"], known)

    def point_lines(self) -> str:
        """Return one line per point of the benchmark, and one about those that are left out."""
        lines = []
        for point in self.points:
            known = {**point["key"], **point["expect"]}.items()
            facts = ", ".join(f"{key} {value}" for key, value in known if value is not None)
            lines.append(f"{point['name']}: {facts} -> {point['result']}\n")
        return "".join([*lines, f"left out: {', '.join(self.left_out)}\n" if self.left_out else ""])

    def commands(self) -> str:
        """Return commands.sh: every step as the holder would start it, one after the other."""
        about = f"# The steps of {self.job['name']}, as the holder starts them; id, nodes and addresses are imaginary."
        lines = ["#!/bin/bash", about]
        for step in self.steps:
            lines += ["", f"# {step['tier']}: {step['name']} on {','.join(step['nodes'])}"]
            lines += [f"{name}={shlex.quote(value)} \\" for name, value in sorted(srun.srun_env(step).items())]
            lines.append(shlex.join(srun.build_srun_argv(step, IMAGINARY_ID, self.plan["run_dir"])) + " &")
        return "\n".join([*lines, "wait", ""])

    def files(self, notes: Iterable[str]) -> Iterator[tuple[str, str, int]]:
        """Yield (name, text, mode) of the directory's files."""
        yield "config.yaml", self.job["config_text"], 0o644
        yield "sbatch_script.sh", self.script, 0o755
        yield "commands.sh", self.commands(), 0o755
        yield PLAN, to_text(self.plan), 0o644
        yield "plan.txt", self.text() + "".join(f"{note}\n" for note in notes), 0o644
        for one in self.configs():
            yield one["path"], one["content"], int(one["mode"], 8)
