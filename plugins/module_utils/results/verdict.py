# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a measured point: the file beside its result that says whether it is valid.

A point without a verdict, with a verdict on another digest, or whose result or verdict changed since it was
evaluated, is not valid: there is no success by default.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from typing import NamedTuple, TypedDict, cast

from ..failures import Error
from ..files import digest, read_object, regular, write_text_atomic
from ..json_types import Json, JsonObject
from ..plain_text import shown
from ..plan_file import PlanPoint

VERDICT_SCHEMA_VERSION = 1
MIN_COMPLETED = 0.99  # share of the requests of a point that must have completed, unless a run asks for another one

# States of the measurement of a point.
VALID, INVALID, NOT_MEASURED, NOT_EVALUATED = "valid", "invalid", "not_measured", "not_evaluated"
PASSED = "passed"  # its program succeeded, but nothing proves its figures, if it left any
OUTDATED, CHANGED = "outdated", "changed"  # of other parameters or another service; another result file


class Origin(TypedDict):
    """The run that measured a point which was taken over: its job id, the path of the result file in it, and when.

    See origins.py; verdicts of earlier versions lack ``measured_at`` (UTC).
    """

    job_id: str
    path: str | None
    measured_at: str | None


class Deployment(TypedDict):
    """The workers and frontends of a job that began from ``first`` to ``since``, by the clock of its holder (UTC)."""

    job_id: str
    first: str
    since: str


class _Verdict(TypedDict, total=False):
    service_gaps: list[str]
    deployment: Deployment
    attempt: int
    doubts: list[str]
    searched: str
    min_completed: float
    profiled: str
    profiles: list[JsonObject]
    seal: str


class Verdict(_Verdict):
    """The verdict on one point.

    ``digest`` and ``key`` are those of the point, ``metrics`` the figures of its result, times
    are UTC. ``origin`` is None for a point that this run measured, ``result_sha256`` without a result.
    ``service_gaps`` says what of the service was missing although the job's ``faults`` allow that. ``attempt`` is that
    of the step that measured it in this run. ``deployment`` is the service that it measured; ``searched``
    identifies the search that it was measured for (see searching.py). ``doubts`` says why a point that has passed is
    not valid, see :meth:`Benchmark.doubts`. ``min_completed`` is there if the run asked for less than usual.
    ``profiled`` is the profiler that ran, ``profiles`` are its files, ``{"path": below the run directory, "size":
    bytes}``. ``seal`` is the digest of all others, as they were written; verdicts of earlier versions lack it.
    """

    schema_version: int
    digest: str
    key: JsonObject
    valid: bool
    reasons: list[str]
    metrics: JsonObject
    started_at: str | None
    ended_at: str | None
    origin: Origin | None
    result_sha256: str | None


class Standing(NamedTuple):
    """The state of a point according to its files.

    :ivar verdict: the verdict, or None.
    :ivar reasons: why the point does not count, for the user; empty if it does.
    :ivar state: one of the states above.
    """

    verdict: Verdict | None
    reasons: list[str]
    state: str


def verdict_path(result: str) -> str:
    """Return the path of the verdict on the result file *result*."""
    return os.path.splitext(result)[0] + ".verdict.json"


def make_verdict(
    point: PlanPoint,
    reasons: Iterable[str],
    figures: JsonObject | None = None,
    result: str | None = None,
    times: tuple[str | None, str | None] = (None, None),
    origin: Origin | None = None,
    doubts: Iterable[str] = (),
) -> Verdict:
    """Return the verdict on *point*.

    It is valid without *reasons* and *doubts*; with doubts alone it has passed.

    :param figures: those of its result (or partial result), see :meth:`Benchmark.figures`, or None.
    :param result: path of the result file whose content is sealed by its hash, or None.
    :param times: start and end (UTC), used if the result lacks them.
    :param origin: that of the run that measured the point, or None for this run.
    """
    figures, doubts = figures or {}, [] if reasons else [shown(doubt) for doubt in doubts]
    verdict: Verdict = {
        "schema_version": VERDICT_SCHEMA_VERSION,
        "digest": point["digest"],
        "key": point["key"],
        "valid": not reasons and not doubts,
        "reasons": [shown(reason) for reason in reasons],
        "metrics": figures,
        "started_at": figures.get("started_at") or times[0],
        "ended_at": figures.get("ended_at") or times[1],
        "origin": origin,
        "result_sha256": file_hash(result) if result else None,
    }
    return {**verdict, "doubts": doubts} if doubts else verdict


def succeeded(verdict: Verdict) -> bool:
    """Return whether *verdict* is that of a point which is valid, or has passed: nothing is left to measure."""
    return verdict["valid"] or bool(verdict.get("doubts")) and not verdict["reasons"]


def write_verdict(result: str, verdict: Verdict) -> None:
    """Write *verdict* beside the result file *result*; Error if that fails."""
    path = verdict_path(result)
    try:
        write_text_atomic(path, json.dumps({**verdict, "seal": _seal({**verdict})}, indent=2) + "\n")
    except OSError as error:
        raise Error(
            f"The verdict {path} cannot be written: {error.strerror}. Fix this and run again. A result without a "
            "verdict does not count."
        ) from None


def read_verdict(result: str) -> Verdict | None:
    """Return the verdict on the result file *result*, or None if it cannot be read, or was changed."""
    found = read_object(verdict_path(result))
    return cast("Verdict", found) if found and _is_verdict(found) else None


def _is_verdict(found: JsonObject) -> bool:
    """Return whether *found* has the shape of a verdict: anything may be in a file of that name."""
    origin = found.get("origin")
    return (
        found.get("schema_version") == VERDICT_SCHEMA_VERSION
        and isinstance(found.get("digest"), str)
        and isinstance(found.get("valid"), bool)
        and isinstance(found.get("key", {}), dict)
        and isinstance(found.get("min_completed", MIN_COMPLETED), (int, float))
        and _are(found.get("reasons"), str)
        and _are(found.get("service_gaps", []), str)
        and _are(found.get("doubts", []), str)
        and is_deployment(found.get("deployment"))
        and isinstance(found.get("profiled", ""), str)
        and isinstance(found.get("searched", ""), str)
        and are_profiles(found.get("profiles", []))
        and found["valid"] == (not found["reasons"] and not found.get("doubts"))
        and found.get("seal") in (None, _seal(found))
        and all(isinstance(found.get(name), (str, type(None))) for name in ("started_at", "ended_at", "result_sha256"))
        and isinstance(found.get("metrics", {}), dict)
        and all(isinstance(value, (int, float, str, type(None))) for value in found.get("metrics", {}).values())
        and (origin is None or isinstance(origin, dict) and _are([origin.get("job_id"), origin.get("path")], str))
    )


def is_deployment(found: Json) -> bool:
    """Return whether *found* has the shape of a Deployment, or is None."""
    keys = Deployment.__required_keys__
    return found is None or isinstance(found, dict) and all(isinstance(found.get(key), str) for key in keys)


def _seal(verdict: JsonObject) -> str:
    return digest({name: value for name, value in verdict.items() if name != "seal"})


def _are(values: Json, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def are_profiles(values: Json) -> bool:
    """Return whether *values* has the shape of the files of a profile."""
    return _are(values, dict) and all(
        isinstance(one.get("path"), str) and isinstance(one.get("size"), int) for one in values or ()
    )


def standing(point: PlanPoint, result: str) -> Standing:
    """Return the :class:`Standing` of *point* according to its files.

    It does not count without a verdict, with one on another digest, or when its result is missing or changed.
    """
    verdict = read_verdict(result)
    if verdict is None:
        if os.path.exists(verdict_path(result)):
            return Standing(None, ["its verdict cannot be read, or was changed"], NOT_EVALUATED)
        if os.path.exists(result):
            return Standing(None, ["was measured but not evaluated"], NOT_EVALUATED)
        return Standing(None, ["was not measured"], NOT_MEASURED)
    if verdict.get("digest") != point["digest"]:
        return Standing(verdict, ["was measured with other parameters or another service"], OUTDATED)
    if not succeeded(verdict):
        return Standing(verdict, list(verdict.get("reasons") or ["is not valid"]), INVALID)
    reasons = why_unsealed(verdict, result) or _without_profile(verdict, result.removesuffix(point["result"]))
    return Standing(verdict, reasons, CHANGED if reasons else VALID if verdict["valid"] else PASSED)


def _without_profile(verdict: Verdict, run_dir: str) -> list[str]:
    """Return the reason, as a list, why a profile that *verdict* lists is not there; empty if all are."""
    for one in verdict.get("profiles") or ():
        try:
            size = os.stat(os.path.join(run_dir, one["path"])).st_size
        except OSError as error:
            return [f"its profile {one['path']} cannot be read: {error.strerror}"]
        if size != one["size"]:
            return [f"its profile {one['path']} has changed since it was evaluated"]
    return []


def may_stand(point: PlanPoint, verdict: Verdict | None) -> bool:
    """Return whether *verdict* tells any run that *point* succeeded, without a service gap; its result is not read."""
    if verdict is None or verdict.get("digest") != point["digest"] or not succeeded(verdict):
        return False
    return not verdict.get("service_gaps") and verdict.get("min_completed", MIN_COMPLETED) >= MIN_COMPLETED


def why_unsealed(verdict: Verdict, result: str) -> list[str]:
    """Return the reason, as a list, why *verdict* is not about the file *result*; empty if it is."""
    try:
        intact = file_hash(result) == verdict.get("result_sha256")
    except OSError as error:
        return [f"its result file cannot be read: {error.strerror}"]
    return [] if intact else ["its result file has changed since it was evaluated"]


def file_hash(path: str) -> str:
    """Return the SHA-256 of a file in hex; OSError when it cannot be read."""
    sha = hashlib.sha256()
    with open(path, "rb", opener=regular) as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            sha.update(block)
    return sha.hexdigest()
