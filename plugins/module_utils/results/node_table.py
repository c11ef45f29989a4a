# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""node_metrics.csv: the figures of the workers, over all and in each point, for jobs with export_node_metrics."""

from __future__ import annotations

import csv
import io

from .rollup_file import Rollup
from .workers import CUT

FILE = "node_metrics.csv"
COLUMNS = ("point", "label", "name", "node", "mode", "rank", "figures_from", *CUT)


def csv_text(rollup: Rollup) -> str:
    """Return the content of the file. Rows without a point are those over all."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for node in rollup["nodes_summary"]["nodes"]:
        name = f"{node['worker_type']}_{node['worker_id']}"
        table.writerow({**node, "name": name, "node": node["node_name"], "mode": node["worker_type"]})
    for record in rollup["results"]:
        for worker in record.get("workers") or ():
            table.writerow({**worker, "point": record["name"], "label": record["label"]})
    return text.getvalue()
