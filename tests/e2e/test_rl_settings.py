# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every setting of RL runs reaches its job: both tables of settings, and what is inside the jobs."""

from __future__ import annotations

import json
import re

import pytest
import rl_original
from cluster import ROOT
from rl_pairs import HERE

pytestmark = pytest.mark.slow
ROW = re.compile(r"^\| `(\w+)` \| .*? \| .*? \| (both|runtime|training|the launch) \| ", re.MULTILINE)
# What the settings of the launch itself do is seen elsewhere: in the test below, or in that of a smoke run and of Ray.
OF_THE_LAUNCH = {
    "name", "skyrl_jobs_base", "skyrl_coord_dir", "env_file", "required_env", "runtime_command", "training_command",
    "training_overrides", "smoke_command", "ray_command", "setup", "chain",
}  # fmt: skip
# Settings of the trainer's default command, with their words there.
OVERRIDES = {
    "train_data": "data.train_files",
    "val_data": "data.val_files",
    "train_batch_size": "data.train_batch_size",
    "max_prompt_length": "data.max_prompt_length",
    "max_response_length": "data.max_response_length",
    "model": "actor_rollout_ref.model.path",
    "sp_size": "actor_rollout_ref.actor.ulysses_sequence_parallel_size",
    "tp_size": "actor_rollout_ref.rollout.tensor_model_parallel_size",
    "rollout_n": "actor_rollout_ref.rollout.n",
    "gpu_memory_utilization": "actor_rollout_ref.rollout.gpu_memory_utilization",
    "max_model_len": "actor_rollout_ref.rollout.max_model_len",
    "gpus_per_node": "trainer.n_gpus_per_node",
    "gpu_nodes": "trainer.nnodes",
    "total_epochs": "trainer.total_epochs",
    "wandb_project": "trainer.project_name",
    "wandb_experiment": "trainer.experiment_name",
    "checkpoint_dir": "trainer.default_local_dir",
    "rollout_dir": "trainer.rollout_data_dir",
}


def chosen(rl):
    """Return a value for each setting, others than the defaults where the cluster allows it."""
    folder = rl.folder / "walk"
    (folder / "bin" / "slurm_runtime").mkdir(parents=True)
    server = folder / "bin" / "slurm_runtime" / "api_server.py"
    server.write_text(f"import runpy\nrunpy.run_path({str(HERE / 'server.py')!r}, run_name='__main__')\n")
    uv = folder / "bin" / "uv"
    uv.write_text(f'#!/bin/sh\nexec python3 {HERE}/trainer.py --episodes 1 --checkpoints "$CHECKPOINT_DIR" "$@"\n')
    uv.chmod(0o755)
    for name in ("a.parquet", "b.parquet"):
        (folder / name).touch()
    (folder / "walk.env").write_text("TOKEN=abc\nOTHER=<REPLACE>\n")
    settings = {
        **rl.settings("walk"), **rl.with_podman(), "exclude_nodes": "node001", "account": "science", "qos": "normal",
        "gpu_nodes": 1, "gpu_type": "h100", "gpus_per_node": 2, "training_cpus": 6, "training_memory": "5G",
        "time_limit": "0:20:00", "cpus_for_runtime": 14, "runtime_memory": "6G", "cpus_per_worker": 2,
        "memory_per_worker": "1G", "max_parallel_agents": 3, "pull_image": True, "runtime_port": 8456,
        "model": "other/model", "max_model_len": 1024, "gpu_memory_utilization": 0.5, "data_dir": str(folder),
        "train_data": str(folder / "a.parquet"), "val_data": str(folder / "b.parquet"),
        "rollout_dir": str(folder / "rollouts"), "train_batch_size": 3, "rollout_n": 2, "max_prompt_length": 100,
        "max_response_length": 200, "total_epochs": 4, "wandb_project": "walks", "wandb_experiment": "first",
        "runtime_ready_timeout": 61, "training_complete_timeout": 43201, "fi_provider": "efa",
        "skyrl_ld_library_path_export": True, "efa_library_path": "/opt/efa", "vllm_use_v1": False,
        "skyrl_project_root": str(folder), "skyrl_coord_dir": str(folder / "coordination"),
        "env_file": str(folder / "walk.env"), "required_env": ["TOKEN"], "training_overrides": ["+more.words=1"],
        "setup": f"export PATH={folder}/bin:$PATH PYTHONPATH={folder}/bin SERVER_SEEN={folder}/server.json",
        "worker_startup_timeout": 33, "runtime_start_timeout": 44, "drain_timeout_s": 6, "warning_s": 31, "chain": 2,
        "runtime_extra_s": 120,
    }  # fmt: skip
    del settings["runtime_command"], settings["training_command"]
    return settings


def text_of(value):
    return str(int(value)) if isinstance(value, bool) else str(value)


def test_every_setting_of_both_tables_reaches_its_jobs(rl):
    settings = chosen(rl)
    pair = rl.launch(settings, env={"SKYRL_DEBUG": "1"})
    assert pair.folder == rl.folder / "walk" / "coordination"
    assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()
    seen = {"training": pair.seen(), "runtime": json.loads((rl.folder / "walk" / "server.json").read_text())}
    page = dict(ROW.findall((ROOT / "docs" / "rl-settings.md").read_text()))
    assert {name for name, reach in page.items() if reach == "the launch"} == OF_THE_LAUNCH
    assert [name for name in rl_original.SETTINGS if name.lower() not in page] == []
    settings["skyrl_debug"] = True
    for name, reach in page.items():
        sides = {"both": seen, "the launch": ()}.get(reach, (reach,))
        for side in sides:
            assert seen[side]["environment"].get(name.upper()) == text_of(settings[name]), (name, side)
    for side, found in seen.items():
        assert found["environment"]["SKYRL_COORD_DIR"] == str(pair.folder), side
    words = seen["training"]["arguments"]
    assert [name for name, word in OVERRIDES.items() if f"{word}={settings[name]}" not in words] == []
    assert words[-1] == "+more.words=1"
    words = " ".join(seen["runtime"]["arguments"])
    for text in (f"--container-image {settings['container_image']}", "--host 0.0.0.0", "--port 8456",
                 "--cpus-per-worker 2", "--memory-per-worker 1G", "--worker-startup-timeout 33"):  # fmt: skip
        assert text in words
    environment = seen["training"]["environment"]
    assert environment["LD_LIBRARY_PATH"].split(":")[0] == "/opt/efa"
    assert environment["SANDBOX_REMOTE_RUNTIME_API_URL"].endswith(":8456")
    assert (environment["TOKEN"], "OTHER" in environment) == ("abc", False)
    assert (rl.folder / "walk" / "rollouts").is_dir()
    slurm_shows(pair)


def slurm_shows(pair):
    """Check what Slurm says of both jobs; their time limits are related."""
    both = {"ExcNodeList": "node001", "Account": "science", "NumNodes": "1"}
    training = {"Partition": "gpu", "JobName": "walk-training", "NumCPUs": "6", "MinMemoryNode": "5G",
                "TimeLimit": "00:20:00", "TresPerNode": "gres:gpu:h100:2"}  # fmt: skip
    runtime = {"Partition": "cpu", "JobName": "walk-runtime", "NumCPUs": "14", "MinMemoryNode": "6G",
               "TimeLimit": "00:24:00"}  # fmt: skip
    for side, wanted in (("training", {**both, **training}), ("runtime", {**both, **runtime})):
        found = pair.fields(side)
        assert {name: found.get(name) for name in wanted} == wanted
        # Slurm shows it only if it has a database of accounts.
        assert "#SBATCH --qos=normal\n" in (pair.folder / f"{side}.sbatch").read_text()
    script = (pair.folder / "training.sbatch").read_text()
    assert "--signal=B:USR1@31" in script and f"--dependency=after:{pair.jobs['runtime']}" in script
    documents = [json.loads((pair.folder / f"{side}.json").read_text()) for side in ("training", "runtime")]
    assert documents[0]["chain"] == 2 and documents[1]["start_timeout_s"] == 44
