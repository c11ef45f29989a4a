# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program on a node that is not the first one: it sends its share, and hands over what it measured."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from types import FrameType

from . import open_files
from .dataset import DatasetError
from .fleet import Fleet, numbers_of
from .load import State, Stop
from .nodes import Leader
from .progress import say
from .prompts import PromptError
from .samples import Samples
from .sender import SIGNALS, Outcome, interrupted
from .wire import WireError
from .workload import Workload


def follow(options: Namespace) -> int:
    """Send this node's share of the load; return the exit code."""
    fleets: list[Fleet] = []

    def on_signal(number: int, _frame: FrameType | None = None) -> None:
        stop = interrupted(number)
        if not fleets:
            raise stop
        fleets[0].stop(stop)

    handlers = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        leader = Leader(options)
        say(f"node {leader.name}: the load client of {options.nodes[0][0]} leads", sys.stdout)
        leader.hand_over(_measured(options, leader, fleets))
    except (WireError, OSError, Stop) as error:
        say(f"load_client: {error}", sys.stderr)
        return error.exit_code if isinstance(error, Stop) else 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 0


def _measured(options: Namespace, leader: Leader, fleets: list[Fleet]) -> Outcome:
    """Return what this node measured, or why it could not."""
    state = State(options)

    def tick() -> None:
        fleets[0].tell(leader)

    clients = int(leader.wait_for("go"))
    numbers = numbers_of([name for name, _address in options.nodes].index(leader.name), len(options.nodes), clients)
    try:
        __import__("aiohttp")
        most = max(options.num_prompts, options.num_warmup)
        why = open_files.too_few(-(-min(options.concurrency, most) // clients))
        if why:
            return _nothing(why)
        workload = Workload(options)
        own = Namespace(**{**vars(options), "metrics_url": []})
        fleets.append(Fleet(own, clients, state, tick, numbers, leader=leader))
        state.warmup_total, state.total = workload.counts
        return fleets[0].run(workload)
    except (PromptError, DatasetError, ImportError) as error:
        return _nothing(str(error))


def _nothing(why: str) -> Outcome:
    return Outcome(Stop("failed", 1, why), Samples(), 0, None, None, None, {})
