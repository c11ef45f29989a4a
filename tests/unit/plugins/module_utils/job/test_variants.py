# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.reading import Document
from ansible_collections.srt.slurm.plugins.module_utils.job.selection import split_selector
from ansible_collections.srt.slurm.plugins.module_utils.job.variants import expand
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml

FILE = """\
base:
  name: b
  a: {x: 1, y: [1, 2]}
  gone: 1
override_two:
  a: {x: 2}
  gone: null
override_one:
  name: own
  a: {y: [3]}
zip_override_z:
  a:
    x: [5, 6, 7]
    y: [[8, 9]]
"""


def jobs(text, selector=None):
    return Document(*parse_yaml(text, "f.yaml"), selector).variants()


def names(text, selector=None):
    return [job["name"] for _suffix, job, _source in jobs(text, selector)]


@pytest.mark.parametrize(
    "text, path, selector",
    [
        ("a.yaml", "a.yaml", None),
        ("a.yaml:base", "a.yaml", "base"),
        ("d:1/a.yaml", "d:1/a.yaml", None),
        ("a.yaml:override_x", "a.yaml", "override_x"),
        ("a.yaml:zip_override_x[2]", "a.yaml", "zip_override_x[2]"),
        ("a.yaml:*x?", "a.yaml", "*x?"),
        ("a.yaml:override_[ab]", "a.yaml", "override_[ab]"),
    ],
)
def test_selectors_are_split_off(text, path, selector):
    assert split_selector(text, lambda _path: False) == (path, selector)


def test_what_follows_an_existing_file_is_a_selector():
    assert split_selector("a.yaml:overide_x", lambda path: path == "a.yaml") == ("a.yaml", "overide_x")


@pytest.mark.parametrize(
    "selector, expected",
    [
        (None, ["own", "b_two", "b_z_0", "b_z_1", "b_z_2"]),
        ("base", ["b"]),
        ("override_*", ["own", "b_two"]),
        ("*", ["own", "b_two", "b_z_0", "b_z_1", "b_z_2"]),
        ("override_two", ["b_two"]),
        ("zip_override_z[1]", ["b_z_1"]),
    ],
)
def test_variants(selector, expected):
    assert names(FILE, selector) == expected


def test_merging():
    (one, two, *zipped) = [job for _suffix, job, _source in jobs(FILE)]
    assert two == {"name": "b_two", "a": {"x": 2, "y": [1, 2]}}
    assert one["a"] == {"x": 1, "y": [3]} and one["gone"] == 1
    assert [job["a"] for job in zipped] == [{"x": 5, "y": [8, 9]}, {"x": 6, "y": [8, 9]}, {"x": 7, "y": [8, 9]}]


def test_places_of_merged_values():
    _one, (_suffix, _job, source), *zipped = jobs(FILE)
    assert source.where(("a", "x")) == ("f.yaml", 6)
    assert source.where(("a", "y")) == ("f.yaml", 3)
    assert zipped[1][2].where(("a", "x")) == ("f.yaml", 13)


@pytest.mark.parametrize(
    "text, selector, words",
    [
        (FILE, "override_tow", "Did you mean override_two"),
        (FILE, "zip_override_z[3]", "has 3 variants"),
        ("base: {name: b}\n", None, "no override_"),
        ("base: {name: b}\noveride_x: {}\n", None, "is not allowed in a file with base"),
        ("base: 3\noverride_x: {}\n", None, "is not a mapping"),
        ("base: {}\noverride_x: 3\n", None, "is not a mapping of keys"),
        ("base: {}\nzip_override_x: {a: 1}\n", None, "has no list"),
        ("base: {}\nzip_override_x: {a: []}\n", None, "empty list"),
        ("base: {}\nzip_override_x: {a: [1, 2], b: [1, 2, 3]}\n", None, "a has 2, b has 3"),
    ],
)
def test_bad_overrides(text, selector, words):
    with pytest.raises(Error, match=words):
        jobs(text, selector)


def test_zip_may_name_its_variants():
    text = "base: {name: b}\nzip_override_x: {name: [p, q], n: [1]}\n"
    assert [job for _suffix, job, _source in jobs(text)] == [{"name": "p", "n": 1}, {"name": "q", "n": 1}]


def test_a_sweep_is_a_product_and_keeps_types():
    text = "name: s\na: '{p}'\nb: 'x{q}y{p}'\nc: ['{q}']\nd: [{p}]\nsweep: {p: [1, 2], q: [u, [v, w]]}\n"
    found = [job for _suffix, job, _source in jobs(text)]
    assert [job["name"] for job in found] == ["s_p1_qu", "s_p1_qv-w", "s_p2_qu", "s_p2_qv-w"]
    assert found[1] == {"name": "s_p1_qv-w", "a": 1, "b": "xv,wy1", "c": ["v", "w"], "d": [1]}
    assert found[2]["a"] == 2 and found[2]["c"] == ["u"] and "sweep" not in found[2]


def test_the_older_form_of_a_sweep():
    text = "name: s\na: '{p}'\nb: '{q}'\nsweep: {mode: %s, parameters: {p: [1, 2], q: [3, 4]}}\n"
    assert [(job["a"], job["b"]) for _s, job, _p in jobs(text % "grid")] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert [(job["a"], job["b"]) for _s, job, _p in jobs(text % "zip")] == [(1, 3), (2, 4)]


def test_braces_that_are_not_a_parameter_stay():
    text = "name: s\na: '{p}'\nb: '{\"json\": {\"p\": 1}} {node}'\nsweep: {p: [1]}\n"
    assert jobs(text)[0][1]["b"] == '{"json": {"p": 1}} {node}'


@pytest.mark.parametrize(
    "sweep, words",
    [
        ("3", "not a mapping of parameters"),
        ("{p: 3}", "not a non-empty list"),
        ("{p: [1], pp: [2]}", "sweep.pp: is not used"),
        ("{mode: gird, parameters: {p: [1]}}", "expected grid or zip"),
        ("{mode: zip, parameters: {p: [1], q: [1, 2]}}", "different lengths"),
        ("{p: %s, q: %s, r: %s}" % ((list(range(50)),) * 3), "makes 125000 jobs"),
    ],
)
def test_bad_sweeps(sweep, words):
    with pytest.raises(SpecError, match=words):
        jobs(f"name: s\na: '{{p}} {{q}} {{r}}'\nsweep: {sweep}\n")


def test_overrides_and_sweeps_together():
    text = FILE.replace("  gone: 1\n", "  k: '{n}'\n  sweep: {n: [1, 2]}\n")
    assert names(text, "override_two") == ["b_two_n1", "b_two_n2"]
    assert names(text, "zip_override_z[0]") == ["b_z_0_n1", "b_z_0_n2"]
    assert names(text.replace("  gone: null", "  sweep: null\n  k: 1"), "override_two") == ["b_two"]


def test_a_plain_job_is_its_only_variant():
    for selector in (None, "s", "[0]", "0", "*"):
        assert [job for _suffix, job, _source in jobs("name: s\n", selector)] == [{"name": "s"}]
    for selector in ("base", "override_x", "1", "t*"):
        with pytest.raises(Error, match="f.yaml"):
            jobs("name: s\n", selector)


SWEEP = "name: s\na: '{p}'\nb: '{q}'\nsweep: {p: [1, 2], q: [u, v]}\n"


@pytest.mark.parametrize(
    "selector, expected",
    [
        ("p1_qv", ["s_p1_qv"]),
        ("s_p2_qu", ["s_p2_qu"]),
        ("p2_*", ["s_p2_qu", "s_p2_qv"]),
        ("*_qv", ["s_p1_qv", "s_p2_qv"]),
        ("3", ["s_p2_qv"]),
        ("[0]", ["s_p1_qu"]),
        ("*", ["s_p1_qu", "s_p1_qv", "s_p2_qu", "s_p2_qv"]),
    ],
)
def test_a_selector_chooses_among_the_jobs_of_a_sweep(selector, expected):
    assert names(SWEEP, selector) == expected


@pytest.mark.parametrize(
    "text, selector, words",
    [
        (SWEEP, "p1_qw", r"has no p1_qw. Did you mean .*q.\? It has: jobs \[0\] s_p1_qu, \[1\] s_p1_qv, "),
        (SWEEP, "base", "has no base. .*It has: jobs"),
        (SWEEP, "4", "has 4 variants, 0 to 3; not 4"),
        (SWEEP, "override_a", "It has: jobs"),
        (FILE, "nothing", r"It has: base, override_one, override_two, zip_override_z; jobs \[0\] own"),
        (FILE, "override_two[1]", "override_two has 1 variants, 0 to 0; not 1"),
    ],
)
def test_a_selector_that_matches_nothing_lists_the_jobs(text, selector, words):
    with pytest.raises(Error, match=words):
        jobs(text, selector)


def test_jobs_of_overrides_have_names_and_numbers_too():
    assert names(FILE, "b_two") == names(FILE, "1") == ["b_two"]
    assert names(FILE, "z_*") == ["b_z_0", "b_z_1", "b_z_2"]
    text = FILE.replace("  gone: 1\n", "  k: '{n}'\n  sweep: {n: [1, 2]}\n")
    assert names(text, "override_two[1]") == names(text, "two_n2") == ["b_two_n2"]


def test_a_single_name_of_a_zip_is_numbered():
    text = "base: {name: b}\nzip_override_z: {name: n, x: [1, 2]}\n"
    assert names(text) == ["n_0", "n_1"]
    assert names(text.replace("name: n", "name: [p, q]")) == ["p", "q"]


def test_an_override_may_be_called_by_its_short_name():
    assert names(FILE, "two") == ["b_two"]
    with pytest.raises(Error, match="Did you mean override_two"):
        jobs(FILE, "override_tow")
    with pytest.raises(Error, match="Did you mean zip_override_z"):
        jobs(FILE, "z")


def test_a_base_without_overrides_names_the_line():
    with pytest.raises(SpecError, match="f.yaml:2: base: has no override_"):
        jobs("# c\nbase: {name: b}\n")


def test_a_sweep_of_nothing_is_not_a_sweep():
    assert jobs("name: a\nsweep:\n")[0][1] == {"name": "a"}


@pytest.mark.parametrize(
    "text, line, path, words",
    [
        ('name: a\nx: "{lenght}"\nl: "{length}"\nsweep: {length: [1]}', 2, "x", "Did you mean {length}?"),
        ('l: ["{length}", {y: "a-{lengt}-b"}]\nsweep: {length: [1]}', 1, "l[1].y", "Did you mean {length}?"),
        ('l: "{n}"\nsweep: {n: [1, 2, 1]}', 2, "sweep.n", "names 1 twice"),
        ('l: "{n}{m}"\nsweep:\n  mode: zip\n  parameters: {n: [1, 2], m: [1]}', 4, "sweep.parameters", "m has 1"),
    ],
)
def test_slips_in_sweeps(text, line, path, words):
    with pytest.raises(SpecError) as caught:
        jobs(text)
    assert [(one["line"], one["path"]) for one in caught.value.problems] == [(line, path)]
    assert words in str(caught.value)


def test_what_others_fill_in_is_no_slip_of_a_sweep():
    text = 'a: "{nodes}"\nb: "{node}/{node_id} ${nods} {question}"\nsweep: {nodes: [1]}'
    assert jobs(text)[0][1]["b"] == "{node}/{node_id} ${nods} {question}"


def test_one_bad_variant_does_not_hide_the_others():
    text = """\
base: {name: b}
overide_c: {x: 1}
override_d: [1]
override_e: {sweep: {a: [1], unused: [2]}, x: "{a}"}
override_f: {sweep: {a: 1}}
override_g: {x: 2}
zip_override_h: {x: 3}
zip_override_i: {x: [4, 5]}
"""
    variants, problems, _parameters = expand(*parse_yaml(text, "f.yaml"))
    assert [suffix for suffix, _job, _source in variants] == ["e_a1_unused2", "g", "i_0", "i_1"]
    assert sorted((one["line"], one["path"]) for one in problems) == [
        (2, "overide_c"),
        (3, "override_d"),
        (4, "sweep.unused"),
        (5, "sweep.a"),
        (7, "zip_override_h"),
    ]
    with pytest.raises(SpecError) as caught:
        jobs(text)
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize("key", ["x-common", "_common"])
def test_a_key_may_hold_an_anchor(key):
    text = f"{key}: &c {{x: 1}}\nbase: {{name: b}}\noverride_a:\n  y: *c\n"
    (only,) = jobs(text)
    assert only[1] == {"name": "b_a", "y": {"x": 1}}


@pytest.mark.parametrize(
    "key, hint",
    [("overide_c", "override_c"), ("zip_overide_c", "zip_override_c"), ("override-c", "override_c"), ("xcommon", None)],
)
def test_a_misspelt_override_is_hinted_at(key, hint):
    with pytest.raises(SpecError) as caught:
        jobs(f"base: {{name: b}}\noverride_a: {{}}\n{key}: {{}}\n")
    (problem,) = caught.value.problems
    assert (f"Did you mean {hint}?" in problem["remedy"]) is bool(hint)
    assert "begins with x- or _" in problem["remedy"]


REPLACED = """\
base:
  name: b
  x: "{c}x8"
  sweep: {c: [1, 2], idle: [3]}
override_a: {x: "4"}
override_b: {y: "{idle}"}
"""


@pytest.mark.parametrize("selector", [None, "override_a", "override_b", "base"])
def test_a_parameter_is_used_if_anything_in_the_file_uses_it(selector):
    """An override may replace the only text with a parameter of the base, and one that runs alone as well."""
    assert jobs(REPLACED, selector)
    with pytest.raises(SpecError) as caught:
        jobs(REPLACED.replace("{idle}", "idle"), selector)
    assert [(one["line"], one["path"]) for one in caught.value.problems] == [(4, "sweep.idle")]


def test_a_parameter_of_one_override_is_not_used_by_the_text_of_another():
    with pytest.raises(SpecError, match="f.yaml:2: sweep.c: is not used"):
        jobs("base: {name: b}\noverride_a: {sweep: {c: [1]}}\noverride_b: {x: '{c}'}\n")
