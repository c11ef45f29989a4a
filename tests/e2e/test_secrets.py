# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of a job's environment, in a real run: what sees them, and what must not."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
import threading

import pytest

NAMED, VAULTED, OTHER = "Marker-named-7f3a9c", "Marker-vaulted-51be02", "Marker-other-90d1aa"
MARKERS = (NAMED, VAULTED, OTHER)


class Watch(threading.Thread):
    """Looks at the command lines of all processes, again and again, and at the environment of workers."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over, self.leaks, self.workers = threading.Event(), set(), set()

    def run(self):
        while not self.over.wait(0.05):
            for process in pathlib.Path("/proc").iterdir():
                if not process.name.isdigit():
                    continue
                try:
                    argv = (process / "cmdline").read_bytes().decode(errors="replace")
                    self.leaks.update(argv for marker in MARKERS if marker in argv)
                    if "dynamo.mocker" in argv and "srun" not in argv.split("\0")[0]:
                        env = (process / "environ").read_bytes().decode(errors="replace").split("\0")
                        self.workers.update(word for word in env if any(marker in word for marker in MARKERS))
                except OSError:
                    continue


def secret_job(cluster, name, **changes):
    """Write a job with three secrets: by name, from a vault, and by name for one kind of worker only."""
    password, variables = cluster.folder / "vault-password", cluster.folder / "vault-vars.yaml"
    password.write_text("open sesame\n")
    argv = [str(pathlib.Path(sys.executable).parent / "ansible-vault"), "encrypt_string", "--stdin-name", "from_vault",
            "--vault-password-file", str(password)]  # fmt: skip
    done = subprocess.run(argv, input=VAULTED, env=cluster.environment, text=True, capture_output=True, check=True)
    variables.write_text(done.stdout)
    job = cluster.job_file(
        name,
        environment={"HF_TOKEN": NAMED, "PLAIN_SETTING": "{{ from_vault }}", "MAX_TOKENS": "4096"},
        backend={"type": "mocker", "speedup_ratio": 1000, "decode_environment": {"STORE_PASSWORD": OTHER}},
        **changes,
    )
    return job, ("-e", f"@{variables}", "--vault-password-file", str(password))


def holders_of(folder, texts):
    """Return the files below *folder* that hold one of *texts*."""
    found = []
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [str(path.relative_to(folder)) for text in texts if text.encode() in content]
    return sorted(set(found))


@pytest.fixture(scope="module")
def ran(cluster):
    """One real run, kept up, as verbose as can be; yields what it printed and who saw what."""
    job, options = secret_job(cluster, "secretive")
    watch = Watch()
    watch.start()
    played = cluster.playbook(job, "-e", "keep=600", "-vvv", "--diff", *options)
    watch.over.set()
    watch.join()
    assert played.rc == 0, played.text
    run_dir = cluster.latest
    yield job, options, played, watch, run_dir
    ended = cluster.playbook(job, "--tags", "teardown", *options)
    assert ended.rc == 0, ended.text
    assert not (run_dir / ".secrets").exists()
    assert holders_of(cluster.output, MARKERS) == []


def test_the_workers_have_them(ran):
    seen = ran[3].workers
    assert {f"HF_TOKEN={NAMED}", f"PLAIN_SETTING={VAULTED}", f"STORE_PASSWORD={OTHER}"} <= seen


def test_no_command_line_and_no_output_shows_them(ran):
    _job, _options, played, watch, _run_dir = ran
    assert watch.leaks == set()
    assert [line for line in played.text.splitlines() if any(marker in line for marker in MARKERS)] == []
    assert "srt-secret:HF_TOKEN" in played.text  # the diff shows which variable it is
    assert "MAX_TOKENS=4096" in played.text  # and no more is hidden than has to be


def test_one_private_file_has_them_and_no_other(ran):
    run_dir = ran[4]
    assert holders_of(run_dir, MARKERS) == [".secrets/env.json"]
    assert stat.S_IMODE(os.stat(run_dir / ".secrets").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(run_dir / ".secrets" / "env.json").st_mode) == 0o600
    plan = json.loads((run_dir / "plan.json").read_text())
    assert plan["spec"]["environment"]["MAX_TOKENS"] == "4096"
    assert plan["spec"]["environment"]["HF_TOKEN"].startswith("srt-secret:HF_TOKEN:")


def test_again_changes_nothing_and_a_new_value_restarts_those_who_have_it(cluster, ran):
    job, options, _played, _watch, run_dir = ran
    before = cluster.steps(run_dir.name)
    again = cluster.playbook(job, "-e", "keep=600", *options)
    assert again.rc == 0, again.text
    assert again.changed == 0, again.text
    job.write_text(job.read_text().replace(OTHER, OTHER + "-new"))
    third = cluster.playbook(job, "-e", "keep=600", "--tags", "worker", *options)
    assert third.rc == 0, third.text
    after = cluster.steps(run_dir.name)
    kept = {name for name in before if before[name] == after.get(name)}
    assert kept == set(before) - {"decode_0", "decode_1"}


def test_a_vaulted_value_elsewhere_is_refused(cluster):
    job, options = secret_job(cluster, "misplaced", srun_options={"comment": "{{ from_vault }}"})
    played = cluster.playbook(job, "--check", *options)
    assert played.rc != 0
    assert "srun_options.comment: comes from a vault" in played.text, played.text
    assert VAULTED not in played.text


def encrypted_file(cluster, name, text):
    """Write *text* into a file that ansible-vault encrypts as a whole; return the options that give it."""
    password, path = cluster.folder / "vault-password", cluster.folder / name
    password.write_text("open sesame\n")
    path.write_text(text)
    argv = [str(pathlib.Path(sys.executable).parent / "ansible-vault"), "encrypt", str(path),
            "--vault-password-file", str(password)]  # fmt: skip
    subprocess.run(argv, env=cluster.environment, capture_output=True, check=True)
    return ("-e", f"@{path}", "--vault-password-file", str(password))


FRONTEND = {"type": "dynamo", "num_additional_frontends": 1}


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"srun_options": {"comment": "{{ store.plain_name }}"}}, "srun_options.comment"),
        ({"frontend": dict(FRONTEND, args={"router-mode": "{{ api_token }}"})}, "frontend.args.router-mode"),
        ({"environment": {"A": "{{ store.plain_name }}", "B": "{{ api_token }}"}}, None),
        ({"srun_options": {"comment": "{{ queue }}"}}, None),
        ({"reporting": {"s3": {"bucket": "{{ store.plain_name }}"}}}, "reporting.s3.bucket"),
        ({"reporting": {"s3": {"bucket": "b", "secret_access_key": "{{ store.plain_name }}"}}}, None),
    ],
)
def test_a_value_of_an_encrypted_file_elsewhere_is_refused(cluster, changes, refused):
    text = json.dumps({"store": {"plain_name": VAULTED}, "api_token": "kv", "queue": "short"})
    options = encrypted_file(cluster, "vault-whole.yaml", text)
    job = cluster.job_file("whole", **changes)
    played = cluster.playbook(job, "--check", "--diff", *options)
    assert VAULTED not in played.text
    if refused:
        assert played.rc != 0
        line = next(line for line in played.text.splitlines() if f"{refused}: contains the value of" in line)
        assert "from vault-whole.yaml, which is encrypted as a whole" in line and "/whole.yaml: " in line
    else:
        assert played.rc == 0, played.text
        if "srun_options" in changes:
            assert "--comment=short" in played.text


def test_an_encrypted_job_file_is_the_job(cluster):
    """Its values are used as they stand; a template of it may take no secret from beside the job."""
    text = cluster.job_file("own", srun_options={"comment": VAULTED}).read_text()
    options = encrypted_file(cluster, "own.yaml", text)
    played = cluster.playbook(cluster.folder / "own.yaml", "--check", "--diff", *options[2:])
    assert played.rc == 0, played.text
    beside = dict(json.loads(text.replace(VAULTED, "{{ my_password }}")), my_password=OTHER)
    options = encrypted_file(cluster, "own.yaml", json.dumps(beside))
    played = cluster.playbook(cluster.folder / "own.yaml", "--check", "--diff", *options[2:])
    assert played.rc != 0 and OTHER not in played.text
    assert "srun_options.comment: contains the value of my_password" in played.text


def test_a_wrapped_job_that_comes_whole_from_a_template_is_read_and_looked_through(cluster):
    text = json.dumps({"store": {"plain_name": VAULTED}})
    options = encrypted_file(cluster, "vault-wrapped.yaml", text)
    spec = json.loads(pathlib.Path(cluster.job_file("wrapped")).read_text())["job"]
    frontend = {**(spec.get("frontend") or {}), "args": {"api-key": "{{ store.plain_name }}"}}
    for value, rc in ((spec, 0), ({**spec, "frontend": frontend}, 2)):
        task = {"name": "Read", "srt.slurm.job_spec": {"job": "{{ wanted }}"}}
        play = {"name": "P", "hosts": "localhost", "gather_facts": False, "vars": {"wanted": {"job": value}}}
        book = cluster.folder / "wrapped.yml"
        book.write_text(json.dumps([{**play, "tasks": [task]}]))
        argv = [*cluster.prefix(), "ansible-playbook", str(book), *options]
        done = subprocess.run(argv, env=cluster.environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == rc, done.stdout + done.stderr
    assert "frontend.args.api-key: contains the value of" in done.stdout + done.stderr
    assert VAULTED not in done.stdout + done.stderr
