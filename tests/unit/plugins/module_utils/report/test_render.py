# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts are drawn by vl-convert in a process of its own; without it, or if it fails, the error says so."""

from __future__ import annotations

import json
import re

import pytest
import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.report import chart, render, writing


def test_a_run_gets_its_page_and_its_picture(tmp_path):
    pytest.importorskip("vl_convert")
    run_dir = tmp_path / "77"
    report_runs.make_run(run_dir, invalid=(16,))
    (run_dir / "series.json").write_text(json.dumps(report_runs.series()))
    assert len(writing.write_run(str(run_dir))) == 2
    page, picture = (run_dir / "report.html").read_text(), (run_dir / "rollup.svg").read_text()
    assert page.count("<svg") == 13 and len(page) < 600_000
    assert len(
        re.findall(r'aria-roledescription="point"[^>]*NOT valid|NOT valid[^>]*aria-roledescription="point"', page)
    )
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) and set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)
    assert picture.startswith("<svg") and "var(" not in picture and "http://www.w3.org/2000/svg" in picture
    assert writing.write_run(str(run_dir)) == []  # the same inputs give the same files


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(render, "MODULE", "no_such_module")
    with pytest.raises(render.NotInstalled, match="pip install vl-convert-python"):
        render.drawings([{}])


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import sys; sys.exit('it broke')", "ended with code 1: it broke"),
        ("print('[]')", "ended with code 0"),
        ("print('no json')", "ended with code 0"),
        ("import os; os.kill(os.getpid(), 9)", "ended with code -9"),
        ("import time; time.sleep(60)", "timed out"),
    ],
)
def test_a_program_that_fails_is_an_error(monkeypatch, program, told):
    monkeypatch.setattr(render, "MODULE", "json")
    monkeypatch.setattr(render, "PROGRAM", program)
    monkeypatch.setattr(render, "LIMIT_S", 1.0 if "sleep" in program else 30.0)
    with pytest.raises(Error, match="The charts cannot be drawn: .*" + re.escape(told)):
        render.drawings([chart.layered([], "x")])


def test_drawings_of_a_page_have_ids_of_their_own(monkeypatch):
    monkeypatch.setattr(render, "MODULE", "json")
    svg = '<svg><clipPath id="clip0"></clipPath><g clip-path="url(#clip0)" data-id="clip0"></g></svg>'
    monkeypatch.setattr(render, "PROGRAM", f"import json; print(json.dumps([{svg!r}] * 2))")
    first, second = render.drawings([{}, {}])
    assert 'id="d0_clip0"' in first and "url(#d0_clip0)" in first and "d1_clip0" in second and "clip0" in second
