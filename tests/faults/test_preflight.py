# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes say of themselves before models load: GPUs and mounts. See docs/reliability.md."""

from __future__ import annotations

import json
import os
import pathlib
import re

import jsonschema
from faults import failed

ROOT = pathlib.Path(__file__).resolve().parents[2]


def flat(text):
    """Return *text* in one line: Ansible breaks long ones."""
    return " ".join(text.split())


def test_a_node_that_lacks_a_gpu_is_left_out_by_the_retry(cluster):
    played = cluster.playbook(cluster.job_file("seven"), "-e", "job_retries=1", env=cluster.gpus(node002="gpus=7"))
    assert played.rc == 0, played.text
    first, second = re.split(r"Job attempt 2 of 2", played.text)
    assert "node002: 7 of 8 GPUs are visible" in first
    assert "srt.slurm.worker :" not in first
    assert second.strip().startswith(", without node002")
    assert "node002" not in [node["name"] for node in cluster.plan()["nodes"]]
    assert "not checked" not in played.text
    made = check_schema(json.loads(pathlib.Path(cluster.plan()["run_dir"], "rollup.json").read_text()))
    facts = made["provenance"]["facts"]
    assert (sorted(facts), made["complete"]) == (sorted(made["provenance"]["nodes"]), True)
    for one in facts.values():
        assert [len(one[when]["gpus"]) for when in ("before", "after")] == [8, 8]
        assert one["after"]["gpus"][0]["driver"] == "580.65" and one["after"]["nvlink_errors"] == {"replay": 2}
    assert re.fullmatch(r"\d+\.\d+.*", made["provenance"]["slurm"]["version"])
    cluster.gone("seven")


def check_schema(made):
    """Return the rollup *made*, which is as docs/rollup.schema.json says."""
    schema = json.loads((ROOT / "docs" / "rollup.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(made)
    return made


def test_a_gpu_that_a_foreign_process_uses_is_found_before_models_load(cluster):
    busy = cluster.gpus(node003="processes='4711, python3, 70000'")
    played = failed(cluster.playbook(cluster.job_file("busy"), env=busy))
    assert "node003: 1 foreign processes use GPUs: 4711, python3, 70000" in flat(played.text)
    assert "srt.slurm.worker :" not in played.text
    cluster.gone("busy")


def test_gpus_that_no_node_can_look_at_are_reported(cluster):
    """A node without nvidia-smi is no fault, and not taken for one whose GPUs are fine either."""
    hidden = cluster.commands()  # no real one is in the way
    played = cluster.playbook(cluster.job_file("blind"), "--skip-tags", "benchmark,rollup", env=hidden)
    assert played.rc == 0, played.text
    assert "gpu not checked on node001, node002, node003: no nvidia-smi" in played.text
    cluster.gone("blind")


def test_little_shared_memory_is_reported(cluster):
    """Each node has a /dev/shm of its own, of half its memory; that one has more is not likely."""
    few = ("-e", "preflight_min_shm_mib=100000000", "--skip-tags", "benchmark,rollup")
    played = cluster.playbook(cluster.job_file("shared"), *few)
    assert played.rc == 0, played.text
    assert re.search(r"node002: /dev/shm has \d+ MiB left, but 100000000 are recommended", flat(played.text)), (
        played.text
    )
    cluster.gone("shared")


def test_a_mount_that_a_node_lacks_is_found_before_models_load(cluster):
    site = cluster.folder / "containers.yaml"
    own = pathlib.Path(cluster.dir, "etc", "srtslurm.yaml").read_text()
    site.write_text(f"{own}container_runtime: apptainer\n")
    data = f"/dev/shm/srt-{cluster.folder.name}-{os.getpid()}"  # each node has its own
    job = cluster.job_file(
        "mounts",
        model={"path": str(cluster.model), "precision": "fp16", "container": "docker://registry.example#team/image:v1"},
        frontend={"type": "dynamo", "enable_multiple_frontends": False},
        container_mounts={data: "/data"},
    )
    places = (None, "node001", "node002")
    try:
        for node in places:
            cluster.run("mkdir", data, node=node)
        played = failed(cluster.playbook(job, "-e", f"cluster_file={site}"), "is to be mounted")
    finally:
        for node in places:
            cluster.run("rmdir", data, node=node, check=False)
    assert f"node003: {data} is to be mounted but does not exist" in flat(played.text)
    assert "node001: /" not in played.text and "node002: /" not in played.text
    assert "srt.slurm.worker :" not in played.text
    cluster.gone("mounts")
