# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two commands of the program: ``scrape`` and ``power``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal

from . import power, scrape


def main(argv: list[str] | None = None) -> int:
    """Run the command line *argv*; return the exit code."""
    parser = argparse.ArgumentParser(prog="scraper", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("scrape", help="read pages while another process runs")
    one.add_argument("--config", required=True, help="JSON file: a list of groups, see scrape.py")
    one.add_argument("--parent", type=int, required=True, help="our parent; we end with it")
    one.add_argument("--point", default="", help="replaces {point} in the paths of the files")
    one = commands.add_parser("power", help="serve the power and clocks of this node at /metrics")
    one.add_argument("--port", type=int, required=True)
    one.add_argument("--cpus-only", action="store_true", help="another exporter reads the GPUs")
    options = parser.parse_args(argv)
    return _scrape(options) if options.command == "scrape" else _power(options.port, options.cpus_only)


def _scrape(options: argparse.Namespace) -> int:
    stopped = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_what: stopped.append(True))
    with contextlib.suppress(OSError):
        os.nice(5)  # what measures comes first; lower, a busy node would leave us no time at all
    with open(options.config, encoding="utf-8") as stream:
        groups = json.load(stream)
    for group in groups:
        group["out"] = group["out"].replace("{point}", options.point)
    scrape.run_all(groups, lambda: not stopped and os.getppid() == options.parent)
    return 0


def _power(port: int, cpus_only: bool) -> int:
    server = power.serve(port, cpus_only)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0
