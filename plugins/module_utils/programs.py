# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Programs of the collection that run elsewhere: folders with a ``__main__.py``, copied whole.

A module's payload has only what is imported. So who ships a program imports its ``__main__``, which names the rest.
"""

from __future__ import annotations

import pkgutil
import sys


def program_files(main):
    """Return ``{file name: text}`` of the program whose ``__main__`` is the module *main*."""
    package = main.__name__.rpartition(".")[0]
    names = {one.name for one in pkgutil.iter_modules(sys.modules[package].__path__)}
    return {
        f"{name}.py": pkgutil.get_data(package, f"{name}.py").decode()
        for name in sorted(names | {"__init__", "__main__"})
    }
