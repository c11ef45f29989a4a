# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a number."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.json_types import is_number


@pytest.mark.parametrize("value", [0, -1, 2.5, 10**300, -1e308])
def test_numbers(value):
    assert is_number(value)


@pytest.mark.parametrize("value", [True, False, None, "1", float("nan"), float("inf"), -float("inf"), 10**400, [], {}])
def test_what_is_none(value):
    assert not is_number(value)
