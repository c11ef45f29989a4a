# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input forms through Ansible itself: its extra vars, its templates, its places."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jobs
import pytest

PLAY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - srt.slurm.job_spec:
      register: found
      ignore_errors: true
    - name: Show the result
      ansible.builtin.debug:
        var: found
"""

JOB = """\
name: "{{ 'tem' ~ 'plated' }}"
model:
  path: "{{ srt_test_model }}"
resources:
  gpus_per_node: "{{ 2 * 4 }}"
  agg_nodes: 1
  agg_workers: 2
backend: {type: mocker, aggregated_environment: {WHERE: "{node}"}}
dynamo: {install: false, hash: 01234567}
environment: {A: "{{ 'b' }}", C: "4", D: 010, E: 12:30:00}
benchmark: {type: manual}
"""


def play(folder, *arguments):
    """Run job_spec in a playbook and return its result."""
    (folder / "play.yml").write_text(PLAY)
    environment = {**os.environ, "ANSIBLE_CONFIG": str(jobs.ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    environment["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(jobs.ROOT / "collections")
    environment.pop("SRTSLURM_CONFIG", None)
    command = [sys.executable, "-m", "ansible.cli.playbook"]
    own = ["-e", f"srt_test_model={folder}", "-i", "localhost,", "-c", "local"]
    done = subprocess.run(
        [*command, str(folder / "play.yml"), *own, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
        cwd=folder,
    )
    shown = done.stdout.partition("TASK [Show the result]")[2]
    assert "{" in shown, done.stdout + done.stderr
    return json.JSONDecoder().raw_decode(shown, shown.index("{"))[0]["found"]


def write(folder, name, text):
    (folder / name).write_text(text)
    return str(folder / name)


def filled(text, folder):
    """Return *text* without templates: those of a file that is given as job_file stay as they are."""
    made = {"{{ 'tem' ~ 'plated' }}": "templated", "{{ srt_test_model }}": folder, "{{ 2 * 4 }}": 8, "{{ 'b' }}": "b"}
    for template, value in made.items():
        text = text.replace(f'"{template}"', str(value))
    return text


def nested(text):
    return "job:\n" + "".join(f"  {line}\n" for line in text.splitlines())


def test_three_forms_give_the_same_spec_with_numbers_as_they_are_written(tmp_path):
    flat = write(tmp_path, "flat.yaml", JOB)
    under = write(tmp_path, "nested.yaml", nested(JOB))
    named = write(tmp_path, "named.yaml", filled(JOB, tmp_path))
    results = [
        play(tmp_path, *words) for words in (["-e", f"@{flat}"], ["-e", f"@{under}"], ["-e", f"job_file={named}"])
    ]
    spec = results[0]["jobs"][0]["spec"]
    assert spec["name"] == "templated" and spec["model"]["path"] == str(tmp_path)
    assert spec["resources"]["gpus_per_node"] == 8 and spec["resources"]["gpus_per_agg"] == 4
    # "environment" is a word that a template would take from the play.
    assert spec["environment"] == {"A": "b", "C": "4", "D": "010", "E": "12:30:00"}
    assert spec["dynamo"]["hash"] == "01234567"
    assert spec["backend"]["aggregated_environment"] == {"WHERE": "{node}"}
    assert results[1]["jobs"] == results[0]["jobs"]
    assert results[2]["jobs"][0]["spec"] == spec


def test_templates_run_in_extra_vars_and_stay_as_they_are_in_a_job_file(tmp_path):
    text = filled(JOB, tmp_path).replace("A: b", "A: \"{{ lookup('ansible.builtin.pipe', 'echo ran; touch ran') }}\"")
    file, ran = write(tmp_path, "job.yaml", text), tmp_path / "ran"
    result = play(tmp_path, "-e", f"job_file={file}")
    assert result["jobs"][0]["spec"]["environment"]["A"].startswith("{{ lookup(") and not ran.exists()
    assert any("templates in a job_file stay as they are (environment.A)" in note for note in result["notes"])
    result = play(tmp_path, "-e", f"@{file}")
    assert result["jobs"][0]["spec"]["environment"]["A"] == "ran" and ran.exists()


@pytest.mark.parametrize("form", ["flat", "nested", "job_file"])
def test_problems_name_file_and_line_in_every_form(tmp_path, form):
    text = JOB.replace("agg_workers", "agg_wrokers").replace('C: "4"', "C: true")
    text = filled(text, tmp_path) if form == "job_file" else text
    file = write(tmp_path, "bad.yaml", nested(text) if form == "nested" else text)
    result = play(tmp_path, "-e", f"job_file={file}" if form == "job_file" else f"@{file}", "-e", "kepp=true")
    shift = 1 if form == "nested" else 0
    found = {(one["file"], one["line"], one["path"], one["remedy"]) for one in result["problems"]}
    assert (file, 7 + shift, "resources.agg_wrokers", 'Did you mean "agg_workers"?') in found
    assert (file, 10 + shift, "environment.C") in {one[:3] for one in found}
    assert ("extra vars", None, "kepp", "Did you mean keep?") in found
    assert len(found) == 3 and result["failed"]


@pytest.mark.parametrize("form", ["flat", "job_file"])
def test_values_that_no_job_can_hold_are_reported_with_their_line(tmp_path, form):
    text = JOB.replace('WHERE: "{node}"', "WHERE: !!set {a, b}").replace('C: "4"', "C: 2024-01-02")
    file = write(tmp_path, "odd.yaml", text)
    result = play(tmp_path, "-e", f"job_file={file}" if form == "job_file" else f"@{file}")
    found = [(one["line"], one["path"]) for one in result["problems"]]
    # A file with a tag is not read any further by us; Ansible's reader has read it already.
    wanted = [(8, "backend.aggregated_environment.WHERE"), (10, "environment.C")]
    assert result["failed"] and found == (wanted[:1] if form == "job_file" else wanted)


def test_numbers_on_the_command_line_are_taken_as_they_are_written(tmp_path):
    flat = write(tmp_path, "flat.yaml", JOB)
    # The command line is YAML too, unless it is JSON, of which only the numbers are left.
    spec = play(tmp_path, "-e", f"@{flat}", "-e", "{dynamo: {version: 0.10, install: false}}")["jobs"][0]["spec"]
    assert spec["dynamo"]["version"] == "0.10"
    result = play(tmp_path, "-e", f"@{flat}", "-e", '{"dynamo": {"version": 0.10, "install": false}}')
    assert [one["path"] for one in result["problems"]] == ["dynamo.version"] and "quotes" in result["msg"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("{}\n", (None, "", "missing")),
        ("name: a\nname: b\nmodel: {path: /}\nresources: {agg_nodes: 1, agg_workers: 1}\n", (2, "name", "duplicate")),
        ("name: a\nmodel: {path: /}\n", (None, "", "missing")),
        ("name: a\nbackend: {type: mocker}\n", (None, "", "missing")),
    ],
)
def test_a_file_of_extra_vars_that_is_no_job_is_told_as_a_job_file_is(tmp_path, text, expected):
    file = write(tmp_path, "odd.yaml", text)
    result = play(tmp_path, "-e", f"@{file}")
    assert result["failed"]
    assert (file, *expected) in {(one["file"], one["line"], one["path"], one["code"]) for one in result["problems"]}
    assert {one["file"] for one in result["problems"]} == {file}
