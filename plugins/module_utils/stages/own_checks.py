# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a user's own services, without a plan and without a job: read from options, and made from here."""

from __future__ import annotations

import threading
import time
import urllib.parse
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from ..entry import Context
from ..failures import Error
from ..holder.probe import Wait, probe
from ..holder.records import CheckRecord
from ..json_types import JsonObject

AT_ONCE = 32
CHECK: JsonObject = {
    "name": {"type": "str"},
    "url": {"type": "str"},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "body": {"type": "raw"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "expect": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "default": ""},
            "label": {"type": "str"},
            "where": {"type": "dict"},
            "min": {"type": "float"},
            "equals": {"type": "raw"},
            "nonempty": {"type": "bool"},
        },
    },
    "timeout_s": {"type": "float", "default": 5.0},
    "after": {"type": "list", "elements": "str", "default": []},
}
# Further arguments of the option.
CHECK_OPTIONS: JsonObject = {
    "required_one_of": [("url", "host")],
    "mutually_exclusive": [("url", "host")],
    "required_together": [("host", "port")],
}


def checks_of(params: JsonObject) -> list[JsonObject]:
    """Return the checks that the options ``checks`` and ``urls`` ask for, as holder/probe.py reads them; Error."""
    defaults = {key: option.get("default") for key, option in CHECK.items()}
    given = [*(params.get("checks") or ()), *({**defaults, "url": url} for url in params.get("urls") or ())]
    found = [_check(one) for one in given]
    names = [one["name"] for one in found]
    for one in found:
        if names.count(one["name"]) > 1:
            raise Error(f"Two checks are called {one['name']}. Give each its own name.")
        unknown = [name for name in one["after"] if name not in names or name == one["name"]]
        if unknown:
            others = ", ".join(name for name in names if name != one["name"]) or "none"
            raise Error(
                f"The check {one['name']} comes after {unknown[0]}, which is no other check. There are: {others}."
            )
    return found


def _check(given: JsonObject) -> JsonObject:
    """Return one check with its kind, name and address."""
    given = {**given, "headers": {str(key): str(value) for key, value in given["headers"].items()}}
    given["expect"] = [_plain(one) for one in given["expect"]]
    if given["url"] is not None:
        return {**given, "kind": "http", "name": given["name"] or given["url"], **_address(given["url"])}
    name = given["name"] or f"{given['host']}:{given['port']}"
    if given["expect"]:
        raise Error(f"The check {name} expects an answer, but only connects to a port. Give it a url.")
    if not 0 < given["port"] < 65536:
        raise Error(f"The check {name} has the port {given['port']}; ports are 1 to 65535.")
    return {**given, "kind": "tcp", "name": name}


def _plain(expect: JsonObject) -> JsonObject:
    """Return one condition without what it does not ask for; a whole number is shown as one."""
    least = expect.get("min")
    return {**expect, "min": int(least)} if least is not None and least == int(least) else expect


def _address(url: str) -> JsonObject:
    """Return host, port and path of *url*."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise Error(f"{url} is not a URL: {error}. Write it as http://host:port/path.") from None
    if parts.scheme == "https":
        raise Error(f"{url}: only http is spoken here. Check with host and port whether the service listens.")
    if parts.scheme != "http" or not host:
        raise Error(f"{url} is not a URL of a service. Write it as http://host:port/path.")
    if parts.username is not None:
        raise Error("A URL with a user or password would be shown in messages. Put the credentials into headers.")
    return {"host": host, "port": port, "path": (parts.path or "/") + (f"?{parts.query}" if parts.query else "")}


def poll(
    checks: Iterable[dict[str, Any]], timeout_s: float, ctx: Context, show: Callable[[list[CheckRecord]], None]
) -> list[CheckRecord]:
    """Return the records of *checks* once all are done, after *timeout_s* seconds, or when the controller has ended.

    :param show: called with the records about once a second, and when a check was tried.
    """
    wait, change, until = Wait(list(checks)), threading.Condition(), time.monotonic() + timeout_s
    probers = ThreadPoolExecutor(max_workers=AT_ONCE)

    def one(check: dict[str, Any]) -> None:
        error = probe(check)
        with change:
            wait.take(check, error)
            change.notify_all()

    try:
        with change:
            while wait.left() and time.monotonic() < until and ctx.controller_alive():
                due, pause = wait.due(time.monotonic())
                for check in due:
                    check["busy"] = True
                    probers.submit(one, check)
                change.wait(max(0.01, min(pause, until - time.monotonic(), 1.0)))
                if any(record["attempts"] for record in wait.records()):
                    show(wait.records())
            return wait.records()
    finally:
        probers.shutdown(wait=False)
