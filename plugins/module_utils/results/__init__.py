# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Reading what a run left behind and judging it. This room knows files and formats, and no Slurm.

============  ==================================================================
sa_bench      a result file of sa-bench (ours and srtctl's) to figures
verdict       is a measured point valid, and the file that says so
attempts      measurements of a point that were set aside
earlier       valid ones of them, and of earlier runs, which stand for a point
nodes         worker logs to figures; one parser per engine
redact        values that look secret
commands      the figures inside a command line
document      everything together: the content of rollup.json
tables        rollup.csv and the table at the end of a run
rollup        entry of the module of that name
============  ==================================================================
"""

from __future__ import annotations
