# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last lines of a job's output mean, and what helps."""

from __future__ import annotations

import re

EXPLAINED = (
    (
        re.compile(r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError", re.I),
        "A GPU, or a slice of one (MIG), ran out of memory. Lower gpu_memory_utilization (for example 0.75), "
        "train_batch_size or max_response_length.",
    ),
    (
        re.compile(r"No available worker slots", re.I),
        "The runtime had no slot for a sandbox. Raise cpus_for_runtime, or lower cpus_per_worker, train_batch_size, "
        "rollout_n or max_parallel_agents.",
    ),
    (
        re.compile(r"the runtime was not ready in", re.I),
        "Read runtime_*.err. If the image is large, pull it beforehand; raise runtime_ready_timeout if the server "
        "needs longer.",
    ),
    (
        re.compile(r"port \d+ is taken|Address already in use", re.I),
        "Leave runtime_port out, or set it to 0, to have a free one chosen.",
    ),
    (
        re.compile(r"there is no podman|podman system service did not start|cannot connect to (?:podman|docker)", re.I),
        "Podman does not work on the node of the runtime. Try podman info there in a small job; containers_conf names "
        "a file with its settings (docs/rl.md).",
    ),
    (
        re.compile(r"No module named '?slurm_runtime", re.I),
        "The server is not installed where it was looked for. Set skyrl_project_root, and setup to activate its "
        "environment (source .venv/bin/activate).",
    ),
    (
        re.compile(r"the runtime has ended|the runtime is lost", re.I),
        "Training stopped because its runtime ended first. Read runtime_state.json and runtime_*.err.",
    ),
)


def explain(text: str) -> list[str]:
    """Return what helps against what *text*, the end of an output, shows; each once."""
    return [remedy for pattern, remedy in EXPLAINED if pattern.search(text)]
