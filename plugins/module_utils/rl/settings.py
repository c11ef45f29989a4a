# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of an RL run, in one table: name, type, default, the jobs that each reaches, what it means.

In files and on the command line the names are written in small letters; in a ``.conf`` file and in the environment of
the jobs in capitals.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..json_types import Json, JsonObject
from ..schema.types import Bool, Choice, Float, Int, ListOf, OneOf, Str, Time, Type, Unfit

RUNTIME, TRAINING = "runtime", "training"
SIDES = (RUNTIME, TRAINING)
R, T, BOTH, NEITHER = (RUNTIME,), (TRAINING,), SIDES, ()
# The slots of the runtime that the server itself needs, in CPUs.
RESERVED_CPUS = 4
SERVER = (
    "python -m slurm_runtime.api_server --container-image {container_image} --host 0.0.0.0 --port {port} "
    "--cpus-per-worker {cpus_per_worker} --memory-per-worker {memory_per_worker} "
    "--worker-startup-timeout {worker_startup_timeout} --verbose"
)
TRAINER = (
    "uv run --frozen --extra verl -m skyrl_agent.integrations.verl.verl_main_ppo "
    "data.train_files={train_data} data.val_files={val_data} data.train_batch_size={train_batch_size} "
    "data.max_prompt_length={max_prompt_length} data.max_response_length={max_response_length} "
    "actor_rollout_ref.model.path={model} "
    "actor_rollout_ref.actor.ulysses_sequence_parallel_size={sp_size} "
    "actor_rollout_ref.rollout.tensor_model_parallel_size={tp_size} actor_rollout_ref.rollout.n={rollout_n} "
    "actor_rollout_ref.rollout.gpu_memory_utilization={gpu_memory_utilization} "
    "actor_rollout_ref.rollout.max_model_len={max_model_len} "
    "trainer.n_gpus_per_node={gpus_per_node} trainer.nnodes={gpu_nodes} trainer.total_epochs={total_epochs} "
    "trainer.project_name={wandb_project} trainer.experiment_name={wandb_experiment} "
    "trainer.default_local_dir={checkpoint_dir} trainer.rollout_data_dir={rollout_dir}"
)
IMPORTS = "uv run --frozen --extra verl python -c 'import skyrl_agent'"


class Memory(Str):
    """An amount of memory as Slurm and podman read it."""

    name = 'amount of memory, such as "64G"'

    def coerce(self, value: Json) -> Json:
        text = super().coerce(value).strip()
        if not re.fullmatch(r"[1-9][0-9]*[KMGTkmgt]", text):
            raise Unfit(f'is "{text}"; expected a whole number and K, M, G or T, for example 64G.', "invalid")
        return text.upper()


class Word(Str):
    """Text without blanks or control characters, at most *longest*."""

    name = "word"

    def coerce(self, value: Json) -> Json:
        text = super().coerce(value)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
            raise Unfit(f'is "{text}"; expected letters, digits, ".", "_" and "-", at most 64.', "invalid")
        return text


class Setting(NamedTuple):
    """One setting. ``jobs`` are the sides whose environment has it; ``path``: relative to the file that has it."""

    type: Type
    default: Json
    jobs: tuple[str, ...]
    doc: str
    path: bool = False


_COMMAND = OneOf(Str(), ListOf(Str()))
SETTINGS: dict[str, Setting] = {
    "name": Setting(Word(), "skyrl", NEITHER, "Name of the run. Its jobs are called NAME-runtime and NAME-training."),
    "gpu_partition": Setting(Str(), "gpu_test", T, "Partition of the training job."),
    "cpu_partition": Setting(Str(), "test", R, "Partition of the runtime job."),
    "exclude_nodes": Setting(Str(), "", BOTH, "Nodes that neither job may use."),
    "account": Setting(Str(), "", BOTH, "Account of both jobs."),
    "qos": Setting(Str(), "", BOTH, "Quality of service of both jobs."),
    "gpu_nodes": Setting(Int(1, 4096), 1, T, "Nodes of the training job. With more than one, Ray is started on each."),
    "gpus_per_node": Setting(Int(1, 64), 4, T, "GPUs, or slices of GPUs (MIG), on each of them."),
    "gpu_type": Setting(Str(), "", T, "Slurm's type of them (--gres=gpu:TYPE:N), such as the profile of a slice."),
    "training_cpus": Setting(Int(1), 48, T, "CPUs of the training job on each node."),
    "training_memory": Setting(Memory(), "500G", T, "Memory of the training job on each node."),
    "time_limit": Setting(Time(), "12:00:00", BOTH, "Time limit of training. That of the runtime follows from it."),
    "cpus_for_runtime": Setting(Int(1), 64, R, "CPUs of the runtime job."),
    "runtime_memory": Setting(Memory(), "256G", R, "Memory of the runtime job."),
    "cpus_per_worker": Setting(Int(1), 8, R, "CPUs of one sandbox."),
    "memory_per_worker": Setting(Memory(), "16G", R, "Memory of one sandbox."),
    "max_parallel_agents": Setting(Int(1), None, BOTH, "Sandboxes at once, at most. Default: batch times rollouts."),
    "container_image": Setting(Str(), "ghcr.io/opendevin/sandbox:main", R, "Image of the sandboxes."),
    "image_archive": Setting(
        Str(),
        "",
        R,
        "An archive of the image (podman save), loaded before the server starts. With pull_image it is made at the "
        "launch, if it is not there.",
        True,
    ),
    "pull_image": Setting(
        Bool(), False, R, "Pull the image: at the launch into image_archive, or without one on the node."
    ),
    "runtime_port": Setting(
        Int(0, 65535), 8000, R, "Port of the server. If it is set and taken, the job fails. 0, or unset: a free one."
    ),
    "model": Setting(Str(), "Qwen/Qwen3-8B", T, "Model: a name of Hugging Face, or a directory."),
    "tp_size": Setting(Int(1), 2, T, "Tensor parallelism."),
    "sp_size": Setting(Int(1), 2, T, "Sequence parallelism."),
    "max_model_len": Setting(Int(1), 32768, T, "Longest sequence of the engine, in tokens."),
    "gpu_memory_utilization": Setting(Float(0.01, 1.0), 0.8, T, "Share of the GPU's memory for the engine."),
    "data_dir": Setting(Str(), "", T, "Directory of the data.", True),
    "train_data": Setting(Str(), "{data_dir}/train.parquet", T, "Training data. It must exist.", True),
    "val_data": Setting(Str(), "{data_dir}/validation.parquet", T, "Validation data. It must exist.", True),
    "checkpoint_dir": Setting(Str(), "", T, "Directory of checkpoints. It is made.", True),
    "rollout_dir": Setting(Str(), "", T, "Directory of rollouts. It is made.", True),
    "train_batch_size": Setting(Int(1), 64, T, "Prompts of a batch."),
    "rollout_n": Setting(Int(1), 8, T, "Rollouts of a prompt."),
    "max_prompt_length": Setting(Int(1), 8000, T, "Longest prompt, in tokens."),
    "max_response_length": Setting(Int(1), 32768, T, "Longest response, in tokens."),
    "total_epochs": Setting(Int(1), 15, T, "Epochs."),
    "wandb_project": Setting(Str(), "skyrl", T, "Project in Weights & Biases."),
    "wandb_experiment": Setting(Str(), "", T, "Experiment there. Default: skyrl- and the time of the launch."),
    "runtime_ready_timeout": Setting(Int(1), 600, T, "Seconds in which training waits for the runtime."),
    "training_complete_timeout": Setting(Int(1), 43200, R, "Seconds in which the runtime waits for training's end."),
    "fi_provider": Setting(Choice("efa", "tcp"), "tcp", T, "Provider of libfabric."),
    "skyrl_ld_library_path_export": Setting(Bool(), False, T, "Put efa_library_path into LD_LIBRARY_PATH."),
    "efa_library_path": Setting(Str(), "/opt/amazon/efa/lib", T, "Directory of EFA's libraries on the GPU nodes."),
    "vllm_use_v1": Setting(Bool(), True, T, "Use vLLM's engine V1."),
    "skyrl_debug": Setting(Bool(), False, BOTH, "Verbose output. Default: SKYRL_DEBUG of the environment."),
    "skyrl_jobs_base": Setting(
        Str(),
        "",
        NEITHER,
        "Parent of the coordination directories; both jobs must see it. Default: ~/.skyrl_jobs.",
        True,
    ),
    "skyrl_project_root": Setting(
        Str(), "", BOTH, "Where the commands are run. Default: where they were launched.", True
    ),
    "skyrl_coord_dir": Setting(Str(), "", NEITHER, "Coordination directory, instead of a new one in the base.", True),
    "env_file": Setting(Str(), "", NEITHER, "File of variables (.env) for training; a private copy is used.", True),
    "required_env": Setting(ListOf(Word()), [], NEITHER, "Names that the file of variables must set."),
    "runtime_command": Setting(_COMMAND, SERVER, NEITHER, "The server. {NAME} is a setting, {port} the chosen port."),
    "training_command": Setting(_COMMAND, TRAINER, NEITHER, "The trainer. {NAME} is a setting."),
    "training_overrides": Setting(ListOf(Str()), [], NEITHER, "Further arguments of the trainer."),
    "smoke_command": Setting(_COMMAND, IMPORTS, NEITHER, "What a smoke run runs instead of the trainer."),
    "ray_command": Setting(_COMMAND, "uv run --frozen --extra verl ray", NEITHER, "Ray, if there are more nodes."),
    "setup": Setting(Str(), "", NEITHER, "Shell commands that both jobs run first, such as module load."),
    "container_engine": Setting(Choice("podman", "none"), "podman", R, "What sandboxes run in."),
    "containers_conf": Setting(Str(), "", R, "A containers.conf for podman.", True),
    "local_dir": Setting(Str(), "/tmp", BOTH, "Directory on the node for containers and for Ray."),
    "worker_startup_timeout": Setting(Int(1), 600, R, "Seconds in which a sandbox must start."),
    "runtime_start_timeout": Setting(Int(1), 60, R, "Seconds in which the server must be healthy."),
    "drain_timeout_s": Setting(Int(0), 20, BOTH, "Seconds for the last episodes, after training has ended."),
    "warning_s": Setting(Int(10, 65535), 120, BOTH, "Seconds before the limit at which training is asked to finish."),
    "chain": Setting(
        Int(0, 1000),
        0,
        NEITHER,
        "How many new pairs may go on from the checkpoint, if a time limit ends training.",
    ),
    "runtime_extra_s": Setting(Int(60), 3600, R, "How much longer than training the runtime may take."),
}


def variable(name: str) -> str:
    """Return the name of the environment variable of a setting."""
    return name.upper()


def key_of(name: object) -> str:
    """Return the setting that *name* in a file means, however it is written."""
    return str(name).lower().replace("-", "_")


def text_of(value: Json) -> str:
    """Return a value as the jobs' environment and commands have it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)


def exported(values: JsonObject, side: str) -> dict[str, str]:
    """Return the environment variables that a side gets; settings without a value are left out."""
    of_side = {name: values[name] for name, one in SETTINGS.items() if side in one.jobs}
    return {variable(name): text_of(value) for name, value in of_side.items() if value not in (None, "")}
