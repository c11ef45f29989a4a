# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages as text: what is on them, what is escaped, and that they load nothing."""

from __future__ import annotations

import html.parser
import json
import re

import pytest
import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.report import index_page, inputs, run_page, sweep_page
from ansible_collections.srt.slurm.plugins.module_utils.report.index_page import Entry

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m&amp;\"'"


class Reader(html.parser.HTMLParser):
    """Collects the elements of a page, its texts, and its figures {(metric, point): value}."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.figures, self.texts, self.ids = [], {}, [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        if "data-metric" in given and "data-value" in given:
            self.figures[given["data-metric"], given["data-point"]] = float(given["data-value"])

    def handle_data(self, data):
        self.texts.append(data)


def page_of(run_dir):
    return run_page.page(inputs.read_run(str(run_dir)))


@pytest.fixture
def run_dir(tmp_path):
    report_runs.make_run(tmp_path / "77", invalid=(16,))
    return tmp_path / "77"


def test_the_figures_on_the_page_are_those_of_the_rollup(run_dir):
    rollup, found = json.loads((run_dir / "rollup.json").read_text()), Reader(page_of(run_dir)).figures
    from ansible_collections.srt.slurm.plugins.module_utils.metrics import METRICS

    compared = 0
    for record in rollup["results"]:
        for name in METRICS:
            value = record.get(name)
            if isinstance(value, (int, float)):
                assert found[name, f"job {record['name']}"] == value
                compared += 1
    assert compared > 60


def test_the_verdict_is_first_and_says_why(run_dir):
    page = page_of(run_dir)
    assert page.index("✗ NOT valid") < page.index("c=16: the load client was stopped for 3 s") < page.index("<nav")
    assert 'data-state="invalid"' in page and page.index('id="verdict"') < page.index("<section")


def test_a_section_without_content_is_not_there(run_dir):
    before = Reader(page_of(run_dir)).ids
    assert "requests" in before and "time" in before and "load" not in before and "faults" not in before
    (run_dir / "series.json").write_text(json.dumps(report_runs.series()))
    (run_dir / "steps.jsonl").unlink()
    page = page_of(run_dir)
    after = Reader(page).ids
    assert "load" in after and "time" not in after and 'href="#load"' in page and 'href="#time"' not in page


def test_a_page_loads_nothing_and_allows_no_script_but_its_own(run_dir):
    found = Reader(page_of(run_dir))
    for tag, given in found.tags:
        assert tag not in ("iframe", "object", "embed", "img", "base", "form")
        assert tag != "script" or given == {}
        for name, value in given.items():
            assert name not in ("src", "srcset") and not name.startswith("on")
            assert name != "href" or value.startswith(("#", "data:,"))
    (policy,) = [given["content"] for tag, given in found.tags if given.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy and "unsafe-eval" not in policy
    assert "url(" not in page_of(run_dir) and "@import" not in page_of(run_dir)


def test_what_jobs_and_logs_say_is_escaped(tmp_path):
    run_dir = tmp_path / "77"
    plan = report_runs.make_run(run_dir)
    plan["spec"]["name"] = plan["name"] = HOSTILE
    plan["spec"]["model"]["path"] = f"/m/{HOSTILE}"
    plan["nodes"][0]["name"] = HOSTILE
    for point in plan["benchmark"]["points"]:
        point["parameters"]["model"] = HOSTILE
        point["label"] = HOSTILE
    report_runs.make_run(run_dir, name=HOSTILE, spec=plan["spec"], nodes=plan["nodes"], benchmark=plan["benchmark"])
    events = report_runs.journal(fault=HOSTILE)
    (run_dir / "steps.jsonl").write_text("\n".join(map(json.dumps, events)))
    (run_dir / "config.yaml").write_text(HOSTILE)
    (run_dir / "evidence").mkdir()
    evidence = {
        "step": HOSTILE,
        "node": HOSTILE,
        "fatal": HOSTILE,
        "tail": [HOSTILE],
        "reason": HOSTILE,
        "log": HOSTILE,
    }
    (run_dir / "evidence" / "x.json").write_text(json.dumps(evidence))
    page = page_of(run_dir)
    tags = Reader(page).tags
    assert len([tag for tag, _given in tags if tag == "script"]) == 1 and not [
        tag for tag, _given in tags if tag == "img"
    ]
    assert "\x1b" not in page and page.count("&lt;/script&gt;") > 10
    index = index_page.page("/out", [Entry(HOSTILE, HOSTILE, inputs.read_run(str(run_dir)).rollup, True)], [HOSTILE])
    tags = Reader(index).tags
    assert not [tag for tag, _given in tags if tag == "img"] and len([tag for tag, _g in tags if tag == "script"]) == 1


def test_secrets_of_commands_are_not_on_the_page(tmp_path):
    plan = report_runs.make_run(tmp_path / "77")
    plan["steps"][0]["argv"] += ["--api-key", "hf_abcdefghijklmnopqrstuvwxyz"]
    report_runs.make_run(tmp_path / "77", steps=plan["steps"])
    page = page_of(tmp_path / "77")
    assert "hf_abcdef" not in page and "--api-key" in page


def test_ids_are_unique(run_dir):
    (run_dir / "series.json").write_text(json.dumps(report_runs.series()))
    ids = Reader(page_of(run_dir)).ids
    assert len(ids) == len(set(ids))


def test_a_run_without_points_has_a_page(tmp_path):
    report_runs.make_run(tmp_path / "77", ())
    page = page_of(tmp_path / "77")
    assert "no points" in page and "<figure" in page  # its steps


def test_the_index_lists_the_newest_run_first_and_marks_invalid_ones(tmp_path):
    entries = []
    for name, invalid, began in (("1", (), "2026-11-01"), ("2", (4, 16), "2026-11-03"), ("3", (16,), "2026-11-02")):
        report_runs.make_run(tmp_path / name, invalid=invalid, job_id=name)
        rollup = inputs.read_run(str(tmp_path / name), whole=False).rollup
        entries.append(
            Entry(name, name, {**rollup, "started_at": f"{began}T10:00:00Z", "tags": ["nightly", name]}, True)
        )
    page = index_page.page(str(tmp_path), entries, ["9: cannot be read"])
    rows = re.findall(r"<tr[^>]*data-verdict.*?</tr>", page, re.S)
    assert [re.search(r'href="(\d)/report.html"', row)[1] for row in rows] == ["2", "3", "1"]
    assert ["✗ NOT valid" in row for row in rows] == [True, True, False]
    assert 'class="out"' in rows[0] and 'class="out"' not in rows[1] and "9: cannot be read" in page
    best = [re.search(r'data-value="([^"]*)" data-metric="output_tps_per_gpu"', row) for row in rows]
    results = [entry.rollup["results"] for entry in (entries[1], entries[2], entries[0])]
    valid = [[one["output_tps_per_gpu"] for one in rows if one["valid"]] for rows in results]
    assert [float(one[1]) if one else None for one in best] == [max(one, default=None) for one in valid]
    assert best[0] is None and Reader(page).ids.count("runs") == 1


def test_a_sweep_shows_the_points_of_its_jobs_and_those_that_are_missing(tmp_path):
    folder, jobs, runs = tmp_path / "sweeps" / "s", [], {}
    for name, levels in (("a", (4, 16)), ("b", (4,))):
        report_runs.make_run(folder / "variants" / name, levels, invalid=(16,))
        runs[name] = inputs.read_run(str(folder / "variants" / name), whole=False)
    for name, levels in (("a", (4, 16)), ("b", (4, 16)), ("c", (4,))):
        rows = [{"point": f"bench_c{level}", "label": f"c={level}", "state": "valid"} for level in levels]
        about = {
            "parameters": {"x": name},
            "benchmark_type": "sa-bench",
            "failure": "it broke" if name == "c" else None,
        }
        jobs.append({"name": name, "rows": rows, **about})
    record = {"name": "s", "state": "finished", "jobs": jobs, "best": [], "parameters": ["x"]}
    sweep = sweep_page.Sweep(str(folder), record, runs, {})
    states = {(one.run, one.label): one.state for one in sweep_page.points_of(sweep)}
    assert states == {("a", "c=4"): "valid", ("a", "c=16"): "invalid", ("b", "c=4"): "valid",
                      ("b", "c=16"): "not_measured", ("c", "c=4"): "not_measured"}  # fmt: skip
    page = sweep_page.page(sweep)
    assert "✗ 2 of 5 points count" in page and "it broke" in page and 'href="variants/a/report.html"' in page
