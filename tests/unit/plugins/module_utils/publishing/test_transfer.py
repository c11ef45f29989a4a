# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a run in object storage, on a real server: only what changed goes, and nothing that must not."""

from __future__ import annotations

import json
import os
import socket
import tarfile
import time

import pytest
import s3_server
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.publishing import archive, files, transfer, upload
from ansible_collections.srt.slurm.plugins.module_utils.publishing.files import Choice
from ansible_collections.srt.slurm.plugins.module_utils.publishing.storage import Storage
from ansible_collections.srt.slurm.plugins.module_utils.publishing.transfer import MANIFEST, Folder, Sync

PART = 5 << 20  # the least that S3 takes
WHO = {"job_id": "7", "name": "job"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("s3") / "root"
    root.mkdir()
    with s3_server.serving(root) as one:
        yield one


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch, tmp_path):
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@pytest.fixture
def bucket(request, server):
    """The name of a bucket of the test's own."""
    name = f"b{abs(hash(request.node.name))}"
    server.settings(name)
    return name


@pytest.fixture
def run(tmp_path):
    """A run directory."""
    folder = tmp_path / "7"
    for name, text in {"rollup.json": "{}", "logs/a.out": "log\n", "logs/b.out": "other\n", "empty": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def sync(server, bucket, run, choice=None, secrets=(), who=None, dry=False, as_archive=False, finished=True, **more):
    storage = Storage(server.settings(bucket, **more), part_size=PART)
    one = Sync(storage, Folder(str(run), "p/job/7", who or WHO, finished), choice or Choice(), secrets)
    return one.run(dry, as_archive)


def names(sent):
    return sorted(sent.new), sorted(sent.changed), sent.same


ALL = ["empty", "logs/a.out", "logs/b.out", "rollup.json"]


def test_only_what_changed_goes(server, bucket, run):
    assert names(sync(server, bucket, run)) == (ALL, [], 0)
    there = server.objects(bucket)
    assert there["p/job/7/logs/a.out"] == b"log\n" and there["p/job/7/empty"] == b""
    manifest = json.loads(there[f"p/job/7/{MANIFEST}"])
    assert sorted(manifest["files"]) == ALL and manifest["finished"] and manifest["run"] == WHO
    assert names(sync(server, bucket, run)) == ([], [], 4)
    assert server.objects(bucket) == there
    (run / "logs/a.out").write_text("LOG\n")  # of the same size
    (run / "new").write_text("x")
    os.utime(run / "logs/b.out", (1, 1))  # says nothing
    assert names(sync(server, bucket, run)) == (["new"], ["logs/a.out"], 3)
    assert server.objects(bucket)["p/job/7/logs/a.out"] == b"LOG\n"


def test_what_somebody_else_wrote_there_is_written_anew(server, bucket, run):
    sync(server, bucket, run)
    server.client.put_object(Bucket=bucket, Key="p/job/7/logs/a.out", Body=b"LOG\n")
    assert names(sync(server, bucket, run)) == ([], ["logs/a.out"], 3)


def test_a_dry_run_says_what_would_go_and_writes_nothing(server, bucket, run):
    assert names(sync(server, bucket, run, dry=True)) == (ALL, [], 0)
    assert server.objects(bucket) == {}


def test_what_is_gone_here_stays_there(server, bucket, run):
    sync(server, bucket, run)
    (run / "logs/a.out").unlink()
    assert names(sync(server, bucket, run)) == ([], [], 3)
    assert "p/job/7/logs/a.out" in server.objects(bucket)


def test_another_run_with_the_same_name_and_id_gets_a_place_of_its_own(server, bucket, run):
    sync(server, bucket, run)
    before = server.objects(bucket)
    sent = sync(server, bucket, run, who={**WHO, "cluster": "other"})
    assert names(sent)[0] == ALL and sent.key.startswith("p/job/7-")
    assert before.items() <= server.objects(bucket).items()
    assert names(sync(server, bucket, run, who={**WHO, "cluster": "other"})) == ([], [], 4)


def test_secrets_links_to_outside_and_special_files_stay(server, bucket, run, tmp_path):
    (tmp_path / "outside").write_text("not of the run")
    (run / ".secrets").mkdir()
    (run / ".secrets/env.json").write_text('{"srt-secret:T": "hunter22"}')
    (run / "to_secret").symlink_to(".secrets/env.json")
    (run / "link").symlink_to(tmp_path / "outside")
    (run / "up").symlink_to(tmp_path)
    (run / "dangling").symlink_to("nowhere")
    (run / "inside").symlink_to("logs/a.out")
    os.mkfifo(run / "fifo")
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(run)  # the path of a socket is short
        try:
            one.bind("socket")
        finally:
            os.chdir(here)
        (run / "logs/tells").write_text("x" * ((1 << 20) - 3) + "hunter22 y")  # across two blocks
        sent = sync(server, bucket, run, secrets=["hunter22"])
    assert names(sent)[0] == sorted([*ALL, "inside"])
    assert sent.kept_back == {"logs/tells": "it holds the value of a secret"}
    assert not any(b"hunter22" in data or b"not of the run" in data for data in server.objects(bucket).values())


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        (["logs"], [], ["logs/a.out", "logs/b.out"]),
        (["*.out"], ["b.*"], ["logs/a.out"]),
        (["logs/"], ["logs/b*"], ["logs/a.out"]),
        ([], ["logs/*"], ["empty", "rollup.json"]),
        (["./rollup.json", "/empty"], [], ["empty", "rollup.json"]),
    ],
)
def test_globs_choose_what_goes(run, include, exclude, found):
    assert [one.name for one in files.chosen(str(run), Choice(include, exclude), {})] == found


def test_an_include_that_fits_nothing_is_an_error(run):
    with pytest.raises(Error, match=r"include \(rolup\*\) fits no file"):
        files.chosen(str(run), Choice(["rolup*"]), {})


# ---- large files, and a sync that was killed ----


@pytest.fixture
def large(run):
    """A file of three parts."""
    path = run / "large.bin"
    path.write_bytes(os.urandom(PART) + os.urandom(PART) + b"end")
    return path


class Killed(BaseException):
    """What ends a sync at once, with nothing after it."""


def parts_sent(monkeypatch, storage_class=Storage, fail_at=None):
    """Return the list of the numbers of the parts that are sent from now on; one of them kills the sync."""
    seen, real = [], storage_class._client

    def client(self, attempts):
        made = real(self, attempts)
        send = made.upload_part

        def upload_part(**arguments):
            if fail_at == arguments["PartNumber"]:
                raise Killed
            seen.append(arguments["PartNumber"])
            return send(**arguments)

        made.upload_part = upload_part
        return made

    monkeypatch.setattr(storage_class, "_client", client)
    return seen


def test_a_large_file_goes_in_parts_and_those_that_arrived_before_a_kill_are_kept(
    server, bucket, run, large, monkeypatch
):
    with monkeypatch.context() as patch:
        assert parts_sent(patch, fail_at=2) == []
        with pytest.raises(Killed):
            sync(server, bucket, run)
    assert "p/job/7/large.bin" not in server.objects(bucket)
    sent = parts_sent(monkeypatch)
    found = sync(server, bucket, run)
    assert "large.bin" in found.new and sent == [2, 3]
    assert server.objects(bucket)["p/job/7/large.bin"] == large.read_bytes()
    assert names(sync(server, bucket, run)) == ([], [], 5) and sent == [2, 3]


def test_what_was_sent_before_a_kill_is_known_without_the_list_beside_it(server, bucket, run):
    sync(server, bucket, run)
    server.client.delete_object(Bucket=bucket, Key=f"p/job/7/{MANIFEST}")
    assert names(sync(server, bucket, run)) == ([], [], 4)


def test_parts_of_an_older_content_are_sent_again(server, bucket, run, large, monkeypatch):
    with monkeypatch.context() as patch:
        parts_sent(patch, fail_at=3)
        with pytest.raises(Killed):
            sync(server, bucket, run)
    large.write_bytes(b"x" * PART + large.read_bytes()[PART:])
    sent = parts_sent(monkeypatch)
    sync(server, bucket, run)
    assert sent == [1, 2, 3] and server.objects(bucket)["p/job/7/large.bin"] == large.read_bytes()


def test_a_file_that_grows_meanwhile_goes_as_it_was(server, bucket, run, monkeypatch):
    real = upload.upload

    def grows(storage, key, stream, content, part_size):
        if key.endswith("a.out"):
            with (run / "logs/a.out").open("a") as more:
                more.write("more\n")
        return real(storage, key, stream, content, part_size)

    monkeypatch.setattr(transfer, "upload", grows)
    sync(server, bucket, run, finished=False)
    there = server.objects(bucket)
    assert there["p/job/7/logs/a.out"] == b"log\n"
    manifest = json.loads(there[f"p/job/7/{MANIFEST}"])
    assert manifest["finished"] is False and manifest["files"]["logs/a.out"]["size"] == 4
    monkeypatch.undo()


def test_a_file_that_changes_all_the_time_is_kept_back_and_told(server, bucket, run, monkeypatch):
    def changes(storage, key, stream, content, part_size):
        raise upload.Changed

    monkeypatch.setattr(transfer, "upload", changes)
    sent = sync(server, bucket, run)
    assert sent.kept_back == dict.fromkeys(ALL, "it changed all the time") and not sent.new
    monkeypatch.undo()


def test_a_name_that_no_object_can_have_is_kept_back_and_told(server, bucket, run):
    (run / "über ü&?#%+ \n.out").write_text("fits")
    (run / os.fsdecode(b"latin-\xe9")).write_text("x")
    deep = run.joinpath(*["d" * 200] * 6)
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    sent = sync(server, bucket, run, Choice(exclude=["logs"]))
    assert sorted(sent.kept_back.values()) == ["its name is not UTF-8", "its path has more than 1024 bytes"]
    assert names(sent)[0] == sorted(["empty", "rollup.json", "über ü&?#%+ \n.out"])
    assert names(sync(server, bucket, run, Choice(exclude=["logs"])))[2] == 3


def test_a_run_that_was_copied_back_does_not_bring_its_manifest(server, bucket, run):
    """It would take the place of the one that says what is there."""
    (run / MANIFEST).write_text('{"run": {"job_id": "other"}, "files": {"empty": {}}}')
    assert names(sync(server, bucket, run)) == (ALL, [], 0)
    assert names(sync(server, bucket, run)) == ([], [], 4)
    assert json.loads(server.objects(bucket)[f"p/job/7/{MANIFEST}"])["run"] == WHO


def test_a_sync_ends_when_its_time_is_over(server, bucket, run):
    storage = Storage(server.settings(bucket))
    one = Sync(storage, Folder(str(run), "p/job/7", WHO, True), Choice(), (), time.monotonic() - 1)
    with pytest.raises(Error, match="The time for it is over.*sync.yml sends the rest"):
        one.run()


# ---- archives ----


@pytest.mark.parametrize("ending", [".tar.zst", ".tar.gz"])
def test_an_archive_has_all_files_and_goes_once(server, bucket, run, monkeypatch, tmp_path, ending):
    monkeypatch.setattr(archive, "suffix", lambda: ending)
    (run / ".secrets").mkdir()
    (run / ".secrets/env.json").write_text("{}")
    sent = sync(server, bucket, run, as_archive=True)
    assert sent.key == f"p/job/7{ending}" and sorted(sent.new) == ALL
    data = server.objects(bucket)[sent.key]
    plain = tmp_path / "a.tar"
    plain.write_bytes(unpacked(data, ending))
    with tarfile.open(plain) as tar:
        assert sorted(tar.getnames()) == ALL
        assert tar.extractfile("logs/a.out").read() == b"log\n"
    assert names(sync(server, bucket, run, as_archive=True)) == ([], [], 4)
    (run / "logs/a.out").write_text("LOG\n")
    assert names(sync(server, bucket, run, as_archive=True)) == ([], ALL, 0)
    assert names(sync(server, bucket, run, as_archive=True)) == ([], [], 4)


def unpacked(data, ending):
    if ending == ".tar.gz":
        import gzip

        return gzip.decompress(data)
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


# ---- what can be wrong ----


def place(key):
    return f"srtslurm.yaml:3: cloud.{key}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bucket": "nope"}, "cloud.bucket: .* has no bucket nope. Create it"),
        ({"secret_access_key": "wrong-wrong"}, "cloud.bucket: .* does not accept the credentials .*Set others"),
        ({"access_key_id": "wrong"}, "cloud.bucket: .* does not accept the credentials"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "cloud.endpoint_url: http://127.0.0.1:9 does not answer"),
        ({"access_key_id": None, "secret_access_key": None}, "cloud.bucket: there are no credentials.*AWS_ACCESS_KEY"),
        ({"secret_access_key": None}, "cloud.secret_access_key: it is missing. Set it, or AWS_SECRET_ACCESS_KEY in"),
        ({"access_key_id": None, "secret_access_key": None, "profile": "p1"}, "cloud.profile: there is no profile p1"),
        ({"secret_access_key": "srt-secret:NOT_SET"}, "cloud.secret_access_key: NOT_SET has no value"),
    ],
)
def test_an_error_names_the_key_and_the_remedy(server, bucket, run, change, words):
    settings = {**server.settings(bucket), **change}
    with pytest.raises(Error, match=f"srtslurm.yaml:3: {words}") as caught:
        Sync(Storage(settings, place), Folder(str(run), "p", WHO, True), Choice()).run()
    assert s3_server.SECRET not in str(caught.value) and "wrong-wrong" not in str(caught.value)


@pytest.mark.parametrize("way", ["environment", "profile", "variable", "secrets"])
def test_credentials_come_from_the_usual_places(server, bucket, run, monkeypatch, tmp_path, way):
    settings, secrets = server.settings(bucket, access_key_id=None, secret_access_key=None), {}
    if way == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)
    elif way == "profile":
        text = f"[p1]\naws_access_key_id = {s3_server.KEY}\naws_secret_access_key = {s3_server.SECRET}\n"
        (tmp_path / "credentials").write_text(text)
        settings["profile"] = "p1"
    else:
        reference = "srt-secret:MY_KEY" + (":mark" if way == "secrets" else "")
        settings.update(access_key_id=s3_server.KEY, secret_access_key=reference)
        if way == "secrets":
            secrets = {reference: s3_server.SECRET}
        else:
            monkeypatch.setenv("MY_KEY", s3_server.SECRET)
    storage = Storage(settings, secrets=secrets)
    assert len(Sync(storage, Folder(str(run), "p", WHO, True), Choice()).run().new) == 4
