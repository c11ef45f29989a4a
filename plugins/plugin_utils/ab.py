# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An A/B comparison in turns: what both jobs share, which turn comes next, and when it is over.

The turns of both sides alternate as ABBA, so that each repeat of one side has one of the other beside it, and neither
side is always the first. The nodes stay the same; only what differs between the services starts anew.
"""

from __future__ import annotations

import copy

from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.comparison.judgement import ALPHA, BETTER, EQUIVALENT, WORSE
from ansible_collections.srt.slurm.plugins.module_utils.comparison.measured_run import load_of
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.allocation_request import renamed

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
    """

    def __init__(self, most, gpus):
        self.most, self.gpus, self.costs, self.before = most, gpus, {}, []

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
