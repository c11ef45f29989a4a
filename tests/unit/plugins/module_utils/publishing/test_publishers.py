# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishers: real programs, what they are told, and what is kept of their answers."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.publishing import publishers
from ansible_collections.srt.slurm.plugins.module_utils.publishing.publishers import Finished, knows, publish

GOOD = {"protocol_version": 1, "status": "published", "links": ["https://wiki.example.com/7"]}


@pytest.fixture
def finished(tmp_path):
    return Finished(str(tmp_path), "7", "sa-bench", 0, f"{tmp_path}/rollup.json", "digest")


def program(code, timeout_s=20, name="p"):
    """Return a publisher that runs Python *code*."""
    return {"name": name, "command": [sys.executable, "-c", code], "timeout_seconds": timeout_s}


def answering(answer, more=""):
    return program(f"import json, sys; message = json.load(sys.stdin); {more}; print(json.dumps({answer!r}))")


def read(finished, name):
    with open(os.path.join(finished.run_dir, name)) as stream:
        return stream.read()


def stored(finished, name="p"):
    with open(publishers.receipt_path(finished.run_dir, name)) as stream:
        return json.load(stream)


def test_a_publisher_gets_the_run_and_its_answer_is_kept(finished):
    keep = "import os; open('seen.json', 'w').write(json.dumps([message, os.getcwd()]))"
    receipt = publish(answering(GOOD, keep), finished)
    message, cwd = json.loads(read(finished, "seen.json"))
    assert message == {
        "protocol_version": 1,
        "run_dir": finished.run_dir,
        "log_dir": f"{finished.run_dir}/logs",
        "job_id": "7",
        "benchmark_type": "sa-bench",
        "run_exit_code": 0,
        "rollup_path": finished.rollup_path,
    }
    assert cwd == finished.run_dir and receipt == stored(finished)
    assert (receipt["status"], receipt["links"], receipt["problem"]) == ("published", GOOD["links"], None)


def test_a_publisher_hears_of_a_run_once_whatever_came_of_it(finished):
    for one in (answering(GOOD), program("raise SystemExit(3)")):
        assert not knows({**one, "name": "other"}, finished)
        publish({**one, "name": "other"}, finished)
        assert knows({**one, "name": "other"}, finished)
        os.unlink(publishers.receipt_path(finished.run_dir, "other"))
    publish(answering(GOOD), finished)
    assert not knows(answering(GOOD), finished._replace(content="other results"))
    assert not knows(answering(GOOD), finished._replace(exit_code=2))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise SystemExit(3)", "it ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 15)", "it ended by signal 15"),
        ("print('{}')", "its output is no answer of protocol 1"),
        ("print('[]')", "its output is no answer of protocol 1"),
        ("print('done')", "its output is not JSON"),
        ("print('[' * 50000)", "its output is not JSON"),
        ("pass", "it has written nothing"),
        ('print(\'{"protocol_version": 2, "status": "published"}\')', "its output is no answer of protocol 1"),
        ('print(\'{"protocol_version": 1, "status": "done"}\')', "its status is none of accepted, "),
        ('print(\'{"protocol_version": 1, "status": []}\')', "its status is none of accepted, "),
        (
            'print(\'{"protocol_version": 1, "status": "published", "links": [3]}\')',
            "its links are not a list or a mapping of text",
        ),
        ("import sys; sys.stdout.write('x' * 70000)", "its output is longer than 65536 bytes"),
        ("while True: print('x' * 1000)", "its output is longer than 65536 bytes"),
    ],
)
def test_a_publisher_that_fails_leaves_a_receipt_that_says_why(finished, code, problem):
    receipt = publish(program(code), finished)
    assert receipt["status"] == "failed" and receipt["problem"].startswith(problem) and receipt["links"] == []
    assert stored(finished) == receipt


def test_a_program_that_is_not_there_is_a_failure(finished):
    receipt = publish({"name": "p", "command": ["./nope"], "timeout_seconds": 5}, finished)
    assert receipt["problem"] == "./nope cannot be run: No such file or directory"


def test_no_shell_reads_the_command(finished):
    publish({"name": "p", "command": ["touch", "a b", "$(touch c)"], "timeout_seconds": 5}, finished)
    assert {"a b", "$(touch c)"} <= set(os.listdir(finished.run_dir)) and "c" not in os.listdir(finished.run_dir)


def test_one_that_takes_too_long_is_killed_with_all_that_it_has_started(finished):
    code = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '600']);"
        "open('pids', 'w').write(str(child.pid)); time.sleep(600)"
    )
    begun = time.monotonic()
    receipt = publish(program(code, timeout_s=1), finished)
    assert receipt["problem"] == "it did not end within 1 s" and time.monotonic() - begun < 5
    pid = int(read(finished, "pids"))
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive(pid)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_that_keeps_its_output_open_does_not_keep_the_run(finished):
    code = f"import subprocess; subprocess.Popen(['sleep', '8']); print({json.dumps(json.dumps(GOOD))})"
    begun = time.monotonic()
    assert publish(program(code), finished)["status"] == "published"
    assert time.monotonic() - begun < 5


def test_one_that_reads_nothing_gets_no_error_from_that(finished):
    assert publish(program(f"print({json.dumps(json.dumps(GOOD))})"), finished)["status"] == "published"


def test_a_receipt_has_no_secrets_and_no_control_characters(finished):
    answer = {**GOOD, "links": ["https://x/?token=hunter22hunter", "https://user:pass123word@x/", "plain\x1b[2J"]}
    code = f"import sys; sys.stderr.write('value hunter22hunter, x'); print({json.dumps(json.dumps(answer))})"
    publish(program(code), finished, ["hunter22hunter"])
    with open(publishers.receipt_path(finished.run_dir, "p")) as stream:
        text = stream.read()
    assert "hunter22hunter" not in text and "pass123word" not in text and "\\u001b" not in text
    assert "[redacted]" in json.loads(text)["last_words"]


def test_the_last_words_are_bounded(finished):
    code = "import sys; sys.stderr.write('x' * 100000 + 'the end'); sys.exit(1)"
    words = publish(program(code), finished)["last_words"]
    assert len(words) <= publishers.LAST_WORDS and words.endswith("the end")
