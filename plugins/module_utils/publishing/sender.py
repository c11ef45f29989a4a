# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that sends status reports: ``python3 -I sender.py FILE``, a JSON object a line, in their order.

It needs only the standard library. One process at a time sends; what comes meanwhile is sent by the same one. Errors
are nobody's: a server that does not answer, or answers anything, changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import urllib.request
from typing import Any

ANSWER_S = 5.0  # of a server
LONGEST_S = 60  # of this process; each report is also limited by the server's time


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for the server that the job names."""

    def redirect_request(self, *_arguments, **_options):  # type: ignore[no-untyped-def]
        return None


OPENER = urllib.request.build_opener(_NoRedirect)


def send(report: dict[str, Any]) -> None:
    """Send one report."""
    headers = {"Content-Type": "application/json"}
    token = os.environ.get(report["token_env"])
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = json.dumps(report["body"]).encode()
    with contextlib.suppress(Exception):
        request = urllib.request.Request(report["url"], data, headers, method=report["method"])
        OPENER.open(request, timeout=ANSWER_S).close()


def main(path: str) -> None:
    """Send the reports in the file at *path* that have not been sent; the position of the next is beside it."""
    signal.alarm(LONGEST_S)
    # Opened at once: the folder is gone after the playbook.
    mark = os.open(path + ".sent", os.O_RDWR | os.O_CREAT, 0o600)
    with open(path, encoding="utf-8") as stream:
        fcntl.flock(mark, fcntl.LOCK_EX)  # another process may send just now: it also takes what is new
        stream.seek(int(os.pread(mark, 32, 0) or b"0"))
        while True:
            line = stream.readline()
            if not line.endswith("\n"):
                return
            # First, so that a report that ends this process is not sent again.
            os.pwrite(mark, str(stream.tell()).encode(), 0)
            send(json.loads(line))


if __name__ == "__main__":
    main(sys.argv[1])
