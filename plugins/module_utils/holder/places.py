# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places in the run directory."""

from __future__ import annotations

PROGRAMS = "programs"  # all that runs there; what people look for is beside it
NODES = "nodes.json"  # the nodes that the job began with
