# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a tag of a registry stands for now: the digest of its manifest, asked without credentials.

A registry that does not answer, or not without credentials, leaves the image unknown.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.parse
from collections.abc import Iterable
from http.client import HTTPException, HTTPMessage
from typing import Any

HUB = "registry-1.docker.io"
LIMIT_S, REQUEST_S = 8.0, 4.0
ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def address(image: str) -> tuple[str, str, str] | None:
    """Return (registry, repository, tag) of an image name of pyxis or apptainer, or None for another scheme."""
    scheme, mark, name = image.rpartition("://")
    if mark and scheme != "docker" or not name:
        return None
    registry, sign, rest = name.rpartition("#")
    if sign:
        registry = registry.rpartition("@")[2]
    else:
        first, slash, below = rest.partition("/")
        if slash and (first == "localhost" or any(one in first for one in ".:")):
            registry, rest = first, below
    before, colon, tag = rest.rpartition(":")
    repository = before if colon else rest
    if registry in ("", "docker.io"):
        registry, repository = HUB, repository if "/" in repository else f"library/{repository}"
    return registry, repository, tag if colon and tag else "latest"


def digests(images: Iterable[str], limit_s: float = LIMIT_S) -> dict[str, str]:
    """Return {image: digest of its manifest} of those whose registry answers within *limit_s* seconds in all."""
    found: dict[str, str] = {}

    def ask(image: str) -> None:
        where = address(image)
        digest = _digest(*where) if where else None
        if digest:
            found[image] = digest

    # Names of hosts are looked up without a time limit, so that a thread may outlive it.
    threads = [threading.Thread(target=ask, args=(image,), daemon=True) for image in dict.fromkeys(images)]
    until = time.monotonic() + limit_s
    for one in threads:
        one.start()
    for one in threads:
        one.join(max(0.0, until - time.monotonic()))
    return dict(found)


def _digest(registry: str, repository: str, tag: str) -> str | None:
    local = registry.partition(":")[0] in ("localhost", "127.0.0.1")
    url = f"{'http' if local else 'https'}://{registry}/v2/{repository}/manifests/{urllib.parse.quote(tag)}"
    try:
        try:
            return _head(url)["Docker-Content-Digest"]
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate") or ""
            if error.code != 401 or not challenge.lower().startswith("bearer "):
                return None
            return _head(url, _token(dict(CHALLENGE.findall(challenge))))["Docker-Content-Digest"]
    except (OSError, HTTPException, ValueError, KeyError, UnicodeError):
        return None


def _open(url: str, **options: Any) -> Any:
    # Ansible's, for its proxies and certificates; it takes long to import, and few jobs need it.
    from ansible.module_utils.urls import open_url

    return open_url(url, timeout=REQUEST_S, **options)


def _head(url: str, token: str | None = None) -> HTTPMessage:
    headers = {"Accept": ACCEPT, **({"Authorization": f"Bearer {token}"} if token else {})}
    with _open(url, method="HEAD", headers=headers) as done:
        answered: HTTPMessage = done.headers
        return answered


def _token(challenge: dict[str, str]) -> str:
    """Return the token that a registry gives to everybody."""
    query = urllib.parse.urlencode({key: value for key, value in challenge.items() if key in ("service", "scope")})
    if not challenge["realm"].startswith(("https://", "http://")):
        raise ValueError("not a URL")
    with _open(f"{challenge['realm']}?{query}") as done:
        answer = json.loads(done.read(1 << 20))
    return str(answer.get("token") or answer["access_token"])
