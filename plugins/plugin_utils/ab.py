# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An A/B comparison in turns: what both jobs share, which turn comes next, and when it is over.

The turns of both sides alternate as ABBA, so that each repeat of one side has one of the other beside it, and neither
side is always the first. The nodes stay the same; only what differs between the services starts anew.
"""

from __future__ import annotations

import copy
import fcntl
import json
import os

from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.comparison.judgement import ALPHA, BETTER, EQUIVALENT, WORSE
from ansible_collections.srt.slurm.plugins.module_utils.comparison.measured_run import load_of
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import digest, read_object, write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.job.allocation_request import renamed
from ansible_collections.srt.slurm.plugins.module_utils.sweep_folders import COMPARISON

WORDS = ("baseline", "candidate")
FIRST_LOOK, GROWTH = 4, 1.5  # the repeats at which the results are looked at for the first time, and then each time
SHARED = ".ab"  # ends the name of an allocation for both sides
DECIDED = (BETTER, WORSE, EQUIVALENT)
ANSWER, BUDGET, REPEATS, FAILURES = "the answer", "the budget", "the number of repeats", "failures"  # what ends it
MOST_LOST = 2  # repeats in a row that may fail
# What both requests may differ in, and still share the larger allocation.
SIZES = ("nodes", "ntasks", "segment")
OWN = ("name", "digest", "time_limit")


def order(number):
    """Return the words of both sides in the order in which the repeat *number* (from 1) is measured."""
    return WORDS if number % 2 else WORDS[::-1]


def looks(most):
    """Return the numbers of repeats at which the results are looked at, the last one *most*."""
    found, at = [], float(min(FIRST_LOOK, most))
    while round(at) < most:
        found.append(round(at))
        at *= GROWTH
    return [*found, most]


def alpha(look, last):
    """Return the error probability of the *look* (from 1), so that those of all looks together are ALPHA.

    Who looks often, and stops when it suits, finds differences where there are none.

    :param last: whether no other look follows, whatever this one shows.
    """
    return ALPHA / look if last else ALPHA / (look * (look + 1))


def request_of(jobs, name):
    """Return (the allocation request that serves both *jobs*, "") or (None, why there is none)."""
    one, other = (job["allocation"] for job in jobs)
    differing = [key for key in {**one, **other} if key not in OWN and one.get(key) != other.get(key)]
    if not set(differing) <= set(SIZES) or differing and ("components" in one or "components" in other):
        return None, ", ".join(key for key in sorted(differing))
    larger = one if one["nodes"] >= other["nodes"] else other
    longer = max((one["time_limit"], other["time_limit"]), key=_minutes)
    return renamed({**larger, "time_limit": longer}, f"{name}{SHARED}"), ""


def _minutes(limit):
    """Return a time limit of Slurm as a number for comparison: [days-]hours:minutes:seconds, or minutes."""
    days, dash, rest = str(limit).rpartition("-")
    parts = [float(part) if part.isdigit() else float("inf") for part in rest.split(":")]
    if dash:
        parts += [0.0] * (3 - len(parts))
        return (float(days or 0) * 24 + parts[0]) * 60 + parts[1] + parts[2] / 60
    if len(parts) == 1:
        return parts[0]
    hours, minutes, seconds = ([0.0] if len(parts) == 2 else []) + parts
    return hours * 60 + minutes + seconds / 60


def turn(job, number):
    """Return *job* for its repeat *number* (from 1): each point once, with a seed that both sides share.

    The order of the points turns around with each repeat.
    """
    spec = copy.deepcopy(job["spec"])
    benchmark = spec["benchmark"]
    benchmark["repeats"] = 1
    if benchmark.get("seed") is not None:
        benchmark["seed"] += number - 1
    if isinstance(benchmark.get("concurrencies"), list) and number % 2 == 0:
        benchmark["concurrencies"] = benchmark["concurrencies"][::-1]
    return {**job, "spec": spec}


def check(jobs):
    """Raise Error if the *jobs* cannot be compared: before anything is submitted."""
    for word, job in zip(WORDS, jobs):
        benchmark = job["spec"]["benchmark"]
        if benchmark.get("search"):
            raise Error(
                f"{word}: benchmark.search of {job['name']} finds a load, and ab.yml measures the points of a list. "
                "Set benchmark.concurrencies instead."
            )
    loads = [{"model": served_name(job["spec"]), **load_of(job["spec"])} for job in jobs]
    keys = [key for key in dict.fromkeys([*loads[0], *loads[1]]) if loads[0].get(key) != loads[1].get(key)]
    if keys:
        said = [f"{key} ({loads[0].get(key)} and {loads[1].get(key)})" for key in keys]
        raise Error(
            f"The jobs differ in their load: {', '.join(said)}. Give both the same benchmark, and let both serve the "
            "model by the same name."
        )


def served_name(spec):
    """Return the name by which the service of the job *spec* serves its model."""
    return BACKENDS[spec["backend"]["type"]].served_name(spec)


def decided(points):
    """Return whether each primary metric of *points* (of compare) has its answer."""
    verdicts = [one["verdict"] for point in points for one in point["metrics"] if one["primary"]]
    return bool(verdicts) and all(verdict in DECIDED for verdict in verdicts)


class Budget:
    """The GPU hours that allocations have cost, and whether another repeat fits.

    :param most: GPU hours; None: no limit.
    :param gpus: GPUs of an allocation, by its side.
    :param costs: ``{job id: GPU hours}`` up to now, and *before*: those before each repeat, of one that goes on.
    """

    def __init__(self, most, gpus, costs=None, before=()):
        self.most, self.gpus, self.costs, self.before = most, gpus, dict(costs or {}), list(before)

    def take(self, word, job, now):
        """Take down what the allocation *job* has cost up to *now* (seconds of the same clock as its start)."""
        if job and job.get("began_s") is not None:
            self.costs[job["id"]] = self.gpus[word] * max(0.0, now - job["began_s"]) / 3600

    @property
    def spent(self):
        """GPU hours so far."""
        return sum(self.costs.values())

    def fits(self):
        """Return whether another repeat of both sides fits, if it costs as much as the costliest so far."""
        self.before.append(self.spent)
        if self.most is None:
            return True
        steps = [later - earlier for earlier, later in zip(self.before, self.before[1:])]
        return self.spent + max(steps, default=0.0) <= self.most and self.spent < self.most


class Record:
    """What a comparison has measured, in ``ab.json`` of its folder: one that was interrupted goes on from there.

    :param folder: its directory; None: nothing is kept, as it is on another machine.
    :param asked: the digest of what was asked for, see :func:`asked`.
    """

    def __init__(self, folder, asked):
        self.path = os.path.join(folder, COMPARISON) if folder else None
        found = (read_object(self.path) if self.path else None) or {}
        known = found if _is_record(found) and found["asked"] == asked else {}
        self.asked, self.turns, self.ended_by = asked, known.get("turns") or {}, known.get("ended_by")
        self.costs, self.before = known.get("gpu_hours") or {}, known.get("before") or []
        self.goes_on = bool(known) and self.ended_by is None
        self._lock = None

    def alone(self):
        """Return whether no other controller measures this comparison; it is then ours until :meth:`close`."""
        if self.path is None:
            return True
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        lock = os.path.join(os.path.dirname(self.path), ".lock-ab")
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def close(self):
        """Let others go on with this comparison."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def repeat(self, number):
        """Return the exit codes of both turns of the repeat *number*; None if one of them is missing.

        Neighbours in time are compared, so that a turn alone is measured again, too.
        """
        codes = [self.turns.get(name_of(word, number)) for word in order(number)]
        return None if None in codes else codes

    def repeats(self):
        """Return how many repeats are measured."""
        number = 0
        while self.repeat(number + 1):
            number += 1
        return number

    def forget(self, number):
        """Measure both turns of a repeat again."""
        for word in WORDS:
            self.turns.pop(name_of(word, number), None)

    def take(self, name, code, budget):
        """Take down that the turn *name* has ended, and what was spent."""
        self.turns[name], self.costs, self.before = code, budget.costs, budget.before
        self._write()

    def end(self, ended_by):
        """Take down that the comparison is over: it is not gone on with."""
        self.ended_by = ended_by
        self._write()

    def begin(self):
        """Take down that it has begun."""
        self._write()

    def _write(self):
        if self.path:
            about = {"schema_version": 1, "asked": self.asked, "turns": self.turns, "gpu_hours": self.costs}
            write_text_atomic(self.path, json.dumps({**about, "before": self.before, "ended_by": self.ended_by}) + "\n")


def _is_record(found):
    kinds = {"asked": str, "turns": dict, "gpu_hours": dict, "before": list}
    return found.get("schema_version") == 1 and all(isinstance(found.get(key), one) for key, one in kinds.items())


def asked(jobs, params):
    """Return the digest of what a comparison of *jobs* is about: only an equal one is gone on with.

    When it is looked at belongs to it: who goes on with other numbers could choose them by what was seen.
    """
    keys = ("threshold", "primary_metrics", "most_repeats")
    return digest({"jobs": [[job["spec"], job["allocation"]] for job in jobs], **{key: params[key] for key in keys}})


def interrupted(code):
    """Return whether a playbook with the exit *code* was stopped from outside: by Ctrl-C, or by another signal."""
    return code == 99 or code < 0 or code > 128


def name_of(word, number):
    """Return the name of the turn of a side."""
    return f"{word}_{number:02d}"
