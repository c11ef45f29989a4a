# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A .conf file means what it means to the shell, and is never executed."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.rl.conf_file import Conf

GOOD = """\
# A comment
DATA_DIR="/n/data/r2e-all"   # with one behind it
TRAIN_DATA="${DATA_DIR}/train.parquet"
VAL_DATA=$DATA_DIR/validation.parquet
MODEL='Qwen/${NOT_READ} $(nor this)'
export TP_SIZE=1
EMPTY=
BLANKS="two words"
GLUED=a"b c"'d e'f
ESCAPED="a \\$5 \\"quoted\\" \\\\ word"
FALLBACK=${UNSET_HERE:-8000}
HASH=a#b
HOME_OF=~/x
  INDENTED=yes
"""


def test_it_has_the_values_that_bash_would_assign(tmp_path):
    path = tmp_path / "dev.conf"
    path.write_text(GOOD)
    conf = Conf(GOOD, "dev.conf", {"HOME": "/home/me"})
    assert conf.problems == []
    names = [*conf.values]
    script = f"set -a; . {path}; for name in {' '.join(names)}; do printf '%s=%s\\0' $name \"${{!name}}\"; done"
    shell = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={"HOME": "/home/me"}
    ).stdout
    assert dict(one.split("=", 1) for one in shell.split("\0") if one) == conf.values
    assert conf.lines["TRAIN_DATA"] == 3 and "DATA_DIR" in conf.used


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("A=$(date)", "a command, $(...)"),
        ('A="x $(date)"', "a command, $(...)"),
        ("A=`date`", "a command in backticks"),
        ('A="`date`"', "a command in backticks"),
        ("A=$((1+1))", "arithmetic"),
        ("A=1; rm -rf /", "has ; outside quotes"),
        ("A=1 rm -rf /", "after the value"),
        ("A=(1 2)", "has ( outside quotes"),
        ("A=x|y", "has | outside quotes"),
        ("A=<(date)", "has < outside quotes"),
        ('A="open', "no closing"),
        ("A='open", "no closing"),
        ("A=${NOWHERE}", "NOWHERE, which is not set"),
        ("A=${X^^}", "not read here"),
        ("A=${X:-$(date)}", "not read here"),
        ("A=$1", "not read here"),
        ("A+=x", "no line NAME=value"),
        ("rm -rf /", "no line NAME=value"),
        ("if true; then", "no line NAME=value"),
        ("A = 1", "no line NAME=value"),
        ("A=x\\", "goes on in the next line"),
    ],
)
def test_what_would_be_executed_or_cannot_be_read_is_refused_with_its_line(line, text):
    conf = Conf(f"GOOD=1\n\n{line}\n", "/x/dev.conf", {})
    (problem,) = conf.problems
    assert text in problem["problem"] and (problem["file"], problem["line"]) == ("/x/dev.conf", 3)
    assert problem["remedy"] and conf.values == {"GOOD": "1"}
