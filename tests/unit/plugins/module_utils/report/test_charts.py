# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The specifications of charts: valid Vega-Lite whose numbers are those of the rollup."""

from __future__ import annotations

import json

import pytest
import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.report import (
    chart,
    inputs,
    point_charts,
    points,
    request_charts,
    stages,
    time_charts,
)
from ansible_collections.srt.slurm.plugins.module_utils.report.points import INPUT, INTERACTIVITY


def charts_of(run_dir):
    """Return {id: chart} of all charts of a run, and the run."""
    run = inputs.read_run(str(run_dir))
    found = points.of_rollup(run.rollup, "job")
    line = time_charts.timeline(stages.steps(run.events))
    every = [
        *point_charts.all_charts(found),
        *request_charts.all_charts(found, run.requests),
        *time_charts.workers(run),
    ]
    return {one.id: one for one in [*every, *([line] if line else [])]}, run


@pytest.fixture
def made(tmp_path):
    """Return (charts, run) of a run with everything, one point of which is not valid."""
    report_runs.make_run(tmp_path / "77", (4, 16, 32), invalid=(16,), raws={4: {"request_goodput": 20.0}})
    names = [f"bench_c{one}" for one in (4, 16, 32)]
    (tmp_path / "77" / "series.json").write_text(json.dumps(report_runs.series(names)))
    return charts_of(tmp_path / "77")


def rows_of(spec, mark):
    """Return the rows of the layers of *spec* with a kind of mark, {label or name: row}."""
    return [row for layer in spec["layer"] if layer["mark"]["type"] == mark for row in layer["data"]["values"]]


def test_every_chart_is_valid_vega_lite(made):
    import altair

    charts, _run = made
    assert set(charts) == {
        *("frontier", "e2el", "ttft", "goodput", "cdf_ttft", "cdf_tpot", "cdf_itl", "cdf_e2el", "ttft_by_length"),
        *("time_running", "time_queue", "time_kv_usage", "time_hit_rate", "timeline"),
    }
    for id_ in ("frontier", "goodput", "cdf_itl", "ttft_by_length", "time_kv_usage", "timeline"):  # one of each kind
        layers = [{**layer, "data": {"values": layer["data"]["values"][:1]}} for layer in charts[id_].spec["layer"]]
        altair.Chart.from_dict({**charts[id_].spec, "layer": layers}, validate=True)


@pytest.mark.parametrize(
    ("id_", "x", "y"),
    [
        ("frontier", INTERACTIVITY, "output_tps_per_gpu"),
        ("e2el", "median_e2el_ms", "output_tps_per_gpu"),
        ("ttft", "median_ttft_ms", INPUT),
    ],
)
def test_the_numbers_of_a_chart_are_those_of_the_rollup(made, id_, x, y):
    charts, run = made
    records = {record["label"]: record for record in run.rollup["results"]}
    shown = {row["label"]: row for row in rows_of(charts[id_].spec, "point")}
    assert set(shown) == set(records)
    for label, record in records.items():
        assert (shown[label]["x"], shown[label]["y"]) == (record[x], record[y])


def test_a_rollup_of_an_earlier_version_has_the_same_charts(tmp_path):
    report_runs.make_run(tmp_path / "77")
    whole, path = charts_of(tmp_path / "77")[0], tmp_path / "77" / "rollup.json"
    rollup = json.loads(path.read_text())
    for record in rollup["results"]:
        for name in (INTERACTIVITY, INPUT, "input_tps", "output_tps_per_user"):
            del record[name]
    path.write_text(json.dumps(rollup))
    charts = charts_of(tmp_path / "77")[0]
    for id_ in ("frontier", "ttft"):
        assert rows_of(charts[id_].spec, "point") == rows_of(whole[id_].spec, "point")


def test_a_point_that_is_not_valid_is_a_grey_cross_and_on_no_frontier(made):
    charts, _run = made
    for id_ in ("frontier", "e2el", "ttft"):
        (grey,) = [one for one in charts[id_].spec["layer"] if one["mark"].get("shape") == "cross"]
        assert [row["label"] for row in grey["data"]["values"]] == ["c=16"]
        assert grey["mark"]["color"] == chart.GREY and "color" not in grey["encoding"]
        x = grey["data"]["values"][0]["x"]
        line = rows_of(charts[id_].spec, "line")
        assert line and x not in [row["x"] for row in line]
        assert "NOT valid: the load client was stopped" in grey["data"]["values"][0]["about"]


def test_goodput_is_shown_against_the_load_where_there_are_limits(made):
    charts, _run = made
    rows = rows_of(charts["goodput"].spec, "point")
    assert sorted((row["x"], row["y"]) for row in rows) == [(4.0, 20.0), (4.0, 20.0)]


def test_the_distribution_of_a_point_that_is_not_valid_is_grey(made):
    charts, _run = made
    look = charts["cdf_ttft"].spec["layer"][0]["encoding"]["color"]["scale"]
    colours = dict(zip(look["domain"], look["range"]))
    assert colours["c=16 (NOT valid)"] == chart.GREY
    assert chart.GREY not in (colours["c=4"], colours["c=32"]) and colours["c=4"] != colours["c=32"]


def test_the_distribution_is_that_of_the_requests(made):
    charts, _run = made
    rows = [row for row in rows_of(charts["cdf_ttft"].spec, "line") if row["series"] == "c=4"]
    assert [(round(row["x"], 9), row["y"]) for row in rows] == [(4.0 * n, n / 40) for n in range(1, 41)]


def test_points_are_shaded_in_the_charts_over_time(made):
    charts, _run = made
    shades = rows_of(charts["time_running"].spec, "rect")
    assert [(one["begin"], one["end"], one["label"]) for one in shades] == [
        (0.0, 15.0, "c4"), (20.0, 35.0, "c16"), (40.0, 55.0, "c32"),
    ]  # fmt: skip
    rows = [row for row in rows_of(charts["time_kv_usage"].spec, "line") if row["series"] == "decode_0"]
    assert [(row["x"], row["y"]) for row in rows] == [(float(second), second / 60) for second in range(60)]
    assert len(rows_of(charts["time_hit_rate"].spec, "line")) == 60  # what is null is left out


def test_many_workers_have_one_line_for_each_mode(tmp_path):
    run_dir = tmp_path / "77"
    report_runs.make_run(run_dir)
    names = [f"decode_{number}" for number in range(20)]
    endpoints = [{"name": name, "mode": "decode", "index": 0, "gpus": 8, "nodes": ["node0001"]} for name in names]
    report_runs.make_run(run_dir, endpoints=endpoints)
    (run_dir / "series.json").write_text(json.dumps(report_runs.series(workers=names)))
    one = charts_of(run_dir)[0]["time_running"]
    assert {row["series"] for row in rows_of(one.spec, "line")} == {"decode"} and "Medians over 20" in one.note


def test_one_point_is_shown(tmp_path):
    report_runs.make_run(tmp_path / "77", (4,))
    charts = charts_of(tmp_path / "77")[0]
    for id_ in ("frontier", "e2el", "ttft"):
        assert len(rows_of(charts[id_].spec, "point")) == 1
    assert rows_of(charts["cdf_itl"].spec, "point")  # one value: a line would not be seen


def test_without_an_input_there_is_no_chart_of_it(tmp_path):
    run_dir = tmp_path / "77"
    lists = dict.fromkeys(("ttfts", "latencies", "itls", "input_lens"), None)
    report_runs.make_run(run_dir, (4,), raws={4: lists})
    (run_dir / "steps.jsonl").unlink()
    assert set(charts_of(run_dir)[0]) == {"frontier", "e2el", "ttft"}


def test_a_point_without_a_figure_is_named_and_not_drawn_at_zero(tmp_path):
    report_runs.make_run(tmp_path / "77", (4, 16), raws={16: {"median_itl_ms": None}})
    one = charts_of(tmp_path / "77")[0]["frontier"]
    assert [row["label"] for row in rows_of(one.spec, "point")] == ["c=4"]
    assert "not shown: c=16" in one.note


def test_where_no_point_has_an_interactivity_the_axis_says_what_it_is_instead(tmp_path):
    report_runs.make_run(tmp_path / "77", (4,), raws={4: {"median_itl_ms": 0.0}})
    spec = charts_of(tmp_path / "77")[0]["frontier"].spec
    assert spec["layer"][-1]["encoding"]["x"]["title"] == "out tok/s/user"


def test_colours_and_shapes_are_few_enough_to_be_told_apart():
    assert len(set(chart.COLOURS)) == len(set(chart.SHAPES)) == chart.MOST_SERIES
    assert chart.few(list("abcdefghijklmnop")) == ["a", "c", "e", "g", "j", "l", "n", "p"]
