# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example begins with the command that checks it. tests/e2e/test_first_hour.py runs them."""

from __future__ import annotations

import pathlib
import re
import shlex

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# The commands of own-site are run in its directory: test_own_site.py.
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if "own-site" not in path.parts)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_begins_with_the_command_that_checks_it(path):
    name, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    whole = re.match(r"# ((?:.*\\\n#)*.*)", text)[1]
    argv = shlex.split(re.sub(r"\\\n# *", "", whole))
    assert argv[0] == "ansible-playbook" and (ROOT / argv[1]).is_file() and "--check" in argv
    assert any(word.removeprefix("@").rpartition("=")[2].removeprefix("@") == name for word in argv), argv
