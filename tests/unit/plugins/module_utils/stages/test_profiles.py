# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points under a profiler: a leader that speaks the calls over HTTP, and the files that it leaves."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.results import document
from ansible_collections.srt.slurm.plugins.module_utils.stages import profiles

FOLDER = "logs/profiles/prefill/prefill_0"


class Leader(http.server.ThreadingHTTPServer):
    """A worker that writes a trace when it is told to stop.

    :ivar refuses: the calls that it answers with an error.
    :ivar text: the content of its trace, None: it writes none.
    """

    def __init__(self, run_dir):
        self.folder, self.calls, self.refuses, self.text = run_dir / FOLDER, [], set(), "events"
        self.folder.mkdir(parents=True)
        super().__init__(("127.0.0.1", 0), Handler)

    def told(self, word):
        self.calls.append(word)
        if word == "stop" and self.text is not None:
            (self.folder / f"{len(self.calls)}.trace.json.gz").write_text(self.text)
        return 500 if word in self.refuses else 200


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.told(self.path.strip("/").partition("_")[0]))
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def profiled(made, monkeypatch):
    """``made`` with a leader that is profiled; nobody waits long."""
    monkeypatch.setattr(profiles, "STILL_S", 0.05)
    monkeypatch.setattr(profiles, "SILENT_S", 0.3)
    monkeypatch.setattr(profiles, "LOOK_S", 0.01)
    monkeypatch.setattr(profiles, "ASK_S", 0.05)
    made.leader = Leader(made.run_dir)
    threading.Thread(target=made.leader.serve_forever, args=(0.01,), daemon=True).start()
    host, port = made.leader.server_address
    orders = {
        word: [{"name": "prefill_0", "host": host, "port": port, "paths": [f"/{word}_profile"], "body": {}}]
        for word in ("start", "stop")
    }
    made.plan["benchmark"]["profiling"] = made.profiling = {
        "type": "torch",
        "folder": "logs/profiles",
        **orders,
        "limited": [],
        "files": [{"name": "prefill_0", "patterns": [f"{FOLDER}/**/*.trace.json*"]}],
        "window_s": None,
    }
    del made.plan["benchmark"]["points"][1:]
    yield made
    made.leader.shutdown()
    made.leader.server_close()


def record(made):
    """Return the point in the rollup."""
    (found,) = document.build(made.plan, "now")["results"]
    return found


def test_a_profile_that_worked_has_passed_and_lists_its_files(profiled):
    result = profiled.call()
    assert profiled.leader.calls == ["start", "stop"]
    found = record(profiled)
    assert (found["state"], found["valid"], result["valid"]) == ("passed", False, False)
    assert found["doubts"] == ["the workers were profiled (torch) during the measurement"]
    assert (found["profiled"], found["profiles"]) == ("torch", [{"path": f"{FOLDER}/2.trace.json.gz", "size": 6}])
    assert any("c=4 measured, passed, not valid: the workers were profiled" in line for line in profiled.lines)
    # What has passed is kept as long as its files are there.
    assert profiled.call()["points"][0]["action"] == "kept"
    (profiled.leader.folder / "2.trace.json.gz").unlink()
    assert record(profiled)["invalid_reasons"] == [
        f"its profile {FOLDER}/2.trace.json.gz cannot be read: No such file or directory"
    ]
    assert profiled.call()["points"][0]["action"] == "measured" and record(profiled)["state"] == "passed"


def test_profiling_starts_before_the_load_and_stops_after_it(profiled):
    seen = []
    profiled.holder.before["start"] = lambda: seen.append(("load", list(profiled.leader.calls)))

    def scene():
        seen.append(("end", list(profiled.leader.calls)))
        profiled.holder.finish()

    profiled.holder.scenes = [scene]
    profiled.call()
    assert seen == [("load", ["start"]), ("end", ["start"])]


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda leader: leader.refuses.add("stop"), "could not be stopped at prefill_0 (/stop_profile: HTTP 500"),
        (lambda leader: setattr(leader, "text", None), "left no file of prefill_0 in logs/profiles"),
        (lambda leader: setattr(leader, "text", ""), f"left empty files: {FOLDER}/2.trace.json.gz"),
    ],
)
def test_a_profile_that_failed_makes_the_point_invalid(profiled, change, reason):
    change(profiled.leader)
    profiled.call()
    found = record(profiled)
    assert found["state"] == "invalid" and found["profiled"] == "torch"
    assert any(reason in one for one in found["invalid_reasons"]), found["invalid_reasons"]


def test_a_file_from_before_is_no_profile(profiled):
    (profiled.leader.folder / "old.trace.json.gz").write_text("another point")
    profiled.leader.text = None
    profiled.call()
    assert record(profiled)["profiles"] == []
    assert "profiling left no file of prefill_0 in logs/profiles" in record(profiled)["invalid_reasons"]


def test_without_a_start_there_is_no_load(profiled):
    profiled.leader.refuses.add("start")
    profiled.call()
    assert profiled.leader.calls == ["start", "stop"] and profiled.holder.started() == []
    (reason,) = record(profiled)["invalid_reasons"]
    assert reason == "profiling could not be started at prefill_0 (/start_profile: HTTP 500)"
    # The next run asks again.
    profiled.leader.refuses.clear()
    profiled.call()
    assert record(profiled)["state"] == "passed"


def test_a_worker_that_has_profiled_its_steps_may_refuse_to_stop(profiled):
    profiled.leader.refuses.add("stop")
    profiled.profiling["limited"] = ["prefill_0"]
    profiled.call()
    assert record(profiled)["state"] == "passed"
    # One that is gone is no such worker.
    profiled.leader.shutdown()
    profiled.leader.server_close()
    profiled.call(force=True)
    assert "could not be started at prefill_0" in record(profiled)["invalid_reasons"][0]


def test_profiling_stops_also_when_the_client_was_killed(profiled):
    profiled.holder.scenes = [lambda: profiled.holder.finish(exit_code=137, result=False)]
    profiled.call()
    assert profiled.leader.calls[:2] == ["start", "stop"]
    found = record(profiled)
    assert found["state"] == "invalid" and found["profiles"]


def test_a_measurement_that_was_left_behind_is_stopped_by_the_next_run(profiled):
    from ansible_collections.srt.slurm.plugins.module_utils.failures import Error

    def leave():
        raise Error("The controller has ended.")

    profiled.holder.scenes = [leave]
    with pytest.raises(Error):
        profiled.call()
    assert profiled.leader.calls == ["start"]
    profiled.call()
    assert profiled.leader.calls == ["start", "stop"] and record(profiled)["state"] == "passed"


def test_a_holder_that_knows_of_no_start_is_not_believed(profiled):
    profiled.holder.scenes = [lambda: (profiled.holder.calls.__init__(), profiled.holder.finish())]
    profiled.call()
    assert "profiling was not started: nothing is known of a request to start it" in record(profiled)["invalid_reasons"]


def test_a_verdict_whose_profiles_are_no_files_is_not_read(profiled):
    profiled.call()
    path = profiled.run_dir / profiled.plan["benchmark"]["points"][0]["result"].replace(".json", ".verdict.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "profiles": ["x"], "seal": None}))
    assert record(profiled)["state"] == "not_evaluated"


def test_another_run_does_not_take_a_profiled_point_over(profiled):
    """Its files stay where they are, and what was wanted is a profile."""
    from ansible_collections.srt.slurm.plugins.module_utils.results.earlier import earlier_result

    profiled.call()
    later = profiled.run_dir.parent / "78"
    later.mkdir()
    (point,) = profiled.plan["benchmark"]["points"]
    assert earlier_result({**profiled.plan, "run_dir": str(later)}, point) is None


@pytest.mark.parametrize("delay, ok", [(0, True), (7200, False)])
def test_a_timed_capture_has_to_meet_the_load(profiled, delay, ok):
    """The workers of the fake holder run since 09:00, the load since 10:01, and now it is 10:01:40."""
    report = "logs/profiles/prefill/n_prefill_0_profile_gpu0.nsys-rep"
    profiled.profiling.update(type="nsys-time", start=[], stop=[], window_s=[delay, 3665])
    profiled.profiling["files"] = [{"name": "prefill_0", "patterns": [report]}]
    profiled.holder.change("prefill_0", running_at="2026-11-21T09:00:00.000Z")

    def scene():
        (profiled.run_dir / report).write_text("captured")
        profiled.holder.finish()

    profiled.holder.scenes = [scene]
    profiled.call()
    found = record(profiled)
    assert profiled.leader.calls == [] and (found["state"] == "passed") == ok, found["invalid_reasons"]
    assert ok or "nsys captured prefill_0 at another time than that of the load" in found["invalid_reasons"][0]
