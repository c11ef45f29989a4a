# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the holder.

holder serve --run-dir DIR [--lease S] [--play] [--adopted TIME]  serve requests on a Unix socket until the job ends;
                                            --play runs play.json, --adopted leaves the job to a holder that serves it
holder ctl   --run-dir DIR                  one JSON request on stdin, one JSON answer on stdout
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import sys
from typing import NoReturn

from .lease import LEASE_S
from .server import ctl, serve

MOST_FILES = 1 << 20


def raise_file_limit() -> None:
    """Raise the limit of open files to what is allowed, and not to millions: some programs walk through all of them.

    Slurm passes the limit of srun on to the steps.
    """
    limit, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = allowed if 0 <= allowed < MOST_FILES else MOST_FILES
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, most), allowed))


def main(argv: list[str] | None = None) -> NoReturn:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(prog="holder", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["serve", "ctl"])
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--lease", type=float, default=LEASE_S)
    parser.add_argument("--play", action="store_true")
    parser.add_argument("--adopted", default="")
    options = parser.parse_args(argv)
    os.umask(os.umask(0o077) & 0o077 | 0o022)  # whatever the user's is: nobody else writes, and we do
    raise_file_limit()
    if options.command == "serve":
        status = serve(options.run_dir, options.lease, options.play, options.adopted)
    else:
        status = ctl(options.run_dir)
    with contextlib.suppress(OSError):  # a failed write is repeated here
        sys.stdout.flush()
    os._exit(status)  # threads that are still probing do not matter
