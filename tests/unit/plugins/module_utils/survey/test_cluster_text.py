# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""srtslurm.yaml is written with comments, and what a person wrote there stays as it is."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.survey import cluster_text
from ansible_collections.srt.slurm.plugins.module_utils.survey.cluster_text import Line

LINES = [
    Line("cluster", "alps"),
    Line("default_partition", "batch", "Slurm's default"),
    Line("default_time_limit", "04:00:00"),
    Line("gpus_per_node", 8),
    Line("use_segment_sbatch_directive", False),
    Line("default_account", None),
]
KNOWN = {
    "cluster": "alps", "default_partition": "batch", "default_time_limit": "04:00:00", "gpus_per_node": 8,
    "use_segment_sbatch_directive": False,
}  # fmt: skip


def test_a_new_file_says_what_each_setting_means():
    text, added = cluster_text.merged("", LINES, "srtslurm.yaml")
    assert yaml.safe_load(text) == KNOWN and added == list(KNOWN)
    assert "# Partition for jobs that name none: Slurm's default.\ndefault_partition: batch\n" in text
    assert cluster_text.merged(text, LINES, "srtslurm.yaml") == (text, [])


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("default_partition: mine # by me\nmy_own_key: [1, 2]\n", {"default_partition": "mine", "my_own_key": [1, 2]}),
        ("# only a comment\n", {}),
        ("default-partition: mine", {"default-partition": "mine"}),
        ("default_partition: mine\n# the end, without a line break", {"default_partition": "mine"}),
        ("---\ngpus_per_node: 4\n\n\n", {"gpus_per_node": 4}),
        ("default_bash_preamble: |\n  ulimit -l\n  true\n", {"default_bash_preamble": "ulimit -l\ntrue\n"}),
    ],
)  # fmt: skip
def test_what_is_there_stays(before, kept):
    text, _added = cluster_text.merged(before, LINES, "srtslurm.yaml")
    assert text.startswith(before)
    read = yaml.safe_load(text)
    assert {key: read[key] for key in kept} == kept
    assert cluster_text.merged(text, LINES, "srtslurm.yaml") == (text, [])
    assert "default_partition" not in read or read["default_partition"] == kept.get("default_partition", "batch")


def test_the_older_form_below_cluster_counts():
    before = "cluster:\n  name: alps\n  account: research\n  gpus_per_node: 4\n"
    lines = [*LINES, Line("default_account", "other")]
    text, added = cluster_text.merged(before, lines, "srtslurm.yaml")
    assert text.startswith(before)
    assert added == ["default_partition", "default_time_limit", "use_segment_sbatch_directive"]
    settings = cluster_text.given_in(text, "srtslurm.yaml")
    assert (settings["default_account"], settings["gpus_per_node"], settings["cluster"]) == ("research", 4, "alps")


def test_a_key_that_is_set_to_null_stays_null():
    text, added = cluster_text.merged("default_partition: null\n", LINES, "f")
    assert "default_partition" not in added and yaml.safe_load(text)["default_partition"] is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("containers:\n  old: /a.sqsh # mine\n\n# models\nmodel_paths: {}\n",
         "containers:\n  old: /a.sqsh # mine\n  new: /b.sqsh\n\n# models\nmodel_paths: {}\n"),
        ("containers: # images\n    old: /a.sqsh", "containers: # images\n    old: /a.sqsh\n    new: /b.sqsh\n"),
        ("containers:\n  old: /a.sqsh\n  new: /kept.sqsh\n", "containers:\n  old: /a.sqsh\n  new: /kept.sqsh\n"),
    ],
)  # fmt: skip
def test_a_mapping_gets_the_names_that_it_lacks(before, after):
    text, _added = cluster_text.merged(before, [Line("containers", {"new": "/b.sqsh"})], "f")
    assert text == after


def test_a_mapping_is_written_if_there_is_none():
    text, _added = cluster_text.merged("gpus_per_node: 8\n", [Line("containers", {"a:b": "/x y.sqsh"})], "f")
    assert yaml.safe_load(text) == {"gpus_per_node": 8, "containers": {"a:b": "/x y.sqsh"}}


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("containers: {old: /a.sqsh}\n", "f: containers: .* Add by hand: new: /b.sqsh"),
        ("{gpus_per_node: 8}\n", "nothing can be added to its end. Add by hand:\n(.|\n)*containers:\n  new: /b.sqsh"),
        ("gpus_per_node: 8\n...\n", "Add by hand"),
        ("- a list\n", "f is not a mapping of keys"),
    ],
)
def test_a_file_that_cannot_be_extended_is_left_alone_in_words(before, words):
    with pytest.raises(Error, match=words):
        cluster_text.merged(before, [Line("containers", {"new": "/b.sqsh"})], "f")


def test_a_file_that_is_no_yaml_is_an_error_with_its_line():
    with pytest.raises(SpecError, match=r"^f:\d: is not YAML"):
        cluster_text.merged("a: 1\nb: [\n", LINES, "f")


@pytest.mark.parametrize(
    "value",
    ["yes", "NO", "on", "null", "y", "0123", "1e3", "4:00", "a: b", "# x", "", " x", "tab\tx", "x\ny", "é", "a#b", "~",
     "/shared/a b", "batch", "/shared/srt", "2024-01-01", True, False, 7],
)  # fmt: skip
def test_a_scalar_is_read_back_as_it_was(value):
    assert yaml.safe_load(f"key: {cluster_text.scalar(value)}\n") == {"key": value}
