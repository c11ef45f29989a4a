# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that results depend on: other files are other points, unknown ones count in their own run only."""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.job import inputs
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner

SHA = "sha256:" + "ab" * 32


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "w.safetensors").write_text("old weights")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "<{{ messages[0].content }}>"}))
    return folder


def planned(job_id="7", **changes):
    """Return the plan of a job with its files as they are, in the allocation *job_id*."""
    spec = inputs.with_inputs(jobs.spec_of(**changes))
    return planner.build(spec, jobs.allocation(planner.node_count(spec), job_id, f"/out/{job_id}"))


def points(plan):
    return [point["digest"] for point in plan["benchmark"]["points"]]


def steps(plan):
    return {step["name"]: step["digest"] for step in plan["steps"]}


def test_other_weights_under_the_same_path_are_another_service(model):
    path = {"path": str(model)}
    first, again = planned(model=path), planned("8", model=path)
    assert points(first) == points(again) and first["digests"] == again["digests"]
    (model / "w.safetensors").write_text("new weights")
    other = planned(model=path)
    assert not set(points(other)) & set(points(first)) and other["digests"]["serving"] != first["digests"]["serving"]
    changed = {name for name, digest in steps(other).items() if digest != steps(first)[name]}
    assert changed == {"prefill_0", "prefill_1", "decode_0", "decode_1", "frontend_0"}
    (model / "w.safetensors").write_text("old weights")
    assert points(planned("9", model=path)) == points(first)


def test_another_engine_under_the_same_python_is_another_service(model, tmp_path):
    python, site = tmp_path / "venv" / "bin" / "python", tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    for folder in (python.parent, site / "vllm-0.10.0.dist-info"):
        folder.mkdir(parents=True)
    python.write_text("")
    job = {"model": {"path": str(model)}, "python": str(python)}
    first = planned(**job)
    assert points(first) == points(planned("8", **job)) and inputs.unknown(first["spec"]) == []
    (site / "vllm-0.10.0.dist-info").rename(site / "vllm-0.10.1.dist-info")
    other = planned(**job)
    assert not set(points(other)) & set(points(first))
    changed = {name for name, digest in steps(other).items() if digest != steps(first)[name]}
    assert changed == {"prefill_0", "prefill_1", "decode_0", "decode_1", "frontend_0"}
    python.unlink()
    assert inputs.unknown(planned(**job)["spec"]) == ["python"]


def test_points_of_unknown_files_count_in_their_own_run_only(model):
    first, again, other = planned("7"), planned("7"), planned("8")
    assert points(first) == points(again) and not set(points(first)) & set(points(other))
    assert steps(first).keys() == steps(other).keys() and first["digests"] == other["digests"]
    assert any(note.startswith("model.path: it is not known which version of /models/tiny") for note in first["notes"])
    assert not [note for note in planned(model={"path": str(model)})["notes"] if "not known" in note]


@pytest.mark.parametrize(
    ("image", "known"),
    [("nvcr.io/x/y:1", False), (f"nvcr.io/x/y@{SHA}", True), (f"nvcr.io#x/y:1@{SHA}", True), ("FILE", True)],
)
def test_an_image_is_known_by_its_content(model, tmp_path, image, known):
    file = tmp_path / "engine.sqsh"
    file.write_text("old image")
    job = {"path": str(model), "container": str(file) if image == "FILE" else image}
    first, other = planned("7", model=job), planned("8", model=job)
    assert (points(first) == points(other)) is known
    assert inputs.unknown(first["spec"]) == ([] if known else ["model.container"])
    if image == "FILE":
        file.write_text("new image")
        new = planned(model=job)
        assert not set(points(new)) & set(points(first))
        assert steps(new)["nats"] != steps(first)["nats"], "each step in the image starts anew"


def test_a_model_of_the_hub_is_unknown_before_it_is_loaded():
    plan = planned(model={"path": "hf:org/name"})
    assert inputs.unknown(plan["spec"]) == ["model.path"]
    assert [note for note in plan["notes"] if note.startswith("benchmark.use_chat_template: not applied")]


def test_tokenizers_and_further_models_of_the_engine_count(model, tmp_path):
    for name in ("draft", "tok"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("old")

    def made():
        options = {"prefill": {"speculative-draft-model-path": f"{tmp_path}/draft", "log-dir": str(tmp_path)}}
        return planned(
            model={"path": str(model)},
            backend={"type": "sglang", "sglang_config": options},
            benchmark={"custom_tokenizer": f"{tmp_path}/tok"},
        )

    first = made()
    draft = "backend.sglang_config.prefill.speculative-draft-model-path"
    assert set(first["spec"][inputs.INPUTS]) == {"model.path", "benchmark.custom_tokenizer", draft}
    (tmp_path / "tok" / "file").write_text("new")
    second = made()
    assert steps(second) == steps(first) and not set(points(second)) & set(points(first))
    (tmp_path / "draft" / "file").write_text("new")
    assert steps(made())["prefill_0"] != steps(first)["prefill_0"]


@pytest.mark.parametrize(
    ("inside", "host"),
    [
        ("/model/draft", "/models/tiny/draft"),
        ("/data/x/y", "/host/data/x/y"),
        ("/data", "/host/data"),
        ("/dataset", None),
        ("/more/a", "/host/more/a"),
        ("/opt/a", None),
    ],
)
def test_a_path_in_a_container_is_found_on_the_host(inside, host):
    mounts = {"container_mounts": {"/host/data": "/data"}, "extra_mount": ["/host/more:/more:ro"]}
    assert inputs.host_path(jobs.spec_of(model={"container": "img:1"}, **mounts), inside) == host
    assert inputs.host_path(jobs.spec_of(**mounts), inside) == inside


def test_the_chat_template_is_part_of_the_points_and_of_the_load_clients_files(model):
    path = {"path": str(model)}
    plan, plain = planned(model=path), planned(model=path, benchmark={"use_chat_template": False})
    (file,) = [one for one in plan["files"] if one["path"] == "chat_template.json"]
    assert json.loads(file["content"]) == {"prefix": "<", "suffix": ">"}
    (step, _other) = [point["step"] for point in plan["benchmark"]["points"]]
    assert jobs.option(step["argv"], "--chat-template") == "/out/7/chat_template.json" and file["path"] in step["files"]
    assert "--chat-template" not in plain["benchmark"]["points"][0]["step"]["argv"]
    marks = [one["benchmark"]["points"][0]["parameters"]["chat_template"] for one in (plan, plain, planned())]
    assert marks[0] and marks[1:] == [False, None]


def test_a_chat_template_that_is_not_applied_is_a_note(model):
    (model / "tokenizer_config.json").write_text("{}")
    note = f"benchmark.use_chat_template: not applied, prompts are plain text: {model} has no chat template."
    job = jobs.raw(model={"path": str(model)})
    assert note in jobs.resolved(job).notes and note in planned(model={"path": str(model)})["notes"]
    job["benchmark"]["use_chat_template"] = False
    assert note not in jobs.resolved(job).notes


def test_the_inputs_are_shown(model):
    text = inputs.lines(planned(model={"path": str(model), "container": "img:1"})["spec"])
    assert f"model.path: {model}  fingerprint " in text and "3 files" in text
    assert "model.container: img:1  fingerprint not known yet\n" in text
