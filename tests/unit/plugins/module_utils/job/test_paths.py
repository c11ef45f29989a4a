# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables, placeholders and mounts."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import paths
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster

VARIABLES = {"MODELS": "/shared/models", "TEAM": "/team", "IMAGE": "nvcr.io/x:1", "HOME": "/home/me"}
CONTAINER = {"container": "img:1"}


def spec_of(variables=None, cluster=None, **changes):
    environment = paths.Environment({**VARIABLES, **(variables or {})}, ["/job", "/base"], check_paths=False)
    return jobs.resolved(jobs.raw(**changes), cluster=cluster, environment=environment).spec


def mounts(spec):
    return jobs.step(jobs.plan_of(spec), "prefill_0")["mounts"]


def test_variables():
    spec = spec_of(
        model={"path": "$MODELS/m", "container": "${IMAGE}", "stage_dir": "$TEAM/stage"},
        environment={"A": "$HOME"},
        frontend={"nginx_container": "${WEB:-nginx:1}"},
    )
    assert spec["model"]["path"] == "/shared/models/m" and spec["model"]["container"] == "nvcr.io/x:1"
    assert spec["model"]["stage_dir"] == "/team/stage" and spec["frontend"]["nginx_container"] == "nginx:1"
    assert spec["environment"] == {"A": "$HOME"}


def test_placeholders_of_mounts():
    spec = spec_of(
        model=CONTAINER,
        container_mounts={
            "$TEAM/{job_id}/{run_name}": "/a",
            "/b": "/b/{gpus_per_node}/{head_node_ip}",
            "/c": "/c{log_dir}{model_path}",
            "/d/{gpus_per_node}": "/d:ro",
            "relative": "/e",
        },
    )
    found = mounts(spec)
    for mount in (
        "/team/7/test_7:/a",
        "/b:/b/8/10.0.0.1",
        "/c:/c/out/7/logs/models/tiny",
        "/d/8:/d:ro",
        "/base/relative:/e",
    ):
        assert mount in found, found


@pytest.mark.parametrize(
    "table, words",
    [
        ({"/a": "/b/{job_di}"}, "has {job_di}, which is not a known placeholder. Did you mean {job_id}"),
        ({"/a/{x y}": "/b"}, "Known placeholders: job_id"),
        ({"/a": "/b/$UNSET"}, "UNSET, which is not set"),
        ({"/a": ""}, "that path must be absolute"),
        ({"/a": "$REL/x"}, 'has "rel/x" inside the container; that path must be absolute'),
        ({"/a,b": "/c"}, "has a comma"),
        ({"/a:b": "/c"}, "has a colon, at which pyxis would split the mount"),
        ({'/a"b': "/c"}, 'has ", which a shell of pyxis would interpret'),
        ({"/a`b`": "/c"}, "has `, which"),
        ({"/a": "/b$(c)"}, "has $, which"),
        ({"/a": "/b:ro:rw"}, "expected a path and :options"),
        ({"/a\n": "/b"}, "control character"),
        ({"$TEAM": "/b", "/team": "/c"}, "is already mounted at /b"),
    ],
)
def test_bad_mounts(table, words):
    with pytest.raises(SpecError) as caught:
        spec_of({"REL": "rel"}, model=CONTAINER, container_mounts=table)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["it's", "a b", "é#%", "back\\slash"])
def test_other_characters_can_be_mounted(name):
    assert f"/x/{name}:/y/{name}" in mounts(spec_of(model=CONTAINER, extra_mount=[f"/x/{name}:/y/{name}"]))


@pytest.mark.parametrize("path", ["/models/a:b", "/models/a,b", '/models/"a"', "/models/a$b+"])
def test_a_model_that_cannot_be_mounted(path):
    with pytest.raises(SpecError, match=r"^job: model\.path: has .* would"):
        spec_of({"b": ""}, model={**CONTAINER, "path": path.replace("$b", "${NAME:-$}b")})
    assert spec_of(model={"path": path.replace("$b", "b")})["model"]["path"]  # without a container it is no mount


def test_a_placeholder_whose_value_cannot_be_mounted():
    with pytest.raises(SpecError, match="container_mounts: has the mount /d/img:1, which has a colon"):
        mounts(spec_of(model=CONTAINER, container_mounts={"/d": "/d/{container_image}:ro"}))


def test_a_snapshot_of_hugging_face_is_mounted_with_its_blobs():
    folder = "/hub/models--org--name"
    found = mounts(spec_of(model={**CONTAINER, "path": f"{folder}/snapshots/0a1b/"}))
    assert f"{folder}/snapshots/0a1b:/model" in found and f"{folder}/blobs:/blobs" in found


@pytest.mark.parametrize("text", ["", "x", "/a:b"])
def test_bad_extra_mounts(text):
    with pytest.raises(SpecError, match="expected host:container"):
        spec_of(extra_mount=[text])


@pytest.mark.parametrize(
    "text, words",
    [("/a:/b:ro:x", "a path and :options"), ("/a,b:/c", "comma"), ("/{job_id}:/a", "only container_mounts")],
)
def test_extra_mounts_that_srun_would_read_otherwise(text, words):
    with pytest.raises(SpecError) as caught:
        spec_of(extra_mount=[text])
    assert words in str(caught.value) and "extra_mount[0]" in str(caught.value)


def test_the_later_mount_wins(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("configs_dir: /site\ndefault_mounts: {$TEAM/data: /data, /site2: /configs, /z: /zz/}\n")
    spec = spec_of(
        {"INFMAX_WORKSPACE": "/infmax"},
        load_cluster(str(file)),
        model=CONTAINER,
        extra_mount=["/mine:/data:ro", "/other", "/w:/infmax-workspace"],
        container_mounts={"/last": "/other"},
    )
    assert mounts(spec) == [
        "/out/7:/out/7",
        "/out/7/logs:/logs",
        "/models/tiny:/model",
        "/site2:/configs",
        "/mine:/data:ro",
        "/z:/zz",
        "/last:/other",
        "/infmax:/infmax-workspace",
    ]


def test_a_setup_script_must_be_there(tmp_path):
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches" / "p.sh").write_text("")
    (tmp_path / "s.sh").write_text("")
    file = tmp_path / "c.yaml"
    file.write_text(f"configs_dir: {tmp_path}\n")
    for name in ("s.sh", "p.sh"):
        jobs.spec_of(setup_script=name, model={"path": "/"}, cluster=load_cluster(str(file)), check_paths=True)
    with pytest.raises(SpecError, match="setup_script: is neither"):
        jobs.spec_of(setup_script="q.sh", model={"path": "/"}, cluster=load_cluster(str(file)), check_paths=True)
    jobs.spec_of(setup_script="q.sh", cluster=load_cluster(str(file)))


SITE = {"dsr1": "/models/r1", "llama": "/models/llama"}, {"dynamo-sglang": "/images/d.sqsh", "web-server": "nginx:1"}


def checked(tmp_path, **changes):
    """Return {path: remedy} of the problems of a job with path checks on, on a site with short names."""
    (tmp_path / "model").mkdir(exist_ok=True)
    (tmp_path / "mine.sqsh").touch()
    cluster = load_cluster(None)
    cluster.settings["model_paths"], cluster.settings["containers"] = SITE
    model = {"path": str(tmp_path / "model"), **changes.pop("model", {})}
    try:
        spec = jobs.spec_of(cluster=cluster, check_paths=True, folders=[str(tmp_path), "/base"], model=model, **changes)
    except SpecError as error:
        return {one["path"]: one["remedy"] for one in error.problems}
    return spec["model"]["container"]


@pytest.mark.parametrize("name, hint", [("dynamo-sglan", "Did you mean dynamo-sglang?"), ("other", "Correct it")])
def test_an_image_that_is_not_an_image(tmp_path, name, hint):
    found = checked(tmp_path, model={"container": name})
    assert list(found) == ["model.container"] and hint in found["model.container"]
    # Without path checks a word stays what it is.
    assert spec_of(model={"container": name})["model"]["container"] == name


@pytest.mark.parametrize(
    "name",
    ["nvcr.io#nvidia/x:1", "docker://org/img:tag", "org/img:tag", "org/img", "img:1", "docker.io#ubuntu", "me@reg#img"],
)
def test_names_of_images_that_registries_know(tmp_path, name):
    assert checked(tmp_path, model={"container": name}) == name


def test_images_that_are_files(tmp_path):
    file = str(tmp_path / "mine.sqsh")
    for name in (file, "mine.sqsh", "./mine.sqsh"):
        assert checked(tmp_path, model={"container": name}) == file
    for name in ("/no/such.sqsh", "no-such.sqsh", "below/no-such.sqsh"):
        assert list(checked(tmp_path, model={"container": name})) == ["model.container"]


def test_short_names_of_other_images_are_hinted_at(tmp_path):
    image = {"container": "img:1"}
    found = checked(tmp_path, model=image, frontend={"nginx_container": "web-serve"})
    assert found == {"frontend.nginx_container": "Did you mean web-server?"}
    # Nothing runs this one yet, so that only what looks like a short name is told.
    exporter = {"dcgm_exporter": {"container_image": "web-serve", "port": 9400}}
    assert "telemetry.dcgm_exporter.container_image" in checked(tmp_path, model=image, telemetry=exporter)
    exporter["dcgm_exporter"]["container_image"] = "other"
    assert checked(tmp_path, model=image, telemetry=exporter) == "img:1"
    mooncake = {"type": "sglang", "mooncake_kv_store": {"container": "dynamo_sglag"}}
    assert "backend.mooncake_kv_store.container" in checked(tmp_path, model=image, backend=mooncake)


@pytest.mark.parametrize(
    "text, new", [("~/m", "/home/me/m"), ("${TEAM}/m/", "/team/m/"), ("/scratch", "/scratch"), ("", "")]
)
def test_where_a_model_is_staged(monkeypatch, text, new):
    monkeypatch.setenv("HOME", "/home/me")
    spec = spec_of(model={**CONTAINER, "stage_dir": text})
    assert spec["model"]["stage_dir"] == new
    if text == "~/m":
        assert "/home/me:/home/me" in mounts(spec)


@pytest.mark.parametrize(
    "text, words",
    [
        ("scratch/m", 'is "scratch/m"; expected an absolute path'),
        ("/", "on the compute nodes below /"),
        ("~nobody-such/m", "expected an absolute path"),
        ("/a:b/m", "colon"),
        ("/a,b", "comma"),
        ("$UNSET/m", "UNSET, which is not set"),
    ],
)
def test_nowhere_to_stage_a_model(text, words):
    with pytest.raises(SpecError) as caught:
        spec_of(model={"stage_dir": text})
    (one,) = caught.value.problems
    assert one["path"] == "model.stage_dir" and words in one["problem"]


@pytest.mark.parametrize("text", ["", " ", "hf:", "hf: ", "${NONE:-hf:}"])
def test_a_model_without_a_name(text):
    with pytest.raises(SpecError) as caught:
        spec_of(model={"path": text})
    (one,) = caught.value.problems
    assert one["path"] == "model.path" and "hf:ORG/NAME" in one["remedy"]


def test_a_variable_in_the_name_of_a_model():
    assert spec_of({"M": "hf:org/m"}, model={"path": "$M"})["model"]["path"] == "hf:org/m"
    assert spec_of({"M": "m"}, model={"path": "hf:org/$M"})["model"]["path"] == "hf:org/m"


def test_a_misspelt_model_is_hinted_at(tmp_path):
    assert checked(tmp_path, model={"path": "dsr2"}) == {"model.path": "Did you mean dsr1?"}
    assert "check_paths=false" in checked(tmp_path, model={"path": "/far/away"})["model.path"]
