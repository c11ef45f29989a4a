# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell text that runs before an engine or a frontend: setup script, dynamo, a download or a local copy of the model.

All of it runs inside the step, so that it is logged, ended and retried with it. Work that is needed once per node or
job is guarded by a lock: the first process does it and the others wait.
"""

from __future__ import annotations

import shlex

from ..job.inputs import MODEL, known
from ..job.preparation import SCRIPT_DIGEST, script_path
from ..plan_file import Step
from ..services import dynamo_install
from ..topology.layout import Layout

# Copies files that differ by name or size, in parallel, and all of them if the copy is not known to be of this model:
# other weights may have the same names and sizes. Other workers of the node wait. A copy that another user could
# have made or changed is not used: a model may come with code.
STAGE = """\
srt_stage() (
  from={source} to={target} model={model}
  umask 022
  mkdir -p "$to" || exit 1
  chmod go-w "$to" 2>/dev/null
  [ -n "$(find "$to" -maxdepth 0 -type d \\( -uid 0 -o -uid "$(id -u)" \\) ! -perm /022)" ] || {{
    echo "$to is not this user's, or others can write to it; set another model.stage_dir: $(ls -ld -- "$to")" >&2
    exit 1
  }}
  if command -v flock >/dev/null; then exec 9>"$to/.srt-stage"; flock 9; fi
  list() {{ (cd "$1" && find -L . -type f -printf '%P\\t%s\\n' | LC_ALL=C sort); }}
  missing=$(LC_ALL=C comm -23 <(list "$from") <(list "$to") | cut -f1)
  [ -z "$model" ] || [ "$(cat "$to/.srt-model" 2>/dev/null)" = "$model" ] || missing=$(list "$from" | cut -f1)
  [ -n "$missing" ] || exit 0
  rm -f "$to/.srt-model"
  echo "staging $(printf '%s\\n' "$missing" | wc -l) files of $from to $to"
  printf '%s\\n' "$missing" | tr '\\n' '\\0' |
    (cd "$from" && xargs -0 -P "${{STAGE_PARALLEL:-16}}" -n 1 cp -L --remove-destination --parents -t "$to") || exit 1
  [ -z "$(LC_ALL=C comm -23 <(list "$from") <(list "$to"))" ] || exit 1
  [ -z "$model" ] || echo "$model" >"$to/.srt-model"
)
srt_stage || {{ echo "the model could not be staged to {target}" >&2; exit 1; }}"""

# A failed download only warns: the engine tries again and reports the cause.
DOWNLOAD = """\
if [ -n "${{HF_HOME:-}}" ]; then (
  mkdir -p "$HF_HOME" && find "$HF_HOME" -name '*.lock' -mmin +30 -delete 2>/dev/null
  if command -v flock >/dev/null; then exec 9>"$HF_HOME/.srt-download"; flock 9; fi
  python3 -c 'import sys; from huggingface_hub import snapshot_download; snapshot_download(sys.argv[1])' {model}
) || echo "warning: {model} could not be downloaded beforehand" >&2; fi"""


def lines(step: Step, layout: Layout) -> list[str]:
    """Return the shell texts that run before *step*, in order."""
    spec = layout.spec
    worker, frontend = step["kind"] == "worker", step["kind"] == "frontend"
    if not worker and not frontend:
        return []
    found = []
    if spec["setup_script"]:
        found.append(setup(layout))
    if dynamo_install.installs(spec):
        found.append(dynamo_install.script(layout))
    if worker and layout.staged_model:
        words = {"source": layout.source_model, "target": layout.staged_model, "model": known(spec, MODEL) or ""}
        found.append(STAGE.format(**{name: shlex.quote(word) for name, word in words.items()}))
    if worker and spec["model"]["path"].startswith("hf:"):
        found.append(DOWNLOAD.format(model=shlex.quote(layout.source_model)))
    return found


def setup(layout: Layout) -> str:
    """Return the line that runs the setup script; it is in configs_dir or its folder ``patches``."""
    folder = "/configs" if layout.contained else layout.spec["cluster"]["configs_dir"]
    name = script_path(layout.spec)
    first, second = shlex.quote(f"{folder}/{name}"), shlex.quote(f"{folder}/patches/{name}")
    text = f"if [ -e {first} ]; then bash {first}; else bash {second}; fi || exit 1"
    content = layout.spec.get(SCRIPT_DIGEST)
    return f"# sha256 {content}\n{text}" if content else text
