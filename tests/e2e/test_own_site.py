# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of its own, without the checkout: the built tarball, installed in a clean place, and the example beside it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from cluster import ROOT, Played

TOKEN = "hf_OwnSiteMarker7f31example"


@pytest.fixture(scope="module")
def site(cluster, tmp_path_factory):
    """The folder of the site: the example with the collection installed, and its vault encrypted."""
    folder = tmp_path_factory.mktemp("own-site")
    home = folder / "home"
    home.mkdir()
    inherited = {name: value for name, value in cluster.environment.items() if not name.startswith(("ANSIBLE", "SRT"))}
    environment = {**inherited, "HOME": str(home)}

    def run(*argv, cwd=folder):
        done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run("ansible-galaxy", "collection", "build", "--output-path", str(folder / "built"), cwd=ROOT)
    (tarball,) = (folder / "built").glob("srt-slurm-*.tar.gz")
    there = folder / "site"
    shutil.copytree(ROOT / "examples" / "own-site", there)
    run("ansible-galaxy", "collection", "install", "--offline", str(tarball), "-p", str(there / "collections"))
    (folder / "password").write_text("open sesame\n")
    vault = there / "inventory" / "group_vars" / "launchers" / "vault.yml"
    vault.write_text(f"vault_hf_token: {TOKEN}\n")
    run("ansible-vault", "encrypt", "--vault-password-file", str(folder / "password"), str(vault))

    def play(*argv):
        words = [*cluster.prefix(), "env", "-C", str(there), *argv, "--vault-password-file", str(folder / "password")]
        given = {"SITE_MODEL": str(cluster.model), "SITE_PYTHON": sys.executable}
        done = subprocess.run(
            words, cwd="/", env={**environment, **given}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
        )  # fmt: skip
        return Played(done.returncode, done.stdout)

    play.folder = there
    return play


def whole_text_of(folder):
    """Return everything in the files below *folder*, as bytes."""
    paths = [path for path in pathlib.Path(folder).rglob("*") if path.is_file() and ".secrets" not in path.parts]
    return b"".join(path.read_bytes() for path in paths)


@pytest.mark.slow
def test_roles_of_the_installed_collection_make_a_whole_run(cluster, site):
    played = site("ansible-playbook", "site.yml", "-e", "site_job_file=job.yaml")
    assert played.rc == 0, played.text
    latest = (site.folder / "outputs" / "latest").resolve()
    assert json.loads((latest / "rollup.json").read_text())["valid"] is True
    assert cluster.jobs("own-site") == []
    assert TOKEN not in played.text and TOKEN.encode() not in whole_text_of(latest)
    assert TOKEN in (latest / ".secrets" / "env.json").read_text()


@pytest.mark.slow
def test_the_main_playbook_and_the_nodes_of_its_run(cluster, site):
    argv = ["ansible-playbook", "srt.slurm.bench", "-e", "job_file=job.yaml", "-e", "output_dir=outputs"]
    argv += ["-e", "cluster_file=srtslurm.yaml"]
    played = site(*argv, "-e", "keep=600")
    assert played.rc == 0, played.text
    assert "could not match supplied host pattern" not in played.text
    looked = site("ansible-playbook", "-i", "inventory/nodes.slurm.yml", "nodes.yml")
    assert looked.rc == 0, looked.text
    assert len((site.folder / "node-files" / "gpus.txt").read_text().splitlines()) == 2
    again = site(*argv, "-e", "keep=600")
    assert (again.rc, again.changed) == (0, 0), again.text
    ended = site(*argv, "--tags", "teardown")
    assert ended.rc == 0 and cluster.jobs("own-site") == [], ended.text
    assert os.listdir(site.folder / "collections" / "ansible_collections") != []
