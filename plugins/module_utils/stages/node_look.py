# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at idle nodes without a job of ours: the node check of preflight, in one small job of srun."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from ..failures import SlurmError
from ..files import write_text_atomic
from ..holder import PYTHON
from ..json_types import Json, JsonObject
from ..programs import program_files
from ..slurm import commands
from .node_check import __main__ as node_check
from .node_check.main import Report

CHECK_S = 60.0  # beside the time until the nodes are there
SHARED_DISK_S = 10.0
MINUTES = 5  # the time limit of the job
NOISE = re.compile(r"^srun: (?:job \d+ queued|job \d+ has been allocated|lua:)", re.IGNORECASE)


class Look(NamedTuple):
    """What the nodes said.

    :ivar reports: of those that reported.
    :ivar why: what srun says if not all reported, else "".
    :ivar sent: when the nodes were asked, and ``back`` when all had reported, on this host's clock.
    """

    reports: list[Report]
    why: str
    sent: float = 0.0
    back: float = 0.0


def look(
    folder: str, wanted: Mapping[str, Json], options: Sequence[str], nodes: int, limits: JsonObject, wait_s: float
) -> Look:
    """Let *nodes* idle nodes check themselves, each for *wanted* (see node_check); OSError if *folder* cannot be used.

    :param folder: a directory that the nodes should see.
    :param options: of srun: partition, account and the like.
    :param wait_s: how long to wait for idle nodes.
    """
    nonce = uuid.uuid4().hex
    place = tempfile.mkdtemp(prefix=".srt-look-", dir=folder)
    try:
        os.chmod(place, 0o755)
        for name, text in program_files(node_check).items():
            write_text_atomic(os.path.join(place, "node_check", name), text)
        table: JsonObject = {
            "run_dir": folder, "output_dir": folder, "job_id": "0", "cluster": None, "live": [], "nodes": {},
            "every": dict(wanted), "limits": limits, "clean": False, "nonce": nonce, "newest_step": -1,
            "longest_s": CHECK_S, "reader": "",
        }  # fmt: skip
        write_text_atomic(os.path.join(place, "table.json"), json.dumps(table) + "\n")
        sent = time.time()
        why = _run(place, options, nodes, wait_s)
        reports = _read(place, nonce, nodes, 0.0 if why else SHARED_DISK_S)
        back = time.time()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Look(reports, why if len(reports) < nodes else "", sent, back)


def _run(place: str, options: Sequence[str], nodes: int, wait_s: float) -> str:
    """Run the job; return what srun says if it fails, else ""."""
    name = os.path.basename(place).lstrip(".")
    argv = [
        "srun", f"--job-name={name}", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1",
        f"--immediate={max(1, int(wait_s))}", f"--time={MINUTES}", "--chdir=/tmp", "--input=none", "--mpi=none",
        f"--output={place}/%N.out", f"--error={place}/%N.err", *options,
        *PYTHON, "-S", f"{place}/node_check", f"{place}/table.json",
    ]  # fmt: skip
    try:
        done = commands.run(argv, timeout_s=wait_s + CHECK_S, check=False)
    except commands.NoSlurm:
        raise
    except SlurmError as error:
        with contextlib.suppress(SlurmError):
            commands.run(["scancel", "--me", f"--name={name}"], check=False)
        return error.msg
    if not done.returncode:
        return ""
    said = [line for line in done.stderr.splitlines() if line.strip() and not NOISE.match(line)]
    return _own_words(place) or " ".join(said[:3]) or f"srun ended with {done.returncode}"


def _own_words(place: str) -> str:
    """Return the last line of what the program wrote to a node's standard error, with the node's name."""
    for name in sorted(os.listdir(place)):
        if name.endswith(".err"):
            with contextlib.suppress(OSError), open(os.path.join(place, name), encoding="utf-8") as stream:
                lines = [line.strip() for line in stream if line.strip()]
                if lines:
                    return f"{name[:-4]}: {lines[-1]}"
    return ""


def _read(place: str, nonce: str, nodes: int, patience_s: float) -> list[Report]:
    """Return the reports of the nodes, in the order of their names, when all are there or after *patience_s*."""
    until = time.monotonic() + patience_s
    while True:
        found = {}
        for name in os.listdir(place):
            if name.endswith(".out"):
                with contextlib.suppress(OSError, ValueError), open(os.path.join(place, name), encoding="utf-8") as one:
                    report = next((line for line in one if nonce in line), "")
                    found[name] = cast("Report", json.loads(report[report.index('{"node"') :]))
        if len(found) >= nodes or time.monotonic() >= until:
            return [found[name] for name in sorted(found)]
        time.sleep(0.1)
