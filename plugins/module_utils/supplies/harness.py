# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of others that measure (harnesses), and where a job finds one.

In this order: in the image of ``benchmark.container_image``; in ``harness_dir`` of the cluster file, where setup.yml
prepares an environment that runs in any container; without a container, beside the job's ``python``.
"""

from __future__ import annotations

from typing import NamedTuple

from ..failures import Finding
from ..json_types import JsonObject, KeyPath

CONTAINER_IMAGE: KeyPath = ("benchmark", "container_image")
# What an image sets for its own programs would break those of a harness, which brings its libraries along.
FOREIGN = ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")
ARM = ("gb", "gh")  # the GPUs of nodes with a Grace CPU begin so


class Harness(NamedTuple):
    """One of them.

    :ivar requirement: for pip.
    :ivar module: it runs as ``python -m MODULE``.
    :ivar script: the program beside Python that shows that it is installed.
    :ivar python: the oldest version of Python.
    :ivar more: further packages that the benchmarks use with it.
    :ivar before: the oldest version of Python that is too new, if there is one.
    """

    name: str
    version: str
    requirement: str
    module: str
    script: str
    python: tuple[int, int]
    before: tuple[int, int] | None = None
    more: tuple[str, ...] = ()

    @property
    def packages(self) -> list[str]:
        """Return what pip installs."""
        return [self.requirement, *self.more]

    def folder(self, machine: str) -> str:
        """Return the name of its environment for *machine*, such as x86_64."""
        return f"{self.name}-{self.version}-{machine}"


HARNESSES = {
    one.name: one
    for one in (
        Harness("aiperf", "0.13.0", "aiperf==0.13.0", "aiperf", "aiperf", (3, 11), (3, 14)),
        Harness("lm-eval", "0.4.13", "lm-eval[api]==0.4.13", "lm_eval", "lm_eval", (3, 10), None, ("tokenizers",)),
        Harness("sgl-eval", "0.1.3", "sgl-eval==0.1.3", "sgl_eval.cli", "sgl-eval", (3, 10)),
    )
}


class Found(NamedTuple):
    """Where a job finds a harness.

    :ivar argv: the beginning of its command line.
    :ivar mount: the directory that its container needs at the same path, or None.
    :ivar shown: the file that must exist on the hosts, None: it is in an image.
    :ivar parameters: of its points: which program in which version it is.
    """

    argv: list[str]
    mount: str | None
    shown: str | None
    parameters: JsonObject


def machine_of(spec: JsonObject) -> str:
    """Return the architecture of the job's nodes, by their GPUs."""
    return "aarch64" if spec["resources"]["gpu_type"].lower().startswith(ARM) else "x86_64"


def find(spec: JsonObject, name: str) -> Found | None:
    """Return where the job *spec* finds the harness *name*; None if it has none."""
    harness, contained = HARNESSES[name], spec["cluster"]["container_runtime"] != "none"
    image, folder = spec["benchmark"]["container_image"], spec["cluster"]["harness_dir"]
    if image and contained:
        return Found(["python3", "-m", harness.module], None, None, {"harness": name, "harness_image": image})
    if folder:
        path = f"{folder.rstrip('/')}/{harness.folder(machine_of(spec))}"
        words = [word for variable in FOREIGN for word in ("-u", variable)]
        program = f"{path}/bin/python"
        about: JsonObject = {"harness": name, "harness_version": harness.version, "harness_path": path}
        return Found(["env", *words, program, "-m", harness.module], path if contained else None, program, about)
    beside, slash, _python = spec["python"].rpartition("/")
    if contained or not slash:
        return None
    script = f"{beside}/{harness.script}"
    return Found([spec["python"], "-m", harness.module], None, script, {"harness": name, "harness_path": script})


def missing(spec: JsonObject, name: str, found: Found | None, where: str) -> Finding:
    """Return the problem that the job has no harness *name*: none is set, or not at the place *found*.

    :param where: says on which host it was looked for.
    """
    harness = HARNESSES[name]
    prepare = f"ansible-playbook playbooks/setup.yml -e harness_dir=DIR -e harnesses={name}"
    if spec["cluster"]["container_runtime"] != "none":
        image = f", or set benchmark.container_image to an image with {name}"
    else:
        image = f", or set python to a Python beside which {harness.script} is installed"
    if not found:
        problem = f"is missing: {spec['benchmark']['type']} needs {name}, and no harness_dir is set."
        remedy = f"Run {prepare}, and set harness_dir: DIR in srtslurm.yaml{image}."
        return (("cluster", "harness_dir"), problem, remedy, "missing")
    key: KeyPath = ("cluster", "harness_dir") if spec["cluster"]["harness_dir"] else ("python",)
    problem = f"has no {name}: {found.shown} does not exist {where}."
    machine = machine_of(spec)
    remedy = (
        f"Run {prepare.replace('DIR', spec['cluster']['harness_dir'] or 'DIR')} on a machine with {machine}{image}."
    )
    return (key, problem, remedy, "not_found")
