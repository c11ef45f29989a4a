# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for ``reporting`` and for ``cloud`` of the cluster file, and the credentials in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Callable
from urllib.parse import urlsplit

from ..failures import Code, Finding
from ..json_types import Json, JsonObject, KeyPath
from ..secrets.references import is_reference, reference

# Where credentials may be; in a spec they are references.
CREDENTIALS = ("access_key_id", "secret_access_key", "session_token")
TOKEN_ENV = ("reporting", "status", "token_env")  # the name of a variable
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}")
# A key, what is wrong with its value, what would be right, and the code.
Fault = tuple[str, str, str, Code]


def problems(spec: JsonObject) -> list[Finding]:
    """Return what is wrong with ``reporting`` of *spec*."""
    reporting = spec["reporting"] or {}
    found: list[Finding] = []
    for key, text, remedy, code in storage_faults(reporting.get("s3") or {}):
        found.append((("reporting", "s3", key), text, remedy, code))
    status = reporting.get("status") or {}
    urls: list[tuple[KeyPath, str | None]] = [(("endpoint",), status.get("endpoint"))]
    urls += [(("endpoints", index), url) for index, url in enumerate(status.get("endpoints") or ())]
    for path, url in urls:
        fault = url_fault(url) if url is not None else None
        if fault:
            found.append((("reporting", "status", *path), *fault))
    if status and not _VARIABLE.fullmatch(status["token_env"] or "X"):
        text = "is not the name of an environment variable. The token itself must not be in a file."
        found.append((TOKEN_ENV, text, "Write the name of the variable.", "invalid"))
    return found + list(_of_publishers(reporting.get("publishers") or []))


def _of_publishers(publishers: list[JsonObject]) -> Iterator[Finding]:
    seen = set()
    for index, one in enumerate(publishers):
        path = ("reporting", "publishers", index)
        if not _NAME.fullmatch(one["name"]):
            remedy = "Use letters, digits, _ and -, 64 at most, a letter or a digit first."
            yield (*path, "name"), f'is "{one["name"][:80]}", which cannot name a file.', remedy, "invalid"
        if one["name"] in seen:
            yield (*path, "name"), f"is {one['name']}, as that of an earlier one.", "Choose another.", "duplicate"
        seen.add(one["name"])
        if not one["command"] or not one["command"][0].strip() or any("\0" in word for word in one["command"]):
            remedy = 'Write the program and its arguments as a list, such as ["./publish.sh", "--all"].'
            yield (*path, "command"), "has no program.", remedy, "missing"


def storage_faults(settings: JsonObject) -> Iterator[Fault]:
    """Yield what is wrong with the settings of an object storage, {} for none."""
    if not settings:
        return
    bucket = settings["bucket"]
    if not _BUCKET.fullmatch(bucket):
        yield "bucket", f'is "{bucket[:80]}", which is not the name of a bucket.', "Write its name alone.", "invalid"
    fault = url_fault(settings["endpoint_url"]) if settings.get("endpoint_url") is not None else None
    if fault:
        yield ("endpoint_url", *fault)
    given = [key for key in CREDENTIALS if settings.get(key)]
    if given and settings.get("profile"):
        yield "profile", f"is set beside {given[0]}.", "Keep one of them.", "conflict"
    if any(part in ("..", ".") for part in (settings.get("prefix") or "").split("/")):
        yield "prefix", "has a part that is only dots.", "Use names, such as my-team/benchmarks.", "invalid"


def url_fault(text: str) -> tuple[str, str, Code] | None:
    """Return what is wrong with the URL of a server; None if nothing is."""
    remedy = "Write it as https://HOST or https://HOST:PORT/PATH."
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return "is not a URL.", remedy, "invalid"
    if "@" in parts.netloc:  # not shown: it is a password, or begins like one
        return "has a user or a password in it.", f"{remedy} Credentials belong in the environment.", "secret"
    if not named or re.search(r"[\s\x00-\x20\x7f]", text) or parts.query or parts.fragment:
        return f'is "{text[:80]}", which is not the URL of a server.', remedy, "invalid"
    return None


def keeps_secret(path: KeyPath) -> bool:
    """Return whether the value at *path* of a job becomes a reference, as those of environments do."""
    return path[:2] == ("reporting", "s3") and path[-1] in CREDENTIALS


def conceal(spec: JsonObject, find_key: Callable[[], bytes | None]) -> dict[str, str]:
    """Replace the credentials of ``reporting.s3`` by references, in place; return ``{reference: value}``."""
    settings: Json = (spec.get("reporting") or {}).get("s3") or {}
    hidden = {}
    for key in CREDENTIALS:
        value = settings.get(key)
        if value and not is_reference(value):
            settings[key] = reference(key, value, find_key())
            hidden[settings[key]] = value
    return hidden


def notes(spec: JsonObject) -> list[str]:
    """Return what the user should know about ``reporting`` of *spec*."""
    publishers = (spec.get("reporting") or {}).get("publishers") or []
    return [
        f"reporting.publishers: {one['name']} runs {one['command'][0]} on the submit host when the run has ended."
        for one in publishers
    ]
