# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell text that runs before an engine or a frontend: setup script, dynamo, a download or a local copy of the model.

All of it runs inside the step, so that it is logged, ended and retried with it. Work that is needed once per node or
job is guarded by a lock: the first process does it and the others wait.
"""

from __future__ import annotations

import hashlib
import re
import shlex

from ..job.preparation import SCRIPT_DIGEST, installs, script_path

INDEX = "https://pypi.nvidia.com"
REPOSITORY = "https://github.com/ai-dynamo/dynamo.git"

PIP = "python3 -m pip install --quiet --disable-pip-version-check"

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

# Copies files that differ by name or size, in parallel; other workers of the node wait.
STAGE = """\
srt_stage() (
  from={source} to={target}
  mkdir -p "$to" || exit 1
  if command -v flock >/dev/null; then exec 9>"$to.lock"; flock 9; fi
  list() {{ (cd "$1" && find -L . -type f -printf '%P\\t%s\\n' | LC_ALL=C sort); }}
  missing=$(LC_ALL=C comm -23 <(list "$from") <(list "$to") | cut -f1)
  [ -n "$missing" ] || exit 0
  echo "staging $(printf '%s\\n' "$missing" | wc -l) files of $from to $to"
  printf '%s\\n' "$missing" | tr '\\n' '\\0' |
    (cd "$from" && xargs -0 -P "${{STAGE_PARALLEL:-16}}" -n 1 cp -L --parents -t "$to") || exit 1
  [ -z "$(LC_ALL=C comm -23 <(list "$from") <(list "$to"))" ]
)
srt_stage || {{ echo "the model could not be staged to {target}" >&2; exit 1; }}"""

# A failed download only warns: the engine tries again and reports the cause.
DOWNLOAD = """\
if [ -n "${{HF_HOME:-}}" ]; then (
  mkdir -p "$HF_HOME" && find "$HF_HOME" -name '*.lock' -mmin +30 -delete 2>/dev/null
  if command -v flock >/dev/null; then exec 9>"$HF_HOME/.srt-download"; flock 9; fi
  python3 -c 'import sys; from huggingface_hub import snapshot_download; snapshot_download(sys.argv[1])' {model}
) || echo "warning: {model} could not be downloaded beforehand" >&2; fi"""


def lines(step, layout):
    """Return the shell texts that run before *step*, in order."""
    spec = layout.spec
    worker, frontend = step["tier"] == "worker", step["kind"] == "frontend"
    if not worker and not frontend:
        return []
    found = []
    if spec["setup_script"]:
        found.append(setup(layout))
    if installs(spec):
        found.append(install(layout))
    if worker and layout.staged_model:
        source, target = shlex.quote(layout.source_model), shlex.quote(layout.staged_model)
        found.append(STAGE.format(source=source, target=target))
    if worker and spec["model"]["path"].startswith("hf:"):
        found.append(DOWNLOAD.format(model=shlex.quote(layout.source_model)))
    return found


def setup(layout):
    """Return the line that runs the setup script; it is in configs_dir or its folder ``patches``."""
    folder = "/configs" if layout.contained else layout.spec["cluster"]["configs_dir"]
    name = script_path(layout.spec)
    first, second = shlex.quote(f"{folder}/{name}"), shlex.quote(f"{folder}/patches/{name}")
    text = f"if [ -e {first} ]; then bash {first}; else bash {second}; fi || exit 1"
    content = layout.spec.get(SCRIPT_DIGEST)
    return f"# sha256 {content}\n{text}" if content else text


def install(layout):
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


def _packages(version):
    return " ".join(shlex.quote(f"{name}=={version}") for name in ("ai-dynamo-runtime", "ai-dynamo"))


def _build(layout):
    """Return (shell text, key) of a build from source.

    A build of a commit is kept in configs_dir for later jobs. The newest commit changes, so it is built once per job,
    in the run directory: all nodes have the same build, and no other job uses it as the newest.
    """
    dynamo = layout.spec["dynamo"]
    patches = dynamo["cargo_patches"] or []
    commit = name = dynamo["hash"] or "HEAD"
    if patches:
        name += "-patch-" + hashlib.sha1("\n".join(patches).encode()).hexdigest()[:8]
    if not dynamo["hash"]:
        cache, name = f"{layout.run_dir}/dynamo-build", f"{name} of {layout.private_dir('dynamo')}"
    elif layout.spec["cluster"]["configs_dir"]:
        cache = f"/configs/dynamo-wheels/{name}"
    else:
        cache = f"/tmp/srt-dynamo-wheels/{name}"
    seds = ""
    for patch in patches:
        crate = re.escape(patch.partition("=")[0].strip())
        line = patch.replace("\\", "\\\\").replace("|", "\\|").replace("&", "\\&")
        program = shlex.quote(f"s|^{crate} *=.*|{line}|")
        seds += f"      find . -name Cargo.toml -exec sed -i {program} {{}} +\n"
    body = BUILD.format(
        cache=shlex.quote(cache), pip=PIP, repository=REPOSITORY, commit=shlex.quote(commit), patches=seds
    )
    return body, f"commit {name}"
