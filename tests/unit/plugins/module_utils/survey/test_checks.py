# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of doctor.yml: what is wrong, where, and what to do."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.survey import checks
from ansible_collections.srt.slurm.plugins.module_utils.survey.checks import BAD, OK, SKIPPED, WARNING


@pytest.mark.parametrize(
    ("said", "segment", "state"),
    [
        ("slurm 23.11.4", True, OK),
        ("slurm 22.05.8", False, OK),
        ("slurm 22.05.8", True, BAD),
        ("slurm 21.08.5", False, BAD),
        ("", False, WARNING),
    ],
)
def test_the_version_of_slurm(said, segment, state):
    line = checks.slurm_version(said, segment)
    assert line.state == state and bool(line.remedy) == (state == BAD)


def test_faults_of_the_site_become_lines_and_the_rest_is_fine():
    faults = [("time", "is 9-0, more than the partition allows: batch.", "Shorten it.")]
    lines = checks.of_faults(faults, {"account": "a", "time": "9-0"})
    assert [(one.check, one.state) for one in lines] == [("time limit", BAD), ("account", OK), ("partition", OK)]
    assert lines[0].shown() == "BAD  time limit   time is 9-0, more than the partition allows: batch. -> Shorten it."
    assert lines[2].text == "Slurm's default"


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"down": 2, "drained": 1}, BAD),
        ({"idle": 1, "down": 1}, WARNING),
        ({"idle": 1, "mixed": 3}, None),
        (None, None),
    ],
)
def test_the_states_of_a_partition(row, state):
    line = checks.states("batch", row)
    assert (line.state if line else None) == state
    assert not line or "sinfo --list-reasons --partition=batch" in line.remedy


def test_what_nodes_found_is_one_line_with_its_nodes():
    problems = [
        {"check": "image", "fatal": True, "text": "the container image /x.sqsh does not exist", "node": node}
        for node in ("n1", "n2", "n3", "n4", "n5")
    ] + [{"check": "clock", "fatal": False, "text": "its clock differs by 90 s", "node": "n2"}]
    lines = checks.of_nodes(problems, ["n1", "n2", "n3", "n4", "n5"], ["gpu not checked on n1: no nvidia-smi"], {})
    by = {one.check: one for one in lines}
    assert by["images"].state == BAD and by["images"].text.startswith("n1, n2, n3, n4 and 1 more: the container image")
    assert by["clocks"].state == WARNING and by["GPUs"].state == SKIPPED
    assert by["shared disk"] == ("shared disk", OK, "5 nodes (n1, n2, n3, n4 ...)", "")
    assert all(one.remedy for one in lines if one.state in (BAD, WARNING))


@pytest.mark.parametrize("check", ["client", "clock", "disk", "gpu", "image", "limit", "mount", "port", "shm", "path"])
def test_every_check_of_a_node_has_a_remedy(check):
    (line, *_rest) = checks.of_nodes([{"check": check, "fatal": True, "text": "t", "node": "n"}], ["n"], [], {})
    assert line.state == BAD and line.remedy and line.remedy != "Ask the administrators, or exclude the node."


def test_an_interface_that_a_node_lacks_and_an_old_python():
    reports = [
        {"node": "n1", "addresses": [["lo", "127.0.0.1"], ["ib0", "10.0.0.1"]], "python": "3.9.2"},
        {"node": "n2", "addresses": [["lo", "127.0.0.1"]], "python": "3.6.8"},
    ]
    found = [(one["node"], one["check"]) for one in checks.network(reports, "ib0")]
    assert found == [("n2", "network"), ("n2", "python")]
    assert checks.network(reports[:1], None) == []


def test_nodes_that_do_not_report_are_told_what_they_may_not_see():
    line = checks.unseen("", "/home/me", 2, 4)
    assert line.state == BAD and "2 of 4 nodes" in line.text and "/home/me" in line.remedy


def test_what_nobody_looked_for_is_not_called_fine():
    lines = {one.check: one.state for one in checks.of_nodes([], ["n1"], [], {"ports": False, "images": True})}
    assert lines["ports"] == SKIPPED and lines["images"] == lines["clocks"] == OK
