# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Every example, planned on made-up nodes, beside the plan that a person has read (tests/data/golden).

tests/data/seeds has the examples of the tool whose job files are read here, as that tool's pages have them.

After a wanted change: SRT_UPDATE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import os
import shlex

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.job import reading
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import build, printer
from ansible_collections.srt.slurm.plugins.module_utils.slurm import script, srun

GOLDEN = jobs.ROOT / "tests" / "data" / "golden"
SEEDS = jobs.ROOT / "tests" / "data" / "seeds"
GALLERY = jobs.ROOT / "examples" / "gallery"
EXAMPLES = sorted(
    path
    for folder in (jobs.ROOT / "examples", GALLERY, SEEDS)
    for path in folder.glob("*.yaml")
    if not path.name.startswith("srtslurm") and "sweep" not in path.name and "override" not in path.name
)


def spec_of(path):
    """Return the spec of the example at *path*, on the site of its folder."""
    job, source = reading.read_job(str(path))
    site = (SEEDS if path.parent == SEEDS else GALLERY) / "srtslurm.yaml"
    return jobs.spec_of(job, source, load_cluster(str(site)))


def story(spec):
    """Return the plan of *spec* as text that a person can check."""
    plan = build.build(spec, build.imaginary_allocation(spec, "/out/JOBID"), assets={"__main__.py": ""})
    lines = [f"{node['name']}: {' '.join(node['roles'])}" for node in plan["nodes"]]
    for one in plan["processes"]:
        ports = " ".join(f"{family}:{port}" for family, port in one["ports"].items())
        lines.append(f"{one['name']} on {one['node']} GPUs {one['gpu_indices']} {ports}")
    lines += [plan["frontend_url"], "== notes", *plan["notes"]]
    lines += ["== sbatch", script.render(build.allocation_request(spec), "/out", 120)[0]]
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


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path):
    text = story(spec_of(path))
    golden = GOLDEN / f"{path.stem}.txt"
    if os.environ.get("SRT_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


def test_no_golden_file_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {path.stem for path in EXAMPLES}


def test_every_legal_combination_has_an_example():
    seen = set()
    for path in EXAMPLES:
        spec = spec_of(path)
        mode = "agg" if spec["resources"]["agg_workers"] else "disagg"
        seen.add((spec["backend"]["type"], spec["frontend"]["type"], mode))
    wanted = {(b.type, f, mode) for b in BACKENDS.values() for f in b.frontends for mode in ("agg", "disagg")}
    assert wanted - seen == {("vllm", "vllm", "disagg")}  # which is illegal


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_nothing_is_passed_twice(path):
    spec = spec_of(path)
    plan = build.build(spec, build.imaginary_allocation(spec), assets={})
    for step in plan["steps"]:
        if step["tier"] == "worker":
            flags = [word for word in step["argv"] if word.startswith("--") and "=" not in word]
            assert len(flags) == len(set(flags)), step["argv"]
