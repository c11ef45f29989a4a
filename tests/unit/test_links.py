# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every link inside the documents leads somewhere: to a file of the checkout, and to a heading in it."""

from __future__ import annotations

import pathlib
import re
import subprocess
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE = re.compile(r"^(```|~~~).*?^\1|^(?: {4}|\t).*?$|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*(\S+)", re.M)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)


def documents():
    """Return the Markdown files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, check=True).stdout
    return sorted(ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file())


def links(text):
    """Return the targets of the links in *text*, outside of code."""
    without = CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]) if match[0][0] != "`" or match[1] else "x", text)
    return [one or other for one, other in LINK.findall(without)]


def anchors(text):
    """Return the names of the headings of *text*, as GitHub makes them."""
    plain = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    found = {}
    for heading in HEADING.findall(plain):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
    return {f"{name}-{number}" if number else name for name, most in found.items() for number in range(most + 1)}


def fault(path, target):
    """Return why the link *target* of the document *path* leads nowhere, None if it leads somewhere or outside."""
    parts = urllib.parse.urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    there = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
    if not there.exists() or not there.is_relative_to(ROOT):
        return f"{target}: there is no such file"
    if parts.fragment and (there.suffix != ".md" or parts.fragment not in anchors(there.read_text(encoding="utf-8"))):
        return f"{target}: there is no such heading"
    return None


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    found = [fault(path, target) for target in links(path.read_text(encoding="utf-8"))]
    assert [one for one in found if one] == []


def test_links_are_found():
    assert sum(len(links(path.read_text(encoding="utf-8"))) for path in documents()) > 100
    text = '[a](x.md#b), [b `c`](<y.md>) ![d](z.svg "t")\n```\n[e](no.md)\n```\n`[f](no.md)`\n[g]: w.md\n'
    assert links(text) == ["x.md#b", "y.md", "z.svg", "w.md"]


@pytest.mark.parametrize(
    ("target", "text"),
    [("no.md", "no such file"), ("#nothing", "no such heading"), ("README.md#nothing", "no such heading"),
     ("../../outside", "no such file"), ("README.md", None), ("https://example.com/x", None)],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_seen(target, text):
    found = fault(ROOT / "README.md", target)
    assert (found is None) == (text is None) and (text is None or text in found)


def test_headings_have_the_names_that_github_gives_them():
    text = "# One, *two*: `three_four`!\n## Again\n## Again\n```\n# none\n```\n### A [link](x)\n"
    assert anchors(text) == {"one-two-three_four", "again", "again-1", "a-link"}
