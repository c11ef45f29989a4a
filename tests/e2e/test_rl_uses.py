# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""RL runs as they are used: several at once, several nodes, slices of GPUs, existing runtimes, smoke runs, watched."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import subprocess

import pytest
from cluster import ROOT, wait_for
from rl_pairs import HERE, IMAGE

pytestmark = pytest.mark.slow
SERVER = "--engine podman --image {container_image}"
NVIDIA_SMI = """\
#!/bin/sh
[ "$*" = -L ] || exit 6
echo 'GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-0a1b2c3d)'
echo '  MIG 3g.40gb     Device  0: (UUID: MIG-11111111-2222-5333-8444-555555555555)'
echo '  MIG 3g.40gb     Device  1: (UUID: MIG-66666666-7777-5888-9999-000000000000)'
"""


def test_launches_at_once_share_nodes_and_one_name_has_one_pair(rl):
    """Each has its own port, and neither touches the containers of the other."""
    podman = rl.with_podman()
    long = {**rl.settings("long", "--episodes 1000 --seconds 1", SERVER), **podman}
    short = {**rl.settings("short", "--episodes 2", SERVER), **podman}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first, second, other = pool.map(rl.launch, [long, long, short])
    assert sorted(one.result["action"] for one in (first, second)) == ["keep", "submit"]
    assert first.jobs == second.jobs and first.folder == second.folder
    first.reach("training", "running")
    assert other.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, other.outputs()
    before = first.seen()["episodes"]
    wait_for(lambda: first.seen()["episodes"] > before + 1, lambda: f"more episodes: {first.outputs()}")
    urls = {(pair.folder / "runtime_url.txt").read_text().strip() for pair in (first, other)}
    assert len(urls) == 2
    changed = rl.launch({**long, "model": "other"}, replace=True)
    assert changed.result["action"] == "submit" and not set(changed.jobs.values()) & set(first.jobs.values())
    assert first.ended() == {"runtime": "CANCELLED", "training": "CANCELLED"}
    changed.reach("training", "running")
    stopped = rl.entry("rl_stop", dir=str(changed.folder))
    assert set(stopped["ended"]) == {"runtime", "training"}
    assert changed.ended() == {"runtime": "CANCELLED", "training": "CANCELLED"}
    assert rl.entry("rl_stop", dir=str(changed.folder))["changed"] is False


def test_what_a_killed_launch_left_is_ended_by_the_next_one(rl):
    doorway = rl.folder / "killing"
    doorway.mkdir()
    real = rl.run("sh", "-c", "command -v sbatch").strip()
    (doorway / "sbatch").write_text(
        f'#!/bin/sh\ncase "$*" in *--test-only*) exec {real} "$@";; esac\ncat >{doorway}/script\n'
        f"grep -q -- '-training' {doorway}/script && {{ kill -9 $PPID; exit 1; }}\n"
        f'exec {real} "$@" <{doorway}/script\n'
    )
    (doorway / "sbatch").chmod(0o755)
    settings = rl.settings("killed", "--episodes 1")
    with pytest.raises(AssertionError, match="rl_launch"):
        rl.launch(settings, env={"PATH": f"{doorway}:{rl.environment['PATH']}"})
    (left,) = rl.jobs()
    assert "JobState=PENDING Reason=JobHeldUser" in rl.run("scontrol", "-o", "show", "job", left)
    pair = rl.launch(settings)
    assert pair.result["action"] == "submit" and left not in rl.jobs()
    assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()


def test_a_port_that_is_set_and_taken_is_an_error(rl):
    first = rl.launch(rl.settings("first", "--episodes 1000 --seconds 1", runtime_port=8123))
    first.reach("training", "running")
    second = rl.launch(rl.settings("second", runtime_port=8123))
    assert second.ended() == {"runtime": "FAILED", "training": "FAILED"}
    assert "port 8123 is taken on node003" in second.record("runtime")["reason"]
    assert first.state("training") == "RUNNING"


def test_training_on_several_nodes_has_ray_on_each_beside_that_of_another_run(rl):
    ray = {"gpu_nodes": 2, "ray_command": f"python3 {HERE}/ray.py"}
    # What the shell of the launch has must not lead into another cluster.
    pairs = [rl.launch(rl.settings(f"ray{number}", "--episodes 3 --ray", **ray), env={"RAY_ADDRESS": "elsewhere:1"})
             for number in range(2)]  # fmt: skip
    seen = []
    for pair in pairs:
        assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()
        seen.append(pair.seen())
        found = seen[-1]
        url, path = (found["environment"][name] for name in ("SANDBOX_REMOTE_RUNTIME_API_URL", "RAY_TMPDIR"))
        assert path == f"{rl.local}/ray-{os.getuid()}-{pair.jobs['training']}"
        assert set(found["nodes"]) == {"node001", "node002"}
        for worker in found["nodes"].values():
            assert worker["has_key"] and worker["SANDBOX_REMOTE_RUNTIME_API_URL"] == url
            assert (worker["RAY_TMPDIR"], worker["MODEL"]) == (path, "Qwen/Qwen3-8B")
            assert "--num-cpus=4" in worker["arguments"] and "--num-gpus=1" in worker["arguments"]
        key = (pair.folder / "runtime_api_key.txt").read_text().strip()
        assert key not in json.dumps(found)
    addresses = {one["environment"]["RAY_ADDRESS"] for one in seen}
    assert len(addresses) == 2 and all(re.fullmatch(r"10\.77\.0\.\d+:\d+", one) for one in addresses)


def test_slices_of_gpus_are_numbered_whether_slurm_names_them_or_not(rl):
    """Stands in for nvidia-smi on a node with MIG: the simulated GPUs have no slices."""
    folder = rl.folder / "mig"
    folder.mkdir()
    (folder / "nvidia-smi").write_text(NVIDIA_SMI)
    (folder / "nvidia-smi").chmod(0o755)
    named = "$(nvidia-smi -L | sed -n 's/.*UUID: \\(MIG-[^)]*\\)).*/\\1/p' | paste -sd,)"
    places = {"named": f"export CUDA_VISIBLE_DEVICES={named}", "unnamed": "unset CUDA_VISIBLE_DEVICES"}
    pairs = [rl.launch(rl.settings(f"mig-{name}", gpus_per_node=2, setup=f"export PATH={folder}:$PATH\n{line}"))
             for name, line in places.items()]  # fmt: skip
    for pair in pairs:
        assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()
        assert pair.seen()["environment"]["CUDA_VISIBLE_DEVICES"] == "0,1"
        said = (pair.folder / f"training_{pair.jobs['training']}.out").read_text()
        assert "MIG-11111111-2222-5333-8444-555555555555,MIG-66666666-7777-5888-9999-000000000000 are" in said


def test_an_existing_runtime_is_used_and_its_loss_ends_training(rl):
    serving = rl.launch(rl.settings("serving"), runtime_only=True)
    serving.reach("runtime", "ready")
    url = (serving.folder / "runtime_url.txt").read_text().strip()
    key = (serving.folder / "runtime_api_key.txt").read_text().strip()
    lost = rl.entry("rl_launch", settings=rl.settings("uses"), runtime_url=f"{url}1")
    assert "/health" in lost["error"]
    nothing = rl.entry("rl_launch", settings=rl.settings("uses"), skip_runtime=True)
    assert "rl_skip_runtime needs the address of a runtime" in nothing["error"]
    path = rl.file(rl.settings("uses"))
    played = rl.rl("rl", "-e", f"@{path}", "-e", f"rl_runtime_url={url}", "-e", "rl_skip_runtime=true", "-e",
                   f"rl_api_key={key}", "-e", "watch=true")  # fmt: skip
    assert played.rc == 0 and "training: job" in played.text and "runtime: job" not in played.text, played.text
    assert key not in played.text
    training = rl.launch(rl.settings("uses-on", "--episodes 1000 --seconds 600"), runtime_url=url, api_key=key)
    training.reach("training", "running")
    stopped = rl.rl("rl_stop", "-e", f"rl_dir={serving.folder}")
    assert stopped.rc == 0 and stopped.changed == 1, stopped.text
    assert training.ended() == {"training": "FAILED"}
    assert "the runtime is lost" in training.record("training")["reason"]


def test_a_smoke_run_sees_whether_both_commands_work_and_either_can_be_tried_alone(rl):
    works = {"smoke_command": "python3 -c 'import json'"}
    both = rl.launch(rl.settings("small", **works), smoke=True)
    runtime = rl.launch(rl.settings("small-runtime", **works), smoke=True, runtime_only=True)
    training = rl.launch(rl.settings("small-training", smoke_command="python3 -c 'import nothing'"), smoke=True,
                         training_only=True)  # fmt: skip
    assert both.name == "small-smoke"
    assert both.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, both.outputs()
    assert runtime.ended() == {"runtime": "COMPLETED"}, runtime.outputs()
    assert training.ended() == {"training": "FAILED"}
    assert "ModuleNotFoundError" in str(training.outputs())
    broken = rl.launch(rl.settings("broken", server="--never-well", runtime_start_timeout=2), smoke=True,
                       runtime_only=True)  # fmt: skip
    assert broken.ended() == {"runtime": "FAILED"}


def test_a_conf_file_of_the_original_runs_from_any_directory_and_its_outputs_are_shown(rl):
    settings = rl.settings("conf", "--episodes 2")
    folder = rl.folder / "elsewhere"
    (folder / "config").mkdir(parents=True)
    lines = [f"{name.upper()}='{value}'" for name, value in settings.items() if name != "data_dir"]
    lines += [f'BASE="{rl.data.parent}"  # of all data', f'DATA_DIR="${{BASE}}/{rl.data.name}"']
    (folder / "config" / "dev.conf").write_text("\n".join(lines) + "\n")

    def play(name, *args):
        command = f"cd {folder} && ANSIBLE_CONFIG={ROOT}/ansible.cfg exec ansible-playbook {ROOT}/playbooks/{name}.yml"
        return rl.run("sh", "-c", " ".join([command, *args]))

    text = play("rl", "-e rl_conf=dev --check --diff")
    assert f'data_dir = "{rl.data}"  ({folder}/config/dev.conf:' in text and text.count("#!/bin/bash") == 2
    assert rl.jobs() == [] and not rl.base.joinpath(".lock_conf").exists()
    assert "COMPLETED" in play("rl", "-e rl_conf=dev -e watch=true")
    text = play("rl_logs", "-e rl_conf=config/dev.conf -e lines=50")
    assert "step 2/2" in text and "serving on" in text
    assert "conf: " in play("rl_status", f"-e rl_skyrl_jobs_base={rl.base}")


def test_a_watched_run_shows_each_change_and_fails_with_its_training_and_what_helps(rl):
    settings = rl.settings(
        "watched", training_command="sh -c 'echo step 1/2; sleep 5; echo CUDA out of memory; exit 5'"
    )
    played = rl.rl("rl", "-e", f"@{rl.file(settings)}", "-e", "watch=true")
    assert played.rc == 2, played.text
    for text in (
        r"runtime: job \d+ is RUNNING, ready \(http",
        r"address: http://node003\S*:\d+",
        r"training: job \d+ is RUNNING, running",
        "step 1/2",
        r"training: job \d+ is FAILED \(exit code 5:0\)",
        "gpu_memory_utilization",
        r"runtime: job \d+ is COMPLETED",
    ):
        assert re.search(text, played.text), (text, played.text)


def test_an_image_is_pulled_into_an_archive_before_anything_is_submitted(rl):
    """From a registry on this machine, by podman itself."""
    archive = rl.folder / "pulled" / "image.tar"
    wanted = {**rl.with_podman(), "image_archive": str(archive), "pull_image": True}
    settings = {**rl.settings("pulled", "--episodes 1", SERVER), **wanted}
    rehearsed = rl.entry("rl_launch", settings=settings, check_mode=True)["diff"]["after"]
    assert f"note: {IMAGE} would be pulled into {archive}." in rehearsed and not archive.exists()
    nowhere = rl.entry("rl_launch", settings={**settings, "container_image": "127.0.0.1:9/none:none"})
    assert "podman pull" in nowhere["error"] and "No job was submitted" in nowhere["error"]
    assert rl.jobs() == [] and not archive.exists()
    argv = [*rl.prefix(), "python3", f"{HERE}/registry.py", str(rl.image_folder())]
    registry = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        place = registry.stdout.readline().strip()
        registries = rl.folder / "registries.conf"
        registries.write_text(f'[[registry]]\nlocation = "{place}"\ninsecure = true\n')
        settings["container_image"] = f"{place}/{IMAGE.rpartition('/')[2]}"
        pair = rl.launch(settings, env={"CONTAINERS_REGISTRIES_CONF": str(registries)})
    finally:
        registry.terminate()
        registry.wait()
    assert archive.stat().st_size > 1000
    assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()
    assert pair.seen()["episodes"] == 1
