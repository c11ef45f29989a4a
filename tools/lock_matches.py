# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exit 0 when the running Python has exactly the versions that a lock file asks for.

Usage: lock_matches.py requirements.lock

Prints the differences otherwise and exits 1. Packages that the lock does not name are left alone.
"""

from __future__ import annotations

import sys
from importlib import metadata


def wanted(lines):
    """Yield (name, version) of each line of the lock that holds for this Python."""
    from packaging.requirements import Requirement  # the lock has it; without it nothing matches anyway

    for line in lines:
        if not line.strip() or line[0] in "# ":
            continue
        requirement = Requirement(line.rstrip().rstrip("\\"))
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name, str(requirement.specifier)[len("==") :]


def main(path):
    """Compare; return the exit code."""
    installed = {}
    for dist in metadata.distributions():
        installed[canonical(dist.metadata["Name"])] = dist.version
    try:
        with open(path, encoding="utf-8") as lock:
            problems = [
                f"{name}: {installed.get(canonical(name), 'not installed')}, wanted {version}"
                for name, version in wanted(lock)
                if installed.get(canonical(name)) != version
            ]
    except ImportError as exc:
        problems = [str(exc)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


def canonical(name):
    """Return the name as indexes compare it."""
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
