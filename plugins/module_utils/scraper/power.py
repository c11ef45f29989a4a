# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exporter of the power and the clocks of this node: GPUs from nvidia-smi, CPUs from the kernel's RAPL counters.

The names are those of NVIDIA's DCGM exporter, so that both are read alike.
"""

from __future__ import annotations

import glob
import http.server
import os
import socket
import subprocess
import sys
import threading
from typing import Any

FIELDS = (
    ("power.draw", "DCGM_FI_DEV_POWER_USAGE"),
    ("clocks.sm", "DCGM_FI_DEV_SM_CLOCK"),
    ("clocks.mem", "DCGM_FI_DEV_MEM_CLOCK"),
    ("temperature.gpu", "DCGM_FI_DEV_GPU_TEMP"),
    ("utilization.gpu", "DCGM_FI_DEV_GPU_UTIL"),
)
QUERY = ",".join(["index", "uuid", *(field for field, _name in FIELDS)])
ANSWER_S = 5.0
RAPL = "/sys/class/powercap/intel-rapl:*"


def gpu_lines(text: str, node: str) -> list[str]:
    """Return the lines of a page for what nvidia-smi answered to QUERY as CSV; a value that it lacks is left out."""
    lines = []
    for row in text.splitlines():
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) != len(FIELDS) + 2:
            continue
        labels = f'{{gpu="{cells[0]}",UUID="{cells[1]}",Hostname="{node}"}}'
        for (_field, name), cell in zip(FIELDS, cells[2:]):
            try:
                lines.append(f"{name}{labels} {float(cell):g}")
            except ValueError:  # [N/A]
                continue
    return lines


def cpu_lines(node: str, pattern: str = RAPL) -> list[str]:
    """Return the lines for the energy counters of CPU packages that this user may read, in joules."""
    lines = []
    for zone in sorted(glob.glob(pattern)):
        try:
            with open(os.path.join(zone, "name"), encoding="ascii") as stream:
                name = stream.read().strip()
            with open(os.path.join(zone, "energy_uj"), encoding="ascii") as stream:
                energy = int(stream.read()) / 1e6
        except (OSError, ValueError):
            continue
        lines.append(
            f'node_rapl_joules_total{{zone="{os.path.basename(zone)}",name="{name}",Hostname="{node}"}} {energy:.6f}'
        )
    return lines


def page(program: str | None = "nvidia-smi", pattern: str = RAPL) -> tuple[str, str]:
    """Return (the page of this node, why it lacks what it should have, or an empty text).

    :param program: what tells of GPUs; None: another exporter does.
    """
    node = socket.gethostname().split(".")[0]
    lines, trouble = _gpus(program, node) if program else ([], "")
    cpus = cpu_lines(node, pattern)
    if program is None and not cpus:
        trouble = f"no counter {pattern}/energy_uj can be read"
    return "".join(f"{line}\n" for line in lines + cpus), trouble


def _gpus(program: str, node: str) -> tuple[list[str], str]:
    """Return (the lines of the GPUs, why there are none or an empty text)."""
    trouble, text = "", ""
    command = [program, f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=ANSWER_S, check=True,
                              text=True).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        trouble = f"{program}: {error}"
    return gpu_lines(text, node), trouble


def serve(port: int, cpus_only: bool = False) -> http.server.HTTPServer:
    """Return a server of ``/metrics`` at *port* of all addresses, not started yet."""
    lock, said = threading.Lock(), [""]
    program = None if cpus_only else "nvidia-smi"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  its name is given
            with lock:  # one nvidia-smi at a time
                text, trouble = page(program)
            if trouble and said[-1] != trouble:
                said.append(trouble)
                sys.stdout.write(f"{trouble}\n")
                sys.stdout.flush()
            body = text.encode()
            self.send_response(200 if text else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is given
            """Write no line for each request."""

    return http.server.ThreadingHTTPServer(("", port), Handler)
