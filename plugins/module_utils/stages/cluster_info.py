# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``cluster_info``: what a cluster has, and what its srtslurm.yaml should say."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from ..entry import Context
from ..failures import Error, SlurmError
from ..holder.slurm_calls import account
from ..json_types import JsonObject
from ..slurm import commands, site
from ..survey import answers, proposals
from ..survey.proposals import Seen
from . import node_look

ARGUMENT_SPEC = {
    "partition": {"type": "str"},
    "account": {"type": "str"},
    "shared_dir": {"type": "path", "required": True},
    "ask_node": {"type": "bool", "default": True},
    "wait_s": {"type": "float", "default": 30.0},
}
STATES = ["sinfo", "--all", "--noheader", "--format=%P|%T|%D"]
LIMITS: JsonObject = {"free_mib": 0, "shm_mib": 0}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, facts, proposals, partitions, notes}``; NoSlurm where there is no cluster."""
    said = commands.run(["scontrol", "ping"]).stdout.strip()
    if " UP" not in said.upper():
        raise SlurmError(f"Slurm does not answer: {said}. Run it again when slurmctld is up.")
    notes: list[str] = []
    config = answers.settings(_said(["scontrol", "show", "config"]))
    records = answers.records(_said(["scontrol", "--all", "--oneliner", "show", "partition"]))
    nodes = answers.records(_said(["scontrol", "--all", "--oneliner", "show", "node"]))
    accounting = not config.get("AccountingStorageType", "none").endswith("none")
    accounts = site.accounts() if accounting else []
    default = _said(["sacctmgr", "--noheader", "--parsable2", "show", "user", account(), "format=defaultaccount"])
    mpi = _said(["srun", "--mpi=list"], both=True)
    seen = Seen(
        config=config,
        partitions=site.partitions(),
        states=answers.states(_said(STATES)),
        limits=records,
        nodes=nodes,
        accounts=accounts,
        default_account=answers.first_word(default) if accounting else None,
        refused={},
        mpi=answers.mpi_types(mpi),
        pyxis=answers.has_option(_said(["srun", "--help"]), "--container-image"),
        apptainer=bool(shutil.which("apptainer")),
    )
    wanted = params["partition"] or None
    partition = proposals.partition_of(seen, wanted)
    name = partition.name if partition else wanted
    who = params["account"] or seen.default_account or (accounts[0] if len(accounts) == 1 else None)
    options = [f"--partition={name}"] * bool(name) + [f"--account={who}"] * bool(who)
    gpus = max(partition.gpus, default=0) if partition else 0
    seen = seen._replace(refused=_tried(options, gpus, notes))
    if params["ask_node"] and not ctx.check_mode:
        seen = seen._replace(node=_asked(params, options, notes))
        if seen.node and any(one.startswith("pmix") for one in seen.mpi):
            seen = _with_working_pmix(seen, options, params["wait_s"], notes)
    found = proposals.proposals(seen, wanted)
    return {
        "changed": False,
        "facts": proposals.facts(seen, partition),
        "proposals": [one._asdict() for one in found],
        "questions": proposals.QUESTIONS,
        "partitions": [one.describe() for one in seen.partitions.values()],
        "notes": notes,
    }


def _said(argv: Sequence[str], both: bool = False) -> str:
    """Return what a command prints, "" if it fails, or is not here: some sites have no sacctmgr."""
    try:
        done = commands.run(argv, check=False)
    except SlurmError:
        return ""
    return "" if done.returncode else done.stdout + (done.stderr if both else "")


def _tried(options: Sequence[str], gpus: int, notes: list[str]) -> dict[str, str]:
    """Return ``{option: why sbatch refuses it, "" if it takes it}``: ``sbatch --test-only`` submits nothing."""
    plain = _refusal(options)
    if plain:
        notes.append(f"sbatch --test-only refuses a plain job ({plain}), so that no option could be tried.")
        return {}
    found = {name: _refusal([*options, f"--{name}{value}"]) for name, value in (("segment", "=1"), ("exclusive", ""))}
    found["gpus-per-node"] = _refusal([*options, f"--gpus-per-node={gpus or 1}"])
    return found


def _refusal(options: Sequence[str]) -> str:
    """Return what sbatch says against a job of one node with *options*, "" if it takes it."""
    argv = ["sbatch", "--test-only", "--nodes=1", "--time=1", "--output=/dev/null", *options]
    done = commands.run(argv, stdin="#!/bin/sh\ntrue\n", check=False)
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if "error" in line or "unrecognized" in line]
    said = (lines or done.stderr.splitlines() or [f"exit code {done.returncode}"])[0]
    return said.replace("sbatch: ", "").replace("error: ", "").strip()


def _asked(params: JsonObject, options: Sequence[str], notes: list[str]) -> JsonObject | None:
    """Return what an idle node says of itself, None if none could be asked."""
    try:
        found = node_look.look(params["shared_dir"], {}, options, 1, LIMITS, params["wait_s"])
    except OSError as error:
        raise Error(f"shared_dir: {params['shared_dir']} cannot be written: {error.strerror}. Name another.") from None
    if not found.reports:
        notes.append(
            f"No node could be asked: {found.why or 'it did not report'}. If it ran, it may not see "
            f"{params['shared_dir']}. doctor.yml checks that."
        )
        return None
    report: Mapping[str, object] = found.reports[0]
    about = found.reports[0]["facts"]
    return {"arch": about.get("arch"), **{key: report.get(key) for key in ("node", "addresses", "resolved", "python")}}


def _with_working_pmix(seen: Seen, options: Sequence[str], wait_s: float, notes: list[str]) -> Seen:
    """Return *seen* without PMIx if no task starts with it: srun lists it also where its library is missing."""
    argv = ["srun", "--nodes=1", "--ntasks=1", "--time=1", f"--immediate={max(1, int(wait_s))}", "--chdir=/tmp"]
    try:
        done = commands.run([*argv, "--mpi=pmix", *options, "true"], timeout_s=wait_s + node_look.CHECK_S, check=False)
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0] if done.returncode else ""
    except SlurmError as error:
        why = error.msg
    if not why:
        return seen
    notes.append(f"srun --mpi=pmix does not work here: {why}. TensorRT-LLM needs it over several nodes.")
    return seen._replace(mpi=[one for one in seen.mpi if not one.startswith("pmix")])
