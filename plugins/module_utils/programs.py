# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the collection that run elsewhere: folders with a ``__main__.py``, copied whole.

A module's payload has only what is imported. Code that ships a program therefore imports its ``__main__``, which
names the other files.
"""

from __future__ import annotations

import functools
import pkgutil
import sys
from types import ModuleType

from .holder.places import PROGRAMS


def folder_of(name: str) -> str:
    """Return the folder of the program called *name*, relative to the run directory."""
    return f"{PROGRAMS}/{name}"


def program_files(main: ModuleType) -> dict[str, str]:
    """Return ``{file name: text}`` of the program whose ``__main__`` is the module *main*."""
    return dict(_files(main.__name__.rpartition(".")[0]))


@functools.cache  # a sweep plans hundreds of jobs with the same programs
def _files(package: str) -> tuple[tuple[str, str], ...]:
    names = {one.name for one in pkgutil.iter_modules(sys.modules[package].__path__)}
    names |= {"__init__", "__main__"}
    return tuple((f"{name}.py", _text(package, f"{name}.py")) for name in sorted(names))


def _text(package: str, name: str) -> str:
    data = pkgutil.get_data(package, name)
    if data is None:  # a loader without access to files; Ansible's and Python's have it
        raise FileNotFoundError(f"{name} of {package}")
    return data.decode()
