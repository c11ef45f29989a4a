# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that containers of engines lack, nats-server and etcd: their releases, files and checksums."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ..failures import Error

# Names of architectures: that of the kernel, and that of releases and of Debian.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SPELLINGS = {"amd64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64"}
ELF_MACHINES = {0x3E: "x86_64", 0xB7: "aarch64"}
SUMS = "SHA256SUMS"
SUM_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(\S+)\s*")


class Program(NamedTuple):
    """One of them: its package of Debian, the release that is fetched, and where the releases are."""

    name: str
    package: str
    version: str
    releases: str

    def archive(self, machine: str) -> str:
        """Return the name of the file of its release for *machine*."""
        return f"{self.name}-v{self.version}-linux-{ARCHITECTURES[machine]}.tar.gz"

    def place(self) -> str:
        """Return the address of the directory that has the release."""
        return f"{self.releases}/v{self.version}"


PROGRAMS = {
    one.name: one
    for one in (
        Program("nats-server", "nats-server", "2.10.29", "https://github.com/nats-io/nats-server/releases/download"),
        Program("etcd", "etcd-server", "3.5.21", "https://github.com/etcd-io/etcd/releases/download"),
    )
}
WHEELS = ("ai_dynamo", "ai_dynamo_runtime")


def machine_of(word: str) -> str:
    """Return the architecture that *word* means, in the kernel's spelling; Error if it is not known."""
    name = word.strip().lower()
    name = SPELLINGS.get(name, name)
    if name not in ARCHITECTURES:
        raise Error(f"architecture is {word}; expected {' or '.join(ARCHITECTURES)}.")
    return name


def elf_machine(head: bytes) -> str | None:
    """Return the architecture for which the program that begins with the bytes *head* is; None if it is no program."""
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return None
    number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    return ELF_MACHINES.get(number, f"machine {number:#x}")


def sums(text: str) -> dict[str, str]:
    """Return ``{file: SHA-256}`` of a file of checksums."""
    found = {}
    for line in text.splitlines():
        match = SUM_LINE.fullmatch(line.strip())
        if match:
            found[match[2].rpartition("/")[2]] = match[1].lower()
    return found


def choose(program: Program, machine: str, names: Iterable[str]) -> str | None:
    """Return that of the files *names* of a directory which has the program for *machine*; None if there is none.

    The program itself comes first, then an archive of its newest version.
    """
    names = set(names)
    if program.name in names:
        return program.name
    pattern = re.compile(
        rf"{re.escape(program.name)}-v?(\d+(?:\.\d+)*)-linux-(?:{machine}|{ARCHITECTURES[machine]})\.tar\.gz"
    )
    found = [
        (tuple(map(int, match[1].split("."))), name) for name in names for match in [pattern.fullmatch(name)] if match
    ]
    return max(found)[1] if found else None


def wheels(version: str, machine: str, names: Iterable[str]) -> dict[str, str]:
    """Return ``{package: file}`` of those of *names* that are Dynamo's wheels of *version* for *machine*."""
    found = {}
    for name in sorted(names):
        parts = name.removesuffix(".whl").split("-")
        ours = name.endswith(".whl") and len(parts) >= 5 and parts[0] in WHEELS and parts[1] == version
        if ours and (parts[-1] == "any" or parts[-1].endswith(f"_{machine}")):
            found[parts[0]] = name
    return found
