# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sbatch script."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.holder import __main__ as holder
from ansible_collections.srt.slurm.plugins.module_utils.holder import slurm_calls
from ansible_collections.srt.slurm.plugins.module_utils.programs import program_files
from ansible_collections.srt.slurm.plugins.module_utils.slurm import script


def request(**fields):
    return dict(
        {
            "name": "quick",
            "nodes": 2,
            "gpus_per_node": 8,
            "ntasks": 2,
            "ntasks_per_node": 1,
            "digest": "abc",
            "time_limit": "01:00:00",
        },
        **fields,
    )


def options(text):
    return [line[len("#SBATCH ") :] for line in text.splitlines() if line.startswith("#SBATCH")]


def test_the_whole_script():
    text, notes = script.render(request(partition="gpu", account="me", segment=2, exclusive=True), "/out", 90)
    assert notes == []
    assert options(text) == [
        "--job-name=quick",
        "--comment=srt.slurm:abc",
        "--output=/out/%j/slurm-%j.out",
        "--open-mode=append",
        "--chdir=/out",
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--gpus-per-node=8",
        "--segment=2",
        "--account=me",
        "--partition=gpu",
        "--time=01:00:00",
        "--exclusive",
        "--signal=B:TERM@60",
        "--no-requeue",
        "--no-kill",
    ]
    assert text.startswith("#!/bin/bash\n")
    assert 'exec python3 -I -X utf8 "$RUN_DIR/programs/holder" serve --run-dir "$RUN_DIR" --lease 90\n' in text


def test_what_is_not_asked_for_is_not_there():
    text, _notes = script.render({"name": "n", "nodes": 1, "digest": "d"}, "/out", 120)
    assert not any(word in text for word in ("gpus", "ntasks", "account", "partition", "time", "segment", "exclusive"))


def test_directives_replace_ours_once_and_a_note_says_so():
    given = {
        "time": "2:00:00",
        "N": "4",
        "mail-type": "END",
        "exclusive": "",
        "comment": "for Bob",
        "output": "/x",
        "hold": None,
    }
    text, notes = script.render(request(directives=given), "/out", 120)
    lines = options(text)
    assert "--time=2:00:00" in lines and "--nodes=4" in lines and "--mail-type=END" in lines and "--exclusive" in lines
    assert '--comment="srt.slurm:abc for Bob"' in lines and "--output=/out/%j/slurm-%j.out" in lines
    names = [line.split("=")[0] for line in lines]
    assert len(names) == len(set(names))
    assert [note.split("=")[0].split(" ")[0] for note in notes] == [
        "sbatch_directives.time",
        "sbatch_directives.N",
        "sbatch_directives.output",
        "sbatch_directives.hold",
    ]


@pytest.mark.parametrize("name", ["array", "wrap", "a"])
def test_directives_that_cannot_be(name):
    with pytest.raises(Error, match="cannot be used"):
        script.render(request(directives={name: "1"}), "/out", 120)


def test_what_slurm_cannot_take():
    with pytest.raises(Error, match="line break"):
        script.render(request(name="a\n#SBATCH --uid=0"), "/out", 120)
    with pytest.raises(Error, match="line break"):
        script.render(request(name="a\u2028b"), "/out", 120)
    with pytest.raises(Error, match="is not an option of sbatch"):
        script.render(request(directives={"x y": "1"}), "/out", 120)


def test_quotes_and_percent():
    text, _notes = script.render(request(name='a "b" $(id) \\ é'), "/out 100%", 120)
    assert '#SBATCH --job-name="a \\"b\\" $(id) \\\\ é"' in text
    assert '#SBATCH --output="/out 100%%/%j/slurm-%j.out"' in text and '#SBATCH --chdir="/out 100%"' in text


def test_the_body_is_a_script_and_expands_nothing_of_the_user(tmp_path):
    folder = str(tmp_path / "o $(touch pwned) 'q'")
    text, _notes = script.render(request(environment={"A": "$(touch pwned) 'x'"}), folder, 120)
    body = text.replace("exec python3 -I -X utf8", 'printf "%s|" "$A" "$RUN_DIR"; : ')
    done = subprocess.run(
        ["bash", "-c", body],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"SLURM_JOB_ID": "7", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == f"$(touch pwned) 'x'|{folder}/7|"
    assert list(tmp_path.iterdir()) == []


HARM = {
    "PYTHONOPTIMIZE": "2",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "{folder}",
    "PYTHONSTARTUP": "{folder}/json.py",
    "PYTHONWARNINGS": "error",
    "PYTHONMALLOC": "no such",
    "PYTHONIOENCODING": "ascii",
    "SHELLOPTS": "errexit:noclobber:nounset:xtrace",
    "BASHOPTS": "failglob",
    "LD_PRELOAD": "/nowhere/x.so",
    "LC_ALL": "xx",
    "TMPDIR": "/nowhere",
}


@pytest.mark.parametrize("umask", [0o002, 0o777])
def test_nothing_in_a_user_s_environment_keeps_the_holder_from_starting(tmp_path, umask):
    """The holder is the real program; it ends because nobody is there to hold a lease."""
    run_dir, hostile = tmp_path / "7", tmp_path / "hostile"
    for folder in (run_dir, hostile):
        folder.mkdir()
    for name, text in program_files(holder).items():
        write_text_atomic(str(run_dir / "programs" / "holder" / name), text)
    (hostile / "json.py").write_text("raise SystemExit('the module of a user')")
    text, _notes = script.render(request(), str(tmp_path), 0.3)
    env = {name: value.format(folder=hostile) for name, value in HARM.items()}
    path = f"{os.path.dirname(sys.executable)}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, check=False, timeout=60, umask=umask,
        env={**env, "SLURM_JOB_ID": "7", "PATH": path},
    )  # fmt: skip
    assert "no controller for 0.3 s" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr and (run_dir / "steps.jsonl").stat().st_mode & 0o777 in (0o644, 0o600)


def test_programs_do_not_get_what_breaks_them(monkeypatch):
    for name, value in HARM.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LANG", "xx")
    monkeypatch.delenv("HOME")
    env = slurm_calls.clean_env()
    assert {name for name in (*HARM, "LANG") if name in env} == {"PYTHONPATH", "LC_ALL"}, "an engine may need its path"
    assert env["LC_ALL"] == "C.UTF-8" and os.path.isdir(env["HOME"])
    for name, value in {"LC_ALL": "C", "LANG": "C", "TMPDIR": "/tmp", "HOME": "/home/me"}.items():
        monkeypatch.setenv(name, value)
    env = slurm_calls.clean_env()
    assert (env["LC_ALL"], env["LANG"], env["TMPDIR"], env["HOME"]) == ("C", "C", "/tmp", "/home/me")


@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({}, {"--no-requeue", "--no-kill"}),
        ({"play": True, "retries": 2}, {"--requeue"}),
        ({"play": True, "retries": 2, "tolerant": True}, {"--requeue", "--no-kill"}),
    ],
)
def test_only_a_job_that_may_begin_again_is_left_to_slurm_to_requeue(options, there):
    text, _notes = script.render(request(), "/out", 120.0, **options)
    known = {"--requeue", "--no-requeue", "--no-kill"}
    assert {line.split()[1] for line in text.splitlines() if line.startswith("#SBATCH")} & known == there


def test_a_job_whose_name_ends_in_blanks_is_found_again():
    allocation = {"name": " blank ", "digest": "abc"}
    listed = {"name": "blank", "comment": script.comment(allocation)}  # as commands.jobs gives it
    assert script.asks_for(listed, allocation)
    assert not script.asks_for(dict(listed, name="blan"), allocation)
