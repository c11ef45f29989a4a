# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the program of this folder, also where the folder was copied to: ``python3 <folder>``.

Every folder of the collection that is a program has this very file.
"""

from __future__ import annotations

import os
import sys
import types

if __name__ == "__main__":
    if not __package__:
        # Run as a folder: there is no parent package, so that relative imports need one of our own.
        # The folder leaves sys.path, where its file names could hide other modules.
        _HERE = os.path.dirname(os.path.abspath(__file__))
        __package__ = "srt_program"
        sys.modules[__package__] = types.ModuleType(__package__)
        sys.modules[__package__].__path__ = [_HERE]
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
        sys.dont_write_bytecode = True  # the folder holds what was copied, not caches
    from .main import main

    raise SystemExit(main())
