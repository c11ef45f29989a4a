# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What late stages need is looked up before anything is submitted."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import paths
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    (folder / "config.json").write_text("{}")
    return folder


def resolved(tmp_path, variables=None, check_paths=True, cluster=None, **changes):
    environment = paths.Environment(variables or {}, [str(tmp_path)], check_paths)
    return jobs.resolved(jobs.raw(**changes), cluster=cluster, environment=environment)


def test_a_model_without_a_tokenizer_needs_another_one(tmp_path, model):
    job = {"model": {"path": str(model)}}
    resolved(tmp_path, **job)
    (model / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    with pytest.raises(
        SpecError, match=r"model\.path: is .*/m, which has no tokenizer\.json.*Set benchmark\.custom_tok"
    ):
        resolved(tmp_path, **job)
    resolved(tmp_path, check_paths=False, **job)
    resolved(tmp_path, **job, benchmark={"type": "manual", "isl": None, "osl": None, "concurrencies": None})
    for own in (str(tmp_path), f"{tmp_path}/tokenizer.json"):
        resolved(tmp_path, **job, benchmark={"custom_tokenizer": own})


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("/no/such/tokenizer", "custom_tokenizer: is /no/such/tokenizer, which does not exist here"),
        ("org/name", "custom_tokenizer: is .*/org/name, which does not exist here"),
        ("empty/.", "custom_tokenizer: is .*/empty, which has no tokenizer.json"),
    ],
)
def test_a_tokenizer_that_is_not_there(tmp_path, model, own, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError, match=words):
        resolved(tmp_path, model={"path": str(model)}, benchmark={"custom_tokenizer": own})


def test_a_relative_tokenizer_is_beside_the_job_or_an_error_in_a_container(tmp_path, model):
    job = {"model": {"path": str(model)}, "benchmark": {"custom_tokenizer": "./m"}}
    assert resolved(tmp_path, **job).spec["benchmark"]["custom_tokenizer"] == str(model)
    job["model"]["container"] = "img:1"
    with pytest.raises(SpecError, match="a relative path, but the load client runs in a container"):
        resolved(tmp_path, **job)


@pytest.mark.parametrize(("inside", "fails"), [("/tok", True), ("/model", False), ("/in/the/image", False)])
def test_a_tokenizer_in_a_container_is_looked_up_where_it_is_mounted_from(tmp_path, model, inside, fails):
    (tmp_path / "t").mkdir()
    job = {
        "model": {"path": str(model), "container": "img:1"},
        "extra_mount": [f"{tmp_path}/t:/tok"],
        "benchmark": {"custom_tokenizer": inside},
    }
    if fails:
        with pytest.raises(SpecError, match="custom_tokenizer: is .*/t, which has no tokenizer.json"):
            resolved(tmp_path, **job)
    else:
        resolved(tmp_path, **job)


def site(tmp_path, folder):
    path = tmp_path / "srtslurm.yaml"
    path.write_text(f"configs_dir: {folder}\n" if folder else "cluster: here\n")
    return load_cluster(str(path))


def test_an_image_that_must_have_nats_and_etcd_is_pointed_out(tmp_path, model):
    def notes(folder=None, **changes):
        job = {"model": {"path": str(model), "container": "img:1"}, **changes}
        found = resolved(tmp_path, cluster=site(tmp_path, folder), **job).notes
        return [note for note in found if note.startswith("configs_dir")]

    assert notes() == ["configs_dir: not set, so the image img:1 must have nats-server and etcd."]
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "etcd").write_text("")
    assert notes(folder) == [f"configs_dir: {folder} has no nats-server, so the image img:1 must have what is missing."]
    (folder / "nats-server").write_text("")
    assert notes(folder) == []
    assert notes(backend={"type": "sglang"}, frontend={"type": "sglang"}) == []
    assert notes(model={"path": str(model)}) == []


@pytest.mark.parametrize("workspace", ["/a:b", "/a,b", "relative/x"])
def test_a_workspace_that_cannot_be_mounted(tmp_path, model, workspace):
    with pytest.raises(SpecError, match=r"extra_mount: gets .* from the variable INFMAX_WORKSPACE, which"):
        resolved(tmp_path, {"INFMAX_WORKSPACE": workspace}, model={"path": str(model), "container": "img:1"})
    found = resolved(tmp_path, {"INFMAX_WORKSPACE": "/a b"}, model={"path": str(model), "container": "img:1"})
    assert found.spec["extra_mount"] == ["/a b:/infmax-workspace"]


def test_a_concurrency_in_several_spellings_is_one_point():
    for levels, wanted in (("2x2", [2]), ("2x02x 4", [2, 4]), ([4, "4", 4.0, 2], [4, 2])):
        found = jobs.resolved(jobs.raw(benchmark={"concurrencies": levels}))
        points = jobs.plan_of(found.spec)["benchmark"]["points"]
        assert [point["key"]["concurrency"] for point in points] == wanted
        assert [note for note in found.notes if "more than once, and is one point" in note]
    assert not [note for note in jobs.resolved(jobs.raw()).notes if "more than once" in note]
