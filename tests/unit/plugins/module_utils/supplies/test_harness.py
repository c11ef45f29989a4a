# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a job finds a program that measures, and what it says if there is none."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.supplies import harness


def spec_of(runtime="none", image=None, folder=None, python="python3", gpu="h100"):
    return {
        "cluster": {"container_runtime": runtime, "harness_dir": folder},
        "benchmark": {"type": "gsm8k", "container_image": image},
        "resources": {"gpu_type": gpu},
        "python": python,
    }


def test_the_image_of_the_benchmark_has_its_own_program():
    found = harness.find(spec_of("pyxis", image="lm.sqsh", folder="/h"), "lm-eval")
    assert (found.argv, found.mount, found.shown) == (["python3", "-m", "lm_eval"], None, None)
    assert found.parameters == {"harness": "lm-eval", "harness_image": "lm.sqsh"}


@pytest.mark.parametrize(("gpu", "machine"), [("h100", "x86_64"), ("GB200", "aarch64"), ("gh200", "aarch64")])
def test_harness_dir_has_an_environment_for_the_machine_of_the_nodes(gpu, machine):
    found = harness.find(spec_of("pyxis", folder="/h/", gpu=gpu), "lm-eval")
    path = f"/h/lm-eval-{harness.HARNESSES['lm-eval'].version}-{machine}"
    assert found.mount == path and found.shown == f"{path}/bin/python" == found.argv[-3]
    assert found.argv[-2:] == ["-m", "lm_eval"] and found.argv[:3] == ["env", "-u", "LD_PRELOAD"]
    assert found.parameters["harness_path"] == path and found.parameters["harness_version"]


def test_without_a_container_it_may_be_beside_python():
    found = harness.find(spec_of(python="/venv/bin/python"), "lm-eval")
    assert (found.argv[0], found.shown, found.mount) == ("/venv/bin/python", "/venv/bin/lm_eval", None)
    # An image that no container runs says nothing.
    assert harness.find(spec_of(image="x", python="/venv/bin/python"), "lm-eval").shown == "/venv/bin/lm_eval"
    assert harness.find(spec_of(folder="/h", python="/venv/bin/python"), "lm-eval").shown.startswith("/h/lm-eval-")


@pytest.mark.parametrize("spec", [spec_of(), spec_of("pyxis"), spec_of("pyxis", python="/venv/bin/python")])
def test_a_job_without_any_is_told_what_to_do(spec):
    assert harness.find(spec, "lm-eval") is None
    key, problem, remedy, code = harness.missing(spec, "lm-eval", None, "here")
    assert key == ("cluster", "harness_dir") and code == "missing" and "gsm8k needs lm-eval" in problem
    assert "playbooks/setup.yml -e harness_dir=DIR -e harnesses=lm-eval" in remedy
    other = "python" if spec["cluster"]["container_runtime"] == "none" else "benchmark.container_image"
    assert other in remedy


def test_a_lost_environment_names_its_path_and_the_machine_to_make_it_on():
    spec = spec_of("pyxis", folder="/h", gpu="gb200")
    key, problem, remedy, code = harness.missing(spec, "lm-eval", harness.find(spec, "lm-eval"), "on login")
    assert key == ("cluster", "harness_dir") and code == "not_found"
    assert "-aarch64/bin/python does not exist on login" in problem
    assert "harness_dir=/h " in remedy and "machine with aarch64" in remedy
    spec = spec_of(python="/venv/bin/python")
    assert harness.missing(spec, "lm-eval", harness.find(spec, "lm-eval"), "here")[0] == ("python",)
