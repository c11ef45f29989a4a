# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing dynamo in the containers of workers and frontends: the rules, and the shell text that does it."""

from __future__ import annotations

import hashlib
import re
import shlex

from ..failures import Finding
from ..json_types import JsonObject
from ..schema.types import shown
from ..topology.layout import Layout
from .dynamo import serves

CARGO_LINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]* *= *\S[^\r\n]*")

INDEX = "https://pypi.nvidia.com"
REPOSITORY = "https://github.com/ai-dynamo/dynamo.git"

# Images of newer distributions mark their Python as theirs (PEP 668). The variable is --break-system-packages for pip
# that knows it, and nothing for older ones, which would refuse the option.
PIP = "PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --disable-pip-version-check"

# The function is not called in a condition: bash would ignore its `set -e` there.
INSTALL = """\
srt_dynamo() (
  set -e
  mark="$(python3 -c 'import sys; print(sys.prefix)' 2>/dev/null || echo "$HOME")/.srt-dynamo"
  mkdir -p "$mark" 2>/dev/null || {{ mark="$HOME/.srt-dynamo"; mkdir -p "$mark"; }}
  if command -v flock >/dev/null; then exec 9>"$mark/lock"; flock 9; fi
  [ "$(cat "$mark/done" 2>/dev/null)" != {key} ] || exit 0
  {body}
  echo {key} >"$mark/done"
)
srt_dynamo
[ $? = 0 ] || {{ echo "dynamo could not be installed" >&2; exit 1; }}"""

# Other users of the node could make the directory of wheels beforehand, and put theirs in it.
PRIVATE_CACHE = """\
top="/tmp/srt-dynamo-wheels-$(id -u)"
  mkdir -m 700 -- "$top" 2>/dev/null || true
  [ -n "$(find "$top" -maxdepth 0 -type d -uid "$(id -u)" ! -perm /022)" ] || {
    echo "$top is not a private directory of this user: $(ls -ld -- "$top" 2>&1)" >&2
    exit 1
  }
  """

BUILD = """\
cache={cache}
  if ! [ -e "$cache/.complete" ]; then
    mkdir -p "$cache"
    if command -v flock >/dev/null; then exec 8>"$cache.lock"; flock 8; fi
    if ! [ -e "$cache/.complete" ]; then
      if command -v apt-get >/dev/null; then
        apt-get update -qq
        apt-get install -y -qq git curl build-essential cmake pkg-config libclang-dev protobuf-compiler libudev-dev
      fi
      command -v cargo >/dev/null || curl -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
      export PATH="$HOME/.cargo/bin:$PATH"
      {pip} maturin
      build=$(mktemp -d)
      git clone --quiet {repository} "$build/dynamo"
      cd "$build/dynamo"
      git checkout --quiet {commit}
      echo "building dynamo $(git rev-parse HEAD)"
{patches}      (cd lib/bindings/python && maturin build --release --out "$cache")
      tar -C "$build" -czf "$cache/dynamo.tar.gz" dynamo
      cd /
      rm -rf "$build"
      touch "$cache/.complete"
    fi
  fi
  source="${{HOME:-/root}}/srt-dynamo-source"
  rm -rf "$source"
  mkdir -p "$source"
  tar -C "$source" -xzf "$cache/dynamo.tar.gz"
  {pip} "$cache"/*.whl
  {pip} -e "$source/dynamo\""""


def installs(spec: JsonObject) -> bool:
    """Return whether dynamo is installed: only in containers, never on the host."""
    return _wanted(spec) and spec["cluster"]["container_runtime"] != "none"


def keeps_host(spec: JsonObject) -> bool:
    """Return whether the host's dynamo is used although the job requests an installation."""
    return _wanted(spec) and spec["cluster"]["container_runtime"] == "none"


def _wanted(spec: JsonObject) -> bool:
    return bool(serves(spec) and spec["dynamo"]["install"])


def problems(spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` of the job's ``dynamo`` section."""
    dynamo = spec["dynamo"]
    found: list[Finding] = []
    sources = [key for key in ("hash", "top_of_tree", "wheel") if dynamo[key]]
    if len(sources) > 1:
        found.append((("dynamo",), f"has {' and '.join(sources)}; only one source can be installed.", "Keep one."))
    if dynamo["cargo_patches"] and not dynamo["hash"]:
        found.append((("dynamo", "cargo_patches"), "needs dynamo.hash.", None))
    for index, line in enumerate(dynamo["cargo_patches"] or ()):
        if not CARGO_LINE.fullmatch(line):
            problem = f"is {shown(line)}; expected a line of Cargo.toml."
            found.append((("dynamo", "cargo_patches", index), problem, "Write CRATE = ..., on one line."))
    if dynamo["git"] and not dynamo["hash"]:
        found.append((("dynamo", "git"), "needs dynamo.hash.", None))
    if not sources and not dynamo["version"].strip() and installs(spec):
        remedy = "Name a version, or leave it out for the default."
        found.append((("dynamo", "version"), "is empty, so nothing can be installed.", remedy))
    wheel = dynamo["wheel"]
    if wheel is not None and (not wheel.strip() or "/" in wheel or wheel.endswith(".whl")):
        found.append((("dynamo", "wheel"), f'is "{wheel}"; expected a version such as 0.8.1, not a file.', None))
    return found


def notes(spec: JsonObject) -> list[str]:
    """Return notes on an installation that is left out, or that will lack its files."""
    if keeps_host(spec):
        return ["dynamo.install: the job does not run in a container, so the installed dynamo is used."]
    if installs(spec) and spec["dynamo"]["wheel"] and not spec["cluster"]["configs_dir"]:
        return ["dynamo.wheel: the wheels must be in configs_dir/wheelhouse/dynamo, and no configs_dir is set."]
    return []


def script(layout: Layout) -> str:
    """Return the text that installs dynamo according to the job's ``dynamo`` section."""
    dynamo = layout.spec["dynamo"]
    if dynamo["wheel"]:
        version, key = dynamo["wheel"], f"wheel {dynamo['wheel']}"
        body = f"{PIP} --no-index --no-deps --find-links /configs/wheelhouse/dynamo {_packages(version)}"
    elif dynamo["hash"] or dynamo["top_of_tree"]:
        body, key = _build(layout)
    else:
        version = dynamo["version"]
        key = f"version {version}"
        body = f"{PIP} --extra-index-url {INDEX} {_packages(version)}"
    return INSTALL.format(key=shlex.quote(key), body=body)


def _packages(version: str) -> str:
    return " ".join(shlex.quote(f"{name}=={version}") for name in ("ai-dynamo-runtime", "ai-dynamo"))


def _build(layout: Layout) -> tuple[str, str]:
    """Return (shell text, key) of a build from source.

    A build of a commit is kept in configs_dir for later jobs. The newest commit changes, so it is built once per job,
    in the run directory: all nodes have the same build, and no other job uses it as the newest.
    """
    dynamo = layout.spec["dynamo"]
    patches, private = dynamo["cargo_patches"] or [], ""
    commit = name = dynamo["hash"] or "HEAD"
    repository = dynamo["git"] or REPOSITORY
    if dynamo["git"]:  # another repository may have the same tags
        name += "-of-" + hashlib.sha1(repository.encode()).hexdigest()[:8]
    if patches:
        name += "-patch-" + hashlib.sha1("\n".join(patches).encode()).hexdigest()[:8]
    if not dynamo["hash"]:
        cache, name = shlex.quote(f"{layout.run_dir}/dynamo-build"), f"{name} of {layout.private_dir('dynamo')}"
    elif layout.spec["cluster"]["configs_dir"]:
        cache = shlex.quote(f"/configs/dynamo-wheels/{name}")
    else:
        private, cache = PRIVATE_CACHE, f'"$top"/{shlex.quote(name)}'
    seds = ""
    for patch in patches:
        crate = re.escape(patch.partition("=")[0].strip())
        line = patch.replace("\\", "\\\\").replace("|", "\\|").replace("&", "\\&")
        program = shlex.quote(f"s|^{crate} *=.*|{line}|")
        seds += f"      find . -name Cargo.toml -exec sed -i {program} {{}} +\n"
    repository = shlex.quote(repository)
    body = private + BUILD.format(cache=cache, pip=PIP, repository=repository, commit=shlex.quote(commit), patches=seds)
    return body, f"commit {name}"
