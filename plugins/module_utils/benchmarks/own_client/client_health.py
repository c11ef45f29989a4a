# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the load client ran well enough for its figures to be those of the service; see docs/results.md."""

from __future__ import annotations

from ...json_types import Json, JsonObject

LONGEST_GAP_S = 1.0  # one such gap spoils the latencies of all requests in flight
GAP_SHARE, GAP_SUM_S = 0.02, 0.15  # of the duration, and at least
BUSY_SHARE = 0.95  # of the time that it used a core, or waited for one
BUSY_CPU_SHARE = 0.25  # a client that works less waits for the service as well
LAG_SHARE, LAG_MS = 0.1, 5.0  # of the mean TTFT, and at least
LATENESS_SHARE, LATENESS_MS = 0.05, 5.0  # of the mean E2EL, and at least


def disturbances(raw: JsonObject) -> list[str]:
    """Return how the load client was kept from measuring; empty if it was not, or does not say.

    One process that was disturbed spoils what all of them measured together.
    """
    several = raw.get("clients_health") or []
    if not several:
        return _of(raw.get("client_health"), raw)
    return [
        f"process {number} of {len(several)}{_where(health)}: {one}"
        for number, health in enumerate(several, 1)
        for one in _of(health, raw)
    ]


def _where(health: Json) -> str:
    return f" on {health['node']}" if isinstance(health, dict) and health.get("node") else ""


def _of(health: Json, raw: JsonObject) -> list[str]:
    if not isinstance(health, dict):
        return []
    found = _gaps(health, raw.get("duration") or 0)
    # A client that did not run is also late: the cause is enough.
    return found or _busy(health) or _late(health, raw)


def _gaps(health: JsonObject, duration_s: float) -> list[str]:
    longest, total, asleep = health["max_gap_s"], health["gaps_s"], health["suspended_s"]
    reasons = []
    if longest >= LONGEST_GAP_S or total > max(GAP_SUM_S, GAP_SHARE * duration_s):
        where = f"for {longest:.1f} s, {health.get('max_gap_at_s') or 0:.1f} s after the measurement began"
        if health["gaps"] > 1:
            where = f"{health['gaps']} times, for {total:.1f} of {duration_s:.1f} s, the longest {where}"
        reasons.append(f"the load client did not run {where}: it was stopped, or its node is overloaded")
    if asleep >= GAP_SUM_S:
        reasons.append(f"the load client's node was suspended for {asleep:.1f} s")
    return reasons


def _busy(health: JsonObject) -> list[str]:
    cpu, waited = health["cpu_share"], health.get("wait_share") or 0
    if cpu < BUSY_CPU_SHARE or cpu + waited < BUSY_SHARE:
        return []
    text = f"the load client itself was the limit: it used {100 * cpu:.0f} % of a core"
    if waited >= 0.05:
        text += f", and waited for one for another {100 * waited:.0f} % of the time"
    return [text]


def _late(health: JsonObject, raw: JsonObject) -> list[str]:
    reasons = []
    lag, ttft = health.get("mean_lag_ms") or 0, raw.get("mean_ttft_ms")
    if ttft and lag > max(LAG_MS, LAG_SHARE * ttft):
        reasons.append(
            f"the load client noticed responses {lag:.1f} ms late on average (99th percentile "
            f"{health.get('p99_lag_ms') or lag:.1f} ms), the mean TTFT is {ttft:.1f} ms: its node is overloaded"
        )
    late, e2el = health.get("mean_send_lateness_ms") or 0, raw.get("mean_e2el_ms")
    if e2el and late > max(LATENESS_MS, LATENESS_SHARE * e2el):
        reasons.append(
            f"the load client sent requests {late:.1f} ms late on average (99th percentile "
            f"{health.get('p99_send_lateness_ms') or late:.1f} ms), the mean E2EL is {e2el:.1f} ms: its node is "
            "overloaded"
        )
    return reasons
