# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sees a secret: the command lines and environments of all processes, again and again, and files."""

from __future__ import annotations

import pathlib
import threading


class Watch(threading.Thread):
    """Looks at all processes until it is stopped.

    :param markers: the texts that nobody may show.
    :ivar leaks: command lines with one of them.
    :ivar holders: ``(program, variable=value)`` of environments with one of them.
    """

    def __init__(self, markers):
        super().__init__(daemon=True)
        self.markers = [marker.encode() for marker in markers]
        self.over, self.leaks, self.holders = threading.Event(), set(), set()

    def run(self):
        while not self.over.wait(0.05):
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    argv = (process / "cmdline").read_bytes()
                    words = (process / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if any(marker in argv for marker in self.markers):
                    self.leaks.add(argv.replace(b"\0", b" ").decode(errors="replace"))
                program = argv.split(b"\0")[0].decode(errors="replace").rsplit("/", 1)[-1]
                found = [word for word in words if any(marker in word for marker in self.markers)]
                self.holders.update((program, word.decode(errors="replace")) for word in found)

    def stop(self):
        """End the watch."""
        self.over.set()
        self.join()


def holders_of(folder, texts):
    """Return the files below *folder* that hold one of *texts*."""
    found = set()
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found.update(str(path.relative_to(folder)) for text in texts if text.encode() in content)
    return sorted(found)
