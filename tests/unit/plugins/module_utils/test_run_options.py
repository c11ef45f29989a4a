# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run options are parsed strictly, or refused with a remedy."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils import run_options


@pytest.mark.parametrize("value", ["31", 31])
def test_job_ids(value):
    assert run_options.job_id(value) == "31"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        *[(value, "is empty, as an unset variable.* leave job_id out") for value in ("", "  ", None)],
        *[(value, "not a valid job id. Use the id that squeue shows") for value in ("abc", "3.0", 3.0, "3;reboot")],
        *[(value, "not a valid job id") for value in ("-3", "0", "03", " 3", "3\n", "٣", True, "1,2", "1_[2-3]")],
        ("5+1", r"one component of the heterogeneous job 5\. Use the whole job: job_id=5"),
        ("1_2", r"a task of the job array 1\. .*squeue --jobs=1_2 --format=%A"),
    ],
)
def test_what_is_not_a_valid_job_id(value, told):
    with pytest.raises(run_options.Unusable, match=told) as caught:
        run_options.job_id(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (4, [4]), ("4", [4]), ("4,16", [4, 16]), (" 4, 16 ", [4, 16]), ("4x16", [4, 16]), ("[4, 16]", [4, 16]),
        ([4, "16"], [4, 16]), ((16, 4), [16, 4]), ("4,4", [4]), ([], []),
    ],
)  # fmt: skip
def test_concurrencies(value, wanted):
    assert run_options.concurrencies(value) == wanted


@pytest.mark.parametrize(
    "value",
    ["abc", "-4", -4, "c2", "1e1", 2.5, [2.5], "2.5", "[2.5]", 0, "0", "4,", "4;5", "4 5", [4, None], True, [True],
     "", None, "[]", {"a": 4}, [[4]]],
)  # fmt: skip
def test_what_is_no_concurrency(value):
    with pytest.raises(run_options.Unusable, match="such as 4,16"):
        run_options.concurrencies(value)


def test_the_wrong_ones_of_several_are_named():
    with pytest.raises(run_options.Unusable, match="has c2, 1e1 in it, which is not a concurrency"):
        run_options.concurrencies("4,c2,1e1")


@pytest.mark.parametrize(("value", "wanted"), [(0, 0), ("3", 3), ("1000", 1000)])
def test_retries(value, wanted):
    assert run_options.retries(value) == wanted


@pytest.mark.parametrize("value", [-1, "-1", "abc", "", None, 1.5, "1001", "99999", True])
def test_an_invalid_number_of_retries(value):
    with pytest.raises(run_options.Unusable, match="Use a whole number from 0 to 1000"):
        run_options.retries(value)


@pytest.mark.parametrize(("value", "wanted"), [(True, True), ("Yes", True), (1, True), ("off", False), ("0", False)])
def test_truth(value, wanted):
    assert run_options.boolean(value) is wanted


@pytest.mark.parametrize("value", ["maybe", "", None, 2, "truee", [True]])
def test_what_is_no_truth_value(value):
    with pytest.raises(run_options.Unusable, match="Use true or false"):
        run_options.boolean(value)


@pytest.mark.parametrize("value", ["outputs", "/a b/c%d$e/ü", "~/x", "/%j 100% x", "/%N", "/100%-none"])
def test_output_directories(value):
    assert run_options.output_dir(value) == value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        *[(f"/a{mark}b", "with a line break or control character") for mark in "\n\r\t\0\x7f\x85\u2028\u2029"],
        ("/a\\b", r"is /a\\b, with a backslash"),
        *[(f"/{text}", "Slurm would not write the logs of steps there") for text in ("%j x%N", "x%s/%8t", "%N%n")],
        ("", "is empty"),
    ],
)
def test_what_no_output_directory_may_have(value, told):
    with pytest.raises(run_options.Unusable, match=told) as caught:
        run_options.output_dir(value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("value", "wanted"), [(0, 0.0), ("90.5", 90.5), ("1e3", 1000.0)])
def test_seconds(value, wanted):
    assert run_options.seconds(value) == wanted


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", "", None, True])
def test_what_is_not_a_time(value):
    with pytest.raises(run_options.Unusable, match="Use seconds"):
        run_options.seconds(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, (False, None)), ("", (False, None)), ("no", (False, None)), (True, (True, None)), ("1", (True, None)),
        ("15", (True, 15.0)), (7200, (True, 7200.0)),
    ],
)  # fmt: skip
def test_keep(value, wanted):
    assert run_options.keep(value) == wanted


@pytest.mark.parametrize(
    ("value", "remedy"),
    [("banana", "true, false, or the seconds"), ("5", "15 or more"), ("-20", "15 or more"), ("nan", "true, false")],
)
def test_what_keep_cannot_be(value, remedy):
    with pytest.raises(run_options.Unusable, match=f"Use .*{remedy}"):
        run_options.keep(value)


@pytest.mark.parametrize(("value", "wanted"), [("a, b,", ["a", "b"]), (["a b", 3], ["a b", "3"]), ("", []), (None, [])])
def test_tags(value, wanted):
    assert run_options.tags(value) == wanted


@pytest.mark.parametrize("value", ["-1", "x", "", None, 1.5])
def test_what_is_not_a_count(value):
    with pytest.raises(run_options.Unusable, match="whole number, 0 or more"):
        run_options.count(value)
    assert run_options.count("20") == 20


def test_what_travels_into_a_submitted_job_and_what_changes_a_measurement():
    names = ("keep", "teardown_timeout_s", "worker_hosts", "srt_mine", "job_id", "srt_slurm_submit_host", "theirs")
    assert [name for name in names if run_options.travels(name)] == list(names[:4])
    changing = [name for name in ("force", "benchmark_force", "keep") if run_options.measures(name)]
    assert changing == ["force", "benchmark_force"]
