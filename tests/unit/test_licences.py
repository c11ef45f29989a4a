# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file says its licence, in a header or through REUSE.toml, and it is the same one everywhere."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest
import tomllib
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
LICENCE = "GPL-3.0-or-later"
IDENTIFIER = re.compile(r"SPDX-License-[I]dentifier: (\S+)")  # in brackets, or the tool reuse takes it for one
HEADER_LINES = 8


def in_reuse_terms(pattern):
    """Return the regular expression of a path in REUSE.toml: ``*`` stays in a folder, ``**`` does not."""
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))


def rules():
    """Return ``{pattern: regular expression}`` of REUSE.toml, whose rules all name our licence."""
    annotations = tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))["annotations"]
    assert {rule["SPDX-License-Identifier"] for rule in annotations} == {LICENCE}
    return {pattern: in_reuse_terms(pattern) for rule in annotations for pattern in rule["path"]}


@pytest.fixture(scope="module")
def files():
    """Return the paths of all files that belong to the checkout, without links, licences and empty files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")
    paths = [path for path in found if path and (ROOT / path).is_file() and not (ROOT / path).is_symlink()]
    return [path for path in paths if path != "LICENSE" and (ROOT / path).stat().st_size]


def lacks_header(path):
    """Return whether the first lines of a file lack our copyright or our licence."""
    with open(ROOT / path, encoding="utf-8") as stream:
        head = "".join(line for line, _number in zip(stream, range(HEADER_LINES)))
    return IDENTIFIER.findall(head) != [LICENCE] or "Copyright (c)" not in head


def test_every_file_has_the_licence(files):
    patterns = rules().values()
    bare = [path for path in files if not any(pattern.fullmatch(path) for pattern in patterns)]
    assert len(bare) > 300
    assert [path for path in bare if lacks_header(path)] == []


def test_every_rule_of_reuse_toml_is_needed(files):
    assert [text for text, pattern in rules().items() if not any(map(pattern.fullmatch, files))] == []


def test_the_text_of_the_licence_is_there():
    text = (ROOT / "LICENSES" / f"{LICENCE}.txt").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text and "Version 3, 29 June 2007" in text
    assert text == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_collection_and_its_roles_name_the_licence():
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["license"] == [LICENCE]
    roles = [yaml.safe_load(path.read_text()) for path in ROOT.glob("roles/*/meta/main.yml")]
    assert roles and {role["galaxy_info"]["license"] for role in roles} == {LICENCE}
