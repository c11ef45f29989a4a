# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that the job may lose: waiting for the service goes on with those that remain."""

from __future__ import annotations

import http.server
import json
import threading

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import StepError
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait

HEALTHY = {"worker_type": "regular", "is_healthy": True}


@pytest.fixture
def router():
    """A router that sees one healthy and one unhealthy worker; it answers the checks of workers as well."""
    answer = {"workers": [HEALTHY, {**HEALTHY, "is_healthy": False}], "usage": {"completion_tokens": 1}}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address
    server.shutdown()
    server.server_close()


@pytest.fixture
def plan(fake, router):
    """Two aggregated workers behind sglang's router, started; losing workers is no fault of the service."""
    plan = jobs.plan_of(
        resources={**jobs.AGGREGATED, "agg_workers": 2},
        backend={"type": "sglang"},
        frontend={"type": "sglang", "enable_multiple_frontends": False},
        faults={"agg": {"critical": False}},
    )
    plan["run_dir"] = fake.run_dir
    for check in plan["checks"]:
        check["host"], check["port"] = router
    fake.request("start", steps=[srun.start_request(step, "42", fake.run_dir) for step in plan["steps"]], wait_s=10)
    return plan


def lose(fake, *names):
    for name in names:
        fake.slurm.end(name, 1)
    fake.until(lambda steps: all(steps[name]["state"] == "ended" for name in names))


def wait(fake, plan, lines):
    return health_wait.wait_for(fake, plan, plan["checks"], 20.0, 0.05, Context(progress=lines.append))


def test_the_router_need_not_see_an_aggregated_worker_that_was_lost(fake, plan):
    assert [step["name"] for step in plan["steps"]] == ["agg_0", "agg_1", "frontend_0"]
    lines = []
    lose(fake, "agg_1")
    result = wait(fake, plan, lines)
    assert (result["completed"], result["lost"]) == (True, ["agg_1"])
    assert [check["name"] for check in result["checks"]] == ["agg_0", "frontend_0_workers", "token"]
    assert lines[0].startswith("agg_1 is lost and not critical: ")
    # The next look, before a point is measured, is no other.
    assert wait(fake, plan, lines)["completed"]


def test_a_service_without_any_worker_left_is_not_healthy(fake, plan):
    lose(fake, "agg_0", "agg_1")
    with pytest.raises(StepError, match="no other worker of its kind is left"):
        wait(fake, plan, [])
