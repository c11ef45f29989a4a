# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two plans, one line each: the request, steps, files, checks, points, and the job behind them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence

from ..holder.places import PROGRAMS
from ..job.allocation_request import allocation_request
from ..json_types import Json, JsonObject
from ..plan_file import Plan
from ..schema.source import dotted

OF_STEPS = ("nodes", "ntasks", "tier", "container", "mounts", "srun_options", "critical", "needs", "log")
# Of the job: where it came from says nothing of what it does, and its engine is in the steps.
LEFT_OUT = ("layout", "backend", "inputs")
ABSENT = "(absent)"


def differences(one: Plan, other: Plan) -> list[str]:
    """Return a line for each difference between the plans, which are on nodes of the same names."""
    jobs = [{key: value for key, value in plan["spec"].items() if key not in LEFT_OUT} for plan in (one, other)]
    requests: list[JsonObject] = [{**allocation_request(plan["spec"])} for plan in (one, other)]
    for request in requests:
        request.pop("digest", None)
    return [
        *(f"job: {line}" for line in _tree(jobs[0], jobs[1])),
        *(f"request: {line}" for line in _tree(requests[0], requests[1])),
        *_steps(_by(one["steps"], "name"), _by(other["steps"], "name"), "step"),
        *_files(one, other),
        *_items(one["checks"], other["checks"], "name", "check"),
        *_points(one, other),
    ]


def _by(items: Sequence[Mapping[str, Json]], key: str) -> dict[str, JsonObject]:
    return {str(item[key]): {**item} for item in items}


def _steps(one: Mapping[str, JsonObject], other: Mapping[str, JsonObject], what: str) -> Iterator[str]:
    for name in dict.fromkeys([*one, *other]):
        if name not in one or name not in other:
            yield f"{what} {name}: only in {'the first' if name in one else 'the second'}"
            continue
        left, right = one[name], other[name]
        yield from (f"{what} {name}: {line}" for line in _words(left, right))
        for key in ("env", *OF_STEPS):
            yield from (f"{what} {name}: {line}" for line in _tree({key: left.get(key)}, {key: right.get(key)}))
        if left.get("preamble") != right.get("preamble"):
            yield from (f"{what} {name}: before it: {line}" for line in _lines(left["preamble"], right["preamble"]))
        if left.get("ready") != right.get("ready"):
            yield f"{what} {name}: its checks differ"
        if (left.get("restarts") or 0) != (right.get("restarts") or 0):
            yield f"{what} {name}: restarts: {left.get('restarts') or 0} -> {right.get('restarts') or 0}"


def _words(left: JsonObject, right: JsonObject) -> Iterator[str]:
    """Yield the differences of two command lines, word by word."""
    matcher = difflib.SequenceMatcher(None, left["argv"], right["argv"], autojunk=False)
    for tag, begin, end, first, last in matcher.get_opcodes():
        if tag != "equal":
            old, new = " ".join(left["argv"][begin:end]), " ".join(right["argv"][first:last])
            before = left["argv"][begin - 1] if begin else ""
            yield f"command: behind {before}: {_shown(old or ABSENT)} -> {_shown(new or ABSENT)}"


def _lines(left: str | None, right: str | None) -> list[str]:
    found = difflib.unified_diff((left or "").splitlines(), (right or "").splitlines(), lineterm="", n=0)
    return [_shown(line) for line in found if not line.startswith(("---", "+++", "@@"))]


def _files(one: Plan, other: Plan) -> Iterator[str]:
    left, right = ({file["path"]: file["content"] for file in plan["files"]} for plan in (one, other))
    for path in dict.fromkeys([*left, *right]):
        if path.startswith(f"{PROGRAMS}/"):
            continue  # ours, the same for all jobs that need them
        if path not in left or path not in right:
            yield f"file {path}: only in {'the first' if path in left else 'the second'}"
        elif left[path] != right[path]:
            yield from (f"file {path}: {line}" for line in _lines(left[path], right[path]))


def _items(
    one: Sequence[Mapping[str, Json]], other: Sequence[Mapping[str, Json]], key: str, what: str
) -> Iterator[str]:
    left, right = _by(one, key), _by(other, key)
    for name in dict.fromkeys([*left, *right]):
        if name not in left or name not in right:
            yield f"{what} {name}: only in {'the first' if name in left else 'the second'}"
        else:
            yield from (f"{what} {name}: {line}" for line in _tree(left[name], right[name]))


def _points(one: Plan, other: Plan) -> Iterator[str]:
    left, right = (_by(plan["benchmark"]["points"], "name") for plan in (one, other))
    for name in dict.fromkeys([*left, *right]):
        if name in left and name in right:
            pairs = [
                {"parameters": point.get("parameters"), "expect": point.get("expect")}
                for point in (left[name], right[name])
            ]
            yield from (f"point {name}: {line}" for line in _tree(pairs[0], pairs[1]))
        else:
            yield f"point {name}: only in {'the first' if name in left else 'the second'}"
    both = [name for name in left if name in right]
    yield from _steps(
        {name: left[name]["step"] for name in both}, {name: right[name]["step"] for name in both}, "point"
    )


def _tree(left: Json, right: Json, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the differences of two values, by the paths of keys."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys([*left, *right]):
            yield from _tree(left.get(key, ABSENT), right.get(key, ABSENT), (*path, str(key)))
    elif left != right:
        yield f"{dotted(path)}: {_value(left)} -> {_value(right)}"


def _value(value: Json) -> str:
    return _shown(value if isinstance(value, str) else json.dumps(value))


def _shown(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
