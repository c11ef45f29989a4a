# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/extending.md is true: its text, put where it says, gives a backend, a frontend and a benchmark that work."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends.base import Backend
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.base import Benchmark
from ansible_collections.srt.slurm.plugins.module_utils.frontends.base import Frontend
from ansible_collections.srt.slurm.plugins.module_utils.holder import fatal_lines
from ansible_collections.srt.slurm.plugins.module_utils.services.base import Service

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")

PROGRAM = """
import json, sys
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner, provenance
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec
defaults = {key: option.get("default") for key, option in job_spec.ARGUMENT_SPEC.items()}
try:
    found = job_spec.run({**defaults, "job_file": sys.argv[1], "check_paths": False}, None)
except Error as error:
    print(json.dumps({"error": str(error)}))
else:
    spec = found["jobs"][0]["spec"]
    plan, made_of = planner.build_with_origins(spec, planner.imaginary_allocation(spec))
    places = provenance.Places(found["origins"][0])
    shown = {
        step["name"]: srun.printable(step, "1", "/o", provenance.remarks(made_of[step["name"]], places))
        for step in plan["steps"]
    }
    print(json.dumps({**plan, "shown": shown}))
"""

ROLLUP = """
import json, os, sys
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import of_plan
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.results import tables, verdict
from ansible_collections.srt.slurm.plugins.module_utils.stages import bench_run, rollup
with open(sys.argv[1]) as stream:
    plan = json.load(stream)
benchmark = of_plan(plan)
for point in plan["benchmark"]["points"]:
    path = os.path.join(plan["run_dir"], point["result"])
    if not os.path.exists(path):
        continue
    raw = benchmark.read(path)
    reasons = benchmark.evaluate(raw, point["expect"], 0.99)
    verdict.write_verdict(path, verdict.make_verdict(point, reasons, benchmark.figures(raw), path))
made = rollup.run({"plan_path": None, "plan": plan}, Context())
point = plan["benchmark"]["points"][0]
try:
    bench_run.run({"plan": plan, "concurrencies": [4], "force": False}, Context(check_mode=True))
except Error as error:
    refused = str(error)
lines = []
watched = Context(check_mode=True, progress=lines.append)
dry = bench_run.run({"plan": plan, "concurrencies": [], "force": False}, watched)
print(json.dumps({
    "rollup": made["rollup"], "table": made["table"], "csv": tables.csv_text(made["rollup"]), "refused": refused,
    "actions": [one["action"] for one in dry["points"]], "progress": benchmark.progress(point, {"found": 7}).line,
    "lines": lines,
}))
"""


def blocks(language):
    """Return the fenced blocks of *language*, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the code with the page's additions made."""
    folder = tmp_path_factory.mktemp("extended")
    utils = folder / "ansible_collections" / "srt" / "slurm" / "plugins" / "module_utils"
    shutil.copytree(ROOT / "plugins" / "module_utils", utils, ignore=shutil.ignore_patterns("__pycache__"))
    for parent in utils.parents:
        if parent == folder:
            break
        (parent / "__init__.py").touch()
    names = re.findall(r"^`plugins/module_utils/(\S+\.py)`:$", TEXT, re.M)
    assert names == ["backends/toy.py", "frontends/toy.py", "benchmarks/toy_search.py", "benchmarks/toy_exam.py"]
    for name, code in zip(names, blocks("python")):
        (utils / name).write_text(code, encoding="utf-8")
    changed = re.findall(r"^In `plugins/module_utils/(\S+\.py)`", TEXT, re.M)
    assert changed == ["backends/__init__.py", "frontends/__init__.py", "benchmarks/__init__.py"]
    for name, change in zip(changed, blocks("diff")):
        text = (utils / name).read_text(encoding="utf-8")
        before, after = (
            "".join(f"{line[1:]}\n" for line in change.splitlines() if line[0] in kinds) for kinds in (" -", " +")
        )
        assert before in text, f"the page is behind {name}"
        (utils / name).write_text(text.replace(before, after), encoding="utf-8")
    return folder


def run(tree, program, path):
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def plan(tree, job):
    path = tree / "job.yaml"
    path.write_text(job, encoding="utf-8")
    return run(tree, PROGRAM, path)


@pytest.fixture(scope="module")
def planned(tree):
    """The plan of the page's job, with the nodes that it needs."""
    return plan(tree, blocks("yaml")[0].replace("agg_nodes: 3", "agg_nodes: 4"))


def test_the_toy_backend_is_short():
    assert len(blocks("python")[0].splitlines()) < 60


@pytest.mark.parametrize(
    ("interface", "methods"),
    [
        (Backend, ("command",)),
        (Frontend, ("steps", "ready_checks")),
        (Service, ("steps",)),
        (Benchmark, ("points", "figures", "evaluate")),
    ],
)
def test_a_type_without_a_method_that_it_must_have_is_refused(interface, methods):
    whole = {name: lambda self: None for name in methods}
    assert type("Whole", (interface,), whole)()
    for name in methods:
        with pytest.raises(TypeError, match=rf"abstract method.* '?{name}'?"):
            type("Part", (interface,), {key: value for key, value in whole.items() if key != name})()


def test_the_page_does_what_it_says(tree, planned):
    (job,) = blocks("yaml")
    refused = plan(tree, job)
    assert "2 x 12 GPUs = 24 GPUs on 4 node(s)" in refused["error"]
    found = planned
    steps = {step["name"]: step for step in found["steps"]}
    assert list(steps) == ["agg_0", "agg_0_r1", "agg_1", "agg_1_r1", "frontend_0"]
    assert steps["agg_1_r1"]["argv"] == [
        *("python3", "-m", "toy.engine", "--model", "/models/toy", "--gpus", "0,1,2,3,4,5,6,7"),
        *("--rank", "1", "--leader", "<addr:node0003>", "--layers", "4", "--colour", "red", "--shape", '{"sides":3}'),
    ]
    assert steps["frontend_0"]["argv"] == [
        *("python3", "-m", "toy.router", "--port", "8000"),
        *("--workers", "http://<addr:node0001>:30000", "http://<addr:node0003>:30000", "--policy", "random"),
    ]
    assert found["notes"] == ["backend.toy_config.aggregated: port: ignored, the plan sets this."]
    assert [one["name"] for one in found["checks"]] == ["agg_0", "agg_1", "frontend_0_workers", "token"]


def test_the_dry_run_knows_where_the_options_of_a_toy_are_from(tree):
    (job,) = blocks("yaml")
    job = job.replace("agg_nodes: 3", "agg_nodes: 4")
    assert "  --layers  # job.yaml:7\n" in plan(tree, job.replace("colour:", "layers: 9, colour:"))["shown"]["agg_0"]
    shown = plan(tree, job)["shown"]
    origins = dict(re.findall(r"^  (--\S+)  # (.*)$", shown["agg_1_r1"], re.M))
    assert origins == {
        "--model": "job.yaml:2",
        "--gpus": "plan",
        "--rank": "plan",
        "--leader": "plan",
        "--layers": "job.yaml:6",
        "--colour": "job.yaml:7",
        "--shape": "job.yaml:7",
    }
    origins = dict(re.findall(r"^  (--\S+)  # (.*)$", shown["agg_0"], re.M))
    assert origins["--port"] == "plan, instead of 1 in job.yaml:7"
    origins = dict(re.findall(r"^  (--\S+)  # (.*)$", shown["frontend_0"], re.M))
    assert origins == {"--port": "plan", "--workers": "plan", "--policy": "job.yaml:8"}


def test_the_toy_backend_refuses_what_it_cannot(tree):
    split = "prefill_nodes: 1, prefill_workers: 1, decode_nodes: 1, decode_workers: 1"
    job = blocks("yaml")[0].replace("agg_nodes: 3, agg_workers: 2, gpus_per_agg: 12", split)
    assert "a toy does both" in plan(tree, job)["error"]


def test_the_toy_backend_says_what_ended_it(planned):
    (file,) = [one for one in planned["files"] if one["path"] == "programs/fatal_lines.json"]
    patterns = fatal_lines.Patterns(json.loads(file["content"]))
    assert fatal_lines.rank_of("RuntimeError: the toy box is full", patterns) == (fatal_lines.PLAIN, "gpu_memory")
    assert all(file["path"] not in step["files"] for step in planned["steps"])


def test_the_toy_benchmark_is_planned_read_and_evaluated(tree, planned, tmp_path):
    points = planned["benchmark"]["points"]
    assert [(one["name"], one["key"], one["step"]["argv"][-3]) for one in points] == [
        ("search_d2", {"depth": 2}, "2"),
        ("search_d5", {"depth": 5}, "5"),
    ]
    (tmp_path / "results").mkdir()
    for point, found in zip(points, (100, 60)):
        (tmp_path / point["result"]).write_text(json.dumps({"found": found, "lost": 100 - found, "seconds": 4.0}))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "node0001_agg_0.out").write_text("played at 7.5 tok/s\n")
    (tmp_path / "plan.json").write_text(json.dumps(dict(planned, run_dir=str(tmp_path))))
    made = run(tree, ROLLUP, tmp_path / "plan.json")
    rollup = made["rollup"]
    assert [(one["depth"], one["valid"], one["request_throughput"]) for one in rollup["results"]] == [
        (2, True, 25.0),
        (5, False, 15.0),
    ]
    assert rollup["invalid_reasons"] == ["depth 5: 40 of 100 searches found nothing"]
    assert rollup["nodes_summary"]["nodes"][0]["avg_gen_throughput"] == 7.5
    assert [line.split() for line in made["table"].splitlines()[:3]] == [
        ["depth", "req/s", "completed", "valid"],
        ["2", "25.00", "100", "yes"],
        ["5", "15.00", "60", "NO", "(40", "failed)"],
    ]
    assert "depth,valid,invalid_reasons,request_throughput" in made["csv"].splitlines()[0]
    assert made["actions"] == ["keep", "measure"]
    assert made["progress"] == "depth 2: 7 found"
    assert made["refused"] == "The plan has no point with concurrencies 4. Its points: depth 2, depth 5."


@pytest.mark.parametrize(
    ("exam", "code", "valid", "reasons", "row"),
    [
        ('echo "{\\"score\\": 0.9}" > "$RESULT"; echo "$URL" >&2', 0, True, [], ["0.9000", "yes"]),
        (
            'echo "{\\"score\\": 0.5}" > "$RESULT"',
            0,
            False,
            ["exam: the score is 0.5, 0.8 is needed"],
            ["0.5000", "NO"],
        ),
        ("true", 0, False, ["exam: the score is None, 0.8 is needed"], ["-", "NO"]),
        ("exit 3", 3, False, ["exam: was not measured"], ["-", "NO"]),
    ],
)
def test_the_toy_exam_is_a_command_with_an_exit_code_and_perhaps_a_score(
    tree, tmp_path, exam, code, valid, reasons, row
):
    benchmark = json.dumps({"type": "toy-exam", "exam": exam, "pass_score": 0.8})
    job = blocks("yaml")[0].replace("agg_nodes: 3", "agg_nodes: 4")
    made = plan(tree, job.replace("{type: toy-search, depths: [2, 5]}", benchmark))
    (point,) = made["benchmark"]["points"]
    assert (point["name"], point["key"]) == ("exam", {})
    made = json.loads(json.dumps(made).replace("<run_dir>", str(tmp_path)))
    step = made["benchmark"]["points"][0]["step"]
    done = subprocess.run(step["argv"], env={"PATH": "/usr/bin:/bin", **step["env"]}, capture_output=True, check=False)
    assert done.returncode == code
    assert (tmp_path / point["result"]).exists() == (code == 0)
    (tmp_path / "plan.json").write_text(json.dumps(made))
    found = run(tree, ROLLUP, tmp_path / "plan.json")
    assert (found["rollup"]["valid"], found["rollup"]["invalid_reasons"]) == (valid, reasons)
    assert found["rollup"]["pass_score"] == 0.8
    assert [line.split() for line in found["table"].splitlines()[:2]] == [["score", "valid"], row]
    if valid:
        assert found["lines"] == ["exam would be kept, valid: score 0.9000"]


def test_a_toy_exam_without_a_score_to_reach_passes_by_its_exit_code(tree, tmp_path):
    job = blocks("yaml")[0].replace("agg_nodes: 3", "agg_nodes: 4")
    made = plan(tree, job.replace("{type: toy-search, depths: [2, 5]}", "{type: toy-exam, exam: 'true'}"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "exam.json").write_text("{}\n")
    (tmp_path / "plan.json").write_text(json.dumps(dict(made, run_dir=str(tmp_path))))
    assert run(tree, ROLLUP, tmp_path / "plan.json")["rollup"]["valid"]
