# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a step to the srun command line."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from fake_holder import make_step


def run_here(step):
    """Run what srun would run, with the environment that srun would pass on, after Slurm set its own GPUs."""
    env = dict(srun.srun_env(step), PATH="/usr/bin:/bin", CUDA_VISIBLE_DEVICES="0,1,2,3,4,5,6,7")
    return subprocess.run(srun.task_argv(step), env=env, capture_output=True, text=True, check=False)


def test_the_whole_line():
    assert srun.build_srun_argv(make_step(), "42", "/out/42") == [
        "srun",
        "--jobid=42",
        "--overlap",
        "--nodes=1",
        "--ntasks=1",
        "--nodelist=node001",
        "--job-name=prefill_0",
        "--chdir=/out/42",
        "--output=/out/42/logs/%N_prefill_0.out",
        "--open-mode=append",
        "--input=none",
        "--mpi=none",
        "--cpu-bind=none",
        "--kill-on-bad-exit=1",
        "--export=ALL",
        "/bin/sh",
        "-c",
        srun.FILE_LIMIT + '\nexec "$@"',
        "srt",
        "serve",
        "--port",
        "1",
    ]


def test_several_nodes_and_options_of_the_step():
    step = make_step(
        nodes=["n1", "n2"],
        ntasks=8,
        srun_options={"mpi": "pmix", "cpu_bind": "verbose,none", "oversubscribe": None, "m": "cyclic"},
    )
    argv = srun.build_srun_argv(step, "42", "/o%d/42")
    assert {"--nodelist=n1,n2", "--nodes=2", "--ntasks=8", "--distribution=cyclic"} <= set(argv)
    assert [word for word in argv if "mpi" in word or "bind" in word] == ["--mpi=pmix", "--cpu-bind=verbose,none"]
    assert "--oversubscribe" in argv and "--output=/o%%d/42/logs/%N_prefill_0.out" in argv


@pytest.mark.parametrize("option", ["jobid", "output", "job_name", "--nodelist"])
def test_what_a_step_may_not_set(option):
    with pytest.raises(Error, match="is set by the collection"):
        srun.build_srun_argv(make_step(srun_options={option: "x"}), "42", "/o")


def test_pyxis():
    step = make_step(
        container={"runtime": "pyxis", "image": "/i.sqsh", "remap_root": True},
        mounts=["/a:/b", "/c:/d:ro"],
        env={"X": "1"},
    )
    argv = srun.build_srun_argv(step, "42", "/o")
    assert [word for word in argv if "container" in word] == [
        "--container-image=/i.sqsh",
        "--container-mounts=/a:/b,/c:/d:ro",
        "--no-container-mount-home",
        "--no-container-entrypoint",
        "--container-remap-root",
    ]
    assert argv[-7:-5] == ["/bin/sh", "-c"] and argv[-4:] == ["srt", "serve", "--port", "1"]
    assert argv[-5].endswith(srun.FILE_LIMIT + '\nexport X="$SRT_ENV_X"; unset SRT_ENV_X\nexec "$@"')


def test_a_container_is_writable_unless_the_job_wants_another():
    step = make_step(container={"runtime": "pyxis", "image": "i", "writable": True})
    assert "--container-writable" in srun.build_srun_argv(step, "42", "/o")
    step["srun_options"] = {"container_readonly": True}
    argv = srun.build_srun_argv(step, "42", "/o")
    assert "--container-readonly" in argv and "--container-writable" not in argv


def test_mounts_of_a_job_are_added_to_those_of_the_plan():
    step = make_step(
        container={"runtime": "pyxis", "image": "/i.sqsh", "mount_home": False},
        mounts=["/a:/b", "/c:/d:ro"],
        srun_options={"container_mounts": "/e:/f,/g:/h", "container-image": "foo", "container-mount-home": True},
    )
    argv = srun.build_srun_argv(step, "42", "/o")
    assert [word for word in argv if "container" in word] == [
        "--container-image=foo",
        "--container-mounts=/a:/b,/c:/d:ro,/e:/f,/g:/h",
        "--no-container-entrypoint",
        # Not beside its opposite, which the plan has of itself: pyxis refuses both.
        "--container-mount-home",
    ]
    argv = srun.build_srun_argv(dict(step, mounts=[]), "42", "/o")
    assert "--container-mounts=/e:/f,/g:/h" in argv


@pytest.mark.parametrize(
    "image, word",
    [
        ("nginx:1.27.4", "docker://nginx:1.27.4"),
        ("nginx", "docker://nginx"),
        ("lmsysorg/sglang:v0.5", "docker://lmsysorg/sglang:v0.5"),
        ("img@sha256:0123", "docker://img@sha256:0123"),
        ("nvcr.io#nvidia/x:1", "docker://nvcr.io/nvidia/x:1"),
        ("localhost:5000#x", "docker://localhost:5000/x"),
        ("$oauthtoken@nvcr.io#nvidia/x:1", "docker://nvcr.io/nvidia/x:1"),
        ("docker://me@nvcr.io#nvidia/x:1", "docker://nvcr.io/nvidia/x:1"),
        ("docker://org/x:1", "docker://org/x:1"),
        ("oras://reg/x:1", "oras://reg/x:1"),
        ("library://a/b/c", "library://a/b/c"),
        ("docker-archive:/i.tar", "docker-archive:/i.tar"),
        ("/images/sandbox", "/images/sandbox"),
        ("./x", "./x"),
        ("below/i.sif", "below/i.sif"),
        ("i.sqsh", "i.sqsh"),
    ],
)
def test_images_in_registries_as_apptainer_reads_them(image, word):
    step = make_step(container={"runtime": "apptainer", "image": image})
    argv = srun.task_argv(step)
    assert argv[argv.index("--nv") + 1] == word
    # pyxis reads them as they are.
    step = make_step(container={"runtime": "pyxis", "image": image})
    assert f"--container-image={image}" in srun.build_srun_argv(step, "42", "/o")


def test_apptainer():
    step = make_step(container={"runtime": "apptainer", "image": "/i.sif"}, mounts=["/a:/b"])
    assert srun.task_argv(step) == [
        "apptainer",
        "exec",
        "--no-home",
        "--writable-tmpfs",
        "--nv",
        "--bind",
        "/a:/b",
        "/i.sif",
        "/bin/sh",
        "-c",
        f'{srun.TELL_BEGIN}\n{srun.FILE_LIMIT}\nexec "$@"',
        "srt",
        "serve",
        "--port",
        "1",
    ]


def contained(**changes):
    """Return a step in pyxis' container that prints what it has."""
    return make_step(container={"runtime": "pyxis", "image": "i"}, **changes)


def test_a_task_in_a_container_tells_that_it_has_begun(tmp_path):
    step = contained(argv=["printenv", "SRT_BEGUN"])
    env = dict(srun.srun_env(step), PATH="/usr/bin:/bin", SRT_BEGUN=str(tmp_path / "x.1.begun"), SLURM_PROCID="3")
    done = subprocess.run(srun.task_argv(step), env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")  # the program itself has no such variable
    assert [path.name for path in tmp_path.iterdir()] == ["x.1.begun.3"]
    env["SRT_BEGUN"] = str(tmp_path / "missing" / "x")  # not mounted: the command runs all the same
    done = subprocess.run(srun.task_argv(step), env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "SRT_BEGUN" not in srun.srun_env(make_step())


@pytest.mark.parametrize("line", ["PATH=/opt/x/bin:/usr/bin:/bin", 'A=1\nPATH="/opt/x/bin:/usr/bin:/bin"\nB=2'])
def test_the_path_of_the_image_is_kept(line, tmp_path, monkeypatch):
    file = tmp_path / "environment"
    file.write_text(line + "\n")
    monkeypatch.setattr(srun, "IMAGE_PATH", srun.IMAGE_PATH.replace("/etc/environment", str(file)))
    assert run_here(contained(argv=["printenv", "PATH"])).stdout == "/opt/x/bin:/usr/bin:/bin\n"
    # The job's own PATH comes after it.
    own = contained(argv=["printenv", "PATH"], env={"PATH": "/own:/usr/bin:/bin"})
    assert run_here(own).stdout == "/own:/usr/bin:/bin\n"
    file.unlink()
    assert run_here(contained(argv=["printenv", "PATH"])).stdout == "/usr/bin:/bin\n"


@pytest.mark.parametrize("lacks", [False, True])
def test_a_preamble_in_an_image_that_may_lack_bash(lacks, tmp_path):
    (tmp_path / "printf").symlink_to("/usr/bin/printf")
    if not lacks:
        (tmp_path / "bash").symlink_to("/bin/bash")
    step = make_step(
        container={"runtime": "pyxis", "image": "nginx", "bash": False},
        preamble=f'PATH={tmp_path}; X="${{BASH_VERSION:+bash}}"; export X; set -- other',
        argv=["printf", "%s|", "a b", "$X", ":"],
        env={"A": "1"},
    )
    step["preamble"] = f"echo ${{BASH_VERSION:+bash}}\n{step['preamble']}"
    argv, env = srun.task_argv(step), dict(srun.srun_env(step), PATH=str(tmp_path))
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == ("\n" if lacks else "bash\n") + "a b|$X|:|", done.stderr


def test_the_prologue_runs_inside_the_container():
    step = make_step(container={"runtime": "apptainer", "image": "/i.sif"}, preamble="setup", env={"A": "secret-value"})
    argv = srun.task_argv(step)
    place = argv.index("/i.sif")
    assert argv[place + 1 : place + 3] == ["/bin/bash", "-c"]
    assert "setup" in argv[place + 3] and 'export A="$SRT_ENV_A"; unset SRT_ENV_A' in argv[place + 3]
    assert argv[place + 4 :] == ["srt", "serve", "--port", "1"]
    assert "secret-value" not in str(argv) and srun.srun_env(step)["SRT_ENV_A"] == "secret-value"


@pytest.mark.parametrize("value", ["2,3", "a b", "it's", '"', "$(id)", "`id`", "a\nb", "é", "\\", "", "-n", " x "])
def test_any_value_arrives_and_none_is_on_the_command_line(value):
    step = make_step(
        argv=["printenv", "CUDA_VISIBLE_DEVICES"], env={"CUDA_VISIBLE_DEVICES": value, "OTHER": "secret-value"}
    )
    assert run_here(step).stdout == value + "\n"
    assert not any("secret-value" in word for word in srun.build_srun_argv(step, "42", "/o"))


@pytest.mark.parametrize("argv", [["a", ":", "b c"], ["$HOME", "'", '"', "-x", "é\n", ""]])
@pytest.mark.parametrize("preamble", [None, "true", "set -- x; Y='z'"])
def test_any_argument_arrives(argv, preamble):
    step = make_step(argv=["printf", "%s|", *argv], preamble=preamble, env={"CUDA_VISIBLE_DEVICES": "1"})
    assert run_here(step).stdout == "".join(word + "|" for word in argv)
    assert ":" not in srun.build_srun_argv(step, "42", "/o")


def test_preamble_runs_first_and_its_variables_stay():
    step = make_step(
        argv=["printenv", "A", "B"],
        preamble='export A="$B-$CUDA_VISIBLE_DEVICES"',
        env={"B": "b", "CUDA_VISIBLE_DEVICES": "5"},
    )
    assert run_here(step).stdout == "b-5\nb\n"


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize(("soft", "hard", "raised"), [(64, 512, 512), (64, 1048576, 1048576), (64, 2000000, 1048576)])
def test_a_step_may_open_as_many_files_as_its_node_allows_but_not_millions(shell, soft, hard, raised):
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard > allowed and os.getuid():
        pytest.skip("may not raise the hard limit")
    step = make_step(argv=["sh", "-c", "ulimit -S -n"], preamble=None if shell == "/bin/sh" else "true")
    argv = srun.task_argv(step)
    limit = (resource.RLIMIT_NOFILE, (soft, hard))
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, preexec_fn=lambda: resource.setrlimit(*limit)
        )
    except subprocess.SubprocessError:
        pytest.skip("this kernel has a lower limit")
    assert argv[0] == shell and (done.stdout, done.stderr) == (f"{raised}\n", "")


@pytest.mark.parametrize("name", ["A-B", "1A", "A B", "", "A;id"])
def test_bad_variable_names(name):
    with pytest.raises(Error, match="cannot be an environment variable"):
        srun.srun_env(make_step(env={name: "x"}))


def test_printable_shows_line_and_environment():
    text = srun.printable(make_step(env={"A": "b c"}), "JOBID", "/o/JOBID")
    assert text.startswith("prefill_0 on node001\n  srun --jobid=JOBID ") and "  A='b c'\n" in text
