# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the load client."""

from __future__ import annotations

import math

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client.options import parse_options

NEEDED = [
    "--base-url", "http://h:8000", "--model", "m", "--tokenizer", "/t", "--isl", "128", "--osl", "16",
    "--num-prompts", "40", "--concurrency", "4", "--result", "r.json",
]  # fmt: skip


def test_defaults_are_those_of_a_plain_measurement():
    options = parse_options(NEEDED)
    assert options.endpoint == "/v1/completions"
    assert options.request_rate == math.inf
    assert options.ignore_eos is True
    assert options.reuse_connections is True
    assert options.quick_ack is True
    assert options.percentiles == [90, 95, 99]
    assert options.num_warmup == 0


def test_repeated_options_are_collected():
    options = parse_options([
        *NEEDED, "--metadata", "a=1", "--metadata", "b=x=y", "--goodput", "ttft:2000", "--goodput", "tpot:25",
        "--percentiles", "50,99.9", "--request-rate", "2.5", "--extra-body", '{"top_k": 1}', "--no-ignore-eos",
    ])  # fmt: skip
    assert options.metadata == [("a", "1"), ("b", "x=y")]
    assert options.goodput == [("ttft", 2000.0), ("tpot", 25.0)]
    assert options.percentiles == [50, 99.9]
    assert options.request_rate == 2.5
    assert options.extra_body == {"top_k": 1}
    assert options.ignore_eos is False


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--isl", "0"], "--isl must be at least 1"),
        (["--num-warmup", "-1"], "--num-warmup must not be negative"),
        (["--random-range-ratio", "0"], "--random-range-ratio must be above 0"),
        (["--random-range-ratio", "1.5"], "at most 1"),
        (["--request-rate", "0"], "must be above 0, or inf"),
        (["--request-rate", "nan"], "must be above 0, or inf"),
        (["--burstiness", "0"], "argument --burstiness: must be above 0, or inf"),
        (["--base-url", "h:8000"], "must start with http://"),
        (["--goodput", "itl:5"], "METRIC:MS"),
        (["--goodput", "ttft"], "METRIC:MS"),
        (["--percentiles", "0"], "between 0 and 100"),
        (["--metadata", "a"], "KEY=VALUE"),
        (["--extra-body", "[1]"], "must be a JSON object"),
        (["--extra-body", "{"], "not JSON"),
        (["--endpoint", "/generate"], "invalid choice"),
    ],
)
def test_a_wrong_option_is_exit_code_2_with_the_reason(argv, message, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_options([*NEEDED, *argv])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
