# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modes of workers and their names."""

from __future__ import annotations

# The modes, and their names in job files.
LONG_MODE = {"prefill": "prefill", "decode": "decode", "agg": "aggregated"}
MODES = tuple(LONG_MODE)

# A worker of each mode, in sentences.
A_WORKER = {mode: f"{'an' if word[0] in 'aeiou' else 'a'} {word} worker" for mode, word in LONG_MODE.items()}
