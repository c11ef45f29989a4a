# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawings have their marks where the numbers are, by their own ticks and by another program for the same charts."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree

import pytest
import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.report import chart, drawing, scales, writing

SVG = "{http://www.w3.org/2000/svg}"


def spec_of(rows, x=None, y=None, mark=None):
    """Return the specification of points at *rows*."""
    place = {"x": x or chart.axis("x", "across"), "y": y or chart.axis("y", "up")}
    encoding = {**place, "description": {"field": "about", "type": "nominal"}}
    rows = [{"x": a, "y": b, "about": f"{a} {b}"} for a, b in rows]
    return chart.layered([{"data": {"values": rows}, "mark": mark or {"type": "point"}, "encoding": encoding}], "d")


def circles(svg):
    """Return [(x, y)] of the points of a drawing, in pixels."""
    found = xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}circle")
    return [(float(one.get("cx")), float(one.get("cy"))) for one in found]


def ticks(svg, anchor):
    """Return [(pixel, value)] of the labels of an axis: the horizontal one's are in the middle."""
    found = []
    for one in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}text"):
        if one.get("text-anchor") == anchor and re.fullmatch(r"[-\d.,e+]+", one.text or "") and one.get("x"):
            found.append((float(one.get("x" if anchor == "middle" else "y")), float(one.text.replace(",", ""))))
    return found


@pytest.mark.parametrize("log", [False, True])
def test_a_mark_is_where_the_ticks_say_that_its_number_is(log):
    rows = [(3.0, 0.2), (17.0, 4.5), (240.0, 88.0), (1999.0, 31.0)]
    svg = drawing.svg(spec_of(rows, chart.axis("x", "across", log), chart.axis("y", "up", log)))
    scale = math.log if log else float
    for anchor, axis, offset in (("middle", 0, 0), ("end", 1, -4)):
        (low, first), *_between, (high, last) = sorted(ticks(svg, anchor), key=lambda one: one[1])
        for number, pixel in ((row[axis], place[axis]) for row, place in zip(rows, circles(svg))):
            share = (pixel - low - offset) / (high - low)
            assert share == pytest.approx((scale(number) - scale(first)) / (scale(last) - scale(first)), abs=0.005)


def test_another_program_draws_the_same_chart_alike():
    import vl_convert

    rows = [(3.0, 2.0), (17.0, 45.0), (240.0, 88.0), (199.0, 31.0), (100.0, 60.0)]
    spec = spec_of(rows)
    places = re.findall(
        r'aria-label="([^"]*)"[^>]*transform="translate\(([-\d.]+),([-\d.]+)\)"', vl_convert.vegalite_to_svg(spec)
    )
    theirs = {about: (float(x), float(y)) for about, x, y in places}
    ours = dict(zip((f"{a} {b}" for a, b in rows), circles(drawing.svg(spec))))
    assert set(theirs) == set(ours)
    for axis in (0, 1):
        low, high = min(ours, key=lambda one: ours[one][axis]), max(ours, key=lambda one: ours[one][axis])
        for name, place in ours.items():
            own = (place[axis] - ours[low][axis]) / (ours[high][axis] - ours[low][axis])
            other = (theirs[name][axis] - theirs[low][axis]) / (theirs[high][axis] - theirs[low][axis])
            assert own == pytest.approx(other, abs=0.005)


@pytest.mark.parametrize(
    "values", [[5.0], [0.0], [-3.0], [1e-9, 2e-9], [1e12, 3e12], [0.1, 0.30000000000000004], [7, 7]]
)
def test_a_scale_has_few_round_ticks_around_its_values(values):
    scale = scales.Linear(values, 0, 100, False)
    found = scale.ticks()
    assert 2 <= len(found) <= 12 and found[0] <= min(values) and found[-1] >= max(values)
    assert len({scales.label(one) for one in found}) == len(found)
    assert all(0 <= scale.at(value) <= 100 for value in values)


@pytest.mark.parametrize("values", [[5.0], [1e-6, 1e6], [3.0, 4.0], [1.0, 1000.0]])
def test_a_logarithmic_scale_has_ticks_around_its_values(values):
    scale = scales.Log(values, 0, 100)
    found = scale.ticks()
    assert 2 <= len(found) <= 16 and scale.low <= min(values) and scale.high >= max(values)
    assert all(-0.001 <= scale.at(value) <= 100.001 for value in values)


def test_texts_do_not_cover_each_other():
    rows = [{"x": 1.0, "y": 1.0, "label": f"c={number}"} for number in range(9)]
    rows.append({"x": 2.0, "y": 2.0, "label": "c=64"})
    place = {"x": chart.axis("x", "across"), "y": chart.axis("y", "up"), "text": {"field": "label"}}
    mark = {"type": "text", "dx": 7, "dy": -7}
    svg = drawing.svg(chart.layered([{"data": {"values": rows}, "mark": mark, "encoding": place}], "d"))
    assert 1 <= len(re.findall(">c=[0-8]<", svg)) <= 4 and ">c=64<" in svg


def test_text_is_escaped():
    row = {"x": 1.0, "y": 1.0, "about": "<b>&\"'", "series": "<i>"}
    encoding = {"x": chart.axis("x", "<x>"), "y": chart.axis("y", "<y>"), "description": {"field": "about"},
                "color": chart.named("series", ["<i>"], chart.COLOURS)}  # fmt: skip
    svg = drawing.svg(
        chart.layered([{"data": {"values": [row]}, "mark": {"type": "point"}, "encoding": encoding}], "<d>")
    )
    read = xml.etree.ElementTree.fromstring(svg)
    assert read.get("aria-label") == "<d>" and {"<x>", "<y>", "<i>"} <= {one.text for one in read.iter(f"{SVG}text")}


def test_a_run_gets_its_page_and_its_picture(tmp_path):
    run_dir = tmp_path / "77"
    report_runs.make_run(run_dir, invalid=(16,))
    (run_dir / "series.json").write_text(json.dumps(report_runs.series()))
    assert len(writing.write_run(str(run_dir))) == 2
    page, picture = (run_dir / "report.html").read_text(), (run_dir / "rollup.svg").read_text()
    assert page.count("<svg") == 13 and len(page) < 300_000
    assert re.search(r'aria-label="c=16, [^"]*NOT valid: the load client was stopped', page)
    assert xml.etree.ElementTree.fromstring(picture).tag == f"{SVG}svg" and "var(" not in picture
    assert writing.write_run(str(run_dir)) == []  # the same inputs give the same files
