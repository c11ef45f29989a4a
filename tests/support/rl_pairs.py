# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""RL runs on a real Slurm with a partition of GPU nodes and one without, with real containers of podman."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import yaml
from cluster import ROOT, SANDBOX, Cluster, wait_for

HERE = ROOT / "tests" / "support" / "rl"
IMAGE = "localhost/sandbox:test"
SERVER = "--port {port} --cpus-per-worker {cpus_per_worker}"
# podman 4.3 in a namespace of ours: see docs/rl.md.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
"""
MAKE_IMAGE = """\
set -e
mkdir -p {0}/rootfs/bin && cp "$(command -v busybox)" {0}/rootfs/bin/busybox
for name in sh sleep echo; do ln -s busybox {0}/rootfs/bin/$name; done
tar -C {0}/rootfs -cf {0}/root.tar .
export CONTAINERS_CONF={0}/containers.conf
podman="podman --root={2}/root --runroot={2}/run --tmpdir={2}/tmp"
$podman import {0}/root.tar {1}
$podman save --output {0}/image.tar {1}
$podman save --format oci-dir --output {0}/oci {1}
rm -rf {2}
"""
END_S = 20.0  # the longest time from a hit to the end of both jobs, on a busy machine
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")


# Jobs of "urgent" take the nodes of others.
SLURM_CONF = (
    "PreemptType=preempt/partition_prio",
    "PreemptMode=CANCEL",
    "PartitionName=urgent Nodes=node[001-003] PriorityTier=100 MaxTime=INFINITE State=UP",
)
OPTIONS = ("--cpu-nodes", "1", "--slurmd-timeout-s", "10", "--kill-wait-s", "5")


class Pairs(Cluster):
    """A sandbox of two GPU nodes and one without GPUs, and RL runs on it."""

    def __init__(self, folder):
        lines = [word for line in SLURM_CONF for word in ("--slurm-conf", line)]
        super().__init__(folder, 3, *OPTIONS, *lines)
        self.base, self.local = folder / "jobs", pathlib.Path("/tmp") / f"rl-{os.getpid()}"
        self.local.mkdir(mode=0o700)
        self.data = folder / "data"
        self.data.mkdir()
        for name in ("train", "validation"):
            (self.data / f"{name}.parquet").touch()
        self.images = folder / "images"
        self.images.mkdir()
        (self.images / "containers.conf").write_text(CONTAINERS_CONF)

    def close(self):
        super().close()
        shutil.rmtree(self.local, ignore_errors=True)

    def clean_up(self):
        """End all jobs; wait until no job is left, and nothing of one on its node."""
        for job_id in self.jobs():
            self.run("scancel", job_id, check=False)
        wait_for(lambda: not self.jobs(), "the queue to be empty")
        wait_for(
            lambda: not list(self.local.iterdir()), lambda: f"nothing to be left: {list(self.local.iterdir())}", 30
        )

    def take(self, nodes, partition="urgent", seconds=3):
        """Submit a job that takes all of these nodes, from others if it is urgent; return its id."""
        text = self.run("sbatch", "--parsable", f"--partition={partition}", f"--nodelist={nodes}", "--exclusive",
                        "--job-name=taker", "--output=/dev/null", f"--wrap=sleep {seconds}")  # fmt: skip
        return text.split()[-1]

    def lose(self, node):
        """Lose a node: its slurmd is killed, and it is down for Slurm."""
        pid = self.run("cat", f"{self.dir}/run/slurmd.{node}.pid").strip()
        os.kill(int(pid), signal.SIGKILL)
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def heal(self):
        """Bring a lost node back."""
        subprocess.run([SANDBOX, "start", "--dir", self.dir], check=True)

    def make_image(self):
        """Make the image of the sandboxes once, and return its archive."""
        archive = self.images / "image.tar"
        if not archive.exists():
            store = tempfile.mkdtemp(dir="/tmp")  # podman takes no long paths
            self.run("sh", "-c", MAKE_IMAGE.format(self.images, IMAGE, store), node="node003")
        return archive

    def image_folder(self):
        """Return the folder of the same image as a registry has it."""
        return self.make_image().parent / "oci"

    def settings(self, name, trainer="", server="", **changes):
        """Return small settings; *trainer* and *server* are further arguments of those."""
        return {
            "name": name,
            "gpu_partition": "gpu",
            "cpu_partition": "cpu",
            "gpus_per_node": 1,
            "tp_size": 1,
            "sp_size": 1,
            "training_cpus": 4,
            "training_memory": "4G",
            "cpus_for_runtime": 12,
            "runtime_memory": "4G",
            "cpus_per_worker": 2,
            "train_batch_size": 2,
            "rollout_n": 2,
            "data_dir": str(self.data),
            "checkpoint_dir": str(self.folder / f"checkpoints-{name}"),
            "skyrl_jobs_base": str(self.base),
            "container_engine": "none",
            "local_dir": str(self.local),
            "drain_timeout_s": 5,
            "runtime_command": f"python3 {HERE}/server.py {SERVER} {server}",
            "training_command": f"python3 {HERE}/trainer.py --checkpoints {{checkpoint_dir}} {trainer}",
            **changes,
        }

    def with_podman(self, **more):
        """Return the settings of real containers."""
        return {
            "container_engine": "podman",
            "container_image": IMAGE,
            "image_archive": str(self.make_image()),
            "containers_conf": str(self.images / "containers.conf"),
            **more,
        }

    def entry(self, word, env=None, **params):
        """Return what the entry of a module gives in the sandbox, with *env*; ``error`` has the text of an error."""
        more = [f"{name}={value}" for name, value in (env or {}).items()]
        return json.loads(self.run("env", *more, "python3", str(HERE / "launch.py"), word, json.dumps(params)))

    def launch(self, settings, env=None, **params):
        """Launch a run, with the variables *env*; return the pair."""
        result = self.entry("rl_launch", env, settings=settings, **params)
        assert "error" not in result, result["error"]
        return Pair(self, result)

    def file(self, settings):
        """Write settings into a file as a person has it; return its path."""
        path = self.folder / f"{settings['name']}.yaml"
        path.write_text(yaml.safe_dump({"rl": settings}))
        return path

    def rl(self, playbook, *args):
        """Run a playbook of RL runs to its end."""
        return self.play([*self.prefix(), "ansible-playbook", f"playbooks/{playbook}.yml", *args])


class Pair:
    """The jobs of one launch."""

    def __init__(self, cluster, result):
        self.cluster, self.result, self.folder = cluster, result, pathlib.Path(result["dir"])
        self.jobs = result["jobs"]

    def fields(self, side):
        """Return what Slurm shows of a job."""
        return dict(re.findall(r"(\w+)=(\S+)", self.cluster.run("scontrol", "-o", "show", "job", self.jobs[side])))

    def state(self, side):
        """Return Slurm's state of a job."""
        return self.fields(side)["JobState"]

    def following(self):
        """Return the pair that goes on after this one."""
        folder = pathlib.Path(self.record("training")["next"])
        jobs = json.loads((folder / "jobs.json").read_text())
        return Pair(self.cluster, {"dir": str(folder), "jobs": {side: jobs[side] for side in self.jobs}})

    def record(self, side):
        """Return what a side said last of itself."""
        path = self.folder / f"{side}_state.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def reach(self, side, word, timeout_s=60):
        """Wait until a side says that it is *word*."""
        return wait_for(
            lambda: self.record(side).get("state") == word,
            lambda: f"{side} to be {word}: {self.record(side)} {self.outputs()}",
            timeout_s,
        )

    def ended(self, timeout_s=60):
        """Wait until all jobs have ended; return {side: state}."""
        wait_for(
            lambda: all(self.state(side) in OVER for side in self.jobs),
            lambda: f"the end of {self.jobs}: {[self.state(side) for side in self.jobs]} {self.outputs()}",
            timeout_s,
        )
        return {side: self.state(side) for side in self.jobs}

    def outputs(self):
        """Return the ends of all outputs."""
        paths = [*self.folder.glob("*.out"), *self.folder.glob("*.err")]
        return {path.name: path.read_text()[-600:] for path in sorted(paths)}

    def seen(self):
        """Return what the trainer wrote, before that only that it has had no episode."""
        path = self.cluster.folder / f"checkpoints-{self.name}" / "seen.json"
        return json.loads(path.read_text()) if path.exists() else {"episodes": 0}

    @property
    def name(self):
        return json.loads((self.folder / "settings.json").read_text())["name"]

    def kill(self, side, number=signal.SIGKILL):
        """Kill the program of a side, as a crash or the kernel would."""
        wanted = [f"{self.folder}/programs/rl", side, str(self.folder)]
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_text().split("\0")
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                if words[-4:-1] == wanted and parent != 1:
                    os.kill(int(path.name), number)
                    return time.monotonic()
            except (OSError, ValueError, IndexError):
                continue
        raise AssertionError(f"no program {wanted} runs")

    def cancel(self, side):
        """Cancel a job."""
        self.cluster.run("scancel", self.jobs[side])
