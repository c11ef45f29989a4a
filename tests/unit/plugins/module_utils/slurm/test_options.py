# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which options of sbatch and srun a job may set, and which of them contradict the plan."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.slurm import options as slurm_options
from ansible_collections.srt.slurm.plugins.module_utils.slurm.options import hostlist, merge_directives

REQUEST = {"nodes": 4, "ntasks": 4, "ntasks_per_node": 1, "gpus_per_node": 8, "time_limit": "01:00:00"}


def found(given, gpus=8, **request):
    """Return {option: problem} of the directives *given*, of both kinds."""
    request = {**REQUEST, **request}
    options, _notes, problems = merge_directives(slurm_options.requested(request), given)
    told = {key: text for key, text, _remedy in problems}
    told.update({name: text for name, text, _remedy in slurm_options.contradictions(options, request, gpus)})
    return told


@pytest.mark.parametrize(
    "given, key, words",
    [
        ({"array": "1-3"}, "array", "use a sweep"),
        ({"a": "1-3"}, "a", "use a sweep"),
        ({"wrap": "ls"}, "wrap", "the holder"),
        ({"M": "other"}, "M", "cluster of the submit host"),
        ({"container-image": "x.sqsh"}, "container-image", "model.container"),
        ({"test_only": True}, "test_only", "would not submit a job"),
        ({"x y": "1"}, "x y", "not an option of sbatch"),
        ({"Z": "1"}, "Z", "not an option of sbatch"),
        ({"cpu-per-task": "3"}, "cpu-per-task", "not an option of sbatch"),
        ({"mem": True}, "mem", "has no value"),
        ({"mail-user": "a\n#SBATCH --uid=0"}, "mail-user", "line break"),
        ({"A": "x", "account": "y"}, "account", "twice, also as A"),
        ({"nodes": "3"}, "nodes", "is 3; the plan needs 4"),
        ({"N": "2-8"}, "nodes", "is 2-8; the plan needs 4"),
        ({"ntasks": "2"}, "ntasks", "need 4"),
        ({"n": "8", "ntasks-per-node": "1"}, "ntasks", "need 4"),
        ({"gpus-per-node": "h100:4"}, "gpus-per-node", "needs 8"),
        ({"G": "8"}, "gpus", "needs 32"),
        ({"gpus": "40"}, "gpus", "have 32"),
        ({"gres": "gpu:4,nvme:1"}, "gres", "uses 8 GPUs"),
        ({"gpus-per-task": "4"}, "gpus-per-task", "uses 8 GPUs"),
        ({"nodelist": "n[1-5]"}, "nodelist", "names 5 nodes"),
        ({"w": "n[1-4]", "x": "n4,n9"}, "exclude", "names n4"),
    ],
)
def test_what_cannot_work(given, key, words):
    assert words in found(given)[key]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"nodes": "4"},
        {"N": "4-4", "ntasks": "4"},
        {"ntasks-per-node": "8"},
        {"n": "8", "ntasks-per-node": "2"},
        {"gpus-per-node": "8"},
        {"gpus_per_node": "h100:4,a100:4"},
        {"gres": "gpu:h100:8", "mem": "0", "cpus-per-task": "16", "mail-type": "END", "q": "low"},
        {"gres": "nvme:1"},
        {"exclusive": True, "no-requeue": "", "nice": None},
        {"nodelist": "n[1-2],m3"},
        {"nodelist": "/home/me/nodes"},
        {"our-own-plugin": "7"},
        {"bb": "capacity=10"},
    ],
)
def test_what_can(given):
    assert found(given) == {}


def test_a_heterogeneous_job_names_no_nodes():
    assert "each part" in found({"nodelist": "n1"}, components=[2, 2])["nodelist"]


def test_more_tasks_on_a_node_are_more_tasks():
    options, _notes, _problems = merge_directives(slurm_options.requested(REQUEST), {"tasks-per-node": "8"})
    assert options["ntasks-per-node"] == "8" and options["ntasks"] == 32
    assert found({"ntasks-per-node": "2"}, ntasks_per_node=4)["ntasks-per-node"]


def test_notes_name_what_is_left_out_replaced_or_unknown():
    given = {"output": "x", "t": "2:00:00", "spank-thing": "1", "comment": "for Bob", "time-min": "1:00:00"}
    options, notes, problems = merge_directives(slurm_options.requested(REQUEST), given)
    assert not problems and options["time"] == "2:00:00" and options["comment"] == "for Bob"
    assert [note.split()[0].rstrip(":") for note in notes] == [
        "sbatch_directives.output",
        "sbatch_directives.t=2:00:00",
        "sbatch_directives.spank-thing",
    ]


def test_a_short_nodelist_is_only_a_note():
    # Slurm adds nodes of its own choice: tried with 22.05.
    assert "names 2 of the 4 nodes" in slurm_options.shortfall({"nodelist": "n[1-2]"}, REQUEST)
    assert slurm_options.shortfall({"nodelist": "n[1-4]"}, REQUEST) is None
    assert slurm_options.shortfall({}, REQUEST) is None


@pytest.mark.parametrize(
    "given, words",
    [
        ({"n": "5"}, "set by the plan"),
        ({"job_name": "x"}, "set by the plan"),
        ({"--nodelist": "x"}, "set by the plan"),
        ({"pty": True}, "no terminal"),
        ({"x": "n1"}, "sets the nodes"),
        ({"b@d": "x"}, "not an option of srun"),
        ({"cpu-bnd": "x"}, "not an option of srun"),
        ({"mpi": True}, "has no value"),
        ({"c": "2", "cpus-per-task": "3"}, "twice, also as c"),
    ],
)
def test_srun_options_that_cannot_be(given, words):
    problems, _notes = slurm_options.srun_problems(given)
    assert words in problems[-1][1]


def test_srun_options_that_can():
    known = {"container-save": "/i.sqsh", "container-unshare": "ipc", "container-entrypoint-log": ""}
    problems, notes = slurm_options.srun_problems(known)
    assert not problems and all("replaces the plan's setting" in note for note in notes)
    given = {"mpi": "pmix", "cpu_bind": "none", "oversubscribe": "", "K": "0", "site": "1"}
    problems, notes = slurm_options.srun_problems(given)
    assert not problems and notes == ["srun_options.site: not a known srun option; passed on."]


def test_options_of_the_container_say_what_they_do_to_the_plans():
    given = {"container_mounts": "/a:/b", "container-image": "x", "no-container-remap-root": True}
    problems, notes = slurm_options.srun_problems(given)
    assert not problems and [note.partition(",")[0] for note in notes] == [
        "srun_options.container_mounts: added to the plan's mounts. The keys for mounts are container_mounts and "
        "extra_mount.",
        "srun_options.container-image: replaces the plan's setting of the container",
        "srun_options.no-container-remap-root: replaces the plan's setting of the container",
    ]
    for runtime, words in (("apptainer", "runs in apptainer"), ("none", "uses no container")):
        assert all(words in note for note in slurm_options.srun_problems(given, runtime)[1])


@pytest.mark.parametrize(
    "text, names",
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ("n[1-3,07],x", ["n1", "n2", "n3", "n07", "x"]),
        ("n[008-010]", ["n008", "n009", "n010"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[1-]x", None),
        ("n[3-1]", None),
        ("n[1", None),
        ("n[1-9999999]", None),
        ("/a/b", None),
        ("", None),
    ],
)
def test_hostlists(text, names):
    assert hostlist(text) == names


def test_each_control_character_and_each_end_of_a_line_is_one():
    wanted = {char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) in ("Cc", "Zl", "Zp")}
    assert set(slurm_options.CONTROL.findall("".join(map(chr, range(sys.maxunicode + 1))))) == wanted
