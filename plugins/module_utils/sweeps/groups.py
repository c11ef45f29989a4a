# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs of a sweep share an allocation and a service, and in what order they restart least. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

WORKER = "worker"  # the tier of steps that load a model
FEW, MANY = 7, 80  # services of which all orders are tried, and of which all first ones are
Steps = Mapping[str, tuple[str, str]]  # {step of a service: (tier, digest)}


class Job(NamedTuple):
    """One job of a sweep.

    :ivar request: what it asks of Slurm; jobs with equal ones can share an allocation.
    :ivar redeployed: how often its service starts anew while it is measured.
    """

    name: str
    request: str
    steps: Steps
    redeployed: int = 0

    @property
    def serving(self) -> tuple[tuple[str, str], ...]:
        """What identifies the service: jobs with an equal one restart nothing of each other."""
        return tuple(sorted((name, digest) for name, (_tier, digest) in self.steps.items()))


class Group(NamedTuple):
    """Jobs that run one after the other in one allocation; ``services`` are those that share a service, in order."""

    services: list[list[Job]]

    @property
    def jobs(self) -> list[Job]:
        """All its jobs, in order."""
        return [job for service in self.services for job in service]


def grouped(jobs: Sequence[Job], left: Collection[str], most: int = 1) -> list[Group]:
    """Return the allocation groups of those of *jobs* that are *left* to run, each in the order that restarts least.

    It is the order of all jobs, so that a sweep which was interrupted goes on with the service that is up.

    :param most: allocations that may run side by side: if there are fewer groups, they are divided between services,
        the largest first. A service is never divided: its model would be loaded twice.
    """
    requests: dict[str, dict[tuple[tuple[str, str], ...], list[Job]]] = {}
    for job in jobs:
        requests.setdefault(job.request, {}).setdefault(job.serving, []).append(job)
    groups = []
    for services in requests.values():
        ordered = ([job for job in service if job.name in left] for service in in_order(list(services.values())))
        groups.append(Group([service for service in ordered if service]))
    groups = [group for group in groups if group.services]
    while len(groups) < most:
        largest = max(groups, key=lambda group: len(group.services), default=None)
        if largest is None or len(largest.services) < 2:
            break
        middle, place = (len(largest.services) + 1) // 2, groups.index(largest)
        groups[place : place + 1] = [Group(largest.services[:middle]), Group(largest.services[middle:])]
    return groups


def in_order(services: Sequence[list[Job]]) -> list[list[Job]]:
    """Return *services* in an order in which few steps start anew: the best one of a few services, a good one of many.

    Of equal orders it is the one nearest to the given one.
    """
    numbers = range(len(services))
    nothing: Steps = {}
    first = [restarts(nothing, service[0].steps) for service in services]
    cost = [[restarts(one[0].steps, other[0].steps) for other in services] for one in services]

    def total(order: Sequence[int]) -> tuple[int, int]:
        parts = [first[order[0]], *(cost[one][other] for one, other in zip(order, order[1:]))]
        return sum(part[0] for part in parts), sum(part[1] for part in parts)

    if len(services) < 2:
        return list(services)
    begins = numbers if len(services) <= MANY else numbers[:1]
    orders = itertools.permutations(numbers) if len(services) <= FEW else (_greedy(begin, cost) for begin in begins)
    return [services[number] for number in min(orders, key=total)]


def _greedy(begin: int, cost: Sequence[Sequence[tuple[int, int]]]) -> list[int]:
    """Return the order that begins with *begin*, and goes on with the next one that costs least each time."""
    order, left = [begin], [number for number in range(len(cost)) if number != begin]
    while left:
        order.append(min(left, key=lambda number: cost[order[-1]][number]))
        left.remove(order[-1])
    return order


def restarts(before: Steps, after: Steps) -> tuple[int, int]:
    """Return (workers, other steps) that start anew when the service *after* replaces *before*."""
    new = [tier for name, (tier, digest) in after.items() if before.get(name, ("", ""))[1] != digest]
    workers = new.count(WORKER)
    return workers, len(new) - workers


def loads(groups: Sequence[Group]) -> int:
    """Return how many workers start in all of *groups*, each of which loads its model."""
    count = 0
    for group in groups:
        before: Steps = {}
        for service in group.services:
            count += restarts(before, service[0].steps)[0]
            count += sum(job.redeployed * restarts({}, job.steps)[0] for job in service)
            before = service[0].steps
    return count
