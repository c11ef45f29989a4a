# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of others is shown and stored without control characters, and not at any length."""

from __future__ import annotations

import json
import unicodedata

import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils import plain_text
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.plain_text import END, LONGEST, cleaned, plain, shown
from ansible_collections.srt.slurm.plugins.module_utils.results import document, tables
from ansible_collections.srt.slurm.plugins.module_utils.stages import evidence
from ansible_collections.srt.slurm.plugins.plugin_utils import stage
from hypothesis import given
from hypothesis import strategies as st

EVIL = "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\rgone\x07\x9b1m\u202eevil\u2066 \u2028\x7f\ud800"
WEIRD = st.text(st.characters() | st.sampled_from("\x1b[];m\r\n\t\x07\x9b\x9d\x9c\u202e\u2066"))


def is_plain(text):
    return all(one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs", "Zl", "Zp") for one in text) and not set(
        text
    ) & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [
        ("plain, é 漢字 \U0001f600\n\tmore", "plain, é 漢字 \U0001f600\n\tmore"),
        ("\x1b[1;31mred\x1b[0m \x1b(B\x1b[mend", "red end"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;no end of it", "\\x1b]0;no end of it"),
        ("10%\r20%", "10%\\r20%"),
        ("a\r\nb", "a\nb"),
        ("\x07\x00\x85\x9b", "\\x07\\x00\\x85\\x9b"),
        ("a\u202eb\u2028\ud800", "a\\u202eb\\u2028\\ud800"),
    ],
)
def test_how_control_characters_are_shown(text, is_shown):
    assert plain(text) == is_shown


@given(WEIRD)
def test_no_text_is_shown_with_control_characters_and_showing_it_again_changes_nothing(text):
    assert is_plain(plain(text)) and plain(plain(text)) == plain(text)
    assert max(map(len, shown(text).split("\n"))) <= LONGEST + 99
    shown(text).encode()


def test_a_long_line_keeps_its_beginning_and_its_end():
    line = shown("first line\n" + "x" * (10 * LONGEST) + " what to do\nlast line")
    first, long, last = line.split("\n")
    assert (first, last) == ("first line", "last line")
    assert long.startswith("xxx") and long.endswith(" what to do") and len(long) < LONGEST + 99
    assert f"... ({9 * LONGEST + 11} characters) ..." in long and END < LONGEST


def test_all_texts_of_a_value_are_cleaned():
    assert cleaned({"\x07": [EVIL, ("\x07", 1, None, True)]})["\\x07"][1] == ["\\x07", 1, None, True]


def test_what_an_error_and_progress_say():
    error = Error(f"srun failed: {EVIL}", tail=[EVIL, "x" * 10**6], nested={"log": EVIL}).as_result()
    assert is_plain(error["msg"]) and all(map(is_plain, error["tail"])) and is_plain(error["nested"]["log"])
    assert len(error["tail"][1]) < LONGEST + 99
    problem = {"file": EVIL, "line": 1, "path": "a", "code": "invalid", "problem": EVIL, "remedy": None}
    assert is_plain(SpecError([problem]).as_result()["msg"])
    lines = []
    ctx = Context(progress=lines.append)
    ctx.progress(EVIL)
    ctx.show(EVIL * 1000)
    assert len(lines) == 2 and all(map(is_plain, lines)) and len(lines[1]) < LONGEST + 99


def test_what_is_shown_of_a_failed_step(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "n1_w.out").write_text(f"RuntimeError: CUDA error {EVIL}{'x' * 99999}\n", errors="ignore")
    record = {"name": "w", "nodes": ["n1"], "log": "logs/n1_w.out", "attempt": 1, "reason": EVIL, "exit_code": 1}
    result = evidence.step_error([record], str(tmp_path), "early").as_result()
    assert is_plain(json.dumps(result, ensure_ascii=False)) and len(json.dumps(result)) < 20 * LONGEST


def test_a_rollup_has_none(tmp_path):
    plan = dict(run_results.make_plan(tmp_path), notes=[EVIL])
    raw = run_results.raw_result(usage_source="\x1b[31mx")
    run_results.write_point(tmp_path, plan["benchmark"]["points"][0], raw, [EVIL])
    made = document.build(plan, "now", {"task": "Workers", "msg": EVIL})
    for text in (json.dumps(made, ensure_ascii=False), tables.csv_text(made), tables.table_text(made)):
        assert is_plain(text)
    assert is_plain("".join(path.read_text() for path in tmp_path.rglob("*.verdict.json")))


def test_what_an_action_shows_and_returns(monkeypatch):
    lines = []
    monkeypatch.setattr(stage.output, "show", lines.append)
    stage.show(EVIL)
    assert lines and is_plain(lines[0])
    assert plain_text.cleaned is stage.cleaned
