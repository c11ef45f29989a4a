# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run left behind, read and made one document. This room knows files, and no Slurm.

What a result file says and whether it is valid, the benchmark's type knows; what a worker's log says, the backend.

============  ==================================================================
verdict       the file that says whether a measured point is valid
attempts      measurements of a point that were set aside
earlier       valid ones of them, and of earlier runs, which stand for a point
worker_logs   worker logs to figures
commands      the figures inside a command line
document      everything together: the content of rollup.json
outcome       what a rollup says of the run as a whole
tables        rollup.csv and the table at the end of a run
============  ==================================================================
"""

from __future__ import annotations
