# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example, planned on imaginary nodes, beside the plan that a person has read (tests/data/golden).

tests/data/seeds has the examples of the tool whose job files are read here, as that tool's pages have them.

After a wanted change: SRT_UPDATE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import os
import shlex

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner, printer
from ansible_collections.srt.slurm.plugins.module_utils.slurm import script, srun

GOLDEN = jobs.ROOT / "tests" / "data" / "golden"


def story(spec):
    """Return the plan of *spec* as text that a person can check."""
    plan = planner.build(spec, planner.imaginary_allocation(spec, "/out/JOBID"))
    lines = [f"{node['name']}: {' '.join(node['roles'])}" for node in plan["nodes"]]
    for one in plan["processes"]:
        ports = " ".join(f"{family}:{port}" for family, port in one["ports"].items())
        lines.append(f"{one['name']} on {one['node']} GPUs {one['gpu_indices']} {ports}")
    lines += [plan["frontend_url"], "== notes", *plan["notes"]]
    lines += ["== sbatch", script.render(planner.allocation_request(spec), "/out", 120)[0]]
    for step in plan["steps"] + [point["step"] for point in plan["benchmark"]["points"]]:
        lines.append(f"== {step['name']} ({step['tier']}, {step['ntasks']} tasks on {' '.join(step['nodes'])})")
        options = srun.build_srun_argv(dict(step, argv=["X"], preamble=None, env={}), "JOBID", "/out/JOBID")
        lines += [shlex.join(options[:-1]), shlex.join(step["argv"])]
        lines += [f"  {name}={value}" for name, value in sorted(step["env"].items())]
        lines += ["-- before", step["preamble"]] if step["preamble"] else []
    for one in printer.configurations(plan):
        lines += [f"== file {one['path']}", one["content"]]
    lines.append("== checks")
    for one in plan["checks"]:
        where = f"{one['host']}:{one['port']}{one.get('path', '')}"
        lines.append(f"{one['name']}: {where} {[f.get('min') for f in one.get('expect', ())]}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", jobs.EXAMPLES, ids=lambda path: path.stem)
def test_example(path):
    text = story(jobs.spec_of_example(path))
    golden = GOLDEN / f"{path.stem}.txt"
    if os.environ.get("SRT_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


def test_no_golden_file_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {path.stem for path in jobs.EXAMPLES}


def test_every_legal_combination_has_an_example():
    seen = set()
    for path in jobs.EXAMPLES:
        spec = jobs.spec_of_example(path)
        mode = "agg" if spec["resources"]["agg_workers"] else "disagg"
        seen.add((spec["backend"]["type"], spec["frontend"]["type"], mode))
    wanted = {(b.type, f, mode) for b in BACKENDS.values() for f in b.frontends for mode in ("agg", "disagg")}
    assert wanted - seen == {("vllm", "vllm", "disagg")}  # which is illegal


@pytest.mark.parametrize("path", jobs.EXAMPLES, ids=lambda path: path.stem)
def test_nothing_is_passed_twice(path):
    spec = jobs.spec_of_example(path)
    plan = planner.build(spec, planner.imaginary_allocation(spec))
    for step in plan["steps"]:
        if step["tier"] == "worker":
            flags = [word for word in step["argv"] if word.startswith("--") and "=" not in word]
            assert len(flags) == len(set(flags)), step["argv"]
