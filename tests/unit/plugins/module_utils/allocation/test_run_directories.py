# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""slurm_job: commands that hang, other directories, and what jobs leave behind."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import ending, ownership, run_directory, submission
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands


def test_a_job_of_another_output_dir_is_named_and_not_used_from_here(queue, do, tmp_path):
    do()
    there, here = tmp_path / "out", str(tmp_path / "other dir")
    for use in (do, do.look):
        with pytest.raises(Error, match=f"works in {there}, not in {here}") as caught:
            use(output_dir=here)
        assert f"-e output_dir={there}, or end it" in caught.value.msg
    assert not os.path.exists(here)
    result = do("present", output_dir=here)
    assert not result["changed"]
    assert result["job"]["run_dir"] == f"{there}/8"
    (tmp_path / "link").symlink_to(there)
    assert do.look(output_dir=str(tmp_path / "link"))["job"]["id"] == "8"
    assert queue.calls == ["submit", "release 8"]


def test_the_end_of_a_job_is_where_it_works(queue, do, tmp_path, fake):
    do(secrets={"srt-secret:A": "a"})
    result = do("absent", output_dir=str(tmp_path / "other"))
    assert result["actions"] == ["ended"]
    assert fake.holder.ending["reason"].startswith("its end was requested (")
    assert not (tmp_path / "out" / "8" / ".secrets").exists()


def test_a_run_whose_number_another_job_has_now_ends_nothing(queue, do, tmp_path, fake):
    do()
    old = tmp_path / "old" / "8"
    (old / ".secrets").mkdir(parents=True)
    result = do("absent", output_dir=str(tmp_path / "old"), allocation=None, job_id="8")
    assert (result["changed"], result["actions"], result["job"]) == (False, [], None)
    assert f"is a foreign job: it works in {tmp_path}/out/8. It was left alone" in result["notes"][0]
    assert not (old / ".secrets").exists()
    assert not fake.holder.ending
    assert list(queue.queue) == ["8"]


def test_the_number_of_a_run_that_a_foreign_job_has_now(queue, do, tmp_path):
    path = tmp_path / "out" / "8"
    path.mkdir(parents=True)
    (path / "programs" / "holder").mkdir(parents=True)
    (path / "8.json").write_text('{"submitted_at": "2025-01-01T00:00:00Z"}')
    queue.add(name="theirs", comment="", submitted_at="2026-01-01T00:00:07Z")
    queue.queue["8"].update(state="RUNNING", nodelist="n[1-2]")
    result = do("absent", allocation=None, job_id="8")
    assert not result["changed"]
    assert "a foreign job: it (theirs) was submitted at 2026" in result["notes"][0]


def test_a_job_that_cannot_be_released_is_cancelled(queue, do, tmp_path, monkeypatch):
    def hang(job_id):
        raise commands.NoAnswer("scontrol did not answer in 20 s.")

    monkeypatch.setattr(commands, "release", hang)
    with pytest.raises(Error, match="Job 8 was not started: scontrol did not answer in 20 s. The job was cancelled"):
        do(secrets={"srt-secret:A": "a"})
    assert queue.calls == ["submit", "cancel 8"]
    assert not (tmp_path / "out" / "8" / ".secrets").exists()
    monkeypatch.setattr(commands, "cancel", hang)
    with pytest.raises(Error, match="could not be cancelled either .* may stay in the queue: run scancel 9"):
        do()


def test_a_job_that_waits_and_cannot_be_cancelled_is_named(queue, do, monkeypatch):
    queue.reason = "Priority"
    do("present")

    def hang(job_id):
        raise commands.NoAnswer("scancel did not answer in 20 s.")

    monkeypatch.setattr(commands, "cancel", hang)
    with pytest.raises(SlurmError, match="Job 8 could not be cancelled .*run scancel 8"):
        do("absent")


@pytest.mark.parametrize("heard", [True, False])
def test_an_sbatch_that_hangs(queue, do, monkeypatch, heard):
    monkeypatch.setattr(submission, "LOOKS_S", (0, 0))
    submit = queue.submit_held

    def hang(script):
        monkeypatch.setattr(commands, "submit_held", submit)
        if heard:
            submit(script)
        raise commands.NoAnswer("sbatch did not answer in 60 s.")

    monkeypatch.setattr(commands, "submit_held", hang)
    result = do()
    assert result["actions"] == ["submitted"]
    assert queue.calls == ["submit", "release 8"]
    assert list(queue.queue) == ["8"]
    assert any("sbatch did not answer, but Slurm has its job 8" in note for note in result["notes"]) == heard


def test_an_sbatch_that_always_hangs(queue, do, monkeypatch):
    monkeypatch.setattr(submission, "LOOKS_S", (0,))

    def hang(script):
        queue.calls.append("asked")
        raise commands.NoAnswer("sbatch did not answer in 60 s.")

    monkeypatch.setattr(commands, "submit_held", hang)
    with pytest.raises(SlurmError, match="Slurm does not have the job so far. Run again"):
        do()
    assert queue.calls == ["asked", "asked"]


def test_a_job_that_another_controller_released_meanwhile_is_not_written_again(queue, do, tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "LOOKS_S", (0,))

    def hang(script):
        queue.submit_held(script)
        queue.queue["8"].update(state="PENDING", reason="Priority")
        raise commands.NoAnswer("sbatch did not answer in 60 s.")

    monkeypatch.setattr(commands, "submit_held", hang)
    assert do("present")["job"]["id"] == "8"
    assert queue.calls == ["submit"]
    assert not (tmp_path / "out" / "8").exists()


def test_a_directory_that_cannot_be_written_is_found_before_anything_is_submitted(queue, do, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(Error, match="file/out cannot be made: Not a directory. Choose another one"):
        do(output_dir=str(tmp_path / "file" / "out"))

    def refuse(*args, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(run_directory.tempfile, "mkdtemp", refuse)
    with pytest.raises(Error, match="out cannot be written: Read-only file system. Choose another one"):
        do()
    assert queue.calls == []


def test_the_probe_leaves_nothing(tmp_path):
    run_directory.check_writable(str(tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_cancelled_job_left_is_cleared_by_whoever_comes_next(queue, do, tmp_path):
    queue.reason = "Priority"
    secrets = {"srt-secret:A": "a"}
    do("present", secrets=secrets)
    left = tmp_path / "out" / "8" / ".secrets"
    assert left.exists()
    assert do("absent", ctx=Context(check_mode=True))["changed"]
    queue.queue.clear()
    queue.ended = {}
    do("absent", ctx=Context(check_mode=True))
    assert left.exists()
    assert not do("absent", allocation=None, job_id="8")["changed"]
    assert not left.exists()
    do("present", secrets=secrets)
    queue.queue.clear()
    do("present", secrets=secrets)
    assert not (tmp_path / "out" / "9" / ".secrets").exists()
    assert (tmp_path / "out" / "10" / ".secrets").exists()
    queue.queue.clear()
    do("absent")
    assert not (tmp_path / "out" / "10" / ".secrets").exists()


@pytest.mark.parametrize("wanted", [{"allocation": None, "job_id": "8"}, {}], ids=["its id", "its request"])
def test_a_job_that_is_completing_is_waited_for(queue, do, tmp_path, monkeypatch, wanted):
    queue.reason = "Priority"
    do("present", secrets={"srt-secret:A": "a"})
    queue.queue["8"]["state"] = "COMPLETING"
    jobs, looks = queue.jobs, []

    def look(**options):
        looks.append(jobs(**options))
        if len(looks) == 6:
            queue.queue.clear()
        return looks[-1]

    monkeypatch.setattr(commands, "jobs", look)
    assert not do("absent", **wanted)["changed"]
    assert queue.queue == {}
    assert not (tmp_path / "out" / "8" / ".secrets").exists()


def test_a_job_that_completes_and_goes_back_into_the_queue_is_ended(queue, do, monkeypatch):
    queue.reason = "Priority"
    do("present")
    queue.queue["8"]["state"] = "COMPLETING"
    jobs, looks = queue.jobs, []

    def look(**options):
        looks.append(jobs(**options))
        if len(looks) == 4:
            queue.queue["8"]["state"] = "PENDING"
        return looks[-1]

    monkeypatch.setattr(commands, "jobs", look)
    assert do("absent")["actions"] == ["cancelled"]
    assert queue.queue == {}


def test_secrets_of_jobs_that_may_live_are_kept(queue, do, tmp_path, monkeypatch):
    queue.reason = "Priority"
    do("present", secrets={"srt-secret:A": "a"})
    kept = tmp_path / "out" / "8" / ".secrets"
    queue.queue["8"]["state"] = "COMPLETING"
    monkeypatch.setattr(ending, "GONE_S", 0.1)
    for wanted in ({"allocation": None, "job_id": "8"}, {}):
        with pytest.raises(SlurmError, match=r"Job 8 did not leave the queue \(COMPLETING\)\. Check its nodes"):
            do("absent", end_timeout_s=0.1, **wanted)
    assert kept.exists()  # it may be on its way back into the queue
    queue.queue.clear()
    queue.ended = {"JobState": "REQUEUED"}
    do("absent")
    assert kept.exists()
    queue.ended, queue.name = {}, "there@login"
    result = do("absent", allocation=None, job_id="8")
    assert "was submitted to the cluster here@login. Run there" in result["notes"][0]
    do("absent")
    assert kept.exists()


def test_the_directory_of_a_job_whose_submitter_died_stays_its_own(queue, do, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(ownership, "note_release", lambda run_dir: None)
        do()
    (tmp_path / "out" / "8" / "steps.jsonl").write_text("{}\n")
    queue.queue["8"].update(reason="JobHeldUser", state="PENDING")
    assert do()["actions"] == ["released"]
    assert (tmp_path / "out" / "8" / "steps.jsonl").exists()
    assert not (tmp_path / "out" / "8.earlier1").exists()


def test_the_directory_of_a_run_that_another_cluster_may_still_have_is_not_moved(queue, do, tmp_path):
    do(secrets={"srt-secret:A": "a"})
    there = tmp_path / "out" / "8"
    (there / "steps.jsonl").write_text('{"event": "holder", "phase": "begin"}\n')
    queue.queue.clear()
    queue.name, queue.next = "there@login", 7
    with pytest.raises(
        Error, match="of the cluster here@login, which may still run. Use a separate output_dir for each cluster"
    ):
        do()
    assert queue.calls[-1] == "cancel 8"
    assert (there / ".secrets").exists() and not (tmp_path / "out" / "8.earlier1").exists()
    with (there / "steps.jsonl").open("a") as stream:
        stream.write('{"event": "holder", "phase": "ended"}\n')
    queue.next = 7
    assert "8.earlier1 now" in " ".join(do()["notes"])


def test_a_job_is_cancelled_and_named_though_slurm_no_longer_has_its_name(queue, do, monkeypatch):
    def hang(*args):
        raise commands.NoAnswer("scontrol did not answer in 20 s.")

    def release(job_id):
        monkeypatch.setattr(commands, "cluster", hang)
        hang()

    monkeypatch.setattr(commands, "release", release)
    with pytest.raises(Error, match="Job 8 was not started: scontrol did not answer in 20 s. The job was cancelled"):
        do(secrets={"srt-secret:A": "a"})
    assert queue.calls == ["submit", "cancel 8"]


def test_a_link_to_the_newest_run_that_another_user_keeps_stays_as_it_is(queue, do, tmp_path, monkeypatch):
    def refuse(source, to):
        if to.endswith("/latest"):  # as in a directory like /tmp
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source, None, to)
        return replace(source, to)

    replace = os.replace
    monkeypatch.setattr(os, "replace", refuse)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "latest").symlink_to("5")
    do()
    assert queue.calls == ["submit", "release 8"]
    assert os.readlink(tmp_path / "out" / "latest") == "5"
    assert not list((tmp_path / "out").rglob(".latest*"))


def test_no_name_in_a_directory_for_all_is_in_the_way_of_the_link_to_the_newest_run(queue, do, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".latest-8-{os.getpid()}").touch()
    do()
    assert os.readlink(tmp_path / "out" / "latest") == "8"
