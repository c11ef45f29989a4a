# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a run, read and combined in one document. This room reads files and is independent of Slurm.

The benchmark reads and evaluates result files; the backend parses the logs of workers.

============  ==================================================================
verdict       the file that says whether a measured point is valid
attempts      measurements of a point that were set aside
earlier       valid ones, also of earlier runs, that are used for a point
origins       the job that measured a result which was taken over
worker_logs   one worker log to figures; log_clock: the zone of its stamps; run_logs: all logs of a run
scraped       what the scraper wrote during a point; page_figures, power, observed: what follows from it
workers       what the workers of a run said: over all, in each point, over time; decode_running: a percentile of it
commands      the figures inside a command line
document      the content of rollup.json
provenance    where the results come from: versions, nodes, hardware, Slurm, sources; expected_versions: as expected?
rollup_file   the shape of rollup.json; ``rollup_schema`` is its JSON Schema
proof         a stored rollup as the files beside it prove it now
foreign       run directories of srtctl, read as a rollup
outcome       the verdict on the run
completeness  what a rollup lacks of its run
tables        rollup.csv and the table at the end of a run
bars          throughput and latency of the points as bars, for that table
srtctl_shape  the points in the shape of srtctl's files; llm_d_report: in that of llm-d-benchmark
============  ==================================================================
"""

from __future__ import annotations
