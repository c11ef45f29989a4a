# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a program comes from: a directory, an address with checksums, this machine, Debian, or its releases."""

from __future__ import annotations

import glob
import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile

from ..entry import Context
from ..failures import Error
from ..survey import programs
from ..survey.programs import SUMS, Program
from . import download

PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "linux")
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
APT_S = 300.0


def sha256(path: str) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as stream:
        for piece in iter(lambda: stream.read(1 << 20), b""):
            found.update(piece)
    return found.hexdigest()


def machine_of_file(path: str) -> str | None:
    """Return the architecture for which the program at *path* is; None if it is no program."""
    with open(path, "rb") as stream:
        return programs.elf_machine(stream.read(20))


def fetch(
    program: Program, machine: str, source: str, checksums: dict[str, str], debian: bool, target: str, ctx: Context
) -> str:
    """Write the *program* for *machine* to *target*; return where it is from, for people.

    :param source: a directory, an address of one, or "".
    """
    if source.startswith(("http://", "https://")):
        return _from_address(program, machine, source.rstrip("/"), checksums, target, ctx)
    if source:
        return _from_directory(program, machine, source, checksums, target)
    if machine == platform.machine():
        here = None if debian else shutil.which(program.name, path=os.pathsep.join([os.environ.get("PATH", ""), *SBIN]))
        if here and machine_of_file(here) == machine:
            shutil.copyfile(here, target)
            return here
        why = _from_debian(program, target)
        if not why:
            return f"Debian's package {program.package}"
        if debian:
            raise Error(
                f"{program.name} is not available from Debian: {why} Put it into a directory and give that as source."
            )
    return _from_address(program, machine, program.place(), checksums, target, ctx)


def _from_directory(program: Program, machine: str, source: str, checksums: dict[str, str], target: str) -> str:
    """Take the program, or an archive with it, from a directory. Its file SHA256SUMS is believed, if it has one."""
    if not os.path.isdir(source):
        raise Error(f"source is {source}, which is no directory and no address (https://...).")
    name = programs.choose(program, machine, os.listdir(source))
    if not name:
        raise Error(
            f"source: {source} has neither {program.name} nor {program.archive(machine)} (any version). Put one there."
        )
    known = dict(checksums)
    if os.path.exists(os.path.join(source, SUMS)):
        with open(os.path.join(source, SUMS), encoding="utf-8", errors="replace") as stream:
            known = {**programs.sums(stream.read()), **checksums}
    path = os.path.join(source, name)
    if name == program.name:
        copy_checked(path, target, known)
    else:
        check(path, known)
        _unpack(path, program.name, target)
    return path


def copy_checked(path: str, target: str, checksums: dict[str, str]) -> None:
    """Copy a file that has the checksum of its name, if there is one."""
    check(path, checksums)
    shutil.copyfile(path, target)


def check(path: str, checksums: dict[str, str]) -> None:
    """Raise Error if the file *path* has another checksum than that of its name."""
    name = os.path.basename(path)
    expected, has = checksums.get(name), sha256(path)
    if expected and expected != has:
        raise Error(f"{path} has SHA-256 {has}; expected {expected}. It is damaged, or not what it is called.")


def _from_address(
    program: Program, machine: str, place: str, checksums: dict[str, str], target: str, ctx: Context
) -> str:
    """Download the archive of the release. Without a checksum, ours or that of SHA256SUMS beside it, it is not used."""
    name = program.archive(machine)
    with tempfile.TemporaryDirectory(prefix="srt-programs-") as folder:
        path = os.path.join(folder, name)
        if name not in checksums:
            sums = os.path.join(folder, SUMS)
            try:
                download.stage(f"{place}/{SUMS}", sums, ctx, "checksums")
            except Error as error:
                raise Error(
                    f"{program.name}: no checksum of {name}. {error.msg} Give it with checksums ({name}: SHA-256), or "
                    f"a directory that has {program.name} as source."
                ) from None
            with open(sums, encoding="utf-8", errors="replace") as stream:
                checksums = {**programs.sums(stream.read()), **checksums}
        if name not in checksums:
            raise Error(f"{program.name}: {place}/{SUMS} has no line for {name}. Give its SHA-256 with checksums.")
        download.stage(f"{place}/{name}", path, ctx, "source")
        check(path, checksums)
        _unpack(path, program.name, target)
    return f"{place}/{name}"


def _unpack(path: str, name: str, target: str) -> None:
    """Write the file *name* of an archive to *target*, wherever it is in it."""
    try:
        with tarfile.open(path) as archive:
            found = next((one for one in archive if one.isfile() and os.path.basename(one.name) == name), None)
            stream = archive.extractfile(found) if found else None
            if stream is None:
                raise Error(f"{path} has no file {name}.")
            with stream, open(target, "wb") as out:
                shutil.copyfileobj(stream, out)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Error(f"{path} cannot be unpacked: {error}.") from None


def _from_debian(program: Program, target: str) -> str:
    """Take the program from Debian's package, without root; return why that is not possible, "" if it is done."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return "this machine has no apt-get."
    with tempfile.TemporaryDirectory(prefix="srt-programs-") as folder:
        os.chmod(folder, 0o755)
        for argv in (["apt-get", "-q", "download", program.package], ["dpkg-deb", "-x", "", "."]):
            argv = [one or (glob.glob(os.path.join(folder, "*.deb")) or [""])[0] for one in argv]
            try:
                done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=APT_S, check=False)
            except (OSError, subprocess.SubprocessError) as error:
                return f"{error}."
            if done.returncode:
                return (done.stderr.strip().splitlines() or [f"{argv[0]} failed"])[-1] + "."
        found = [path for path in glob.glob(f"{folder}/usr/**/{program.name}", recursive=True) if os.path.isfile(path)]
        if not found:
            return f"its package {program.package} has no {program.name}."
        shutil.copyfile(found[0], target)
    return ""
