# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What setup.yml writes and installs: the cluster file, programs, images."""

from __future__ import annotations

import hashlib
import io
import platform
import shutil
import tarfile
import threading

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.stages import cluster_file, cluster_programs, container_images

HERE = platform.machine()
OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}[HERE]
PROPOSALS = [
    {"key": "default_partition", "value": "batch", "why": "Slurm's default"},
    {"key": "default_account", "value": "research", "why": "your only account"},
    {"key": "gpus_per_node", "value": 8, "why": "Gres"},
    {"key": "network_interface", "value": None, "why": "no node was asked"},
]


def call(module, check_mode=False, **given):
    defaults = {name: one.get("default") for name, one in module.ARGUMENT_SPEC.items()}
    return module.run({**defaults, **given}, Context(check_mode))


# srtslurm.yaml


def test_a_new_file_is_one_that_jobs_read(tmp_path):
    path = tmp_path / "new" / "srtslurm.yaml"
    assert call(cluster_file, True, path=str(path), proposals=PROPOSALS)["changed"] and not path.exists()
    done = call(cluster_file, path=str(path), proposals=PROPOSALS, settings={"default_account": "none"})
    assert done["changed"] and done["added"] == ["default_partition", "gpus_per_node"]
    settings = load_cluster(str(path)).settings
    assert (settings["default_partition"], settings["gpus_per_node"]) == ("batch", 8)
    again = call(cluster_file, path=str(path), proposals=PROPOSALS, settings={"default_account": "none"})
    assert not again["changed"] and again["added"] == [] and again["notes"] == []


def test_what_a_person_typed_is_read_as_the_key_needs_it(tmp_path):
    path = tmp_path / "srtslurm.yaml"
    call(cluster_file, path=str(path), settings={"gpus_per_node": " 4", "use_segment_sbatch_directive": "False"})
    assert yaml.safe_load(path.read_text()) == {"gpus_per_node": 4, "use_segment_sbatch_directive": False}


def test_a_value_that_cannot_be_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "srtslurm.yaml"
    with pytest.raises(Error, match=r"srtslurm.yaml:\d+: gpus_per_node: "):
        call(cluster_file, path=str(path), settings={"gpus_per_node": "four"})
    with pytest.raises(Error, match=r"settings: default_acount is no key of srtslurm.yaml"):
        call(cluster_file, path=str(path), settings={"default_acount": "x"})
    assert not path.exists()


def test_a_kept_value_and_an_unknown_key_are_said(tmp_path):
    path = tmp_path / "srtslurm.yaml"
    path.write_text("default_partition: mine\nmy_key: 1\n")
    done = call(cluster_file, path=str(path), proposals=PROPOSALS)
    assert path.read_text().startswith("default_partition: mine\nmy_key: 1\n")
    assert "default_partition stays mine; batch was not written" in done["notes"][0]
    assert "my_key is kept, but no job understands it" in done["notes"][1]
    assert done["settings"]["default_account"] == "research"


def test_the_file_that_jobs_use_is_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRTSLURM_CONFIG", raising=False)
    assert call(cluster_file)["path"] == str(tmp_path / "srtslurm.yaml")
    (tmp_path / "srtslurm.yaml").write_text("gpus_per_node: 4\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert call(cluster_file)["settings"] == {"gpus_per_node": 4}
    monkeypatch.setenv("SRTSLURM_CONFIG", str(tmp_path / "named.yaml"))
    assert call(cluster_file)["path"] == str(tmp_path / "named.yaml")


# Programs


def elf(machine):
    number = {"x86_64": 0x3E, "aarch64": 0xB7}[machine]
    return b"\x7fELF\x02\x01" + bytes(12) + number.to_bytes(2, "little") + bytes(40)


def archive(path, name, content):
    with tarfile.open(path, "w:gz") as out:
        entry = tarfile.TarInfo(f"{name}-v9.9.9-linux/{name}")
        entry.size = len(content)
        out.addfile(entry, io.BytesIO(content))


@pytest.fixture
def source(tmp_path):
    """A directory with programs for another architecture than this host's."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    word = {"x86_64": "amd64", "aarch64": "arm64"}[OTHER]
    archive(folder / f"nats-server-v9.9.9-linux-{word}.tar.gz", "nats-server", elf(OTHER))
    (folder / "etcd").write_bytes(elf(OTHER))
    return folder


def test_programs_of_a_directory_for_nodes_of_another_architecture(tmp_path, source):
    configs = tmp_path / "configs"
    given = {"path": str(configs), "architecture": OTHER, "source": str(source)}
    assert call(cluster_programs, True, **given)["changed"] and not configs.exists()
    done = call(cluster_programs, **given)
    assert done["changed"] and done["installed"] == ["nats-server", "etcd"]
    assert (configs / "nats-server").read_bytes() == elf(OTHER) and (configs / "etcd").stat().st_mode & 0o111
    assert done["record"]["etcd"]["sha256"] == hashlib.sha256(elf(OTHER)).hexdigest()
    assert not call(cluster_programs, **given)["changed"]


def test_a_program_that_is_no_longer_what_was_installed_is_an_error(tmp_path, source):
    configs = tmp_path / "configs"
    given = {"path": str(configs), "architecture": OTHER, "source": str(source)}
    call(cluster_programs, **given)
    (configs / "etcd").write_bytes(elf(OTHER) + b"!")
    with pytest.raises(Error, match=r"configs/etcd has SHA-256 .*; expected .*, as recorded. Remove it"):
        call(cluster_programs, **given)


def test_a_program_for_another_architecture_is_refused(tmp_path, source):
    (source / "etcd").write_bytes(elf(HERE))
    given = {"path": str(tmp_path / "configs"), "architecture": OTHER, "source": str(source)}
    with pytest.raises(Error, match=f"etcd of .*downloads/etcd is for {HERE}, not {OTHER}"):
        call(cluster_programs, **given)
    assert not (tmp_path / "configs" / "etcd").exists() and not (tmp_path / "configs" / ".etcd.new").exists()
    shutil.copy(source / "etcd", tmp_path / "configs" / "etcd")
    with pytest.raises(Error, match=f"configs/etcd is for {HERE}, not for {OTHER}. Remove it"):
        call(cluster_programs, **given)


@pytest.mark.parametrize("how", ["given", "beside it"])
def test_a_file_with_another_checksum_is_refused(tmp_path, source, how):
    given = {"path": str(tmp_path / "configs"), "architecture": OTHER, "source": str(source)}
    if how == "given":
        given["checksums"] = {"etcd": "a" * 64}
    else:
        (source / "SHA256SUMS").write_text(f"{'a' * 64}  etcd\n")
    with pytest.raises(Error, match=r"etcd has SHA-256 .*; expected a+"):
        call(cluster_programs, **given)
    assert not (tmp_path / "configs" / "etcd").exists()


def test_a_source_without_the_program_says_what_belongs_there(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Error, match=r"empty has neither nats-server nor nats-server-v.*-linux-.*tar.gz"):
        call(cluster_programs, path=str(tmp_path / "configs"), source=str(tmp_path / "empty"))
    with pytest.raises(Error, match="source is /no/such, which is no directory and no address"):
        call(cluster_programs, path=str(tmp_path / "configs"), source="/no/such")
    with pytest.raises(Error, match="configs_dir is configs. Give an absolute path"):
        call(cluster_programs, path="configs")


def test_wheels_of_a_directory(tmp_path, source):
    for name in ("ai_dynamo-0.8.1-py3-none-any.whl", f"ai_dynamo_runtime-0.8.1-cp310-abi3-manylinux_2_28_{OTHER}.whl"):
        (source / name).write_bytes(b"wheel")
    given = {"path": str(tmp_path / "configs"), "architecture": OTHER, "source": str(source), "wheels": "0.8.1"}
    assert len(call(cluster_programs, **given)["wheels"]) == 2
    assert not call(cluster_programs, **given)["changed"]
    with pytest.raises(Error, match=r"No wheel of ai_dynamo, ai_dynamo_runtime 0.8.2 for"):
        call(cluster_programs, **{**given, "wheels": "0.8.2"})


# Images

ENROOT = """
printf '%s\\n' "$*" >>"$0.calls"
while [ "$1" != --output ]; do shift; done
case $3 in *missing*) echo "[ERROR] Could not process JSON input" >&2; exit 1;; esac
sleep 0.2
echo image >"$2"
"""


def test_an_image_is_imported_once_whoever_asks(tmp_path, program):
    program("enroot", ENROOT)
    given = {"path": str(tmp_path / "images"), "images": {"sglang": "docker://lmsysorg/sglang:v1", "own": "/etc/hosts"}}
    assert call(container_images, True, **given)["imported"] == ["sglang"] and not (tmp_path / "images").exists()
    threads = [threading.Thread(target=call, args=(container_images,), kwargs=given) for _number in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    done = call(container_images, **given)
    assert not done["changed"] and done["containers"]["sglang"] == str(tmp_path / "images" / "sglang.sqsh")
    assert done["containers"]["own"] == "/etc/hosts"
    assert (tmp_path / "bin" / "enroot.calls").read_text().count("\n") == 1


def test_an_image_that_cannot_be_imported_leaves_nothing(tmp_path, program):
    program("enroot", ENROOT)
    with pytest.raises(Error, match=r"could not import docker://x/missing: \[ERROR\] Could not process"):
        call(container_images, path=str(tmp_path / "images"), images={"x": "x/missing"})
    assert not list((tmp_path / "images").glob("x.sqsh"))
    with pytest.raises(Error, match="images: x: there is no file /no/such.sqsh"):
        call(container_images, path=str(tmp_path / "images"), images={"x": "/no/such.sqsh"})


def test_a_short_name_that_is_taken_by_another_image(tmp_path, program):
    program("enroot", ENROOT)
    call(container_images, path=str(tmp_path / "images"), images={"x": "a/b:1"})
    with pytest.raises(Error, match=r"x.sqsh was imported from docker://a/b:1, not from docker://a/b:2"):
        call(container_images, path=str(tmp_path / "images"), images={"x": "a/b:2"})


def test_without_enroot_the_command_is_said(tmp_path):
    done = call(container_images, path=str(tmp_path), images={"x": "a/b"}, architecture=OTHER, enroot="/no/enroot")
    assert not done["changed"] and done["containers"] == {}
    assert f"enroot import --arch {OTHER} --output {tmp_path}/x.sqsh docker://a/b" in done["notes"][0]
