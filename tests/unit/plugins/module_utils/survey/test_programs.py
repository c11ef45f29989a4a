# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases, checksums, wheels and images by their names."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.survey import images, programs
from ansible_collections.srt.slurm.plugins.module_utils.survey.programs import PROGRAMS

ETCD, NATS = PROGRAMS["etcd"], PROGRAMS["nats-server"]


@pytest.mark.parametrize(
    ("word", "found"), [("aarch64", "aarch64"), ("ARM64", "aarch64"), ("x86-64", "x86_64"), (" amd64 ", "x86_64")]
)
def test_an_architecture_by_any_of_its_names(word, found):
    assert programs.machine_of(word) == found


@pytest.mark.parametrize("word", ["", "gb200", "ppc64le", "arm"])
def test_an_architecture_that_is_not_known(word):
    with pytest.raises(Error, match=f"architecture is {word}; expected x86_64 or aarch64"):
        programs.machine_of(word)


def test_the_architecture_of_a_program():
    def elf(number, order=1):
        return b"\x7fELF\x02" + bytes([order]) + bytes(12) + number.to_bytes(2, "little" if order == 1 else "big")

    assert programs.elf_machine(elf(0x3E)) == "x86_64" and programs.elf_machine(elf(0xB7)) == "aarch64"
    assert programs.elf_machine(elf(0xF3)) == "machine 0xf3" and programs.elf_machine(elf(0x16, 2)) == "machine 0x16"
    assert programs.elf_machine(b"#!/bin/sh\n" * 9) is None and programs.elf_machine(b"\x7fELF") is None


def test_files_of_checksums():
    one, other = "a" * 64, "B" * 64
    text = f"{one}  etcd-v3.5.21-linux-amd64.tar.gz\n{other} *./dist/nats.tar.gz\nnonsense\n{'c' * 63}  short\n"
    assert programs.sums(text) == {"etcd-v3.5.21-linux-amd64.tar.gz": one, "nats.tar.gz": other.lower()}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["etcd", "etcd-v3.5.21-linux-arm64.tar.gz"], "etcd"),
        (["etcd-v3.5.9-linux-arm64.tar.gz", "etcd-v3.5.21-linux-arm64.tar.gz"], "etcd-v3.5.21-linux-arm64.tar.gz"),
        (["etcd-3.5.21-linux-aarch64.tar.gz"], "etcd-3.5.21-linux-aarch64.tar.gz"),
        (["etcd-v3.5.21-linux-amd64.tar.gz", "etcdctl", "etcd-v3.5.21-darwin-arm64.zip"], None),
        ([], None),
    ],
)
def test_the_file_of_a_directory(names, found):
    assert programs.choose(ETCD, "aarch64", names) == found


def test_the_address_of_a_release():
    assert NATS.archive("aarch64") == f"nats-server-v{NATS.version}-linux-arm64.tar.gz"
    assert NATS.place() == f"https://github.com/nats-io/nats-server/releases/download/v{NATS.version}"


@pytest.mark.parametrize(
    ("machine", "found"),
    [
        ("aarch64", {"ai_dynamo": "ai_dynamo-0.8.1-py3-none-any.whl",
                     "ai_dynamo_runtime": "ai_dynamo_runtime-0.8.1-cp310-abi3-manylinux_2_28_aarch64.whl"}),
        ("x86_64", {"ai_dynamo": "ai_dynamo-0.8.1-py3-none-any.whl"}),
    ],
)  # fmt: skip
def test_wheels(machine, found):
    names = ["ai_dynamo-0.8.1-py3-none-any.whl", "ai_dynamo_runtime-0.8.1-cp310-abi3-manylinux_2_28_aarch64.whl",
             "ai_dynamo-0.8.0-py3-none-any.whl", "other-0.8.1-py3-none-any.whl", "ai_dynamo-0.8.1.tar.gz"]  # fmt: skip
    assert programs.wheels("0.8.1", machine, names) == found


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("docker://lmsysorg/sglang:v0.5.5", "docker://lmsysorg/sglang:v0.5.5"),
        ("lmsysorg/sglang:v0.5.5", "docker://lmsysorg/sglang:v0.5.5"),
        ("nvcr.io/nvidia/x:1", "docker://nvcr.io#nvidia/x:1"),
        ("docker://nvcr.io#nvidia/x:1", "docker://nvcr.io#nvidia/x:1"),
        ("localhost:5000/x", "docker://localhost:5000#x"),
        ("ubuntu", "docker://ubuntu"),
        ("dockerd://mine:latest", "dockerd://mine:latest"),
    ],
)
def test_names_of_images(source, name):
    assert images.enroot_name(source) == name


@pytest.mark.parametrize("source", ["", "docker://", "oras://x", "a b"])
def test_names_that_enroot_does_not_import(source):
    with pytest.raises(Error, match="^images: "):
        images.enroot_name(source)


@pytest.mark.parametrize("alias", ["../x", "", "a b", ".hidden", "a/b"])
def test_a_short_name_becomes_a_file_only_if_it_can(alias):
    assert images.file_of("sglang-0.5") == "sglang-0.5.sqsh"
    with pytest.raises(Error, match="short name"):
        images.file_of(alias)
