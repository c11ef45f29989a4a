# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets are downloaded once, held to their first checksum, and checked before nodes are asked for."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job import inputs
from ansible_collections.srt.slurm.plugins.module_utils.stages import download, stage_data
from ansible_collections.srt.slurm.plugins.module_utils.supplies import data as data_sets

KEY = "benchmark.data"
TEXT = b'{"question": "1+1?", "answer": "#### 2"}\n'


@contextlib.contextmanager
def serving(answers):
    """Serve ``answers``, {path: status or body}; yield (base address, the paths that were asked for)."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            asked.append(self.path)
            found = answers.get(self.path, 404)
            self.send_response(found if isinstance(found, int) else 200)
            body = b"no" if isinstance(found, int) else found
            cut = body.endswith(b"CUT")
            self.send_header("Content-Length", str(len(body) + (10 if cut else 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_file_is_downloaded_once_and_its_checksum_recorded(tmp_path):
    path = tmp_path / "gsm8k" / "test.jsonl"
    with serving({"/test.jsonl": TEXT}) as (base, asked):
        assert download.stage(f"{base}/test.jsonl", str(path), Context(), KEY)
        assert not download.stage(f"{base}/test.jsonl", str(path), Context(), KEY)
    assert asked == ["/test.jsonl"] and path.read_bytes() == TEXT
    record = json.loads((tmp_path / "gsm8k" / "test.jsonl.source.json").read_text())
    assert record["sha256"] == hashlib.sha256(TEXT).hexdigest() and record["sources"] == [f"{base}/test.jsonl"]
    assert download.held(str(path), KEY) == record["sha256"]
    # Nothing of the download stays beside it.
    assert sorted(one.name for one in path.parent.iterdir() if not one.name.endswith(".lock")) == [
        "test.jsonl", "test.jsonl.source.json",
    ]  # fmt: skip


def test_another_source_of_the_same_name_is_held_to_the_record(tmp_path):
    path = str(tmp_path / "test.jsonl")
    with serving({"/a/test.jsonl": TEXT, "/b/test.jsonl": TEXT, "/c/test.jsonl": b"{}"}) as (base, _asked):
        download.stage(f"{base}/a/test.jsonl", path, Context(), KEY)
        assert download.stage(f"{base}/b/test.jsonl", path, Context(), KEY)
        with pytest.raises(Error) as error:
            download.stage(f"{base}/c/test.jsonl", path, Context(), KEY)
    assert all(f"{base}/{one}/test.jsonl" in str(error.value) for one in "abc") and KEY in str(error.value)
    assert (tmp_path / "test.jsonl").read_bytes() == TEXT


def test_a_removed_file_comes_back_only_as_it_was(tmp_path):
    path, answers = tmp_path / "test.jsonl", {"/test.jsonl": TEXT}
    with serving(answers) as (base, _asked):
        download.stage(f"{base}/test.jsonl", str(path), Context(), KEY)
        path.unlink()
        answers["/test.jsonl"] = b"changed"
        with pytest.raises(Error, match="recorded with"):
            download.stage(f"{base}/test.jsonl", str(path), Context(), KEY)
        assert not path.exists()
        answers["/test.jsonl"] = TEXT
        assert download.stage(f"{base}/test.jsonl", str(path), Context(), KEY)


def test_a_changed_file_is_an_error_that_names_its_source(tmp_path):
    path = tmp_path / "test.jsonl"
    with serving({"/test.jsonl": TEXT}) as (base, _asked):
        download.stage(f"{base}/test.jsonl", str(path), Context(), KEY)
        path.write_text("other")
        with pytest.raises(Error) as error:
            download.held(str(path), KEY)
    assert f"{base}/test.jsonl" in str(error.value) and "has changed" in str(error.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(401, "gated"), (403, "with your account"), (404, "HTTP 404"), (b"abcCUT", "3|6 bytes"), (b"", "gave 0 bytes")],
)
def test_what_cannot_be_downloaded_leaves_nothing(tmp_path, answer, said):
    path = tmp_path / "data" / "test.jsonl"
    with serving({"/test.jsonl": answer}) as (base, _asked):
        with pytest.raises(Error, match=said) as error:
            download.stage(f"{base}/test.jsonl", str(path), Context(), KEY)
        assert f"{base}/test.jsonl" in str(error.value) and KEY in str(error.value)
    assert [one.name for one in path.parent.iterdir()] == ["test.jsonl.lock"]


def test_a_file_without_a_record_is_not_overwritten(tmp_path):
    (tmp_path / "test.jsonl").write_text("mine")
    with pytest.raises(Error, match="no record says"):
        download.stage("http://127.0.0.1:1/test.jsonl", str(tmp_path / "test.jsonl"), Context(), KEY)
    assert (tmp_path / "test.jsonl").read_text() == "mine"


def test_a_download_has_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 10)
    with serving({"/test.jsonl": TEXT}) as (base, _asked), pytest.raises(Error, match="larger than 10 bytes"):
        download.stage(f"{base}/test.jsonl", str(tmp_path / "test.jsonl"), Context(), KEY)


COLUMNS = ("question", ("answer", "target"))


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [("a.jsonl", '{"question": "q", "answer": 1}\n\n{"question": "q", "target": 0}\n', 2),
     ("a.json", '[{"question": "q", "answer": 1, "x": null}]', 1),
     ("a.csv", 'question,answer,x\n"two\nlines",b,\n', 1)],
)  # fmt: skip
def test_rows_with_their_columns_are_counted(tmp_path, name, text, rows):
    (tmp_path / name).write_text(text)
    assert data_sets.check(str(tmp_path / name), data_sets.Data("data", name, COLUMNS)) == rows


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("a.jsonl", '{"question": "q"}', "row 1 has no answer or target"), ("a.jsonl", "[1]", "row 1 is not an object"),
     ("a.jsonl", '{"question": "q", "answer": 1}\nnope', "cannot be read"), ("a.jsonl", "\n", "has no rows"),
     ("a.json", '{"question": 1}', "not a list"), ("a.json", "[]", "has no rows"),
     ("a.csv", "q;a\n1;2\n", "row 1 has no question"), ("a.jsonl", "\x1f\x8b\x08", "cannot be read")],
)  # fmt: skip
def test_a_file_of_another_form_is_refused_with_its_key(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(Error, match=said) as error:
        data_sets.check(str(tmp_path / name), data_sets.Data("data", name, COLUMNS))
    assert f"benchmark.data: {tmp_path / name}" in str(error.value)


@pytest.mark.parametrize(
    ("source", "folder", "said"),
    [("ftp://host/a.jsonl", "/d", "only http"), ("https://me:pw@host/a.jsonl", "/d", "user or password"),
     ("https://host/", "/d", "name of a file"), ("https://host/a.jsonl", None, "no data_dir"),
     ("https://host/a.parquet", "/d", "ends with none"), ("/data/a.parquet", None, "ends with none")],
)  # fmt: skip
def test_a_source_that_cannot_be_used_is_refused(source, folder, said):
    spec = {"cluster": {"data_dir": folder}, "benchmark": {"type": "gsm8k"}}
    ((path, problem, *_more),) = data_sets.problems(spec, data_sets.Data("data", source, ()))
    assert path == ("benchmark", "data") and said in problem and "me:pw" not in problem


def test_an_address_is_staged_below_the_type_of_its_benchmark():
    spec = {"cluster": {"data_dir": "/d"}, "benchmark": {"type": "gsm8k"}}
    data = data_sets.Data("data", "https://host/x/a.jsonl?raw=1", ())
    assert data_sets.problems(spec, data) == [] and data_sets.path_of(spec, data) == "/d/gsm8k/a.jsonl"


def spec_of(folder, source):
    return jobs.spec_of(
        jobs.raw(
            python="/venv/bin/python",
            benchmark={
                "isl": None,
                "osl": None,
                "concurrencies": None,
                "type": "gsm8k",
                "num_shots": 0,
                "data": source,
            },
        ),
        cluster=cluster_of(folder),
    )


def cluster_of(folder):
    (folder / "srtslurm.yaml").write_text(json.dumps({"data_dir": str(folder / "data")}))
    return jobs.load_cluster(str(folder / "srtslurm.yaml"))


def test_the_data_of_a_job_is_staged_and_becomes_part_of_its_points(tmp_path):
    with serving({"/sums.jsonl": TEXT}) as (base, asked):
        spec = spec_of(tmp_path, f"{base}/sums.jsonl")
        would = stage_data.run({"spec": spec}, Context(check_mode=True))
        assert would["changed"] and would["files"]["data"]["sha256"] is None and asked == []
        done = stage_data.run({"spec": spec}, Context())
        assert done["changed"] and not stage_data.run({"spec": spec}, Context())["changed"] and len(asked) == 1
    path = str(tmp_path / "data" / "gsm8k" / "sums.jsonl")
    assert done["files"] == {"data": {"path": path, "sha256": hashlib.sha256(TEXT).hexdigest(), "rows": 1}}
    points = []
    for text in (TEXT, TEXT, TEXT.replace(b"2", b"3")):
        (tmp_path / "data" / "gsm8k" / "sums.jsonl").write_bytes(text)
        plan = jobs.plan_of(inputs.with_inputs(spec))
        assert plan["inputs"]["benchmark.data"]["path"] == path
        points.append((plan["benchmark"]["points"][0]["step"]["digest"], plan["digests"]["serving"]))
    assert points[0] == points[1] != points[2] and points[0][1] == points[2][1]


def test_a_local_file_is_checked_and_one_of_the_nodes_is_left_to_them(tmp_path):
    path = tmp_path / "sums.jsonl"
    assert stage_data.run({"spec": spec_of(tmp_path, str(path))}, Context()) == {"changed": False, "files": {}}
    path.write_text('{"question": "without"}\n')
    with pytest.raises(Error, match="row 1 has no answer"):
        stage_data.run({"spec": spec_of(tmp_path, str(path))}, Context())
