# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.schema import types
from ansible_collections.srt.slurm.plugins.module_utils.schema.spelling import written


@pytest.mark.parametrize(
    "type_, value, result",
    [
        (types.Int(), "8", 8),
        (types.Int(), 8.0, 8),
        (types.Int(), " 1_000 ", 1000),
        (types.Float(), "2.5", 2.5),
        (types.Float(), 3, 3.0),
        (types.Bool(), "no", False),
        (types.Bool(), 1, True),
        (types.Bool(), "ON", True),
        (types.Str(), 5, "5"),
        (types.Str(), written(0.5, "0.50"), "0.50"),
        (types.Str(), written(342391, "01234567"), "01234567"),
        (types.Int(), written(8, "010"), 8),
        (types.Float(), written(0.5, ".50"), 0.5),
        (types.Type(), written(8, "010"), 8),
        (types.Type(), [written(0.5, ".50")], [0.5]),
        (types.Bool(), written(1, "0x1"), True),
        (types.Time(), "01:00:00", "01:00:00"),
        (types.Time(), "2-12", "2-12"),
        (types.Time(), "90", "90"),
        (types.Time(), "90:59", "90:59"),
        (types.Time(), "100:00:00", "100:00:00"),
        (types.Time(), "3-23:59:59", "3-23:59:59"),
        (types.Concurrencies(), "32x64", [32, 64]),
        (types.Concurrencies(), ["1", 2.0], [1, 2]),
        (types.Concurrencies(), 64, [64]),
        (types.Choice("a", "b"), "b", "b"),
        (types.Type(), {1: datetime.date(2026, 1, 2)}, {"1": "2026-01-02"}),
    ],
)
def test_accepts(type_, value, result):
    coerced = type_.coerce(value)
    assert coerced == result
    assert type(coerced) is type(result)


@pytest.mark.parametrize(
    "type_, value, word",
    [
        (types.Int(), 8.5, "whole number"),
        (types.Int(), True, "whole number"),
        (types.Int(), "x", "whole number"),
        (types.Int(1), 0, "at least 1"),
        (types.Int(1, 9), 10, "at most 9"),
        (types.Float(), "inf", "finite"),
        (types.Float(), False, "number"),
        (types.Bool(), "maybe", "true or false"),
        (types.Bool(), 2, "true or false"),
        (types.Str(), True, "quotes"),
        (types.Str(), ["a"], "text"),
        (types.Str(), 0.1, "original spelling is unknown"),
        (types.Time(), 14400, "quotes"),
        (types.Time(), "an hour", "Slurm time"),
        (types.Time(), "-5", "Slurm time"),
        (types.Time(), "99:99:99", "99 minutes; expected at most 59"),
        (types.Time(), "1:60", "60 seconds; expected at most 59"),
        (types.Time(), "1-24", "24 hours; expected at most 23"),
        (types.Time(), "1-1:1:60", "60 seconds"),
        (types.Time(), "00:00:00", "no limit"),
        (types.Time(), "999999999999", "expected at most 366"),
        (types.Concurrencies(), "32,64", "4x16"),
        (types.Concurrencies(), [], "list"),
        (types.Concurrencies(), [0], "at least 1"),
        (types.Concurrencies(), [100000000], "at most 65535"),
        (types.Concurrencies(), -4, "at least 1"),
        (types.Choice("alpha", "beta"), "alpah", "Did you mean alpha"),
    ],
)
def test_refuses(type_, value, word):
    with pytest.raises(ValueError, match=word):
        type_.coerce(value)


def test_every_type_has_name_and_schema():
    for type_ in (
        types.Type(),
        types.Str(),
        types.Time(),
        types.Int(1, 2),
        types.Float(0),
        types.Bool(),
        types.Choice("a"),
        types.ListOf(types.Str()),
        types.MapOf(),
        types.OneOf(types.Str(), types.Int()),
        types.Concurrencies(),
    ):
        assert type_.name
        assert isinstance(type_.schema(), dict)
