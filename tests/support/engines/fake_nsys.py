# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for nsys: runs a program, and writes a report of what was captured.

With ``-c cudaProfilerApi`` that is what the program does between the two calls of CUDA, of which it tells at a pipe
(``FAKE_NSYS``); of several ranges only the first one, unless ``--capture-range-end`` is repeat. With ``--delay`` and
``--duration`` it is that time; the program goes on only with ``--kill none``. Otherwise it is all.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time


def parse(argv):
    """Return (options, the program to run); unknown options are errors, as in nsys."""
    parser = argparse.ArgumentParser(prog="nsys profile", allow_abbrev=False)
    parser.add_argument("-t", "--trace")
    parser.add_argument("-c", "--capture-range", choices=["none", "cudaProfilerApi"], default="none")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--capture-range-end", default="stop-shutdown")
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--duration", type=float, default=0)
    parser.add_argument("--kill", default="sigterm")
    for name in ("--wait", "--sample", "--cuda-graph-trace", "--force-overwrite", "--trace-fork-before-exec"):
        parser.add_argument(name)
    parser.add_argument("program", nargs=argparse.REMAINDER)
    if argv[:1] != ["profile"]:
        parser.error(f"unknown command {argv[:1]}")
    return parser.parse_args(argv[1:])


class Nsys:
    """One run of a program under nsys."""

    def __init__(self, options):
        self.options, self.reports = options, 0
        stem = re.sub(r"%q\{(\w+)\}", lambda match: os.environ[match.group(1)], options.output)
        self.stem, self.pipe = stem, os.path.join(tempfile.mkdtemp(prefix="nsys"), "pipe")
        os.mkfifo(self.pipe)
        self.program = subprocess.Popen(options.program, env=dict(os.environ, FAKE_NSYS=self.pipe))
        signal.signal(signal.SIGTERM, lambda number, _frame: self.program.send_signal(number))

    def run(self):
        """Return the exit code of the program."""
        if self.options.capture_range == "cudaProfilerApi":
            threading.Thread(target=self.capture, daemon=True).start()
        elif self.options.duration:
            threading.Thread(target=self.capture_for_a_while, daemon=True).start()
        code = self.program.wait()
        if self.options.capture_range == "none" and not self.reports:
            self.report("until the program ended")
        return code

    def capture(self):
        while True:
            with open(self.pipe) as stream:
                for word in stream:
                    if word == "stop\n" and (not self.reports or self.options.capture_range_end.startswith("repeat")):
                        self.report("between two calls")

    def capture_for_a_while(self):
        time.sleep(self.options.delay + self.options.duration)
        self.report("for a while")
        if self.options.kill != "none":
            self.program.terminate()

    def report(self, what):
        self.reports += 1
        number = f".{self.reports}" if self.options.capture_range_end.startswith("repeat") else ""
        path = f"{self.stem}{number}.nsys-rep"
        with open(path, "w") as stream:
            stream.write(f"captured {what}\n")
        print(f"nsys: Generated: {path}", flush=True)


if __name__ == "__main__":
    sys.exit(Nsys(parse(sys.argv[1:])).run())
