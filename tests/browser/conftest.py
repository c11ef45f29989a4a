# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One browser for all tests of pages."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    import browser

    made = browser.Browser()
    yield made
    made.close()
