# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a sandbox, as text. Nothing here reads or writes."""

from __future__ import annotations

import shlex

from .anchor.main import AnchorRecord
from .settings import CONTROL, Settings, node_plan, node_range


def slurm_conf(settings: Settings, folder: str, run_folder: str, user: str) -> str:
    """Return slurm.conf.

    batch_sched_delay=0 makes a batch job begin 0.6 s after sbatch instead of 2.7 s. MinJobAge is long
    because without accounting an ended job can be looked up only while slurmctld remembers it.

    :param folder: the sandbox directory. :param run_folder: a short directory for sockets.
    """
    lines = [
        "# Made by the sandbox; a start with other settings replaces it.",
        "ClusterName=sandbox",
        f"SlurmctldHost={CONTROL['name']}({CONTROL['address']})",
        f"SlurmUser={user}",
        f"SlurmdUser={user}",
        "AuthType=auth/munge",
        f"AuthInfo=socket={run_folder}/run/munge.sock",
        "CredType=cred/munge",
        "MailProg=/bin/true",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={run_folder}/spool/%n",
        f"SlurmctldPidFile={folder}/run/slurmctld.pid",
        f"SlurmdPidFile={folder}/run/slurmd.%n.pid",
        f"SlurmctldLogFile={folder}/log/slurmctld.log",
        f"SlurmdLogFile={folder}/log/slurmd.%n.log",
        f"TmpFS={run_folder}/tmp/%n",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SwitchType=switch/none",
        "MpiDefault=none",
        "JobAcctGatherType=jobacct_gather/none",
        "AccountingStorageType=accounting_storage/none",
        "JobCompType=jobcomp/filetxt",
        f"JobCompLoc={folder}/log/jobcomp.log",
        "ReturnToService=2",
        "SlurmdParameters=config_overrides",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=batch_sched_delay=0,sched_min_interval=2000,sched_interval=2,bf_interval=1",
        "GresTypes=gpu",
        "TreeWidth=65533",
        "MessageTimeout=10",
        f"SlurmdTimeout={settings['slurmd_timeout_s']}",
        f"KillWait={settings['kill_wait_s']}",
        "CompleteWait=0",
        "InactiveLimit=0",
        "MinJobAge=3600",
        "MaxStepCount=100000",
        *settings["slurm_conf"],
        *_nodes(settings),
        f"PartitionName={settings['partition']} Nodes={node_range(with_gpus(settings))} "
        "Default=YES MaxTime=INFINITE State=UP",
    ]
    if settings["cpu_nodes"]:
        nodes = node_range(settings["nodes"], after=with_gpus(settings))
        lines.append(f"PartitionName={settings['cpu_partition']} Nodes={nodes} MaxTime=INFINITE State=UP")
    return "\n".join(lines) + "\n"


def with_gpus(settings: Settings) -> int:
    """Return how many nodes have GPUs: all but the last ones."""
    return settings["nodes"] - settings["cpu_nodes"]


def _nodes(settings: Settings) -> list[str]:
    """Return the lines of slurm.conf that declare the nodes."""
    gpus = f" Gres=gpu:{settings['gpu_type']}:{settings['gpus_per_node']}" if settings["gpus_per_node"] else ""
    cpus = settings["cpus_per_node"] // 2 * 2
    last = with_gpus(settings)
    return [
        f"NodeName={node['name']} NodeAddr={node['address']} CPUs={cpus} Sockets=2 CoresPerSocket={cpus // 2} "
        f"ThreadsPerCore=1 RealMemory={settings['memory_mb']}{gpus if number < last else ''} State=UNKNOWN"
        for number, node in enumerate(node_plan(settings["nodes"]))
    ]


def gpu_files(settings: Settings, folder: str) -> list[str]:
    """Return the paths that stand for GPUs: inside the sandbox they are character devices (/dev/null, bound over)."""
    return [f"{folder}/dev/gpu{i}" for i in range(settings["gpus_per_node"])]


def gres_conf(settings: Settings, folder: str) -> str:
    """Return gres.conf. Only character devices make Slurm set CUDA_VISIBLE_DEVICES."""
    count = settings["gpus_per_node"]
    if not count:
        return ""
    files = f"{folder}/dev/gpu0" if count == 1 else f"{folder}/dev/gpu[0-{count - 1}]"
    return f"NodeName={node_range(with_gpus(settings))} Name=gpu Type={settings['gpu_type']} File={files}\n"


def hosts(settings: Settings, host_text: str) -> str:
    """Return the hosts file: this cluster first, then what the machine's own file says about other names."""
    ours = [{"name": "localhost", "address": "127.0.0.1"}, CONTROL, *node_plan(settings["nodes"])]
    names = {entry["name"] for entry in ours}
    lines = [f"{entry['address']} {entry['name']}" for entry in ours]
    for line in host_text.splitlines():
        words = line.partition("#")[0].split()
        kept = [word for word in words[1:] if word not in names]
        if kept:
            lines.append(" ".join(words[:1] + kept))
    return "\n".join(lines) + "\n"


# What a job has to know of this cluster; commands run inside find it unless they bring their own.
CLUSTER_FILE = """\
# The sandbox as a cluster. Debian's Slurm 22.05 does not know --segment.
cluster: sandbox
use_segment_sbatch_directive: false
"""


def way_in(folder: str, record: AnchorRecord, boot_id: str) -> str:
    """Return the shell script that runs a command inside: ``exec [--node NAME] [--] COMMAND...``.

    It only ever replaces itself, so pid, signals and exit code are the command's. A script and not
    Python because each Slurm call of a test or a play goes through it.
    """
    pid = record["pid"]
    user = ""
    if record["user_namespace"]:
        user = f"--user=/proc/{pid}/fd/{record['control']['user']['fd']} --preserve-credentials "
    cases = []
    for name, spaces in [("login", record["control"]), *record["nodes"].items()]:
        into = " ".join(
            f"--{word}=/proc/{pid}/fd/{spaces[kind]['fd']}"
            for word, kind in (("net", "net"), ("uts", "uts"), ("ipc", "ipc"), ("mount", "mnt"))
        )
        cases.append(f"  {name}) net={spaces['net']['id']} into='{into}' ;;")
    where = shlex.quote(folder)
    return f"""#!/bin/sh
# Made by the sandbox: the way in. exec [--node NAME] [--] COMMAND...
node={CONTROL["name"]}
[ "$1" = --node ] && {{ node=$2; shift 2; }}
[ "$1" = -- ] && shift
[ $# -gt 0 ] || {{ echo "usage: exec [--node NAME] [--] COMMAND..." >&2; exit 125; }}
here={where}
case $node in
{chr(10).join(cases)}
  *) echo "sandbox: there is no node $node in $here" >&2; exit 125 ;;
esac
export SLURM_CONF="$here/etc/slurm.conf" SRT_SANDBOX_DIR="$here"
export SRTSLURM_CONFIG="${{SRTSLURM_CONFIG:-$here/etc/srtslurm.yaml}}"
[ "$(readlink /proc/self/ns/net)" = "net:[$net]" ] && exec "$@"
read -r boot < /proc/sys/kernel/random/boot_id
if [ "$boot" != {boot_id} ] || [ "$(readlink /proc/{pid}/ns/net)" != "net:[{record["control"]["net"]["id"]}]" ]; then
  echo "sandbox: the cluster in $here does not run. 'sandbox start --dir $here' starts it." >&2
  exit 125
fi
unset SLURM_JOB_ID SLURM_JOBID  # of a job on the cluster outside: here it means nothing, or another job
exec nsenter {user}$into -- /bin/sh -c 'cd -- "$1" 2>/dev/null || cd /; shift; exec "$@"' sandbox "$PWD" "$@"
"""
