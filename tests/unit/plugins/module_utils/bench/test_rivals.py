# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Two controllers that measure one service, and holders that follow one another."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error


def waits(made):
    """Return how often the end of a measurement was waited for."""
    return sum(op == "wait" and "bench_c4" in fields.get("watch", ()) for op, fields in made.holder.asked)


def test_a_measurement_that_a_second_holder_calls_ended_is_not_waited_for_any_longer(made):
    def scene():
        made.holder.change("bench_c4", state="ended", expected=True, ended_at=made.holder.at(2),
                           reason="ended before this holder began")  # fmt: skip
        made.holder.follow(*made.holder.records)

    made.holder.scenes = [lambda: None, scene]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["the load client ended before this holder began"]
    assert waits(made) == 2


def test_a_measurement_that_a_second_holder_does_not_know_of_is_over(made):
    service = [step["name"] for step in made.plan["steps"]]
    made.holder.scenes = [lambda: made.holder.follow(*service)]
    (point,) = made.call(concurrencies=[4])["points"]
    assert point["reasons"] == ["the load client was lost with its holder"]
    assert waits(made) == 1


def test_a_part_of_the_service_that_a_second_holder_does_not_know_of_does_not_run(made):
    made.holder.scenes = [lambda: (made.holder.finish(), made.holder.follow("prefill_0", "prefill_1", "bench_c4"))]
    with pytest.raises(Error, match="What runs is not what the plan says: decode_0 does not run") as caught:
        made.call()
    first, second = caught.value.evidence["points"]
    assert (first["valid"], second["action"]) == (False, "not_measured")
    assert "decode_0" in first["reasons"][0]
