# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real browser: it is silent, loads nothing, shows the numbers of the rollup, and can be read."""

from __future__ import annotations

import json

import pytest
import report_runs

# The smallest ratio of the brightness of a text to that of its background (WCAG AA), and of a line.
TEXT_CONTRAST, LINE_CONTRAST = 4.5, 3.0
CONTRAST = """
const light = (colour) => {
  const part = colour.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
    .map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
};
const of = (name) => {
  const probe = document.createElement("i"); probe.style.color = "var(--" + name + ")"; document.body.append(probe);
  const found = getComputedStyle(probe).color; probe.remove(); return light(found);
};
const back = of("back");
return Object.fromEntries(arguments[0].map((name) => {
  const own = of(name); return [name, (Math.max(own, back) + 0.05) / (Math.min(own, back) + 0.05)];
}));
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """An output directory with pages: run 1 is valid, a point of run 2 is not, run 3 has one point."""
    from ansible_collections.srt.slurm.plugins.module_utils.report import writing

    folder = tmp_path_factory.mktemp("outputs")
    made = {"1": ((4, 16, 32), ()), "2": ((4, 16), (16,)), "3": ((4,), ())}
    for job_id, (levels, invalid) in made.items():
        report_runs.make_run(folder / job_id, levels, invalid, {4: {"request_goodput": 20.0}}, job_id)
        names = [f"bench_c{level}" for level in levels]
        (folder / job_id / "series.json").write_text(json.dumps(report_runs.series(names)))
        writing.write_run(str(folder / job_id))
    writing.write_index(str(folder))
    return folder


LONG = "a-name-without-any-place-to-break-it_" * 6
SCRAPED = {"name": "decode_0", "node": "node0003", "metric": f'vllm:num_requests_running{{model_name="{LONG}"}}'}


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    """Pages of a run whose every text is long and hostile, with their list, and a comparison with another one."""
    import compared_runs
    from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
    from ansible_collections.srt.slurm.plugins.module_utils.report import writing
    from ansible_collections.srt.slurm.plugins.module_utils.stages import compare

    folder = tmp_path_factory.mktemp("long")
    report_runs.make_run(folder / "1", (4, 16), (16,), {}, "1", name=f"{LONG}</script><script>alert(1)</script>")
    series = report_runs.series()
    series["scraped"] = [{**SCRAPED, "t": series["workers"][0]["t"], "v": list(range(60))}]
    (folder / "1" / "series.json").write_text(json.dumps(series))
    path = folder / "1" / "rollup.json"
    rollup = json.loads(path.read_text())
    bad = {"model_name": LONG, "gpu_type": LONG, "tags": [LONG], "notes": [f"See /shared/{LONG}."]}
    reason = {"invalid_reasons": [f"c=16: /shared/{LONG}"], "run_reasons": [f"<img src=x onerror=alert(1)>{LONG}"]}
    path.write_text(json.dumps({**rollup, **bad, **reason, "job_name": f"{LONG}</script><script>alert(1)</script>"}))
    writing.write_run(str(folder / "1"))
    writing.write_index(str(folder))
    for name, begin in (("7", 0), ("8", 20)):
        made = folder / LONG / name
        compared_runs.make_run(made, seed=begin, name=LONG, job_id=name, minutes=list(range(begin, begin + 5)))
    asked = {key: one.get("default") for key, one in compare.ARGUMENT_SPEC.items()}
    asked.update({word: [str(folder / LONG / name)] for word, name in (("baseline", "7"), ("candidate", "8"))})
    compare.run({**asked, "compare_dir": str(folder / "compared"), "fail_on": []}, Context())
    return folder


@pytest.mark.parametrize("width", [1280, 380])
def test_no_page_is_wider_than_its_window(browser, long_names, width):
    for name in ("1/report.html", "index.html", "compared/compare.html"):
        path = long_names / name
        browser.open(path, width=width)
        for opened in (False, True):
            browser.run("document.querySelectorAll('details').forEach((one) => { one.open = arguments[0]; })", opened)
            sizes = browser.run("const one = document.scrollingElement; return [one.scrollWidth, one.clientWidth]")
            assert sizes[0] <= sizes[1], (name, opened)
        silent(browser, path)


def test_texts_of_others_are_shown_and_do_nothing(browser, long_names):
    browser.open(long_names / "1" / "report.html")
    assert browser.run("return document.querySelector('h1').textContent").count("<script>alert(1)</script>") == 1
    assert (
        browser.run("return document.querySelectorAll('script').length + document.querySelectorAll('img').length") == 1
    )
    assert any(
        LONG in one
        for one in browser.run("return [...document.querySelectorAll('figcaption')].map((c) => c.textContent)")
    )


def silent(browser, path):
    """Check that the page at *path* wrote nothing to the console and asked for nothing but itself."""
    assert browser.said() == [] and browser.requests() == [path.as_uri()]


@pytest.mark.parametrize("job_id", ["1", "2", "3"])
def test_the_numbers_on_the_page_are_those_of_the_rollup(browser, outputs, job_id):
    path = outputs / job_id / "report.html"
    browser.open(path)
    cells = browser.run(
        "return [...document.querySelectorAll('td[data-value]')].map((c) => [c.dataset.metric, c.dataset.point,"
        " c.dataset.value, c.textContent])"
    )
    rollup = json.loads((outputs / job_id / "rollup.json").read_text())
    records = {f"job {record['name']}": record for record in rollup["results"]}
    compared = {(point, name) for name, point, value, _text in cells if records[point].get(name) == float(value)}
    stored = {(point, name) for name, point, _value, _text in cells if records[point].get(name) is not None}
    assert compared == stored and len(stored) > 30 * len(records)
    for name, _point, value, text in cells:
        if name.startswith("mean_"):
            assert abs(float(text.replace(",", "")) - float(value)) <= 0.05
    silent(browser, path)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 380])
def test_every_page_can_be_read_in_both_themes_and_on_a_narrow_screen(browser, outputs, tmp_path, dark, width):
    for path in (outputs / "2" / "report.html", outputs / "index.html"):
        browser.open(path, dark, width)
        assert browser.run("return document.documentElement.scrollWidth") <= width
        texts = browser.run(CONTRAST, ["text", "soft", "link", "good", "bad"])
        lines = browser.run(CONTRAST, ["grey", *(f"c{number}" for number in range(8))])
        assert min(texts.values()) >= TEXT_CONTRAST and min(lines.values()) >= LINE_CONTRAST, (texts, lines)
        browser.picture(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 10_000
        silent(browser, path)


def test_charts_have_the_colours_of_the_theme(browser, outputs):
    colours = []
    for dark in (False, True):
        browser.open(outputs / "1" / "report.html", dark)
        colours.append(browser.run(
            "return getComputedStyle(document.querySelector('#chart-frontier [aria-roledescription=\"point\"]')).fill"
        ))  # fmt: skip
    assert colours == ["rgb(0, 114, 178)", "rgb(75, 163, 227)"]


def test_an_invalid_point_looks_invalid_on_the_page_and_in_the_index(browser, outputs):
    browser.open(outputs / "2" / "report.html")
    assert browser.run("return document.getElementById('verdict').textContent") == "✗ NOT valid"
    row = "document.querySelector('tr[data-state=\"invalid\"]')"
    assert "NOT valid" in browser.run(f"return {row}.textContent")
    assert browser.run(f"return getComputedStyle({row}.querySelector('td.n')).textDecorationLine") == "line-through"
    grey = browser.run(
        "return [...document.querySelectorAll('#chart-frontier [aria-roledescription=\"point\"]')]"
        ".map((mark) => [mark.getAttribute('aria-label').includes('NOT valid'), getComputedStyle(mark).fill])"
    )
    assert sorted(grey) == [[False, "rgb(0, 114, 178)"], [True, "rgb(128, 128, 128)"]]
    browser.open(outputs / "index.html")
    rows = browser.run(
        "return [...document.querySelectorAll('#runs tbody tr')].map((r) => [r.dataset.words.split(' ')[0],"
        " r.textContent.includes('✗ NOT valid')])"
    )
    assert sorted(rows) == [["1", False], ["2", True], ["3", False]]


def test_points_can_be_visited_with_the_keyboard(browser, outputs):
    from selenium.webdriver import ActionChains, Keys

    browser.open(outputs / "1" / "report.html")
    marks = "document.querySelectorAll('#chart-frontier [role=\"graphics-symbol\"][aria-label]')"
    assert browser.run(f"return [...{marks}].map((mark) => mark.getAttribute('tabindex'))") == ["0", "-1", "-1"]
    browser.run(f"{marks}[0].focus()")
    seen = []
    for _point in range(3):
        seen.append(browser.run("return document.activeElement.getAttribute('aria-label')"))
        tip = browser.run("const t = document.getElementById('tip'); return [t.textContent, t.style.visibility]")
        assert tip == [seen[-1], "visible"]
        ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()
    assert len(set(seen)) == 3 and all("tok/s" in one and one.endswith("valid") for one in seen)
    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    assert browser.run("return document.getElementById('tip').style.visibility") == "hidden"


@pytest.mark.parametrize(
    ("by", "value", "shown"),
    [("verdict", "NOT valid", ["2"]), ("verdict", "valid", ["1", "3"]), ("words", "tiny h100", ["1", "2", "3"]),
     ("words", "another", []), ("gpu", "h100", ["1", "2", "3"]), ("date", "2026-11-22", [])],
)  # fmt: skip
def test_the_index_is_filtered(browser, outputs, by, value, shown):
    browser.open(outputs / "index.html")
    rows = browser.run(
        """const one = document.querySelector(`.filters [data-by="${arguments[0]}"]`);
        one.value = arguments[1]; one.dispatchEvent(new Event("input", {bubbles: true}));
        return [...document.querySelectorAll("#runs tbody tr")].filter((row) => !row.hidden)
          .map((row) => row.dataset.words.split(" ")[0])""",
        by,
        value,
    )
    assert sorted(rows) == shown
    assert browser.run("return document.getElementById('count').textContent") == f"{len(shown)} of 3 runs"
    silent(browser, outputs / "index.html")


def test_a_page_prints_what_is_folded_too(browser, outputs, tmp_path):
    browser.open(outputs / "2" / "report.html", dark=True)
    browser.paper(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert browser.run("return [...document.querySelectorAll('details')].every((one) => one.open)")


def test_without_scripts_everything_but_the_filters_is_there(browser, outputs):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(outputs / "1" / "report.html")
        drawn = browser.driver.find_elements("css selector", ".drawing svg [aria-roledescription='point']")
        assert len(drawn) > 8
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
