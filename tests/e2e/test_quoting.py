# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, paths, arguments and variables that would hurt if a shell, sbatch, nginx or JSON took them at their word."""

from __future__ import annotations

import json
import os

import pytest
from cluster import ROOT

# Runs as a command wherever something is not quoted; the file that it makes is looked for.
TRAP = "$(touch trapped) `touch trapped`; touch trapped & "
WILD = f'-x it\'s "odd" {TRAP}| > trapped \\ \\n %n %% *? ~ # ünï☃'
VARIABLES = {
    "WILD_LINE": WILD,
    "WILD_LINES": f"first line\n{WILD}\n\n  last line\n",
    "WILD_DASH": "--export=NONE",
    "WILD_EMPTY": "",
    "WILD_COLON": ":",
    "WILD_SPACES": "  two  spaces  ",
}
SETUP = """
for name in WILD_LINE WILD_LINES WILD_DASH WILD_EMPTY WILD_COLON WILD_SPACES; do
    printf '%s' "${!name-unset}" > "$PWD/seen-$name"
done
"""


def extra(**values):
    """Return the options that give *values* as extra vars, whatever is in them."""
    return [word for name, value in values.items() for word in ("-e", json.dumps({name: str(value)}))]


def write_job(cluster, file, **changes):
    """Write a job file as it is, not as extra vars; return its path."""
    data = json.loads(cluster.job_file(file).read_text())["job"]
    data.update(changes)
    path = cluster.folder / f"{file}.json"
    path.write_text(json.dumps(data))
    return path


def trapped(cluster):
    """Return what a shell made that ran what is only text."""
    places = [cluster.folder, ROOT, os.path.expanduser("~")]
    found = [path for path in cluster.folder.rglob("trapped") if path.is_file()]
    return found + [place for place in places if os.path.exists(os.path.join(place, "trapped"))]


@pytest.fixture(scope="module")
def wild(cluster):
    """A whole run in which all names are wild; yields (run directory, name, model name)."""
    configs = cluster.folder / "con figs' $(touch trapped)☃"
    configs.mkdir()
    (configs / "set up's $(touch trapped).sh").write_text(SETUP)
    site = cluster.folder / "site wild.yaml"
    site.write_text(json.dumps({"configs_dir": str(configs), "use_segment_sbatch_directive": False}))
    model = cluster.folder / '-mo\'del"q"$(>trapped)☃'
    model.symlink_to(cluster.model)
    output = cluster.folder / 'out\'puts "q" $(touch trapped) %j 100% ☃'
    name = '-wild it\'s "odd" $(touch trapped) %j ünï☃'
    job = write_job(
        cluster, "wild", name=name, environment=VARIABLES, setup_script="set up's $(touch trapped).sh",
        model={"path": str(model), "precision": "fp16"},
    )  # fmt: skip
    options = extra(job_file=job, cluster_file=site, output_dir=output, wait_timeout_s=60)
    text = cluster.run("ansible-playbook", "bench.yml", "--diff", *options, check=False)
    assert "The results are valid" in text, text
    return (output / "latest").resolve(), name, model.name


def test_nothing_was_run_that_is_only_text(cluster, wild):
    assert trapped(cluster) == []


def test_the_names_are_what_they_were(wild):
    run_dir, name, model = wild
    plan = json.loads((run_dir / "plan.json").read_text())
    assert plan["name"] == name
    assert json.loads((run_dir / f"{run_dir.name}.json").read_text())["job_name"] == name
    (point,) = plan["benchmark"]["points"]
    result = json.loads((run_dir / point["result"]).read_text())
    assert model in json.dumps(result, ensure_ascii=False).replace('\\"', '"')
    assert (run_dir / f"slurm-{run_dir.name}.out").exists()
    assert list(run_dir.glob("logs/*_decode_0.out"))


def test_the_variables_reach_the_setup_script_as_they_were(wild):
    run_dir = wild[0]
    assert {name: (run_dir / f"seen-{name}").read_text() for name in VARIABLES} == VARIABLES


@pytest.mark.parametrize("name", ["two\nlines", "bell\a", ""])
def test_a_name_that_slurm_cannot_take_is_refused(cluster, name):
    job = write_job(cluster, "unnamed", name=name)
    text = cluster.run("ansible-playbook", "bench.yml", *extra(job_file=job, output_dir=cluster.output), check=False)
    assert "failed=1" in text, text
    assert "name: is empty or has a line break or control character" in text, text
    assert cluster.jobs() == []


@pytest.mark.parametrize(
    ("script", "why"),
    [("../outside.sh", "leaves configs_dir"), ("/etc/profile", "leaves configs_dir"),
     ("a/../../b.sh", "leaves configs_dir"), ("link.sh", "leaves configs_dir"),
     ("a\nb.sh", "which has a control character")],
)  # fmt: skip
def test_a_setup_script_stays_in_its_directory(cluster, script, why):
    configs = cluster.folder / "configs"
    configs.mkdir(exist_ok=True)
    (cluster.folder / "outside.sh").write_text("touch trapped\n")
    if not (configs / "link.sh").is_symlink():
        (configs / "link.sh").symlink_to("../outside.sh")
    site = cluster.folder / "site.yaml"
    site.write_text(json.dumps({"configs_dir": str(configs), "use_segment_sbatch_directive": False}))
    job = write_job(cluster, "escaping", setup_script=script)
    options = extra(job_file=job, cluster_file=site, output_dir=cluster.output)
    text = cluster.run("ansible-playbook", "bench.yml", *options, check=False)
    assert why in text, text
    assert "failed=1" in text
    assert cluster.jobs("escaping") == []
