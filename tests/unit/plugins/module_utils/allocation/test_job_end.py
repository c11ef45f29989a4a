# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that Slurm takes away: what is told of them, which nodes failed, and what another try may cure."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver, handshake
from ansible_collections.srt.slurm.plugins.module_utils.allocation import job_end as allocation_end
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.holder import job_watch
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_ends import job_end
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

LINE = "slurmstepd-n1: error: *** JOB 42 ON n1 CANCELLED AT 2026-11-22T02:18:41 DUE TO {} ***\n"
SHOWN = "JobId=42 JobName=x y JobState={} Reason={} Restarts=0 ExitCode=0:9 NodeList=n[2-3] BatchHost=n1\n"
NODES = """\
NodeName=n1 Arch=x86_64 State={} ThreadsPerCore=1
NodeName=n2 Arch=x86_64 State=IDLE ThreadsPerCore=1
NodeName=n3 Arch=x86_64 State=IDLE+DRAIN ThreadsPerCore=1 Reason={} [root@2026-11-22T02:18:41]
"""


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Take a job that is completing as it is, without waiting for its final state."""
    monkeypatch.setattr(allocation_end, "SETTLED_S", 0.0)


@pytest.fixture
def slurm(program):
    """A function that makes scontrol tell of a job and of its nodes."""

    def make(state, reason="None", first="IDLE", drained="for repair"):
        nodes = NODES.format(first, drained)
        program(
            "scontrol",
            f"case \"$*\" in\n*'show job'*) cat <<'E'\n{SHOWN.format(state, reason)}E\n;;\n"
            f"*hostnames*) echo n2 n3 ;;\n*'show node'*) cat <<'E'\n{nodes}E\n;;\nesac\n",
        )

    return make


@pytest.mark.parametrize(
    ("told", "retryable", "bad"),
    [
        ({"state": "PREEMPTED"}, True, []),
        ({"state": "PREEMPTED", "drained": "Prolog error"}, True, []),
        ({"state": "NODE_FAIL", "first": "DOWN*"}, True, ["n1"]),
        ({"state": "FAILED", "reason": "JobLaunchFailure"}, True, ["n1"]),
        ({"state": "FAILED", "reason": "NonZeroExitCode"}, False, []),
        ({"state": "CANCELLED"}, False, []),
        ({"state": "CANCELLED", "drained": "Prolog error"}, True, ["n3"]),
        ({"state": "TIMEOUT", "reason": "TimeLimit"}, False, []),
        ({"state": "COMPLETING"}, False, []),
    ],
)
def test_which_ends_are_retryable(slurm, tmp_path, told, retryable, bad):
    slurm(**told)
    found = allocation_end.outcome("42", str(tmp_path))
    assert (found["retryable"], found["bad_nodes"]) == (retryable, bad)
    assert found["end"].startswith(told["state"])
    assert found["final"] is (told["state"] != "COMPLETING")


@pytest.mark.parametrize("state", ["PENDING", "REQUEUED", "RUNNING"])
def test_a_job_that_may_begin_again_is_not_over(slurm, tmp_path, state):
    slurm(state)
    assert allocation_end.outcome("42", str(tmp_path))["final"] is False


@pytest.mark.parametrize(("state", "retryable"), [("CANCELLED", False), ("PREEMPTED", True)])
def test_what_a_job_was_is_seen_once_it_has_completed(program, tmp_path, monkeypatch, state, retryable):
    """Slurm shows COMPLETING in place of it until then."""
    monkeypatch.setattr(allocation_end, "SETTLED_S", 60.0)
    once = tmp_path / "once"
    program(
        "scontrol",
        f"case \"$*\" in *'show job'*) ;; *) exit 0 ;; esac\n"
        f"state={state}; [ -e {once} ] || state=COMPLETING; touch {once}\n"
        'echo "JobId=42 JobState=$state Reason=None ExitCode=0:0 NodeList=(null)"\n',
    )
    found = allocation_end.outcome("42", str(tmp_path))
    assert (found["end"], found["retryable"], found["final"]) == (f"{state} (None), exit code 0:0", retryable, True)


def record(run_dir, code=None, **begin):
    """Write the journal of a holder that ends for *code*, None: that has begun only."""
    events = [{"event": "holder", "phase": "begin", **begin}]
    events += [{"event": "holder", "phase": "ending", **job_end(code, "its words")}] if code else []
    with (run_dir / "steps.jsonl").open("a") as stream:
        stream.write("".join(json.dumps(event) + "\n" for event in events))


# Whether a job is retryable: a row for Slurm's final state, or for Slurm's line in the output of a job that FAILED, and
# a column for what the holder recorded.
RETRYABLE_BY_STATE = """
            nothing preempted node_failed time_limit cancelled signal unexplained requested lease_expired playbook_ended
PREEMPTED   yes     yes       yes         yes        yes       yes    yes         no        no            no
NODE_FAIL   yes     yes       yes         yes        yes       yes    yes         no        no            no
FAILED      no      yes       yes         no         no        no     no          no        no            no
COMPLETED   no      yes       yes         no         no        no     no          no        no            no
COMPLETING  no      yes       yes         no         no        no     no          no        no            no
TIMEOUT     no      yes       yes         no         no        no     no          no        no            no
CANCELLED   no      no        no          no         no        no     no          no        no            no
"""
RETRYABLE_BY_LINE = """
             nothing preempted node_failed time_limit cancelled signal unexplained requested lease_expired
PREEMPTION   yes     yes       yes         yes        yes       yes    yes         no        no
NODE_FAILURE yes     yes       yes         yes        yes       yes    yes         no        no
TIME_LIMIT   no      no        no          no         no        no     no          no        no
JOB_REQUEUE  no      no        no          no         no        no     no          no        no
"""


def cells(table):
    """Return [(row, column, whether its cell says yes)] of a table."""
    (_empty, head, *rows) = table.rstrip().split("\n")
    return [
        (row.split()[0], column, cell == "yes")
        for row in rows
        for column, cell in zip(head.split(), row.split()[1:], strict=True)
    ]


@pytest.mark.parametrize(("state", "recorded", "retryable"), cells(RETRYABLE_BY_STATE))
def test_slurms_state_and_the_holders_record_decide_whether_a_job_is_retryable(
    slurm, tmp_path, state, recorded, retryable
):
    """The steps of a preempted job end first where jobs have a grace time; then Slurm calls the job FAILED."""
    slurm(state)
    record(tmp_path, None if recorded == "nothing" else recorded)
    found = allocation_end.outcome("42", str(tmp_path))
    assert found["retryable"] is retryable
    shown = recorded != "nothing" and state not in ("PREEMPTED", "NODE_FAIL")
    assert found["end"].startswith(f"its words; {state}" if shown else state)


@pytest.mark.parametrize(("line", "recorded", "retryable"), cells(RETRYABLE_BY_LINE))
def test_slurms_line_and_the_holders_record_decide_whether_a_failed_job_is_retryable(
    slurm, tmp_path, line, recorded, retryable
):
    slurm("FAILED", "NonZeroExitCode")
    record(tmp_path, None if recorded == "nothing" else recorded)
    (tmp_path / "slurm-42.out").write_text(LINE.format(line.replace("_", " ")))
    found = allocation_end.outcome("42", str(tmp_path))
    assert found["retryable"] is retryable
    assert found["end"].startswith("its words") is (recorded in ("requested", "lease_expired"))


@pytest.mark.parametrize("line", ["PREEMPTION", "NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS"])
def test_a_job_that_a_user_cancelled_is_not_retryable_whatever_came_before(slurm, tmp_path, line):
    slurm("CANCELLED")
    (tmp_path / "slurm-42.out").write_text(LINE.format(line))
    assert allocation_end.outcome("42", str(tmp_path))["retryable"] is False


def test_the_reasons_of_an_earlier_job_attempt_do_not_count(slurm, tmp_path):
    slurm("FAILED", "NonZeroExitCode")
    (tmp_path / "slurm-42.out").write_text(LINE.format("PREEMPTION"))
    record(tmp_path, "preempted")
    record(tmp_path, output_begin=(tmp_path / "slurm-42.out").stat().st_size)
    found = allocation_end.outcome("42", str(tmp_path))
    assert (found["retryable"], found["end"]) == (False, "FAILED (NonZeroExitCode), exit code 0:9")


def test_a_requeued_job_that_loses_a_node_before_its_holder_starts_is_retryable(slurm, tmp_path):
    slurm("NODE_FAIL")
    record(tmp_path, "playbook_ended")
    with (tmp_path / "steps.jsonl").open("a") as stream:
        stream.write('{"event": "holder", "phase": "requeue", "attempt": 2, "attempts": 2}\n')
    assert allocation_end.outcome("42", str(tmp_path))["retryable"] is True


def test_a_job_of_which_slurm_says_nothing_may_not_be_over(program, tmp_path):
    program("scontrol", "exit 1\n")
    assert allocation_end.outcome("42", str(tmp_path))["final"] is False


def test_the_last_word_of_a_holder(tmp_path):
    events = [json.dumps({"event": "holder", "phase": phase}) + "\n" for phase in ("begin", "ending", "ended")]
    for count, over in ((0, False), (1, False), (2, False), (3, True)):
        (tmp_path / "steps.jsonl").write_text("".join(events[:count]))
        assert allocation_end.holder_ended(str(tmp_path)) is over
    (tmp_path / "steps.jsonl").write_text("".join([*events, events[0]]))
    assert not allocation_end.holder_ended(str(tmp_path))


def test_an_output_that_could_not_be_opened_is_not_a_fault_of_a_node(program, tmp_path):
    program("scontrol", "echo 'JobState=FAILED Reason=JobLaunchFailure ExitCode=0:53 BatchHost=n1 NodeList=n1'\n")
    found = allocation_end.outcome("42", str(tmp_path))
    assert found["end"].endswith(
        "n1 could not open the job's output. The nodes must see output_dir under the same path"
    )
    assert (found["retryable"], found["bad_nodes"], found["final"]) == (False, [], True)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"state": "NODE_FAIL", "first": "DOWN*"}, "; n1 is DOWN*"),
        ({"state": "FAILED", "reason": "JobLaunchFailure", "first": "DOWN"}, "; n1 is DOWN"),
        ({"state": "FAILED", "reason": "JobLaunchFailure"}, "; n1 or the holder on it was lost"),
        ({"state": "FAILED", "reason": "JobLaunchFailure", "drained": "Prolog error"},
         "; n1 or the holder on it was lost; n3 is IDLE+DRAIN (Prolog error)"),
        ({"state": "FAILED", "reason": "NonZeroExitCode"}, "exit code 0:9"),
    ],
)  # fmt: skip
def test_the_nodes_that_failed_are_named(slurm, tmp_path, told, words):
    slurm(**told)
    assert allocation_end.outcome("42", str(tmp_path))["end"].endswith(words)


def test_a_job_that_still_ends_has_the_reason_of_its_holder(slurm, tmp_path):
    slurm("COMPLETING")
    events = [{"event": "holder", "phase": phase} for phase in ("begin", "ending", "ended")]
    events[1].update(job_end("cancelled", signal=15))
    text = "".join(json.dumps(event) + "\n" for event in events)
    (tmp_path / "steps.jsonl").write_text(text + '{"event": "hol')
    found = allocation_end.outcome("42", str(tmp_path))
    assert found["end"] == "signal 15: cancelled; COMPLETING (None), exit code 0:9"
    assert found["retryable"] is False
    (tmp_path / "steps.jsonl").write_text(text + json.dumps(events[0]) + "\n")  # it was requeued and killed
    assert allocation_end.outcome("42", str(tmp_path))["end"].startswith("COMPLETING")


def test_a_job_that_still_ends_has_the_reason_of_its_output(slurm, tmp_path):
    slurm("COMPLETING")
    (tmp_path / "slurm-42.out").write_text(LINE.format("PREEMPTION"))
    found = allocation_end.outcome("42", str(tmp_path))
    assert found["retryable"] and found["end"].startswith("preempted, Slurm gave its nodes")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("PREEMPTION", "preempted"),
        ("NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS", "node_failed"),
        ("TIME LIMIT", "time_limit"),
        ("JOB REQUEUE", "requeued"),
        ("SOMETHING NEW", None),
    ],
)
def test_slurms_own_line_is_read_from_where_this_holder_began(tmp_path, text, code):
    output = tmp_path / "slurm-42.out"
    output.write_text(LINE.format("TIME LIMIT"))
    job = job_watch.Job("42", str(tmp_path))
    assert job.code_in_output() is None
    with output.open("a") as stream:
        stream.write(LINE.format(text))
    assert job.code_in_output() == code


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        # Slurm's own count decides: by the clock of this host, its times may be long over.
        ("JobState=RUNNING RunTime=00:20:00 TimeLimit=01:00:00 EndTime=2000-01-01T00:00:00 PreemptTime=None", None),
        ("JobState=RUNNING RunTime=1-23:59:00 TimeLimit=2-00:00:00 EndTime=2999-01-01T00:00:00", "time_limit"),
        ("JobState=RUNNING RunTime=00:59:00 TimeLimit=UNLIMITED EndTime=Unknown", None),
        ("JobState=RUNNING StartTime=2026-11-22T02:00:00 PreemptTime=2026-11-22T02:18:41", "preempted"),
        ("JobState=RUNNING StartTime=2026-11-22T02:00:00 EndTime=Unknown PreemptTime=2026-11-22T01:00:00", None),
        ("JobState=PREEMPTED", "preempted"),
        ("JobState=COMPLETING", "cancelled"),
        ("", None),
    ],
)
def test_slurmctld_is_asked_when_the_output_says_nothing(program, tmp_path, shown, code):
    program("scontrol", f"echo '{shown}'\n")
    assert job_watch.Job("42", str(tmp_path)).code_from_slurm() == code


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        ("preempted", "other words", True),
        ("node_failed", "other words", True),
        ("time_limit", "preempted, Slurm gave its nodes", False),
        ("cancelled", "a node of the job failed", False),
    ],
)
def test_the_code_of_an_end_decides_and_not_its_words(code, words, expected):
    error = allocation_end.ending_error(Silent(), {"code": code, "reason": words})
    assert (error.msg, error.evidence["retryable"]) == (f"Job 42 is ending: {words}.", expected)


class Silent:
    """A driver whose holder does not answer."""

    job_id = "42"

    def request(self, op, **fields):
        raise driver.HolderGone("no word")


def silent(monkeypatch, nodelist="n[1-2]"):
    calls = []
    monkeypatch.setattr(driver, "connect", lambda *args, **options: Silent())
    monkeypatch.setattr(commands, "hostnames", lambda text: ["n1", "n2"] if text == "n[1-2]" else text.split(","))
    monkeypatch.setattr(commands, "cancel", calls.append)
    job = {"id": "42", "state": "RUNNING", "batch_host": "n1", "nodelist": nodelist}
    monkeypatch.setattr(commands, "jobs", lambda job_id: [job])
    return job, calls


def test_a_job_whose_first_node_is_gone_is_cancelled(monkeypatch, tmp_path):
    job, calls = silent(monkeypatch, nodelist="n2")
    with pytest.raises(Error, match="first node n1 was lost before it started the holder") as caught:
        handshake.wait_for_holder(job, str(tmp_path), 120.0, 60.0, True, Context())
    assert calls == ["42"] and caught.value.evidence == {"retryable": True, "bad_nodes": ["n1"]}


def test_a_job_that_cannot_be_cancelled_is_not_followed_by_another(monkeypatch, tmp_path):
    job, _calls = silent(monkeypatch, nodelist="n2")

    def refuse(job_id):
        raise SlurmError("no answer")

    monkeypatch.setattr(commands, "cancel", refuse)
    with pytest.raises(Error, match="run scancel 42") as caught:
        handshake.wait_for_holder(job, str(tmp_path), 120.0, 60.0, True, Context())
    assert caught.value.evidence["retryable"] is False


def test_a_job_that_never_begins_is_cancelled(monkeypatch, tmp_path):
    job, calls = silent(monkeypatch)
    monkeypatch.setattr(handshake, "BEGIN_S", 0.0)
    with pytest.raises(Error, match="n1 did not start the holder in 0 s"):
        handshake.wait_for_holder(job, str(tmp_path), 120.0, 60.0, True, Context())
    assert calls == ["42"]


@pytest.mark.parametrize("ours", [True, False])
def test_a_holder_that_has_begun_and_is_silent_is_not_a_reason_to_cancel(monkeypatch, tmp_path, ours):
    job, calls = silent(monkeypatch)
    (tmp_path / "steps.jsonl").write_text("{}\n")
    with pytest.raises(driver.HolderGone, match="no word"):
        handshake.wait_for_holder(job, str(tmp_path), 120.0, 0.0, ours, Context())
    assert calls == []


@pytest.mark.parametrize("ours", [True, False])
def test_a_job_that_goes_back_into_the_queue_stays_there(monkeypatch, tmp_path, ours):
    job, calls = silent(monkeypatch)
    requeue = dict(job, state="PENDING", reason="BeginTime", nodelist="", batch_host="")
    monkeypatch.setattr(commands, "jobs", lambda job_id: [requeue])
    (tmp_path / ".secrets").mkdir()
    with pytest.raises(Error, match=r"requeued job 42 before .*PENDING \(BeginTime\)\. It stays") as caught:
        handshake.wait_for_holder(job, str(tmp_path), 120.0, 60.0, ours, Context())
    assert (calls, caught.value.evidence) == ([], {})
    assert (tmp_path / ".secrets").exists()


def test_an_srun_that_hangs_at_the_handshake_is_silence_and_no_end(monkeypatch, tmp_path):
    job, calls = silent(monkeypatch)
    said = [commands.NoAnswer("srun did not answer in 40 s."), driver.HolderGone("no word"), {"ok": True}]

    class Late(driver.Driver):
        def exchange(self, text, timeout_s):
            raise AssertionError("its requests are answered below")

        def request(self, op, **fields):
            if isinstance(said[0], Error):
                raise said.pop(0)
            return said[0]

    monkeypatch.setattr(driver, "connect", lambda *args, **options: Late())
    assert handshake.wait_for_holder(job, str(tmp_path), 120.0, 60.0, True, Context()) == {"ok": True}
    assert (len(said), calls) == (1, [])


def test_the_last_line_of_a_job_s_output_is_quoted(tmp_path):
    log = tmp_path / "slurm-7.out"
    assert allocation_end.output("7", str(tmp_path)) == f"Its output: {log}"
    log.write_text("one\nMemoryError: \x1b[31mno room\n\n")
    assert (
        allocation_end.output("7", str(tmp_path))
        == f"Its output: {log}, which ends with 'MemoryError: \\x1b[31mno room'."
    )
