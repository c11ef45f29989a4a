# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""sa-bench: data sets, chats, arrival times and limits of good requests, from the job to the load client."""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import inputs
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from ansible_collections.srt.slurm.plugins.module_utils.stages import stage_data


def custom(path, **changes):
    return {"isl": None, "dataset_name": "custom", "dataset_path": str(path), "concurrencies": [1], **changes}


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "my set.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p {number}"}) + "\n" for number in range(12)))
    return path


def argv_of(plan):
    return plan["benchmark"]["points"][0]["step"]["argv"]


def staged(spec):
    class Context:
        check_mode = False

    return stage_data.run({"spec": spec}, Context())["files"]


def test_a_data_set_reaches_the_load_client(prompts):
    plan = jobs.plan_of(benchmark=custom(prompts))
    (point,) = plan["benchmark"]["points"]
    assert jobs.option(argv_of(plan), "--dataset") == str(prompts) and "--isl" not in argv_of(plan)
    assert point["result"].startswith("results/sa-bench_custom_my_set/results_concurrency_1_")
    assert point["expect"] == {"num_prompts": 10, "isl": None, "osl": 16, "dataset": str(prompts)}
    assert jobs.option(argv_of(plan), "--osl") == "16"
    assert "--osl" not in argv_of(jobs.plan_of(benchmark=custom(prompts, osl=None)))


def test_a_container_sees_the_data_set(prompts):
    plan = jobs.plan_of(model={"container": "img:1"}, benchmark=custom(prompts))
    assert f"{prompts}:{prompts}" in plan["benchmark"]["points"][0]["step"]["mounts"]


def test_another_content_of_the_data_set_is_another_point(prompts):
    def digest():
        spec = inputs.with_inputs(jobs.spec_of(benchmark=custom(prompts)))
        assert inputs.known(spec, "benchmark.dataset_path")
        plan = planner.build(spec, jobs.allocation(planner.node_count(spec)))
        return plan["benchmark"]["points"][0]["digest"], plan["digests"]["serving"]

    before = digest()
    assert digest() == before
    prompts.write_text(prompts.read_text().replace("p 3", "p x"))
    after = digest()
    assert after[0] != before[0] and after[1] == before[1]


def test_one_line_in_the_middle_of_a_large_data_set_counts(tmp_path):
    from ansible_collections.srt.slurm.plugins.module_utils.inputs.fingerprint import fingerprint

    path = tmp_path / "large.jsonl"
    lines = [json.dumps({"prompt": f"{number} " + "x" * 1000}) for number in range(70_000)]
    path.write_text("\n".join(lines))
    first = fingerprint(str(path))
    lines[35_001] = lines[35_001].replace("35001 ", "35009 ")
    path.write_text("\n".join(lines))
    assert first["bytes"] > 64 << 20 and fingerprint(str(path))["digest"] != first["digest"]


def test_the_data_set_is_checked_whole_before_nodes_are_asked_for(prompts):
    spec = jobs.spec_of(benchmark=custom(prompts))
    assert staged(spec)["dataset_path"]["rows"] == 12
    with pytest.raises(Error, match=r"benchmark\.dataset_path: .* has 12 prompts, but a point sends 24"):
        staged(jobs.spec_of(benchmark=custom(prompts, concurrencies=[1, 2])))
    with prompts.open("a") as stream:
        stream.write('{"promt": "x"}\n')
    with pytest.raises(Error, match="line 13 needs either prompt or messages; it has promt"):
        staged(spec)


def test_points_that_share_a_data_set_are_a_note(prompts):
    notes = BENCHMARKS["sa-bench"].notes(jobs.spec_of(benchmark=custom(prompts, concurrencies=[1, 2], isl=5)))
    assert any("a prefix cache may know those of an earlier point" in note for note in notes)
    assert any(note.startswith("benchmark.isl: no effect") for note in notes)


def test_a_chat_goes_to_the_other_endpoint_without_the_template_of_the_client():
    plan = jobs.plan_of(benchmark={"endpoint": "chat"})
    assert jobs.option(argv_of(plan), "--endpoint") == "/v1/chat/completions"
    assert plan["benchmark"]["points"][0]["parameters"]["chat_template"] is False
    assert not BENCHMARKS["sa-bench"].wants_chat_template(jobs.spec_of(benchmark={"endpoint": "chat"}))


@pytest.mark.parametrize(("shape", "word"), [("constant", "inf"), (0.5, "0.5"), (10, "10.0")])
def test_arrival_times(shape, word):
    plan = jobs.plan_of(benchmark={"req_rate": 4, "burstiness": shape})
    assert float(jobs.option(argv_of(plan), "--burstiness")) == float(word)


def test_limits_of_good_requests():
    plan = jobs.plan_of(benchmark={"goodput": {"ttft_ms": 2000, "tpot_ms": 25.5}})
    argv = argv_of(plan)
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "--goodput"] == ["ttft:2000", "tpot:25.5"]
    assert plan["benchmark"]["points"][0]["digest"] != jobs.plan_of()["benchmark"]["points"][0]["digest"]


@pytest.mark.parametrize(
    ("benchmark", "problem"),
    [
        ({"burstiness": 2}, "benchmark.burstiness: is 2.0, but without req_rate"),
        ({"endpoint": "chat", "use_chat_template": False}, "benchmark.use_chat_template: is false, but the server"),
        ({"goodput": {}}, "benchmark.goodput: has no limit"),
        ({"goodput": {"itl_ms": 5}}, "benchmark.goodput.itl_ms"),
        ({"endpoint": "/v1/completions"}, "benchmark.endpoint"),
        ({"dataset_path": "/d.jsonl"}, "benchmark.dataset_path: is set, but prompts are random"),
    ],
)
def test_contradictions_are_refused(benchmark, problem):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(benchmark=benchmark)
    assert problem in str(caught.value)


def test_the_keys_change_nothing_where_they_have_their_defaults():
    assert (
        jobs.plan_of(benchmark={"endpoint": "completions", "burstiness": 1.0})["benchmark"]
        == (jobs.plan_of()["benchmark"])
    )


def test_several_clients_are_one_step_with_one_result():
    plan = jobs.plan_of(benchmark={"clients": 3, "concurrencies": [4], "save_requests": True})
    (point,) = plan["benchmark"]["points"]
    argv = point["step"]["argv"]
    assert jobs.option(argv, "--clients") == "3" and point["parameters"]["clients"] == 3
    stem = point["result"][: -len(".json")]
    assert jobs.option(argv, "--save-requests") == f"/out/7/{stem}.requests.jsonl"
    assert jobs.option(argv_of(jobs.plan_of(benchmark={"clients": "auto"})), "--clients") == "auto"
    assert "--clients" not in argv_of(jobs.plan_of()) and "--save-requests" not in argv_of(jobs.plan_of())


@pytest.mark.parametrize("given", [0, "many", 2.5])
def test_a_wrong_number_of_clients_is_refused(given):
    with pytest.raises(SpecError, match=r"benchmark\.clients"):
        jobs.spec_of(benchmark={"clients": given})


def test_one_disturbed_process_disturbs_the_point():
    fine = {"cpu_share": 0.1, "gaps": 0, "gaps_s": 0.0, "max_gap_s": 0.0, "suspended_s": 0.0}
    raw = {"max_concurrency": 4, "duration": 10.0, "client_health": None, "clients_health": [fine, fine]}
    assert BENCHMARKS["sa-bench"].disturbances(raw) == []
    stopped = {**fine, "gaps": 1, "gaps_s": 2.0, "max_gap_s": 2.0}
    (reason,) = BENCHMARKS["sa-bench"].disturbances({**raw, "clients_health": [fine, stopped]})
    assert reason.startswith("process 2 of 2: the load client did not run for 2.0 s")
