# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from files and options, with their origins and all problems at once."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.rl import launch, submission
from ansible_collections.srt.slurm.plugins.module_utils.rl.reading import read
from ansible_collections.srt.slurm.plugins.module_utils.rl.settings import BOTH, RUNTIME, SETTINGS, SIDES, TRAINING

STAMP = "20260102-030405"
SMALL = {"gpus_per_node": 2, "cpus_for_runtime": 36, "train_batch_size": 2, "rollout_n": 2}


@pytest.fixture
def small(tmp_path):
    """Settings that are valid."""
    for name in ("train", "validation"):
        (tmp_path / f"{name}.parquet").touch()
    return {**SMALL, "data_dir": str(tmp_path), "checkpoint_dir": "/c", "rollout_dir": "/r"}


def prepare(settings, **params):
    return launch.prepare({"settings": settings, **params}, {"HOME": "/home/me"}, "/cwd", STAMP)


def refused(settings, **params):
    with pytest.raises(SpecError) as caught:
        prepare(settings, **params)
    return caught.value.msg


def test_later_places_count_more_and_each_value_has_its_origin(tmp_path):
    conf = tmp_path / "dev.conf"
    conf.write_text('BASE=/data\nDATA_DIR="${BASE}/r2e"\nMODEL=a\nTP_SIZE=1\nSP_SIZE=\nCHECKPOINT_DIR=ckpts\n')
    params = {
        "conf": str(conf),
        "settings": {"model": "b", "TIME-LIMIT": "1:00:00"},
        "overrides": {"tp_size": "4"},
        "places": {"rl_tp_size": ["/x/vars.yaml", 7]},
    }
    found = read(params, {"SKYRL_DEBUG": "1"}, "/cwd")
    assert found.problems == []
    values = {
        name: (found.values[name], found.origins[name]) for name in ("model", "tp_size", "sp_size", "skyrl_debug")
    }
    assert values == {
        "model": ("b", "extra vars"),
        "tp_size": (4, "/x/vars.yaml:7"),
        "sp_size": (2, "default"),
        "skyrl_debug": (True, "environment variable SKYRL_DEBUG"),
    }
    assert found.values["data_dir"] == "/data/r2e" and found.values["train_data"] == "/data/r2e/train.parquet"
    assert found.values["checkpoint_dir"] == str(tmp_path / "ckpts")
    assert found.values["time_limit"] == "1:00:00"


def test_all_problems_come_at_once_with_file_line_and_remedy(tmp_path):
    path = tmp_path / "rl.yaml"
    path.write_text(
        "rl:\n  modle: x\n  tp_size: two\n  training_memory: 64\n  fi_provider: verbs\n  time_limit: 90:00\n"
    )
    with pytest.raises(SpecError) as caught:
        launch.prepare({"file": str(path)}, {}, "/cwd", STAMP)
    lines = caught.value.msg.splitlines()
    places = [line[: len(f"{path}:2: modle:")].rpartition(" ")[0] for line in lines]
    assert places == [f"{path}:{number}:" for number in (2, 3, 4, 5, 6)]
    assert "Did you mean model?" in lines[0] and "whole number" in lines[1] and "64G" in lines[2]


def test_a_name_is_that_of_a_conf_file_of_the_original(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "dev.conf").write_text("MODEL=a\n")
    assert read({"conf": "dev"}, {}, "/cwd").values["model"] == "a"
    with pytest.raises(Error, match="config/other.conf cannot be read"):
        read({"conf": "other"}, {}, "/cwd")


def test_what_stands_beside_the_settings_in_a_file_is_an_error(tmp_path):
    path = tmp_path / "rl.yaml"
    path.write_text("rl:\n  model: a\nwatch: true\n")
    with pytest.raises(SpecError, match=f"{path}:3: watch: stands beside rl"):
        read({"file": str(path)}, {}, "/cwd")


def test_a_conf_file_may_have_helpers_but_no_unknown_settings(tmp_path):
    conf = tmp_path / "dev.conf"
    conf.write_text("ROOT=/n\nDATA_DIR=$ROOT/data\nTRAIN_BATCHSIZE=4\nB=$(date)\n")
    with pytest.raises(SpecError) as caught:
        launch.prepare({"conf": str(conf)}, {}, "/cwd", STAMP)
    assert f"{conf}:4: B: has a command" in caught.value.msg
    assert f"{conf}:3: TRAIN_BATCHSIZE: is not a setting" in caught.value.msg
    assert "Did you mean train_batch_size?" in caught.value.msg and "ROOT" not in caught.value.msg.replace("$ROOT", "")


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"train_batch_size": 8},
            ["8 x rollout_n 2 = 16", "(cpus_for_runtime 36 - 4 for the server)", "= 4 slots", "132"],
        ),
        ({"train_batch_size": 8, "max_parallel_agents": 5}, ["at most max_parallel_agents 5", "5 wanted, 4 there"]),
        ({"cpus_for_runtime": 3, "cpus_per_worker": 1}, ["0 there"]),
        ({"tp_size": 3}, ["does not divide the 2 GPUs"]),
        ({"sp_size": 4}, ["does not divide the 2 GPUs"]),
        ({"time_limit": "0:01:00"}, ["warning_s"]),
        ({"training_complete_timeout": 3600}, ["less than time_limit (43200 s)"]),
        ({"drain_timeout_s": 120}, ["not less than warning_s"]),
        ({"data_dir": "/nowhere"}, ["/nowhere/train.parquet does not exist", "/nowhere/validation.parquet"]),
        ({"data_dir": None}, ["train_data: is not set", "val_data: is not set"]),
        ({"checkpoint_dir": None}, ["checkpoint_dir: is not set"]),
        ({"env_file": "/nowhere/.env"}, ["/nowhere/.env cannot be read"]),
        ({"required_env": ["WANDB_API_KEY"]}, ["WANDB_API_KEY", "<REPLACE>"]),
        ({"training_command": "run {modle}"}, ["Did you mean {model}?"]),
        ({"local_dir": "/a/path/that/is/too/long"}, ["longer than 20 characters"]),
        ({"local_dir": "tmp"}, ["no absolute path"]),
        ({"name": "two words"}, ["expected letters"]),
        ({"model": "a\nb"}, ["line break"]),
        ({"container_image": None, "image_archive": "/nowhere.tar"}, ["/nowhere.tar does not exist", "set pull_image"]),
        ({"image_archive": "/etc", "pull_image": True}, ["/etc does not exist, or is no file"]),
        ({"container_image": "", "pull_image": True}, ["container_image is not"]),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_submitted(small, changes, texts):
    text = refused({**small, **changes})
    assert all(one in text for one in texts), text


def test_an_archive_that_is_to_be_made_need_not_be_there_and_its_node_pulls_nothing(small):
    ahead = prepare({**small, "image_archive": "/nowhere.tar", "pull_image": True}).documents[RUNTIME]
    there = prepare({**small, "pull_image": True}).documents[RUNTIME]
    assert (ahead["image"], ahead["image_archive"]) == ("", "/nowhere.tar")
    assert there["image"] == "ghcr.io/opendevin/sandbox:main"


def test_a_chain_needs_a_directory_whose_name_scripts_can_have(small):
    for chain, folder in ((1, "/a b/c"), (0, "/50%/c")):
        made = prepare({**small, "chain": chain, "skyrl_coord_dir": folder})
        assert submission.new_folder(made, STAMP) == folder
    with pytest.raises(Error, match="chain: the coordination directory /50%/c has quotes"):
        submission.new_folder(prepare({**small, "chain": 1, "skyrl_coord_dir": "/50%/c"}), STAMP)


def test_a_run_with_room_for_its_sandboxes_is_valid(small):
    assert prepare({**small, "train_batch_size": 8, "max_parallel_agents": 4}).sides == SIDES


def test_the_file_of_variables_must_set_what_is_asked_for(small, tmp_path):
    env = tmp_path / ".env"
    env.write_text("# x\nWANDB_API_KEY=<REPLACE>\nOTHER='v'\n")
    found = refused({**small, "env_file": str(env), "required_env": ["WANDB_API_KEY", "OTHER"]})
    assert "WANDB_API_KEY" in found and "OTHER" not in found


@pytest.mark.parametrize(
    ("params", "sides"),
    [
        ({}, SIDES),
        ({"runtime_only": True}, (RUNTIME,)),
        ({"runtime_url": "http://x:1"}, (TRAINING,)),
        ({"skip_runtime": True, "runtime_url": "http://x:1"}, (TRAINING,)),
        ({"training_only": True, "smoke": True}, (TRAINING,)),
    ],
)
def test_which_jobs_are_submitted(params, sides):
    assert launch.sides_of(params) == sides


@pytest.mark.parametrize(
    "params",
    [
        {"runtime_only": True, "training_only": True},
        {"runtime_only": True, "runtime_url": "http://x:1"},
        {"skip_runtime": True},
        {"runtime_url": "x:1"},
    ],
)
def test_options_that_contradict_each_other_are_refused(params):
    with pytest.raises(Error):
        launch.sides_of(params)


OTHER = {
    "Int": lambda value: (value or 0) + 100 if (value or 0) > 64 else 3 if value != 3 else 5,
    "Str": lambda value: "/other",
    "Bool": lambda value: not value,
    "Float": lambda value: 0.25,
    "Memory": lambda value: "7G",
    "Time": lambda value: "3:00:00",
    "Choice": lambda value: "efa" if value == "tcp" else "none",
}


@pytest.mark.parametrize("name", [name for name, one in SETTINGS.items() if one.jobs])
def test_every_setting_reaches_the_environment_of_its_jobs(small, name, monkeypatch):
    """And another value makes another job, of those sides alone unless both take part in it."""
    monkeypatch.setattr("ansible_collections.srt.slurm.plugins.module_utils.rl.checks.check", lambda *_args: None)
    before = prepare(small)
    value = OTHER[type(SETTINGS[name].type).__name__](before.values[name])
    after = prepare({**small, name: value})
    shown = {True: "1", False: "0"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    for side in SIDES:
        line = f"export {name.upper()}={shown}\n" in after.script(side, "/d")
        assert line == (side in SETTINGS[name].jobs), (side, shown)
    for side in SETTINGS[name].jobs:
        assert before.digests[side] != after.digests[side]


def test_settings_that_reach_no_job_take_part_in_the_launch():
    assert [name for name, one in SETTINGS.items() if not one.jobs] == [
        "name", "skyrl_jobs_base", "skyrl_coord_dir", "env_file", "required_env", "runtime_command",
        "training_command", "training_overrides", "smoke_command", "ray_command", "setup", "chain",
    ]  # fmt: skip
    assert BOTH == SIDES


def test_a_command_has_settings_as_single_words(small):
    found = prepare(
        {**small, "model": "a b;c", "wandb_project": "", "training_command": "t {model} x={wandb_project} {no}"}
    )
    assert found.documents[TRAINING]["command"] == ["t", "a b;c", "{no}"]
    server = prepare(small).documents[RUNTIME]["command"]
    assert server[server.index("--port") + 1] == "{port}" and server[server.index("--cpus-per-worker") + 1] == "8"
    trainer = prepare(small).documents[TRAINING]["command"]
    assert "actor_rollout_ref.rollout.gpu_memory_utilization=0.8" in trainer and "trainer.nnodes=1" in trainer
    assert f"trainer.experiment_name=skyrl-{STAMP}" in trainer


def test_the_time_of_a_launch_makes_no_other_job(small):
    first = prepare(small)
    second = launch.prepare({"settings": small}, {"HOME": "/home/me"}, "/cwd", "20270102-030405")
    assert first.digests == second.digests
