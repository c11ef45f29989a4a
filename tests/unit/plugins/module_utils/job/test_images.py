# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of nginx, the load client and the Mooncake store: what they become, and when they are looked at."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import images, paths
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner

STORE = {"type": "sglang", "sglang_config": {"prefill": {"disaggregation-transfer-backend": "mooncake"}}}
PLACES = {
    "frontend.nginx_container": lambda text: {"frontend": {"nginx_container": text}},
    "benchmark.container_image": lambda text: {"benchmark": {"container_image": text}},
    "backend.mooncake_kv_store.container": lambda text: {
        "backend": {**STORE, "mooncake_kv_store": {"container": text}}
    },
}


def resolved(tmp_path, path, text, check_paths=True, cluster="", **changes):
    """Return the text that *text* at *path* becomes for a job in *tmp_path*/job, with a home and a site beside it."""
    for name in ("job", "home", "site"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{name}.sqsh").touch()
    (tmp_path / "site" / "srtslurm.yaml").write_text(cluster)
    environment = paths.Environment(
        {"IMAGES": str(tmp_path / "home")},
        [str(tmp_path / "job"), "/base"],
        check_paths,
        cluster_folder=str(tmp_path / "site"),
    )
    job = jobs.raw(model={"path": str(tmp_path), "container": "img:1"})
    job = jobs.deep_merge(jobs.deep_merge(job, PLACES[path](text)), changes)
    site = load_cluster(str(tmp_path / "site" / "srtslurm.yaml"))
    value = jobs.resolved(job, cluster=site, environment=environment).spec
    for key in path.split("."):
        value = value[key]
    return value


@pytest.fixture(autouse=True)
def at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("text", ["./job.sqsh", "job.sqsh", "~/home.sqsh", "$IMAGES/home.sqsh", "short", "near"])
def test_files_become_absolute_paths(tmp_path, path, text):
    cluster = f"containers: {{short: {tmp_path}/site/site.sqsh, near: site.sqsh}}\n"
    name = {"short": "site", "near": "site"}.get(text) or text.rpartition("/")[2].partition(".")[0]
    assert resolved(tmp_path, path, text, cluster=cluster) == f"{tmp_path}/{name}/{name}.sqsh"


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("text", ["nginx:1.27.4", "org/img", "reg.io#org/img:1", "docker://org/img", "oras://a/b"])
def test_names_in_registries_stay(tmp_path, path, text):
    assert resolved(tmp_path, path, text) == text


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    "text, words, always",
    [
        ("/nope/i.sqsh", "/nope/i.sqsh, which does not exist here", False),
        ("./i.sqsh", "/job/i.sqsh, which does not exist here", False),
        ("~/i.sqsh", "/home/i.sqsh, which does not exist here", False),
        ("below/i.sqsh", "not a short name in the cluster file, a file, or an image with a tag", False),
        ("foo", "not a short name in the cluster file, a file, or an image with a tag", False),
        ("$NOPE/i.sqsh", "names the variable NOPE, which is not set", True),
    ],
)
def test_what_is_not_an_image_is_an_error(tmp_path, path, text, words, always):
    with pytest.raises(SpecError) as caught:
        resolved(tmp_path, path, text)
    (one,) = caught.value.problems
    assert one["path"] == path and words in one["problem"] and one["remedy"]
    if not always:
        found = resolved(tmp_path, path, text, check_paths=False)
        assert found == text or found.startswith("/") and found.endswith("/i.sqsh")


def test_nginx_must_have_an_image(tmp_path):
    with pytest.raises(SpecError, match="nginx_container: is empty"):
        resolved(tmp_path, "frontend.nginx_container", "")
    # The others mean the job's own.
    assert resolved(tmp_path, "benchmark.container_image", "") == ""
    # Without a tag registries know it too, and srtctl's recipes may say so.
    assert resolved(tmp_path, "frontend.nginx_container", "nginx") == "nginx"


ONE_NODE = {"prefill_nodes": None, "prefill_workers": None, "decode_nodes": None, "decode_workers": None}
ONE_NODE.update(agg_nodes=1, agg_workers=1)


@pytest.mark.parametrize("text", ["/nope/i.sqsh", "foo", "$NOPE", ""])
@pytest.mark.parametrize(
    "path, changes",
    [
        ("frontend.nginx_container", {"model": {"container": "none"}}),
        ("frontend.nginx_container", {"frontend": {"enable_multiple_frontends": False}}),
        ("frontend.nginx_container", {"resources": ONE_NODE}),
        ("benchmark.container_image", {"benchmark": {"type": "manual"}}),
        ("benchmark.container_image", {"model": {"container": "none"}}),
        ("backend.mooncake_kv_store.container", {"model": {"container": "none"}}),
    ],
)
def test_an_image_that_no_step_uses_is_not_looked_at(tmp_path, path, changes, text):
    assert resolved(tmp_path, path, text, **changes) == text
    assert resolved(tmp_path, path, text, cluster="container_runtime: none\n") == text


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, True),
        ({"frontend": {"dedicated_node": True}}, True),
        ({"resources": {**jobs.AGGREGATED, "agg_nodes": 2, "agg_workers": 2}}, True),
        ({"resources": jobs.AGGREGATED, "frontend": {"dedicated_node": True}}, False),
        ({"resources": jobs.AGGREGATED}, False),
        ({"frontend": {"enable_multiple_frontends": False}}, False),
        ({"backend": {"type": "trtllm"}, "frontend": {"type": "trtllm_serve"}}, False),
        ({"backend": {"type": "vllm"}, "resources": {"prefill_workers": 1, "decode_workers": 1}}, True),
    ],
)
def test_nginx_is_used_where_the_plan_starts_it(changes, expected):
    spec = jobs.spec_of(**changes)
    assert planner.Planner(spec).imaginary_layout.nginx is expected
    assert images.runs_nginx(spec) is expected


def test_workers_that_nobody_can_count_say_nothing_about_images(tmp_path):
    with pytest.raises(SpecError) as caught:
        resolved(tmp_path, "frontend.nginx_container", "foo", resources={"decode_workers": None})
    assert [one["path"] for one in caught.value.problems] == ["resources.decode_workers"]
