# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to parts of the service: HTTP requests that are sent once, unlike those of checks.

An order is ``{name, host, port, paths, body, timeout_s}``. Paths are tried in order as long as the server does not
know them. A batch of orders has an id. Whoever asks for the same id again, after a lost answer or as another
controller, gets its answers, and nothing is sent twice. A batch of which something failed is sent anew.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from .probe import fetch

BATCHES = 256  # number of the latest batches that are remembered
UNKNOWN = (404, 405, 501)  # answers to a path that a server does not have
REFUSED = ("error", "failed", "failure")  # values of "status" in an answer with the code 200


def send(order: dict[str, Any]) -> dict[str, Any]:
    """Return {name, ok, path, status, error} of one order; status is None if no server answered."""
    status, error, path = None, None, ""
    for path in order["paths"]:
        check = {"method": "POST", "path": path, "body": order.get("body") or {}}
        try:
            status, text = fetch((order["host"], int(order["port"])), check, float(order.get("timeout_s") or 60))
        except (OSError, http.client.HTTPException, ValueError) as failure:
            status, error = None, str(getattr(failure, "strerror", None) or failure or type(failure).__name__)
            break
        error = refusal(status, text)
        if status not in UNKNOWN:
            break
    return {"name": order["name"], "ok": error is None, "path": path, "status": status, "error": error}


def refusal(status: int, text: str) -> str | None:
    """Return why an answer means that the order was not carried out, or None."""
    if not 200 <= status < 300:
        return f"HTTP {status}: {text[:200]}".rstrip(": \n")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(said, dict) and (str(said.get("status")).lower() in REFUSED or said.get("success") is False):
        return text[:200].strip()
    return None


class Batch:
    """Orders that are carried out at the same time."""

    def __init__(self, orders: list[dict[str, Any]]) -> None:
        self.answers: list[dict[str, Any] | None] = [None] * len(orders)
        self.over = threading.Event()
        self.change = threading.Lock()
        for number, order in enumerate(orders):
            threading.Thread(target=self._carry_out, args=(number, order), daemon=True).start()
        if not orders:
            self.over.set()

    def _carry_out(self, number: int, order: dict[str, Any]) -> None:
        try:
            answer = send(order)
        except Exception as error:  # without an answer the batch would never end
            answer = {"name": order.get("name"), "ok": False, "path": "", "status": None, "error": repr(error)}
        with self.change:
            self.answers[number] = answer
            if None not in self.answers:
                self.over.set()

    @property
    def failed(self) -> bool:
        """Whether it is over, and something went wrong."""
        return self.over.is_set() and not all(answer and answer["ok"] for answer in self.answers)


class Calls:
    """The batches of orders that a holder has sent."""

    def __init__(self) -> None:
        self._batches: dict[str, Batch] = {}
        self._lock = threading.Lock()

    def call(self, call_id: str, orders: list[dict[str, Any]] | None, slice_s: float) -> dict[str, Any]:
        """Return {calls: the answers so far, called: whether these are all}, after *slice_s* seconds at most.

        :param orders: sent unless this was done before; None: ``calls`` is None if nobody has asked before.
        """
        until = time.monotonic() + slice_s
        with self._lock:
            batch = self._batches.get(call_id)
            if orders is not None and (batch is None or batch.failed):
                self._batches.pop(call_id, None)
                batch = self._batches[call_id] = Batch(orders)
            while len(self._batches) > BATCHES:
                del self._batches[next(iter(self._batches))]
        if batch is None:
            return {"calls": None, "called": True}
        over = batch.over.wait(max(0.0, until - time.monotonic()))
        return {"calls": [answer for answer in batch.answers if answer], "called": over}
